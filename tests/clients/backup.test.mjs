// SPDX-License-Identifier: Apache-2.0
// Backups of a running server, and what its clients meet when one is restored (F12, case E): the
// documents of the backup are there, nobody is left believing to be further than the store is, and
// what clients have beyond the backup comes back from them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync }
  from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { allPages, expectError, expectStatus } from './expect.mjs';
import { Oracle } from './oracle.mjs';
import { Client, settle } from './pouch.mjs';
import { binary, matrix, Server, Stream, waitFor } from './server.mjs';

let folder;
before(() => { folder = mkdtempSync(path.join(tmpdir(), 'headgate-backup-')); });
after(() => rmSync(folder, { recursive: true, force: true }));

const place = (name) => path.join(folder, name);

/** Runs the program to its end: {code, out, error}. */
function run(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, args);
    let out = '';
    let error = '';
    child.stdout.on('data', (chunk) => { out += chunk; });
    child.stderr.on('data', (chunk) => { error += chunk; });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, error }));
  });
}

async function done(...args) {
  const { code, out, error } = await run(...args);
  assert.equal(code, 0, `${args.join(' ')}: ${error}`);
  assert.equal(error, '');
  return out;
}

async function refused(status, pattern, ...args) {
  const { code, out, error } = await run(...args);
  assert.equal(code, status, `${args.join(' ')}: ${out}${error}`);
  assert.match(error, pattern);
}

const backUp = (server, to) => done('backup', '--url', server.adminUrl, '--to', to);

/** The server ends; another one begins, on the same ports, with what the backup holds. */
async function restore(server, from, data) {
  await server.kill();
  assert.match(await done('restore', '--from', from, '--data', data), /restored/);
  const restored = await Server.start({ dataDir: data, port: server.port,
    adminPort: server.adminPort });
  return restored;
}

/** Writes one document after the other until told to stop; remembers what was acknowledged. */
function writer(server, database) {
  const acknowledged = new Map();
  let stops = false;
  const ended = (async () => {
    for (let count = 0; !stops; count += 1) {
      const answer = await server.admin('PUT', `/${database}/written-${count}`,
        { channels: ['red'], count });
      acknowledged.set(`written-${count}`, expectStatus(answer, 201).rev);
    }
  })();
  return { acknowledged, stop: () => { stops = true; return ended; } };
}

const largest = (seq) => Math.max(...`${seq}`.split(':').map(Number));

// What leads to a backup, and on beyond it: documents of many kinds, clients that pull and push.
class Scene {
  static async start(server, database, config) {
    const scene = new Scene();
    Object.assign(scene, { server, database });
    await server.createDatabase(database, config);
    const user = (name, channels) => server.createUser(database, name, channels);
    scene.ann = new Client(server, database, await user('ann', ['red', 'green']));
    scene.bob = new Client(server, database, await user('bob', ['red']));
    await server.write(database, [
      { _id: 'kept', channels: ['red'], text: 'of the backup' },
      { _id: 'edited', channels: ['red'], text: 'before' },
      { _id: 'deleted', channels: ['green'] },
      { _id: 'leaves', channels: ['red'] },
      { _id: 'picture', channels: ['red'],
        _attachments: { 'a.txt': { content_type: 'text/plain', data: btoa('an attachment') } } },
      ...Array.from({ length: 8 }, (_, i) => ({ _id: `late-${i}`, channels: ['late'] })),
    ]);
    // Granted long after the documents: clients meet them as a backfill.
    scene.cleo = await user('cleo', ['red']);
    await server.createUser(database, 'cleo', ['red', 'late']);
    await settle(scene.clients);
    scene.session = expectStatus(await server.admin('POST', `/${database}/_session`,
      { name: 'bob' }), 200).session_id;
    expectStatus(await scene.withSession(), 200);
    expectStatus(await server.admin('PUT', `/${database}/_local/mine`, { last_seq: 1 }), 201);
    return scene;
  }

  get clients() {
    return [this.ann, this.bob];
  }

  withSession() {
    return this.server.public('GET', `/${this.database}/kept`, undefined,
      { headers: { Cookie: `SyncGatewaySession=${this.session}` } });
  }

  /** Clients write, and are told of others' writes; what they hold goes beyond the backup. */
  async goOn() {
    const { server, database } = this;
    await this.ann.edit('edited', (doc) => { doc.text = 'after'; });
    await this.ann.remove('deleted');
    await this.ann.local.put({ _id: 'new', channels: ['red'],
      _attachments: { 'b.txt': { content_type: 'text/plain', data: btoa('another') } } });
    await settle(this.clients);
    assert.equal((await this.bob.get('edited')).text, 'after');
    await server.write(database, [{ _id: 'unseen', channels: ['blue'] }]);
    const { rev } = await this.document('leaves');
    expectStatus(await server.admin('PUT', `/${database}/leaves?rev=${rev}`,
      { channels: ['blue'] }), 201);
    await server.createUser(database, 'cleo', ['red', 'late', 'green']);
    await server.write(database, [{ _id: 'last', channels: ['red', 'green'] }]);
    await this.collectTokens();
  }

  async document(id) {
    const { _rev } = expectStatus(await this.server.admin('GET', `/${this.database}/${id}`), 200);
    return { rev: _rev };
  }

  /** Every position that the feeds have printed to cleo: also those within backfills. */
  async collectTokens() {
    const { server, database, cleo } = this;
    const everything = await server.changes(database, cleo, {});
    const pages = await allPages(server, database, cleo, { limit: 1 });
    this.tokens = [...new Set([everything, ...pages].flatMap((page) =>
      [page.last_seq, ...page.results.map(({ seq }) => seq)]))];
    assert.ok(this.tokens.some((token) => /:/.test(token)), `${this.tokens}`);
    this.highest = Math.max(...this.tokens.map(largest));
  }

  async close() {
    await Promise.all(this.clients.map((client) => client.close()));
  }
}

/** Whoever comes with an old position is told everything, once, in pages of every size. */
async function expectTokensAreVoid(scene) {
  const { server, database, cleo, tokens } = scene;
  const whole = await server.changes(database, cleo, {});
  const ids = whole.results.map(({ id }) => id).sort();
  assert.ok(ids.includes('kept') && ids.includes('leaves') && ids.includes('late-7'));
  for (const since of tokens) {
    const { results } = await server.changes(database, cleo, { since });
    assert.deepEqual(results.map(({ id }) => id).sort(), ids, `since=${since}`);
  }
  for (const limit of [1, 3]) {
    const pages = await allPages(server, database, cleo, { since: tokens.at(-1), limit });
    assert.deepEqual(pages.flatMap(({ results }) => results.map(({ id }) => id)).sort(), ids);
  }
  const since = encodeURIComponent(tokens.at(-1));
  for (const feed of ['longpoll', 'continuous']) {
    const stream = Stream.open(server, cleo, `/${database}/_changes?feed=${feed}&since=${since}`);
    await stream.until(`${feed} begins anew`,
      () => ids.every((id) => stream.text.includes(`"${id}"`)));
    stream.close();
  }
  return whole.last_seq;
}

/** Positions of the restored store are good, and lie above all that were ever printed. */
async function expectGoesOn(scene, since) {
  const { server, database, cleo } = scene;
  await server.write(database, [{ _id: 'afterwards', channels: ['red'] }]);
  // Not early: a row above stable may be sent again when stable has passed it.
  const { results, last_seq } = await server.changes(database, cleo,
    { since, mode: 'stable', request_plus: 'true' });
  assert.deepEqual(results.map(({ id }) => id), ['afterwards']);
  assert.ok(largest(results[0].seq) > scene.highest);
  assert.deepEqual((await server.changes(database, cleo, { since: last_seq })).results, []);
}

async function expectHealed(scene) {
  const { server, database } = scene;
  await settle(scene.clients);
  const oracle = await Oracle.read(server, database);
  for (const client of scene.clients) await oracle.expectHeldBy(client);
  assert.equal(oracle.documents.get('edited').text, 'after');
  assert.equal(oracle.documents.get('kept').text, 'of the backup');
  assert.ok(!oracle.documents.has('deleted'));
  const attachments = [['picture', 'a.txt', 'an attachment'], ['new', 'b.txt', 'another']];
  for (const [id, name, text] of attachments) {
    const { text: held } = await server.public('GET', `/${database}/${id}/${name}`, undefined,
      { user: scene.bob.user });
    assert.equal(held, text);
  }
}

for (const config of [{}, { block_format: 'indexed', star_channel: false }]) {
  test(`clients heal after a restore, ${JSON.stringify({ ...matrix, ...config })}`, async () => {
    const name = Object.keys(config).length ? 'indexed' : 'plain';
    let server = await Server.start();
    const first = server;
    const uuid = (await server.admin('GET', '/')).json.uuid;
    const scene = await Scene.start(server, 'db', config);
    try {
      const writing = writer(server, 'db');
      await waitFor('writes are under way', () => writing.acknowledged.size > 20);
      const earlier = new Map(writing.acknowledged);
      await backUp(server, place(`${name}.backup`));
      await waitFor('writes go on', () => writing.acknowledged.size > earlier.size + 20);
      await writing.stop();
      await scene.goOn();

      server = await restore(server, place(`${name}.backup`), place(name));
      scene.server = server;
      assert.notEqual((await server.admin('GET', '/')).json.uuid, uuid);
      for (const [id, rev] of earlier) assert.equal((await scene.document(id)).rev, rev, id);
      expectError(await server.admin('GET', '/db/unseen'), 404);
      expectError(await scene.withSession(), 401);
      expectError(await server.admin('GET', '/db/_local/mine'), 404);
      await expectGoesOn(scene, await expectTokensAreVoid(scene));
      await expectHealed(scene);

      // As any other store: it may die, and be backed up and restored.
      await server.kill();
      await server.restart();
      const purged = await server.admin('POST', '/db/_purge', { kept: ['*'] });
      assert.deepEqual(expectStatus(purged, 200).purged, { kept: ['*'] });
      await scene.collectTokens();
      await backUp(server, place(`${name}.again`));
      server = await restore(server, place(`${name}.again`), place(`${name}.second`));
      scene.server = server;
      expectError(await server.admin('GET', '/db/kept'), 404);
      await server.write('db', [{ _id: 'kept', channels: ['red'] }]);
      await expectTokensAreVoid(scene);
    } finally {
      await scene.close();
      await server.close();
      await first.close();
    }
  });
}

// Another disk: the files are copied, not linked to.
test('a backup on another disk is whole', async (t) => {
  const shared = '/dev/shm';
  if (!existsSync(shared) || statSync(shared).dev === statSync(tmpdir()).dev) {
    t.skip('there is no other disk');
    return;
  }
  const elsewhere = mkdtempSync(path.join(shared, 'headgate-backup-'));
  let server = await Server.start();
  try {
    await server.createDatabase('db');
    const text = 'x'.repeat(20_000);
    const docs = Array.from({ length: 400 }, (_, i) => ({ _id: `d${i}`, text }));
    await server.write('db', docs);
    const to = path.join(elsewhere, 'copy');
    expectStatus(await server.admin('POST', '/_backup', { to }), 202);
    const { status, bytes_done, bytes_total } = await waitFor('it is whole', async () => {
      const { json } = await server.admin('GET', '/_backup');
      return json.status !== 'running' && json;
    });
    assert.deepEqual([status, bytes_done], ['completed', bytes_total]);
    assert.ok(bytes_total > 400 * 20_000 / 4, `${bytes_total}`);
    assert.deepEqual(readdirSync(elsewhere), ['copy']);
    server = await restore(server, to, place('copied'));
    const { rows } = (await server.admin('GET', '/db/_all_docs?include_docs=true')).json;
    assert.deepEqual(rows.map(({ doc }) => doc.text.length), docs.map(() => 20_000));
  } finally {
    await server.close();
    rmSync(elsewhere, { recursive: true, force: true });
  }
});

test('what cannot be done is refused, and loses nothing', async () => {
  const server = await Server.start();
  try {
    await server.createDatabase('db');
    await server.write('db', [{ _id: 'a' }]);
    const url = ['--url', server.adminUrl];
    await backUp(server, place('one'));
    await refused(4, /one exists already/, 'backup', ...url, '--to', place('one'));
    await refused(2, /in the data directory/, 'backup', ...url, '--to', `${server.dataDir}/x`);
    await refused(2, /there is no directory/, 'backup', ...url, '--to', place('none/x'));
    mkdirSync(place('left.partial'));
    await refused(4, /left.partial is there/, 'backup', ...url, '--to', place('left'));
    expectError(await server.admin('POST', '/_backup', { to: 'relative' }), 400);
    expectError(await server.admin('POST', '/_backup', { to: 1 }), 400);
    expectError(await server.admin('POST', '/_backup', '{'), 400);
    expectError(await server.public('POST', '/_backup', { to: place('two') }), 404);
    assert.ok(!existsSync(place('two')) && !existsSync(path.join(server.dataDir, 'backup-stage')));

    mkdirSync(place('full'));
    writeFileSync(place('full/mine'), 'keep');
    await refused(4, /full exists and is not empty/, 'restore', '--from', place('one'), '--data',
      place('full'));
    assert.deepEqual(readdirSync(place('full')), ['mine']);
    await refused(4, /exists and is not empty/, 'restore', '--from', place('one'), '--data',
      server.dataDir);
    await refused(2, /is not a backup/, 'restore', '--from', server.dataDir, '--data', place('x'));
    await refused(2, /is not a backup/, 'restore', '--from', place('none'), '--data', place('x'));
    await refused(2, /cannot lie in the backup/, 'restore', '--from', place('one'), '--data',
      place('one/x'));
    await refused(1, /is a backup/, 'serve', '--data', place('one'));
    writeFileSync(place('one/HEADGATE-BACKUP'), '2\n');
    await refused(1, /format 2/, 'restore', '--from', place('one'), '--data', place('x'));
    writeFileSync(place('one/HEADGATE-BACKUP'), '1\n');
    assert.ok(!existsSync(place('x')) && !existsSync(place('x.partial')));
    mkdirSync(place('empty'));
    const [from, data] = [`${place('one')}/`, `${place('empty')}/`];
    assert.match(await done('restore', '--from', from, '--data', data), /1 database/);
    assert.equal((await server.admin('GET', '/db/a')).status, 200);

    // What a killed server left of a backup is gone when it starts.
    await server.kill();
    mkdirSync(path.join(server.dataDir, 'backup-stage'));
    await server.restart();
    assert.ok(!existsSync(path.join(server.dataDir, 'backup-stage')));
  } finally {
    await server.close();
  }
});
