// SPDX-License-Identifier: Apache-2.0
// Documents, revisions, conflicts, tombstones and local documents by plain requests.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectError, expectStatus } from './expect.mjs';
import { Server, waitFor } from './server.mjs';

let server;
let alice;
before(async () => {
  server = await Server.start();
  await server.createDatabase('db');
  alice = await server.createUser('db', 'alice', ['red']);
});
after(async () => { await server?.close(); });

const json = { headers: { Accept: 'application/json' } };
const asAlice = () => ({ user: alice });
const put = (id, body, query = '') =>
  server.public('PUT', `/db/${encodeURIComponent(id)}${query}`, { channels: ['red'], ...body },
    asAlice());
const get = (id, query = '') =>
  server.public('GET', `/db/${encodeURIComponent(id)}${query}`, undefined,
    { ...asAlice(), ...json });
const bulk = (docs, newEdits = false) =>
  server.admin('POST', '/db/_bulk_docs', { docs, new_edits: newEdits });
/** The feed once stable has reached its end: its last position repeats nothing. */
const caughtUp = () => waitFor('stable catches up', async () => {
  const page = await server.changes('db', undefined, { mode: 'available' });
  return !`${page.last_seq}`.includes('::') && page;
});

test('a document is written, read, changed and deleted', async () => {
  const made = await put('life', { value: 1 });
  const { id, ok, rev } = expectStatus(made, 201);
  assert.deepEqual([id, ok], ['life', true]);
  assert.match(rev, /^1-[0-9a-f]{32}$/);
  assert.equal(made.headers.get('etag'), `"${rev}"`);
  const read = await get('life');
  assert.deepEqual(expectStatus(read, 200),
    { _id: 'life', _rev: rev, channels: ['red'], value: 1 });
  assert.equal(read.headers.get('etag'), `"${rev}"`);

  const second = expectStatus(await put('life', { _rev: rev, value: 2 }), 201).rev;
  assert.match(second, /^2-/);
  const third = expectStatus(await put('life', { value: 3 }, `?rev=${second}`), 201).rev;
  const fourth = await server.public('PUT', '/db/life', { channels: ['red'], value: 4 },
    { ...asAlice(), headers: { 'If-Match': `"${third}"` } });
  const last = expectStatus(fourth, 201).rev;

  const gone = await server.public('DELETE', `/db/life?rev=${last}`, undefined, asAlice());
  assert.match(expectStatus(gone, 200).rev, /^5-/);
  const absent = await get('life');
  expectError(absent, 404);
  assert.equal(absent.json.reason, 'deleted');
  const never = await get('never');
  expectError(never, 404);
  assert.equal(never.json.reason, 'missing');
});

test('HEAD says what GET says, without a body', async () => {
  const { rev } = expectStatus(await put('head', {}), 201);
  const head = await server.public('HEAD', '/db/head', undefined, asAlice());
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('etag'), `"${rev}"`);
  assert.equal(head.text, '');
  assert.equal((await server.public('HEAD', '/db/absent', undefined, asAlice())).status, 404);
});

test('POST makes a document and says where it is', async () => {
  const named = await server.public('POST', '/db/', { _id: 'posted', channels: ['red'] },
    asAlice());
  assert.equal(expectStatus(named, 200).id, 'posted');
  assert.ok(named.headers.get('location').endsWith('/db/posted'));
  const unnamed = await server.public('POST', '/db/', { channels: ['red'] }, asAlice());
  assert.equal(expectStatus(await get(expectStatus(unnamed, 200).id), 200).channels[0], 'red');
});

test('a write without the present revision is a conflict and changes nothing', async () => {
  const { rev } = expectStatus(await put('c', { value: 1 }), 201);
  expectError(await put('c', { value: 2 }), 409);
  const { rev: second } = expectStatus(await put('c', { _rev: rev, value: 2 }), 201);
  expectError(await put('c', { _rev: rev, value: 3 }), 409);
  expectError(await put('c', { _rev: '9-absent', value: 3 }), 409);
  expectError(await server.public('DELETE', '/db/c', undefined, asAlice()), 409);
  expectError(await server.public('DELETE', `/db/c?rev=${rev}`, undefined, asAlice()), 409);
  expectError(await put('c', { _rev: rev }, `?rev=${second}`), 400, 'two that disagree');
  assert.equal((await get('c')).json._rev, second);
});

test('the same edit of the same parent has the same revision id everywhere', async () => {
  await server.createDatabase('twin');
  const doc = { b: [1, { z: 1, a: 2 }], a: 'x', channels: ['red'] };
  const here = expectStatus(await server.admin('PUT', '/db/same', doc), 201).rev;
  const there = expectStatus(await server.admin('PUT', '/twin/same',
    { channels: ['red'], a: 'x', b: [1, { a: 2, z: 1 }] }), 201).rev;
  assert.equal(here, there);
});

test('a deleted document is made again as a child of its tombstone', async () => {
  const { rev } = expectStatus(await put('back', {}), 201);
  expectStatus(await server.public('DELETE', `/db/back?rev=${rev}`, undefined, asAlice()), 200);
  assert.match(expectStatus(await put('back', { value: 2 }), 201).rev, /^3-/);
  assert.equal((await get('back')).json.value, 2);
});

test('ids keep their characters', async () => {
  for (const id of ['a/b', 'ä ö', 'a+b', 'a%2Fb', '日本', '_design/view', 'x?y#z', 'a:b,c']) {
    const answer = await server.admin('PUT', `/db/${encodeURIComponent(id)}`, { id });
    expectStatus(answer, 201, id);
    const read = await server.admin('GET', `/db/${encodeURIComponent(id)}`);
    assert.equal(expectStatus(read, 200, id)._id, id);
    assert.equal(read.json.id, id);
  }
});

test('bodies come back as they were sent', async () => {
  const body = '{"channels":["red"],"big":12345678901234567890123456789,"f":1.0,"e":1E5,'
    + '"s":"\\u00e4\\n\\u0000\\ud83d\\ude00","n":null,"deep":{"b":1,"a":[[],{}]}}';
  expectStatus(await server.public('PUT', '/db/raw', body,
    { ...asAlice(), headers: { 'Content-Type': 'application/json' } }), 201);
  const { text, json: doc } = await get('raw');
  assert.ok(text.includes('12345678901234567890123456789'), text);
  assert.ok(text.includes('1.0'), text);
  assert.equal(doc.s, 'ä\n\u0000😀');
  assert.deepEqual(doc.deep, { b: 1, a: [[], {}] });
  assert.deepEqual(Object.keys(doc.deep), ['b', 'a'], 'member order');
});

test('replicated revisions keep their ids, ancestry and conflicts', async () => {
  const revision = (rev, ...ids) => ({
    _id: 'tree', _rev: rev, channels: ['red'], rev, _revisions: { start: +rev[0], ids } });
  expectStatus(await bulk([revision('2-b', 'b', 'a'), revision('2-c', 'c', 'a'),
    revision('3-d', 'd', 'c', 'a')]), 201);
  const doc = expectStatus(await get('tree', '?conflicts=true&revs=true'), 200);
  assert.equal(doc._rev, '3-d');
  assert.deepEqual(doc._conflicts, ['2-b']);
  assert.deepEqual(doc._revisions, { start: 3, ids: ['d', 'c', 'a'] });
  assert.equal((await get('tree', '?rev=2-b')).json.rev, '2-b');

  const leaves = expectStatus(await get('tree', '?open_revs=all'), 200);
  assert.deepEqual(leaves.map(({ ok }) => ok._rev).sort(), ['2-b', '3-d']);
  const some = expectStatus(await get('tree',
    `?revs=true&open_revs=${encodeURIComponent('["2-b","7-absent"]')}`), 200);
  assert.equal(some.find(({ ok }) => ok)?.ok._rev, '2-b');
  assert.deepEqual(some.find(({ missing }) => missing), { missing: '7-absent' });
  const latest = expectStatus(await get('tree',
    `?latest=true&open_revs=${encodeURIComponent('["2-c"]')}`), 200);
  assert.deepEqual(latest.map(({ ok }) => ok._rev), ['3-d']);
  expectError(await get('tree', '?open_revs=all&rev=3-d'), 400);

  // Known already: no error, nothing written.
  const { last_seq } = await caughtUp();
  expectStatus(await bulk([revision('2-b', 'b', 'a')]), 201);
  assert.deepEqual((await server.changes('db', undefined, { since: last_seq })).results, []);
});

test('deleting the winner makes the other leaf the winner', async () => {
  expectStatus(await bulk([{ _id: 'w', _rev: '1-a', channels: ['red'], from: 'a' },
    { _id: 'w', _rev: '1-b', channels: ['red'], from: 'b' }]), 201);
  assert.equal((await get('w')).json.from, 'b');
  const gone = await server.public('DELETE', '/db/w?rev=1-b', undefined, asAlice());
  expectStatus(gone, 200);
  assert.equal((await get('w')).json.from, 'a');
  assert.equal((await get('w', '?conflicts=true')).json._conflicts, undefined);
});

test('without conflicts a second branch is refused and closing one is not', async () => {
  await server.createDatabase('single', { allow_conflicts: false });
  const push = (docs) => server.admin('POST', '/single/_bulk_docs', { docs, new_edits: false });
  const failures = (answer) => expectStatus(answer, 201).filter((item) => item.error);
  assert.deepEqual(failures(await push([{ _id: 'd', _rev: '1-a' }])), []);
  const [failure] = failures(await push([{ _id: 'd', _rev: '1-b' }]));
  assert.deepEqual([failure.id, failure.error], ['d', 'conflict']);
  assert.deepEqual(failures(await push([
    { _id: 'd', _rev: '2-x', _revisions: { start: 2, ids: ['x', 'a'] } }])), []);
  assert.equal((await server.admin('GET', '/single/d')).json._rev, '2-x');
});

test('long histories are pruned and stay writable', async () => {
  let rev;
  for (let count = 0; count < 130; count += 1) {
    rev = expectStatus(await put('long', { count, ...(rev ? { _rev: rev } : {}) }), 201).rev;
  }
  const { _revisions } = (await get('long', '?revs=true')).json;
  assert.equal(_revisions.start, 130);
  assert.ok(_revisions.ids.length <= 101, `${_revisions.ids.length} ids`);
});

test('local documents have revisions of their own and stay off the feed', async () => {
  const local = (method, body, query = '') =>
    server.public(method, `/db/_local/check${query}`, body, { ...asAlice(), ...json });
  const { last_seq } = await caughtUp();
  expectError(await local('GET'), 404);
  expectError(await local('PUT', { _rev: '0-7', n: 1 }), 404, 'update of something absent');
  assert.deepEqual(expectStatus(await local('PUT', { n: 1 }), 201),
    { id: '_local/check', ok: true, rev: '0-1' });
  expectError(await local('PUT', { n: 2 }), 409);
  assert.equal(expectStatus(await local('PUT', { _rev: '0-1', n: 2 }), 201).rev, '0-2');
  assert.deepEqual(expectStatus(await local('GET'), 200),
    { _id: '_local/check', _rev: '0-2', n: 2 });
  assert.deepEqual((await server.changes('db', undefined, { since: last_seq })).results, []);
  const rows = (await server.admin('GET', '/db/_all_docs')).json.rows;
  assert.ok(rows.every((row) => !row.id.startsWith('_local')));
  expectError(await local('DELETE', undefined, '?rev=0-1'), 409);
  expectStatus(await local('DELETE', undefined, '?rev=0-2'), 200);
  expectError(await local('GET'), 404);
});
