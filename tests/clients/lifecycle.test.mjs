// SPDX-License-Identifier: Apache-2.0
// The process itself: start, stop, restart, its data directory, its databases, its command line.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { expectError, expectStatus } from './expect.mjs';
import { binary, Server, Stream, waitFor } from './server.mjs';

async function withServer(body, options) {
  const server = await Server.start(options);
  try {
    await body(server);
  } finally {
    await server.close();
  }
}

/** Runs the program to its end. */
function run(...args) {
  return new Promise((resolve) => {
    execFile(binary, args, { timeout: 20_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, text: stdout + stderr }));
  });
}

function withDirectory(body) {
  const directory = mkdtempSync(path.join(tmpdir(), 'headgate-client-'));
  return body(directory).finally(() => rmSync(directory, { recursive: true, force: true }));
}

test('what it stores and who it is survives restarts', () => withServer(async (server) => {
  const { uuid } = (await server.public('GET', '/')).json;
  await server.createDatabase('db', { allow_conflicts: false,
    sync: 'function (doc) { channel("c"); }' });
  const alice = await server.createUser('db', 'alice', ['c']);
  const [{ rev }] = await server.write('db', [{ _id: 'a', value: 1 }]);
  expectStatus(await server.public('PUT', '/db/_local/x', { n: 1 }, { user: alice }), 201);
  const config = (await server.admin('GET', '/db/_config')).json;
  for (const end of ['stop', 'kill']) {
    await server[end]();
    await server.restart();
    assert.equal((await server.public('GET', '/')).json.uuid, uuid, `uuid after ${end}`);
    const doc = expectStatus(await server.public('GET', '/db/a', undefined, { user: alice }), 200);
    assert.deepEqual([doc._rev, doc.value], [rev, 1]);
    assert.equal((await server.public('GET', '/db/_local/x', undefined, { user: alice })).json.n, 1);
    assert.deepEqual((await server.admin('GET', '/db/_config')).json, config);
    const { results } = await server.changes('db', alice);
    assert.deepEqual(results.map(({ id }) => id).filter((id) => id !== '_user/alice'), ['a']);
  }
}));

// cht-core#9038, #1665: a restart does not make clients begin again.
test('a position printed before a restart is good after it', () => withServer(async (server) => {
  await server.createDatabase('db');
  let since = '0';
  for (const end of ['stop', 'kill', 'kill', 'stop']) {
    const id = `${end}-${since}`.replaceAll(':', '-');
    await server.write('db', [{ _id: id }]);
    const page = await server.changes('db', undefined, { since });
    assert.ok(page.results.some((entry) => entry.id === id));
    since = page.last_seq;
    await server[end]();
    await server.restart();
    await server.write('db', [{ _id: `after-${id}` }]);
    const next = await waitFor('the write after the restart', async () => {
      const { results, last_seq } = await server.changes('db', undefined, { since });
      return results.some((entry) => entry.id === `after-${id}`) && { last_seq };
    });
    since = next.last_seq;
  }
}));

test('SIGTERM ends it cleanly with feeds open and writes under way', () =>
  withServer(async (server) => {
    await server.createDatabase('db');
    const { last_seq: since } = await server.changes('db');
    const feeds = ['longpoll', 'continuous'].map((feed) =>
      Stream.open(server, undefined, `/db/_changes?feed=${feed}&since=${since}&heartbeat=60000`));
    await Promise.all(feeds.map((feed) => feed.opened));
    const acknowledged = [];
    const writing = (async () => {
      for (let count = 0; ; count += 1) {
        const answer = await server.admin('PUT', `/db/d${count}`, {}).catch(() => undefined);
        if (answer?.status !== 201) return;
        acknowledged.push(`d${count}`);
      }
    })();
    await waitFor('some writes', () => acknowledged.length > 20);
    const { code, signal } = await server.stop();
    assert.deepEqual([code, signal], [0, null], server.output);
    await writing;
    for (const feed of feeds) await feed.until('the feed ends', ({ ended }) => ended);
    await server.restart();
    const rows = (await server.admin('GET', '/db/_all_docs')).json.rows.map((row) => row.id);
    for (const id of acknowledged) assert.ok(rows.includes(id), id);
  }));

test('a second process on the same data is refused and does no harm', () =>
  withServer(async (server) => {
    await server.createDatabase('db');
    const second = await run('serve', '--data', server.dataDir, '--port', '0', '--admin-port', '0');
    assert.notEqual(second.code, 0);
    assert.match(second.text, /already|lock|in use|another process/i);
    await server.write('db', [{ _id: 'still', channels: [] }]);
  }));

test('a port in use is refused with a clear message', () => withServer((server) =>
  withDirectory(async (directory) => {
    const second = await run('serve', '--data', directory, '--port', `${server.port}`,
      '--admin-port', '0');
    assert.notEqual(second.code, 0);
    assert.ok(second.text.includes(`${server.port}`), second.text);
    assert.match(second.text, /in use/i);
  })));

test('databases are made, listed, described and deleted', () => withServer(async (server) => {
  expectStatus(await server.admin('PUT', '/one'), 201);
  expectStatus(await server.admin('PUT', '/two', { block_format: 'indexed' }), 201);
  expectError(await server.admin('PUT', '/one'), 412);
  assert.deepEqual(expectStatus(await server.admin('GET', '/_all_dbs'), 200), ['one', 'two']);
  assert.equal((await server.admin('GET', '/two/_config')).json.block_format, 'indexed');
  await server.write('one', [{ _id: 'a' }]);
  expectStatus(await server.admin('DELETE', '/one'), 200);
  expectError(await server.admin('GET', '/one/'), 404);
  expectError(await server.admin('DELETE', '/one'), 404);
  expectStatus(await server.admin('PUT', '/one'), 201);
  expectError(await server.admin('GET', '/one/a'), 404);
  assert.deepEqual((await server.changes('one')).results, []);
  await server.restart();
  assert.deepEqual((await server.admin('GET', '/_all_dbs')).json, ['one', 'two']);
}));

// sync_gateway#116, #1382: the sync function is changed while the database serves.
test('a new sync function is used from the next write on', () => withServer(async (server) => {
  await server.createDatabase('db', { sync: 'function (doc) { channel("old"); }' });
  const alice = await server.createUser('db', 'alice', ['new']);
  await server.write('db', [{ _id: 'a' }]);
  const config = (await server.admin('GET', '/db/_config')).json;
  const changed = await server.admin('PUT', '/db/_config',
    { ...config, sync: 'function (doc) { channel("new"); }' });
  assert.ok([200, 201].includes(changed.status), changed.text);
  await server.write('db', [{ _id: 'b' }]);
  expectError(await server.public('GET', '/db/a', undefined, { user: alice }), 403);
  expectStatus(await server.public('GET', '/db/b', undefined, { user: alice }), 200);
  const broken = await server.admin('PUT', '/db/_config', { ...config, sync: 'function (' });
  expectError(broken, 400);
  await server.write('db', [{ _id: 'c' }]);
  expectStatus(await server.public('GET', '/db/c', undefined, { user: alice }), 200);
}));

test('health and metrics', () => withServer(async (server) => {
  expectStatus(await server.public('GET', '/_health'), 200);
  expectStatus(await server.admin('GET', '/_health'), 200);
  await server.createDatabase('db');
  await server.write('db', [{ _id: 'a' }]);
  const metrics = await server.admin('GET', '/_metrics');
  assert.equal(metrics.status, 200);
  assert.match(metrics.headers.get('content-type'), /^text\/plain/);
  for (const what of ['stable', 'gap', 'repair', 'cas', 'resequence', 'fsync', 'feeds', 'queue']) {
    assert.match(metrics.text, new RegExp(`^headgate_\\w*${what}`, 'm'), what);
  }
}));

test('help explains and mistakes on the command line are refused', async () => {
  const help = await run('--help');
  assert.equal(help.code, 0);
  assert.match(help.text, /serve/);
  const version = await run('--version');
  assert.equal(version.code, 0);
  assert.match(version.text, /^headgate \d+\.\d+\.\d+/);
  const serve = await run('serve', '--help');
  assert.equal(serve.code, 0);
  for (const option of ['--data', '--port', '--admin-port', '--config']) {
    assert.ok(serve.text.includes(option), option);
  }
  for (const args of [['serve', '--no-such-option'], ['no-such-command'],
    ['serve', '--port', 'x'], ['serve', '--port', '70000']]) {
    const { code, text } = await run(...args);
    assert.notEqual(code, 0, args.join(' '));
    assert.ok(text.length > 10, args.join(' '));
  }
});

test('a configuration file is checked with file, line and key', () =>
  withDirectory(async (directory) => {
    const file = path.join(directory, 'headgate.toml');
    for (const [text, expected] of [['a = = 1\n', /headgate\.toml.*\b1\b/s],
      ['\n\nno_such_key = 1\n', /headgate\.toml.*3.*no_such_key/s]]) {
      writeFileSync(file, text);
      const { code, text: said } = await run('serve', '--data', path.join(directory, 'data'),
        '--port', '0', '--admin-port', '0', '--config', file);
      assert.notEqual(code, 0);
      assert.match(said, expected);
    }
    const absent = await run('serve', '--config', path.join(directory, 'absent.toml'));
    assert.notEqual(absent.code, 0);
    assert.match(absent.text, /absent\.toml/);
  }));
