// SPDX-License-Identifier: Apache-2.0
// The console in a real browser: what it shows, what it explains, what it tries, and that nothing
// that a client wrote becomes part of the page. Leaves pictures in build/console.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { closePage, expectAccessible, openPage, startBrowser } from './browser.mjs';
import { expectError, expectStatus } from './expect.mjs';
import { request, Server, Stream, waitFor } from './server.mjs';

const kPictures = fileURLToPath(new URL('../../build/console/', import.meta.url));
const kEvilId =
  '<script>document.title="taken over"</script><img src=x onerror="document.title=1">';
const kSync = `function (doc, oldDoc, meta) {
  if (!doc._deleted && !doc.place) throw({forbidden: 'a reading needs a place'});
  channel('place-' + doc.place);
  if (doc.alarm) channel('alarms');
  if (doc.watchers) access(doc.watchers, 'place-' + doc.place);
}`;
const kPlaces = ['north', 'south', 'weir', 'lock', 'mill'];

let browser;
let server;
before(async () => {
  mkdirSync(kPictures, { recursive: true });
  server = await Server.start();
  await server.createDatabase('readings', { sync: kSync });
  await server.createDatabase('stations');
  await server.createDatabase('archive');
  await server.admin('POST', '/archive/_offline');
  await server.createUser('readings', 'emma', ['place-north', 'place-weir']);
  await server.createUser('readings', 'omar', []);
  await server.write('readings', readings(0, 120));
  await server.write('readings', [{ _id: kEvilId, place: 'north' }]);
  await server.write('readings', [{ _id: 'grant', place: 'lock', watchers: 'omar' }]);
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const readings = (from, count) => Array.from({ length: count }, (_, i) => ({
  _id: `reading-${String(from + i).padStart(5, '0')}`,
  place: kPlaces[((from + i) * (from + i)) % 7 % kPlaces.length],
  alarm: (from + i) % 17 === 0,
  level_cm: 120 + ((from + i) * 37) % 90,
}));

const console_ = (place = '') => `${server.adminUrl}/_console/#/${place}`;

/** The text of each cell of the table's row that begins with `name`. */
async function cells(page, table, name) {
  const row = page.getByRole('table', { name: table })
    .getByRole('row').filter({ has: page.getByRole('rowheader', { name, exact: true }) });
  await row.waitFor();
  return row.getByRole('cell').allInnerTexts();
}

const tile = (page, label) => page.locator('.tile', { hasText: label }).first().locator('dd');

async function picture(page, name, options = {}) {
  await page.screenshot({ path: `${kPictures}${name}.png`, fullPage: true, ...options });
}

test('the page brings its rules with it and asks nobody else', async () => {
  const answer = await server.admin('GET', '/_console/');
  expectStatus(answer, 200);
  const policy = answer.headers.get('content-security-policy');
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  assert.doesNotMatch(answer.text, /<script>|\son\w+=|style=|https?:\/\//);
  const moved = await request(`${server.adminUrl}/_console`, { redirect: 'manual' });
  assert.equal(moved.status, 200, 'followed to the folder');
  expectError(await server.admin('GET', '/_console/nothing.js'), 404);
  expectError(await server.admin('GET', '/_console/..%2Findex.html'), 404);
  expectError(await server.public('GET', '/_console/'), 404);
  const tag = answer.headers.get('etag');
  const again = await server.admin('GET', '/_console/', undefined,
    { headers: { 'If-None-Match': tag } });
  assert.equal(again.status, 304);
});

test('what it takes from others is what they published', () => {
  for (const [ours, theirs] of [['htm-preact.js', 'htm/preact/standalone.module.js'],
    ['uplot.js', 'uplot/dist/uPlot.iife.min.js'], ['uplot.css', 'uplot/dist/uPlot.min.css']]) {
    const mine = readFileSync(new URL(`../../web/vendor/${ours}`, import.meta.url));
    assert.ok(mine.equals(readFileSync(new URL(`node_modules/${theirs}`, import.meta.url))), ours);
  }
});

test('the overview follows the databases', async () => {
  const feed = Stream.open(server, { name: 'emma', password: 'secret-emma' },
    '/readings/_changes?feed=continuous&heartbeat=10000');
  await feed.opened;
  const page = await openPage(browser, server.adminUrl);
  await page.goto(console_());
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
  await waitFor('the feed is counted', async () =>
    (await tile(page, 'Feeds connected').innerText()).startsWith('1'));
  assert.equal((await cells(page, 'Databases', 'archive'))[0], 'Offline');
  const { json } = await server.admin('GET', '/readings/_status');
  await waitFor('stable is shown', async () => {
    const [state, stable, highest, lag, feeds] = await cells(page, 'Databases', 'readings');
    return state === 'Online' && stable === `${json.highest}` && highest === stable &&
      lag === '0' && feeds === '1';
  });
  await expectAccessible(page, 'overview');
  const elsewhere = await openPage(browser, server.adminUrl);
  await elsewhere.goto(console_('stations/nothing'));
  await elsewhere.getByText('Stable against highest sequence').waitFor();
  await closePage(elsewhere);
  await server.write('stations', [{ _id: 'a' }, { _id: 'b' }]);
  const later = (await server.admin('GET', '/stations/_status')).json.highest;
  await waitFor('a write is seen without a reload', async () =>
    (await cells(page, 'Databases', 'stations'))[2] === `${later}`);
  feed.close();
  await closePage(page);
});

test('a database shows its sequences, cache writer and repairs', async () => {
  // A killed process leaves numbers that the next one closes.
  await server.kill();
  await server.restart();
  const page = await openPage(browser, server.adminUrl, { colorScheme: 'light' });
  await page.clock.install();
  // A lag as a slow cache writer has it, for some of the looks.
  let looks = 0;
  await page.route(`${server.adminUrl}/_status`, async (route) => {
    const status = await (await route.fetch()).json();
    const shown = status.databases.find(({ name }) => name === 'readings');
    if (++looks > 20 && looks < 30) shown.stable = Math.max(0, shown.stable - 60);
    await route.fulfill({ json: status });
  });
  await page.goto(console_());
  await page.getByRole('link', { name: 'readings' }).click();
  await page.getByRole('heading', { name: 'readings' }).waitFor();
  for (let i = 0; i < 45; ++i) {
    await server.write('readings', readings(1000 + i * 40, 5 + ((i * 7) % 30)));
    await page.clock.runFor(2000);
  }
  const { json } = await server.admin('GET', '/readings/_status');
  await waitFor('the last figure is drawn', async () => {
    await page.clock.runFor(2000);
    return (await page.locator('.plot').getAttribute('aria-label'))
      .includes(json.highest.toLocaleString('en'));
  });
  const colours = await page.locator('.plot canvas').evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 200) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
    }
    return [...seen];
  });
  assert.ok(colours.includes('14,116,144'), 'a line of stable');
  assert.ok(colours.includes('194,87,12'), 'a line of highest');
  await page.getByText('At work on this node').waitFor();
  const [kind, sequence] = await page.getByRole('table', { name: 'Recent repairs' })
    .getByRole('row').nth(1).getByRole('cell').allInnerTexts();
  assert.match(kind, /gap/);
  assert.match(sequence, /^[\d,]+( to [\d,]+)?$/);
  await expectAccessible(page, 'database');
  await picture(page, 'database-light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectAccessible(page, 'database, dark');
  await picture(page, 'database-dark');
  await page.setViewportSize({ width: 380, height: 800 });
  assert.ok(await page.evaluate(() =>
    document.documentElement.scrollWidth <= document.documentElement.clientWidth),
  'nothing is wider than a narrow window');
  await picture(page, 'database-narrow');
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
  await page.goto(console_());
  await page.clock.runFor(4000);
  await picture(page, 'overview-light');
  await closePage(page);
});

// What a node among others answers; tests/blackbox/nodes.test.mjs has real ones.
const kCluster = {
  node: '00000000000000a1',
  nodes: [
    { id: '00000000000000a1', name: 'north', version: '0.1.0', public: 'http://10.0.0.1:4984',
      admin: 'http://10.0.0.1:4985', takes_writes: true, serves_feeds: true, may_write_cache: true,
      is_leaving: false, cache_writer_of: 2 },
    { id: '00000000000000b2', name: 'south <b>2</b>', version: '0.1.0',
      public: 'http://10.0.0.2:4984', admin: 'http://10.0.0.2:4985', takes_writes: false,
      serves_feeds: true, may_write_cache: false, is_leaving: true, cache_writer_of: 0 },
  ],
  databases: [],
};

test('the nodes of a cluster are shown with their roles', async () => {
  const page = await openPage(browser, server.adminUrl);
  await page.route('**/_cluster', (route) => route.fulfill({ json: kCluster }));
  await page.route('**/_status', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ json: { ...await answer.json(), is_cluster: true } });
  });
  await page.goto(console_());
  assert.deepEqual(await cells(page, 'Nodes', 'south <b>2</b>'),
    ['reader', '0', 'http://10.0.0.2:4984', 'Leaving', '0.1.0']);
  assert.deepEqual((await cells(page, 'Nodes', 'north this one')).slice(0, 2),
    ['front end, reader, cache writer', '2']);
  await expectAccessible(page, 'nodes');
  await picture(page, 'nodes-light');
  await closePage(page);
});

test('a server that does not answer is told of', async () => {
  const page = await openPage(browser, server.adminUrl);
  await page.goto(console_());
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
  await page.route('**/_status', (route) => route.abort());
  await page.getByRole('status').filter({ hasText: 'No answer since' }).waitFor();
  await page.unroute('**/_status');
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
  await closePage(page);
});

test('channels are counted', async () => {
  const page = await openPage(browser, server.adminUrl);
  await page.goto(console_('readings/channels'));
  const answer = (await server.admin('GET', '/readings/_channels')).json;
  const weir = answer.channels.find(({ channel }) => channel === 'place-weir');
  await waitFor('the channel is listed', async () => {
    const [documents, left, changes] = await cells(page, 'Channels', 'place-weir');
    return documents === weir.documents.toLocaleString('en') && left === '0' &&
      changes === weir.counter.toLocaleString('en');
  });
  await expectAccessible(page, 'channels');
  await picture(page, 'channels-light');
  await server.write('readings', [{ _id: 'far', place: 'far-away-'.repeat(20) }]);
  await page.setViewportSize({ width: 380, height: 800 });
  await page.getByRole('button', { name: 'Count again' }).click();
  const far = page.getByRole('row').filter({ hasText: 'far-away-' });
  const { x, width } = await far.getByRole('cell').first().boundingBox();
  assert.ok(x + width < 380, 'a long name leaves room for a figure');
  await picture(page, 'channels-narrow');
  await closePage(page);
});

test('a document is found and explained, and its id stays text', async () => {
  const page = await openPage(browser, server.adminUrl);
  await page.goto(console_('readings/documents'));
  await page.getByRole('searchbox').fill('<scr');
  await page.getByRole('link', { name: kEvilId, exact: true }).click();
  await page.getByRole('combobox', { name: 'User' }).fill('emma');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText(`emma sees ${kEvilId}`).waitFor();
  assert.equal(await page.title(), 'readings – Headgate');
  assert.equal(await page.locator('img[src=x]').count(), 0);
  await page.getByRole('combobox', { name: 'User' }).fill('omar');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText(`omar does not see ${kEvilId}`).waitFor();
  await page.getByText("Because the user has none of the document's channels.").waitFor();
  await page.getByRole('combobox', { name: 'User' }).fill('nobody');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText('Because there is no such user.').waitFor();

  await page.goto(console_('readings/documents/grant'));
  await page.getByRole('combobox', { name: 'User' }).fill('omar');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText('omar sees grant').waitFor();
  assert.ok((await cells(page, "The user's channels", 'place-lock'))[1].includes('document grant'));
  await expectAccessible(page, 'documents');
  await picture(page, 'explain-light');
  await page.goto(console_('readings/documents/absent'));
  await page.getByRole('alert').filter({ hasText: 'missing' }).waitFor();
  await closePage(page);
});

test('a sync function is tried before it is saved', async () => {
  const page = await openPage(browser, server.adminUrl, { colorScheme: 'dark' });
  await page.goto(console_('readings/sync'));
  const source = page.getByRole('textbox', { name: 'Function' });
  await waitFor('the present function', async () => (await source.inputValue()) === kSync);
  const before_ = (await server.admin('GET', '/readings/_status')).json.highest;
  const tryIt = async (doc) => {
    await page.getByRole('textbox', { name: 'Document Nothing' }).fill(doc);
    await page.getByRole('button', { name: 'Try it' }).click();
  };
  await tryIt('{"_id": "x"}');
  await page.getByText('It would be refused with 403').waitFor();
  await page.getByText('a reading needs a place').last().waitFor();
  await tryIt('{"_id": ');
  await page.getByRole('alert').filter({ hasText: 'The document:' }).waitFor();
  const changed = kSync.replace("channel('alarms')", "channel('alarms', '<b>loud</b>')");
  await source.fill(changed);
  await page.getByText('Not saved').waitFor();
  await tryIt(JSON.stringify(
    { _id: 'x', place: 'mill', alarm: true, watchers: ['emma', 'role:staff'] }, null, 2));
  await page.getByText('It would be stored').waitFor();
  await page.getByText('<b>loud</b>', { exact: true }).waitFor();
  await page.getByText('place-mill to user:emma').waitFor();
  await expectAccessible(page, 'sync');
  await picture(page, 'sync-dark');
  await source.fill('function (doc) {\n  channel(;\n}');
  await page.getByRole('button', { name: 'Try it' }).click();
  await page.getByRole('alert').filter({ hasText: 'line 2' }).waitFor();
  await source.fill('function (doc) { for (;;) {} }');
  await page.getByRole('button', { name: 'Try it' }).click();
  await page.getByText('sync function timed out').waitFor();
  assert.equal((await server.admin('GET', '/readings/_status')).json.highest, before_,
    'nothing was written');
  await source.fill(changed);
  await page.getByRole('button', { name: 'Save…' }).click();
  await page.getByRole('button', { name: 'Use it' }).click();
  await page.getByText('Saved.').waitFor();
  assert.equal((await server.admin('GET', '/readings/_config')).json.sync, changed);
  await closePage(page);
});

test('the admin login is asked for, and pages of other sites may not use it', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'headgate-console-'));
  const file = path.join(folder, 'headgate.toml');
  writeFileSync(file, '[admin]\nuser = "root"\npassword = "a long word"\n');
  const guarded = await Server.start({ args: ['--config', file] });
  try {
    const headers = (password) => ({
      Authorization: `Basic ${Buffer.from(`root:${password}`).toString('base64')}` });
    const refused = await guarded.admin('GET', '/_console/');
    expectError(refused, 401);
    assert.match(refused.headers.get('www-authenticate'), /^Basic /);
    expectError(await guarded.admin('GET', '/_console/console.js', undefined,
      { headers: headers('wrong') }), 401);
    for (const origin of ['https://evil.example', 'null']) {
      expectError(await guarded.admin('POST', '/db/_offline', undefined,
        { headers: { ...headers('a long word'), Origin: origin } }), 403);
    }
    expectStatus(await guarded.admin('PUT', '/db', {}, { headers: headers('a long word') }), 201);
    const page = await openPage(browser, guarded.adminUrl,
      { httpCredentials: { username: 'root', password: 'a long word' } });
    await page.goto(`${guarded.adminUrl}/_console/#/db/sync`);
    await page.getByRole('button', { name: 'Try it' }).click();
    await page.getByText('It would be stored').waitFor();
    await closePage(page);
  } finally {
    await guarded.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
