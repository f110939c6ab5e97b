// SPDX-License-Identifier: Apache-2.0
// The endpoints that work on many documents at once, as replicators use them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectError, expectStatus } from './expect.mjs';
import { Server } from './server.mjs';

let server;
let alice;
before(async () => {
  server = await Server.start();
  await server.createDatabase('db');
  alice = await server.createUser('db', 'alice', ['red']);
});
after(async () => { await server?.close(); });

const post = (endpoint, body, user = alice) => (user
  ? server.public('POST', `/db/${endpoint}`, body, { user })
  : server.admin('POST', `/db/${endpoint}`, body));
const red = (id, more = {}) => ({ _id: id, channels: ['red'], ...more });

test('_bulk_docs answers in the order of the request, item by item', async () => {
  const [first] = expectStatus(await post('_bulk_docs', { docs: [red('o1')] }), 201);
  const answer = await post('_bulk_docs', { docs: [
    red('o2'), red('o1', { value: 'conflict' }), red('o1', { _rev: first.rev, value: 2 }),
    { channels: ['red'], value: 'no id' }, red('_bad'), red('o3')] });
  const items = expectStatus(answer, 201);
  assert.equal(items.length, 6);
  assert.deepEqual([items[0].id, items[2].id, items[5].id], ['o2', 'o1', 'o3']);
  assert.deepEqual([items[1].id, items[1].error, items[1].status], ['o1', 'conflict', 409]);
  assert.match(items[2].rev, /^2-/);
  assert.ok(items[3].id && items[3].rev);
  assert.equal(items[4].error, 'bad_request');
  assert.equal(typeof items[1].reason, 'string');
});

test('_bulk_docs applies several writes of one document in their order', async () => {
  const revision = (generation) => red('chain', {
    _rev: `${generation}-r${generation}`, value: generation,
    _revisions: {
      start: generation,
      ids: Array.from({ length: generation }, (_, index) => `r${generation - index}`),
    } });
  expectStatus(await post('_bulk_docs',
    { docs: [1, 2, 3, 4].map(revision), new_edits: false }), 201);
  const doc = (await server.admin('GET', '/db/chain?revs=true&conflicts=true')).json;
  assert.equal(doc._rev, '4-r4');
  assert.equal(doc._conflicts, undefined);
  assert.deepEqual(doc._revisions.ids, ['r4', 'r3', 'r2', 'r1']);
});

test('_bulk_docs without documents or with a bad form is refused', async () => {
  for (const body of [{}, { docs: 5 }, { docs: {} }, [], 'x', 5, { docs: [5] }, { docs: ['x'] },
    { docs: [null] }]) {
    const answer = await post('_bulk_docs', JSON.stringify(body));
    if (answer.status === 201) assert.ok(answer.json.every((item) => item.error === 'bad_request'));
    else expectError(answer, 400, JSON.stringify(body));
  }
  assert.deepEqual(expectStatus(await post('_bulk_docs', { docs: [] }), 201), []);
});

test('_revs_diff names what is missing and leaves out what is not', async () => {
  const [{ rev }] = expectStatus(await post('_bulk_docs', { docs: [red('diff')] }), 201);
  const answer = expectStatus(await post('_revs_diff', {
    diff: [rev, '2-missing', '1-other'], absent: ['1-x'], '_user/alice': [] }), 200);
  assert.deepEqual(Object.keys(answer).sort(), ['absent', 'diff']);
  assert.deepEqual(answer.diff.missing.sort(), ['1-other', '2-missing']);
  assert.deepEqual(answer.diff.possible_ancestors, [rev]);
  assert.deepEqual(answer.absent, { missing: ['1-x'] });
  assert.deepEqual(expectStatus(await post('_revs_diff', { diff: [rev] }), 200), {});
  for (const body of [[], { diff: 'x' }, { diff: [5] }]) {
    expectError(await post('_revs_diff', JSON.stringify(body)), 400, JSON.stringify(body));
  }
  assert.deepEqual(expectStatus(await post('_revs_diff', { diff: [rev], bad: ['notarev'] }), 200),
    { bad: { missing: ['notarev'] } });
});

// sync_gateway#2318, #1666: _bulk_get answers JSON unless multipart is asked for.
test('_bulk_get answers JSON, whatever is asked for in one document', async () => {
  const docs = [
    red('g', { _rev: '1-a', value: 1 }),
    red('g', { _rev: '2-b', value: 2, _revisions: { start: 2, ids: ['b', 'a'] } }),
    { _id: 'secret', _rev: '1-s', channels: ['blue'], value: 's' },
    { _id: 'gone', _rev: '1-g', channels: ['blue'], _deleted: true, value: 'g' },
  ];
  expectStatus(await post('_bulk_docs', { docs, new_edits: false }, null), 201);
  const answer = await post('_bulk_get?revs=true&latest=true', { docs: [
    { id: 'g', rev: '2-b' }, { id: 'g' }, { id: 'g', rev: '9-absent' }, { id: 'absent', rev: '1-x' },
    { id: 'secret', rev: '1-s' }, { id: 'gone', rev: '1-g' }] });
  const { results } = expectStatus(answer, 200);
  assert.match(answer.headers.get('content-type'), /^application\/json/);
  assert.deepEqual(results.map(({ id }) => id), ['g', 'g', 'g', 'absent', 'secret', 'gone']);
  assert.deepEqual(results[0].docs[0].ok,
    { _id: 'g', _rev: '2-b', channels: ['red'], value: 2, _revisions: { start: 2, ids: ['b', 'a'] } });
  assert.equal(results[1].docs[0].ok._rev, '2-b');
  for (const absent of [results[2], results[3]]) assert.equal(absent.docs[0].ok, undefined);
  // Out of reach: an item with the member "error" would fail the whole batch of a PouchDB.
  const { ok: redacted, error } = results[4].docs[0];
  assert.equal(error, undefined);
  assert.equal(redacted?.value, undefined);
  const { ok: tombstone } = results[5].docs[0];
  assert.equal(tombstone._deleted, true);
  assert.equal(tombstone.value, undefined);
  expectError(await post('_bulk_get', {}), 400);
  const [noId, noDocument] = expectStatus(
    await post('_bulk_get', { docs: [{}, { id: 'absent' }] }), 200).results;
  assert.equal(noId.docs[0].error.error, 'bad_request');
  assert.deepEqual(noDocument.docs[0].error,
    { id: 'absent', rev: 'undefined', error: 'not_found', reason: 'missing' });
});

test('_bulk_get with latest gives the leaf that descends from the revision asked for', async () => {
  const revision = (rev, ...ids) => red('late', { _rev: rev, _revisions: { start: +rev[0], ids } });
  expectStatus(await post('_bulk_docs', { new_edits: false,
    docs: [revision('1-a', 'a'), revision('2-b', 'b', 'a'), revision('3-c', 'c', 'b', 'a')] }), 201);
  const { results } = expectStatus(await post('_bulk_get?latest=true&revs=true',
    { docs: [{ id: 'late', rev: '1-a' }] }), 200);
  assert.equal(results[0].docs[0].ok._rev, '3-c');
});

test('_all_docs lists by id what the user may see', async () => {
  await server.createDatabase('list');
  const user = await server.createUser('list', 'bob', ['red']);
  await server.write('list', [red('b'), red('a'), { _id: 'hidden', channels: ['blue'] }, red('c'),
    red('A'), red('z/1'), red('é')]);
  const [gone] = await server.write('list', [red('gone')]);
  await server.write('list', [{ _id: 'gone', _rev: gone.rev, _deleted: true }]);
  const list = async (query, body) => {
    const target = `/list/_all_docs?${new URLSearchParams(query)}`;
    return expectStatus(await server.public(body ? 'POST' : 'GET', target, body, { user }), 200);
  };
  const ids = async (query) => (await list(query)).rows.map((row) => row.id);
  assert.deepEqual(await ids({}), ['A', 'a', 'b', 'c', 'z/1', 'é']);
  assert.deepEqual(await ids({ descending: 'true' }), ['é', 'z/1', 'c', 'b', 'a', 'A']);
  assert.deepEqual(await ids({ limit: 2, skip: 1 }), ['a', 'b']);
  assert.deepEqual(await ids({ startkey: '"b"' }), ['b', 'c', 'z/1', 'é']);
  assert.deepEqual(await ids({ startkey: '"a"', endkey: '"b"' }), ['a', 'b']);
  assert.deepEqual(await ids({ startkey: '"a"', endkey: '"b"', inclusive_end: 'false' }), ['a']);
  assert.deepEqual(await ids({ startkey: '"b"', endkey: '"a"', descending: 'true' }), ['b', 'a']);
  assert.deepEqual(await ids({ key: '"b"' }), ['b']);
  const { rows } = await list({ limit: 1, include_docs: 'true', conflicts: 'true' });
  assert.equal(rows[0].key, 'A');
  assert.equal(rows[0].doc._rev, rows[0].value.rev);

  const keyed = (await list({}, { keys: ['c', 'absent', 'hidden', 'gone', 'c'] })).rows;
  assert.deepEqual(keyed.map((row) => row.key), ['c', 'absent', 'hidden', 'gone', 'c']);
  assert.equal(keyed[0].id, 'c');
  assert.equal(keyed[1].error, 'not_found');
  assert.ok(keyed[2].error, 'out of reach');
  assert.equal(keyed[2].value, undefined);
  const admin = await server.admin('GET', '/list/_all_docs');
  assert.equal(admin.json.rows.length, 7);
  for (const query of ['startkey=b', 'limit=x', 'limit=-1', 'keys=5', 'skip=-1']) {
    expectError(await server.public('GET', `/list/_all_docs?${query}`, undefined, { user }), 400,
      query);
  }
  expectError(await server.public('POST', '/list/_all_docs', { keys: 'x' }, { user }), 400);
});

test('what replicators ask before and after their work', async () => {
  const root = await server.public('GET', '/', undefined);
  assert.equal(expectStatus(root, 200).couchdb, 'Welcome');
  assert.match(root.json.uuid, /^[0-9a-f-]{32,36}$/);
  const info = expectStatus(await server.public('GET', '/db/', undefined, { user: alice }), 200);
  assert.equal(info.db_name, 'db');
  assert.ok(info.update_seq !== undefined);
  assert.ok(info.instance_start_time !== undefined);
  const commit = await post('_ensure_full_commit', {});
  assert.equal(expectStatus(commit, 201).ok, true);
  assert.equal(expectStatus(await post('_compact', {}, null), 202).ok, true);
  const there = await server.public('PUT', '/db/', undefined, { user: alice });
  expectError(there, 412);
  expectError(await server.public('PUT', '/not-there/', undefined, { user: alice }), 403);
});
