// SPDX-License-Identifier: Apache-2.0
// The CouchDB client nano: as a user on the public port, and on the admin port, which takes any
// login.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import nano from 'nano';
import { Server, waitFor } from './server.mjs';

let server;
let alice;
before(async () => {
  server = await Server.start();
  await server.createDatabase('shared');
  alice = await server.createUser('shared', 'alice', ['red']);
});
after(async () => { await server?.close(); });

/** nano with the user's name and password in the address, as its README shows it. */
function connect(base, { name, password }) {
  const url = new URL(base);
  url.username = name;
  url.password = password;
  return nano(url.href.replace(/\/$/, ''));
}

const fails = (work, statusCode, error) => assert.rejects(work, (thrown) => {
  assert.equal(thrown.statusCode, statusCode, thrown.message);
  assert.equal(thrown.error, error);
  assert.equal(typeof thrown.reason, 'string');
  return true;
});

/** Runs `body(db, name)` against a database of its own: as alice, and as an admin. */
function onBothPorts(what, body) {
  for (const [port, name] of [['public', 'as-user'], ['admin', 'as-admin']]) {
    const database = `${name}-${what.replace(/[^a-z]+/g, '-')}`;
    test(`${what}, on the ${port} port`, async () => {
      await server.createDatabase(database);
      const user = await server.createUser(database, 'alice', ['red']);
      await server.write(database, [{ _id: 'zz-hidden', channels: ['blue'] }]);
      const base = port === 'public' ? server.publicUrl : server.adminUrl;
      await body(connect(base, user).use(database), database, port);
    });
  }
}

const red = (more = {}) => ({ channels: ['red'], ...more });

onBothPorts('documents', async (db) => {
  const named = await db.insert(red({ value: 1 }), 'with space/and slash');
  assert.equal(named.ok, true);
  const read = await db.get('with space/and slash', { revs: true });
  assert.deepEqual([read.value, read._rev, read._revisions.start], [1, named.rev, 1]);
  const changed = await db.insert({ ...red({ value: 2 }), _id: read._id, _rev: read._rev });
  assert.match(changed.rev, /^2-/);
  const unnamed = await db.insert(red());
  assert.equal((await db.get(unnamed.id))._rev, unnamed.rev);
  const head = await db.head(unnamed.id);
  assert.equal(head.etag, `"${unnamed.rev}"`);
  await fails(db.get(read._id, { rev: named.rev }), 404, 'not_found');

  await fails(db.insert(red(), read._id), 409, 'conflict');
  await fails(db.destroy(read._id, named.rev), 409, 'conflict');
  const gone = await db.destroy(read._id, changed.rev);
  assert.match(gone.rev, /^3-/);
  await fails(db.get(read._id), 404, 'not_found');
  await fails(db.get('never'), 404, 'not_found');
  await fails(db.insert({ _id: '_reserved' }), 400, 'bad_request');
});

onBothPorts('bulk and lists', async (db, name, port) => {
  const docs = ['a', 'b', 'c', 'd'].map((_id) => red({ _id }));
  const written = await db.bulk({ docs });
  assert.deepEqual(written.map(({ id, ok }) => [id, ok]),
    docs.map(({ _id }) => [_id, true]));
  const [again, next] = await db.bulk({ docs: [docs[0], { ...docs[1], _rev: written[1].rev }] });
  assert.deepEqual([again.error, next.ok], ['conflict', true]);

  const everything = await db.list();
  const hidden = port === 'admin' ? ['zz-hidden'] : [];
  assert.deepEqual(everything.rows.map(({ id }) => id), ['a', 'b', 'c', 'd', ...hidden]);
  assert.equal(everything.total_rows, 4 + hidden.length);
  const part = await db.list({ startkey: 'b', endkey: 'd', inclusive_end: false,
    include_docs: true, limit: 5 });
  assert.deepEqual(part.rows.map(({ doc }) => doc._id), ['b', 'c']);
  const listed = await db.list({ keys: ['d', 'none'], descending: false });
  assert.deepEqual(listed.rows.map(({ id, error }) => id ?? error), ['d', 'not_found']);
  const fetched = await db.fetch({ keys: ['c', 'zz-hidden', 'none'] });
  assert.deepEqual(fetched.rows.map(({ doc, error }) => doc?._id ?? error),
    ['c', port === 'admin' ? 'zz-hidden' : 'forbidden', 'not_found']);
  const revs = await db.fetchRevs({ keys: ['b'] });
  assert.equal(revs.rows[0].value.rev, next.rev);
  const streamed = [];
  for await (const chunk of db.listAsStream({ limit: 2 })) streamed.push(chunk);
  assert.equal(JSON.parse(Buffer.concat(streamed)).rows.length, 2);
});

/** Ids that a reader of changes tells; the promise `ended` has its last position. */
function collect(events) {
  const ids = [];
  events.on('change', ({ id }) => ids.push(id));
  const ended = new Promise((resolve, reject) => {
    events.on('end', resolve);
    events.on('error', reject);
  });
  return { ids, ended };
}

onBothPorts('changes', async (db, name, port) => {
  const docs = Array.from({ length: 25 }, (_, index) => red({ _id: `doc-${index + 10}` }));
  await db.bulk({ docs });
  await waitFor('stable catches up: from then on nothing is sent twice', async () =>
    !`${(await server.changes(name)).last_seq}`.includes('::'));
  const known = docs.map(({ _id }) => _id);
  const all = port === 'admin' ? [...known, 'zz-hidden'] : known;
  const page = await db.changes({ limit: 3, include_docs: true });
  assert.equal(page.results.length, 3);
  assert.ok(page.results.every(({ id, doc }) => doc._id === id));
  const rest = await db.changes({ since: page.last_seq });
  assert.deepEqual([...page.results, ...rest.results].map(({ id }) => id).sort(), all);

  const got = collect(db.changesReader.get({ since: 0, batchSize: 10, timeout: 500 }));
  await got.ended;
  assert.deepEqual(got.ids.sort(), all);
  const spooled = [];
  const spool = db.changesReader.spool({ since: 0, batchSize: 10 });
  spool.on('batch', (batch) => spooled.push(...batch.map(({ id }) => id)));
  const position = await collect(spool).ended;
  assert.deepEqual(spooled.sort(), all);
  assert.deepEqual((await db.changes({ since: position })).results, []);
});

onBothPorts('live changes', async (db) => {
  const { last_seq: since } = await db.changes();
  const live = collect(db.changesReader.start({ since, timeout: 10_000, includeDocs: true }));
  for (const _id of ['one', 'two']) {
    await db.insert(red({ _id }));
    await waitFor(`${_id} is told`, () => live.ids.includes(_id));
  }
  await db.destroy('one', (await db.get('one'))._rev);
  await waitFor('the tombstone is told', () => live.ids.filter((id) => id === 'one').length > 1);
  db.changesReader.stop();
  await live.ended;

  const chosen = collect(db.changesReader.start({ since, timeout: 10_000,
    selector: { value: { $gt: 5 } } }));
  await db.bulk({ docs: [red({ _id: 'small', value: 1 }), red({ _id: 'large', value: 9 })] });
  await waitFor('the selected one is told', () => chosen.ids.includes('large'));
  db.changesReader.stop();
  await chosen.ended;
  assert.ok(!chosen.ids.includes('small'));
});

onBothPorts('attachments', async (db) => {
  const bytes = Buffer.from(Array.from({ length: 3000 }, (_, index) => index % 251));
  const { rev } = await db.insert(red(), 'own');
  const put = await db.attachment.insert('own', 'a%20b/c.bin', bytes, 'image/png', { rev });
  assert.match(put.rev, /^2-/);
  assert.ok((await db.attachment.get('own', 'a%20b/c.bin')).equals(bytes));
  const chunks = [];
  for await (const chunk of db.attachment.getAsStream('own', 'a%20b/c.bin')) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(bytes));
  const { _attachments } = await db.get('own');
  assert.deepEqual([_attachments['a b/c.bin'].content_type, _attachments['a b/c.bin'].length],
    ['image/png', 3000]);
  await db.attachment.destroy('own', 'a%20b/c.bin', { rev: put.rev });
  // nano leaves the body of this error unread.
  await assert.rejects(db.attachment.get('own', 'a%20b/c.bin'), { statusCode: 404 });

  const parts = [{ name: 'x.txt', data: 'a text', content_type: 'text/plain' },
    { name: 'y.bin', data: bytes, content_type: 'application/octet-stream' }];
  await db.multipart.insert(red(), parts, 'parts');
  assert.equal((await db.attachment.get('parts', 'x.txt')).toString(), 'a text');
  assert.ok((await db.attachment.get('parts', 'y.bin')).equals(bytes));
  const whole = await db.multipart.get('parts');
  assert.ok(whole.includes(bytes) && whole.includes('a text'));
});

test('what a user may not have or do is told by status, error and reason', async () => {
  await server.write('shared', [{ _id: 'hidden', channels: ['blue'] }]);
  const couch = connect(server.publicUrl, alice);
  const db = couch.use('shared');
  await fails(db.get('hidden'), 403, 'forbidden');
  await fails(couch.use('nowhere').get('x'), 404, 'not_found');
  await fails(couch.db.create('shared'), 412, 'file_exists');
  await fails(couch.db.create('other'), 403, 'forbidden');
  await fails(couch.db.destroy('shared'), 405, 'method_not_allowed');
  await fails(couch.db.list(), 404, 'not_found');
  await fails(db.find({ selector: {} }), 404, 'not_found');
  const wrong = connect(server.publicUrl, { ...alice, password: 'wrong' }).use('shared');
  await fails(wrong.get('hidden'), 401, 'unauthorized');
  const nobody = nano(server.publicUrl).use('shared');
  await fails(nobody.changes(), 401, 'unauthorized');
});

test('an admin makes, lists and deletes databases', async () => {
  const couch = connect(server.adminUrl, { name: 'any', password: 'any' });
  assert.equal((await couch.db.create('made')).ok, true);
  assert.ok((await couch.db.list()).includes('made'));
  assert.equal((await couch.db.get('made')).db_name, 'made');
  assert.equal((await couch.use('made').info()).db_name, 'made');
  await fails(couch.db.create('made'), 412, 'file_exists');
  assert.equal((await couch.db.destroy('made')).ok, true);
  await fails(couch.db.get('made'), 404, 'not_found');
});
