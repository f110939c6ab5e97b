// SPDX-License-Identifier: Apache-2.0
// Attachments inline and by their own requests.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { expectError, expectStatus } from './expect.mjs';
import { Server } from './server.mjs';

let server;
let alice;
let bob;
before(async () => {
  server = await Server.start();
  await server.createDatabase('db');
  alice = await server.createUser('db', 'alice', ['red']);
  bob = await server.createUser('db', 'bob', ['blue']);
});
after(async () => { await server?.close(); });

const bytes = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251));
const digest = `md5-${createHash('md5').update(bytes).digest('base64')}`;
const inline = (data = bytes, type = 'application/octet-stream') =>
  ({ content_type: type, data: data.toString('base64') });
const call = (method, target, body, more = {}) =>
  server.public(method, target, body, { user: alice, ...more });
const put = (id, doc) => call('PUT', `/db/${id}`, { channels: ['red'], ...doc });

test('an inline attachment is stored once and shown as a stub', async () => {
  expectStatus(await put('inline', { _attachments: { 'a.bin': inline() } }), 201);
  const { _attachments } = expectStatus(await call('GET', '/db/inline'), 200);
  assert.deepEqual(_attachments, { 'a.bin': {
    content_type: 'application/octet-stream', digest, length: 5000, revpos: 1, stub: true } });
  const whole = expectStatus(await call('GET', '/db/inline?attachments=true', undefined,
    { headers: { Accept: 'application/json' } }), 200)._attachments['a.bin'];
  assert.ok(Buffer.from(whole.data, 'base64').equals(bytes));
  assert.equal(whole.digest, digest);
  assert.equal(whole.stub, undefined);
});

test('GET of an attachment has its bytes, type, length and digest', async () => {
  expectStatus(await put('get', { _attachments: { 'dir/a b.png': inline(bytes, 'image/png') } }),
    201);
  for (const name of ['dir/a%20b.png', 'dir%2Fa%20b.png']) {
    const answer = await call('GET', `/db/get/${name}`);
    assert.equal(answer.status, 200, answer.text.slice(0, 200));
    assert.ok(answer.bytes.equals(bytes));
    assert.equal(answer.headers.get('content-type'), 'image/png');
    assert.equal(answer.headers.get('content-length'), '5000');
    assert.equal(answer.headers.get('etag'), `"${digest}"`);
  }
  const head = await call('HEAD', '/db/get/dir/a%20b.png');
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('content-length'), '5000');
  expectError(await call('GET', '/db/get/absent'), 404);
  expectError(await call('GET', '/db/absent/a'), 404);
});

test('PUT and DELETE of an attachment make new revisions', async () => {
  const headers = { 'Content-Type': 'text/plain' };
  const made = expectStatus(await server.admin('PUT', '/db/own/first.txt', 'hello', { headers }),
    201);
  assert.match(made.rev, /^1-/);
  expectError(await server.admin('PUT', '/db/own/first.txt', 'again', { headers }), 409);
  const second = expectStatus(await server.admin('PUT',
    `/db/own/second.txt?rev=${made.rev}`, 'two', { headers }), 201);
  assert.match(second.rev, /^2-/);
  const doc = expectStatus(await server.admin('GET', '/db/own'), 200);
  assert.deepEqual(Object.keys(doc._attachments).sort(), ['first.txt', 'second.txt']);
  assert.equal(doc._attachments['first.txt'].revpos, 1);
  assert.equal(doc._attachments['second.txt'].revpos, 2);
  const third = expectStatus(await server.admin('DELETE',
    `/db/own/first.txt?rev=${second.rev}`), 200);
  assert.match(third.rev, /^3-/);
  expectError(await server.admin('GET', '/db/own/first.txt'), 404);
  assert.equal((await server.admin('GET', '/db/own/second.txt')).text, 'two');
});

test('a stub keeps the attachment, leaving it out drops it', async () => {
  const { rev } = expectStatus(await put('keep', { _attachments: { a: inline(), b: inline() } }),
    201);
  const kept = expectStatus(await put('keep', { _rev: rev, _attachments: { a: { stub: true } } }),
    201);
  const { _attachments } = expectStatus(await call('GET', '/db/keep'), 200);
  assert.deepEqual(Object.keys(_attachments), ['a']);
  assert.equal(_attachments.a.revpos, 1);
  assert.ok((await call('GET', '/db/keep/a')).bytes.equals(bytes));
  expectError(await call('GET', '/db/keep/b'), 404);
  expectStatus(await put('keep', { _rev: kept.rev }), 201);
  assert.equal((await call('GET', '/db/keep')).json._attachments, undefined);
});

test('an attachment of a revision is read with that revision', async () => {
  const docs = ['a', 'b'].map((digits) => ({ _id: 'branch', _rev: `1-${digits}`, channels: ['red'],
    _attachments: { note: inline(Buffer.from(`text ${digits}`), 'text/plain') } }));
  expectStatus(await server.admin('POST', '/db/_bulk_docs', { docs, new_edits: false }), 201);
  assert.equal((await call('GET', '/db/branch/note')).text, 'text b');
  assert.equal((await call('GET', '/db/branch/note?rev=1-a')).text, 'text a');
});

test('attachments are for those who may read the document', async () => {
  expectStatus(await put('private', { _attachments: { a: inline() } }), 201);
  const asBob = { user: bob };
  expectError(await server.public('GET', '/db/private/a', undefined, asBob), 403);
  const { _rev: rev } = (await call('GET', '/db/private')).json;
  const older = await server.public('GET', `/db/private/a?rev=${rev}`, undefined, asBob);
  assert.ok(older.status === 403 || older.status === 404);
  assert.ok(!older.bytes.includes(bytes));
  expectError(await server.public('GET', '/db/private/a', undefined), 401);
  // The same bytes in another document are no way around it: a stub needs an ancestor.
  const borrowed = await server.public('PUT', '/db/borrow', { channels: ['blue'],
    _attachments: { a: { stub: true, digest, length: 5000, revpos: 1 } } }, asBob);
  if (borrowed.status === 201) {
    assert.notEqual((await server.public('GET', '/db/borrow/a', undefined, asBob)).status, 200);
  } else {
    assert.ok([400, 412].includes(borrowed.status), borrowed.text);
  }
});

test('bad attachments are refused and nothing is stored', async () => {
  const bad = {
    'no data': { content_type: 'text/plain' },
    'not base64': { content_type: 'text/plain', data: '***' },
    'a number': { content_type: 'text/plain', data: 5 },
    'no object': 5,
    'stub without ancestor': { stub: true },
    'wrong digest': { ...inline(), digest: 'md5-AAAAAAAAAAAAAAAAAAAAAA==' },
  };
  for (const [what, attachment] of Object.entries(bad)) {
    const answer = await put('bad', { _attachments: { a: attachment } });
    assert.ok([400, 412].includes(answer.status), `${what}: ${answer.status} ${answer.text}`);
    assert.match(answer.json.error, /^[a-z_]+$/);
    expectError(await call('GET', '/db/bad'), 404, what);
  }
  for (const value of [5, [], 'x']) {
    expectError(await put('bad', { _attachments: value }), 400, JSON.stringify(value));
  }
});

test('a compressed body is refused rather than kept as it is', async () => {
  const { status, json } = await server.admin('PUT', `/db/packed/x.txt`, Buffer.from('x'),
    { headers: { 'Content-Type': 'text/plain', 'Content-Encoding': 'gzip' } });
  assert.equal(status, 415);
  assert.equal(json.error, 'bad_content_type');
  expectError(await server.admin('GET', `/db/packed`), 404);
  const plain = await server.admin('PUT', `/db/packed/x.txt`, Buffer.from('x'),
    { headers: { 'Content-Type': 'text/plain', 'Content-Encoding': 'identity' } });
  assert.equal(plain.status, 201);
});

test('an empty attachment and one with a name of many kinds work', async () => {
  const names = ['empty', 'ä ö', '日本.txt', 'a+b', '100%', 'q?#'];
  expectStatus(await put('names', { _attachments: Object.fromEntries(
    names.map((name) => [name, inline(Buffer.from(name === 'empty' ? '' : name))])) }), 201);
  for (const name of names) {
    const answer = await call('GET', `/db/names/${encodeURIComponent(name)}`);
    assert.equal(answer.status, 200, name);
    assert.equal(answer.text, name === 'empty' ? '' : name);
  }
});

test('a large attachment streams through', async () => {
  const large = Buffer.alloc(8 * 1024 * 1024, 'headgate ');
  const { rev } = expectStatus(await put('large', {}), 201);
  expectStatus(await call('PUT', `/db/large/big?rev=${rev}`, large,
    { headers: { 'Content-Type': 'application/octet-stream' } }), 201);
  assert.ok((await call('GET', '/db/large/big')).bytes.equals(large));
});
