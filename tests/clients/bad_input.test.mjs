// SPDX-License-Identifier: Apache-2.0
// Bad input gets the right status and a clear body, stores nothing, and disturbs nobody else.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { expectError, expectStatus } from './expect.mjs';
import { authorization, rawExchange, Server, waitFor } from './server.mjs';

let server;
let alice;
let stored;
before(async () => {
  server = await Server.start();
  await server.createDatabase('db');
  alice = await server.createUser('db', 'alice', ['red']);
  await server.write('db', [{ _id: 'there', channels: ['red'], value: 1 }]);
});
after(async () => { await server?.close(); });

const documents = async () => (await server.admin('GET', '/db/_all_docs')).text;
beforeEach(async () => { stored = await documents(); });
afterEach(async () => {
  assert.equal(await documents(), stored, 'nothing was stored');
  const health = await server.public('GET', '/_health');
  assert.equal(health.status, 200, 'still healthy');
});

/** Counts in `settled` how many of the promises have come to their end. */
function watch(promises) {
  const watched = { settled: 0 };
  const settle = () => { watched.settled += 1; };
  for (const promise of promises) promise.then(settle, settle);
  return watched;
}

const json = { 'Content-Type': 'application/json' };
const put = (body, id = 'bad') =>
  server.public('PUT', `/db/${id}`, body, { user: alice, headers: json });

test('text that is no JSON', async () => {
  for (const body of ['', ' ', '{', '}', '{"a":1', '{"a":1,}', '{"a":[1,]}', '{a:1}', "{'a':1}",
    '{"a":01}', '{"a":.5}', '{"a":+1}', '{"a":1.}', '{"a":NaN}', '{"a":Infinity}', '{"a":tru}',
    '{"a":"\n"}', '{"a":"\t"}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":1} x', '{"a":1}{"b":2}',
    '{"a" 1}', '{,}', '{"a":1,,"b":2}', '// x\n{}', '{"a":1}\u0000', '\ufeff{"a":1}']) {
    expectError(await put(body), 400, JSON.stringify(body));
  }
});

test('JSON that is no document', async () => {
  for (const body of ['[]', '[1,]', '5', '"x"', 'null', 'true', '[{}]']) {
    expectError(await put(body), 400, body);
  }
});

test('lone surrogates and bad UTF-8', async () => {
  for (const body of ['{"a":"\\ud800"}', '{"a":"\\udc00"}', '{"a":"\\ud800\\u0041"}',
    '{"\\udfff":1}']) {
    expectError(await put(body), 400, body);
  }
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xc3]]) {
    const body = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
    expectError(await put(body), 400, bytes.map((byte) => byte.toString(16)).join(' '));
  }
});

test('ten thousand levels', async () => {
  expectError(await put(`{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`), 400, 'arrays');
  expectError(await put(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`), 400, 'objects');
  expectError(await put(`{"a":${'['.repeat(1_000_000)}`), 400, 'open for ever');
});

test('the same member twice at the top of a document', async () => {
  expectError(await put('{"a":1,"a":2}'), 400);
  expectError(await put('{"channels":["red"],"channels":["blue"]}'), 400);
  expectError(await put('{"a":1,"\\u0061":2}'), 400, 'written differently');
});

test('a body over the limit', async () => {
  const declared = await rawExchange(server.port, [
    'PUT /db/bad HTTP/1.1', 'Host: x', 'Content-Type: application/json',
    'Content-Length: 20000000000', `Authorization: ${authorization(alice).Authorization}`,
    '', '{"a":'].join('\r\n'), { until: /\r\n\r\n\{.*\}/s });
  assert.match(declared, /^HTTP\/1\.1 413 /);
  assert.match(declared, /"error":"[a-z_]+"/);
  const chunk = `{"a":"${'x'.repeat(1 << 20)}`;
  const endless = await rawExchange(server.port, [
    'PUT /db/bad HTTP/1.1', 'Host: x', 'Content-Type: application/json',
    'Transfer-Encoding: chunked', `Authorization: ${authorization(alice).Authorization}`, '',
    ...Array.from({ length: 64 }, () => `${chunk.length.toString(16)}\r\n${chunk}`), '0', '', '',
  ].join('\r\n'), { until: /\r\n\r\n\{.*\}/s });
  // The server may close before all is sent; then there is nothing to read.
  if (endless !== '') assert.match(endless, /^HTTP\/1\.1 413 /);
  const large = await put(JSON.stringify({ a: 'x'.repeat(24 << 20) })).catch(() => undefined);
  if (large) expectError(large, 413);
});

test('bad revisions', async () => {
  for (const rev of ['x', '1', '-abc', '1-', '0-abc', '-1-abc', 'a-b', '1.5-a', ' 1-a',
    '99999999999999999999-a']) {
    const query = encodeURIComponent(rev);
    expectError(await server.public('PUT', `/db/there?rev=${query}`, { channels: ['red'] },
      { user: alice }), 400, rev);
    expectError(await put(JSON.stringify({ _rev: rev }), 'there'), 400, rev);
    expectError(await server.public('DELETE', `/db/there?rev=${query}`, undefined,
      { user: alice }), 400, rev);
    expectError(await server.public('GET', `/db/there?rev=${query}`, undefined, { user: alice }),
      400, rev);
  }
  expectError(await put('{"_rev":5}', 'there'), 400, 'a number');
  for (const value of ['x', '{}', '[5]', '["x"]', '[']) {
    expectError(await server.public('GET', `/db/there?open_revs=${encodeURIComponent(value)}`,
      undefined, { user: alice, headers: { Accept: 'application/json' } }), 400, value);
  }
});

test('bad histories', async () => {
  for (const history of [5, {}, { start: 1 }, { ids: ['a'] }, { start: 1, ids: [] },
    { start: 1, ids: ['b', 'a'] }, { start: 'x', ids: ['a'] }, { start: -1, ids: ['a'] },
    { start: 2, ids: ['a', 5] }, { start: 1.5, ids: ['a'] }, { start: 1, ids: [''] }]) {
    const answer = await server.admin('POST', '/db/_bulk_docs', { new_edits: false,
      docs: [{ _id: 'bad', _rev: '1-a', channels: ['red'], _revisions: history }] });
    if (answer.status === 201) assert.equal(answer.json[0]?.error, 'bad_request', answer.text);
    else expectError(answer, 400, JSON.stringify(history));
  }
  const none = await server.admin('POST', '/db/_bulk_docs',
    { new_edits: false, docs: [{ _id: 'bad', channels: ['red'] }] });
  if (none.status === 201) assert.equal(none.json[0]?.error, 'bad_request');
  else expectError(none, 400);
});

test('bad document ids', async () => {
  for (const id of ['_bad', '_changesx', 'x'.repeat(251), '_design/', '_local/']) {
    const answer = await put('{}', id);
    assert.ok([400, 404, 405].includes(answer.status), `${id}: ${answer.status}`);
    expectError(answer, answer.status, id);
  }
  expectError(await put('{"_id":"other"}'), 400, 'other id in the body');
  expectError(await put('{"_id":5}'), 400, 'a number');
  for (const target of ['/db/%', '/db/%zz', '/db/%c3', '/db/%ff']) {
    const raw = await rawExchange(server.port, `PUT ${target} HTTP/1.1\r\nHost: x\r\nContent-Length:`
      + ` 2\r\nConnection: close\r\nAuthorization: ${authorization(alice).Authorization}\r\n\r\n{}`);
    assert.match(raw, /^HTTP\/1\.1 400 /, target);
  }
});

test('reserved members', async () => {
  for (const body of ['{"_sync":{}}', '{"_sync_x":1}', '{"_purged":true}', '{"_mine":1}',
    '{"_deleted":5}', '{"_attachments":5}', '{"_exp":"never"}']) {
    expectError(await put(body), 400, body);
  }
  const removed = await put('{"_removed":true}');
  assert.ok([400, 404].includes(removed.status));
});

test('bad channel names', async () => {
  for (const channels of [[''], ['a,b'], 'a,b', '']) {
    expectError(await put(JSON.stringify({ channels })), 400, JSON.stringify(channels));
  }
});

test('sync functions that fail in every way', async () => {
  const functions = {
    throws: 'function (doc) { throw new Error("no"); }',
    loops: 'function (doc) { for (;;) {} }',
    recurses: 'function (doc) { (function f() { f(); f(); })(); }',
    exhausts: 'function (doc) { var a = []; for (;;) a.push(new Array(100000).join("x") + a.length); }',
    undefines: 'function (doc) { missing(doc); }',
  };
  for (const [name, sync] of Object.entries(functions)) {
    const database = `sync-${name}`;
    await server.createDatabase(database, { sync: sync.replace('{', '{ if (doc.bad) {')
      .replace(/\}$/, '} channel("ok"); }') });
    for (let count = 0; count < 3; count += 1) {
      expectError(await server.admin('PUT', `/${database}/bad`, { bad: true }), 500, name);
      expectStatus(await server.admin('PUT', `/${database}/good-${count}`, {}), 201, name);
    }
    expectError(await server.admin('GET', `/${database}/bad`), 404, name);
  }
});

test('a looping sync function does not stop others', async () => {
  await server.createDatabase('loop', { sync: 'function (doc) { for (;;) {} }' });
  // Many more than there are threads for scripts: the last ones wait for their turn.
  const looping = Array.from({ length: 40 }, (_, index) =>
    server.admin('PUT', `/loop/d${index}`, {}));
  const watched = watch(looping);
  for (let count = 0; count < 10; count += 1) {
    const { last_seq } = await server.changes('db', alice);
    assert.ok(last_seq !== undefined);
  }
  // If they ran where requests are read, nearly all of them would have come first.
  assert.ok(watched.settled < looping.length / 2, 'reads go on meanwhile');
  for (const answer of await Promise.all(looping)) assert.ok(answer.status >= 500);
});

test('documents that would make a sync function search or normalize for ever', async () => {
  await server.createDatabase('search', { sync: `function (doc) {
    if (doc.text.indexOf(doc.name) >= 0 || doc.text.match(doc.pattern)) channel('found');
    channel(doc.title.normalize());
  }` });
  const good = { text: 'some text', name: 'text', pattern: 't[e]xt', title: 'cafe\u0301' };
  const bad = [
    { text: 'a'.repeat(1e6), name: `${'a'.repeat(5e5)}b` },
    { pattern: 'a|'.repeat(1e6), name: 'none' },
    { title: '\u0315\u0300'.repeat(2e5) },
  ].map((members) => ({ ...good, ...members }));
  // More of them than there are threads for scripts; other writes and reads get through meanwhile.
  const refused = Array.from({ length: 24 }, (_, index) =>
    server.admin('PUT', `/search/bad-${index}`, bad[index % bad.length]));
  for (let count = 0; count < 10; count += 1) {
    expectStatus(await server.admin('PUT', `/search/good-${count}`, good), 201);
    expectStatus(await server.public('GET', '/db/there', undefined, { user: alice }), 200);
  }
  for (const answer of await Promise.all(refused)) expectError(answer, 500);
  assert.equal((await server.admin('GET', '/search/_all_docs')).json.rows.length, 10);
});

test('configurations that make no sense', async () => {
  for (const [name, config] of [['conf', { sync: 'function (' }], ['conf', { sync: 5 }],
    ['conf', { block_format: 'other' }], ['conf', { cache_writes: 'x' }],
    ['conf', { changes_mode: 1 }], ['conf', { allow_conflicts: 'yes' }], ['conf', { no_such: 1 }],
    ['conf', []], ['conf', 5], ['Upper', {}], ['_conf', {}], ['a b', {}], ['1st', {}],
    ['x'.repeat(300), {}]]) {
    expectError(await server.admin('PUT', `/${encodeURIComponent(name)}`, JSON.stringify(config),
      { headers: json }), 400, `${name} ${JSON.stringify(config)}`);
    assert.notEqual((await server.admin('GET', `/${encodeURIComponent(name)}/`)).status, 200);
  }
  expectError(await server.admin('PUT', '/db', {}), 412);
});

test('wrong passwords, unknown databases, wrong methods, unknown addresses', async () => {
  const wrong = { name: 'alice', password: 'wrong' };
  expectError(await server.public('PUT', '/db/bad', {}, { user: wrong }), 401);
  expectError(await server.public('PUT', '/nowhere/bad', {}, { user: alice }), 404);
  expectError(await server.admin('PUT', '/nowhere/bad', {}), 404);
  for (const [method, target] of [['DELETE', '_changes'], ['PUT', '_bulk_docs'],
    ['GET', '_bulk_docs'], ['GET', '_revs_diff'], ['DELETE', '_all_docs'], ['PATCH', 'there'],
    ['GET', '_bulk_get']]) {
    const answer = await server.public(method, `/db/${target}`, undefined, { user: alice });
    expectError(answer, 405, `${method} ${target}`);
    assert.ok(answer.headers.get('allow'), `${method} ${target} has Allow`);
  }
  expectError(await server.public('GET', '/db/_nothing', undefined, { user: alice }), 404);
});

test('requests that are no HTTP', async () => {
  for (const bytes of ['\r\n\r\n', 'GET\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', '\u0000\u0001\u0002\r\n\r\n',
    'GET / HTTP/1.1\r\nBad Header\r\n\r\n', 'GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n',
    'PUT /db/bad HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
    'PUT /db/bad HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
    'PUT /db/bad HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
    `GET /${'x'.repeat(200_000)} HTTP/1.1\r\n\r\n`,
    `GET / HTTP/1.1\r\n${'X-A: b\r\n'.repeat(20_000)}\r\n`]) {
    const answer = await rawExchange(server.port, bytes, { end: true });
    if (answer !== '') assert.match(answer, /^HTTP\/1\.1 (4\d\d|505) /, JSON.stringify(bytes.slice(0, 60)));
  }
});

test('what is refused before it has an address is counted', async () => {
  const count = async (status) => {
    const { text } = await server.admin('GET', '/_metrics');
    return +(text.match(new RegExp(`^headgate_http_answers_total\\{status="${status}"\\} (\\d+)`, 'm'))
      ?.[1] ?? 0);
  };
  for (const [status, bytes] of [[400, 'nonsense\r\n\r\n'], [431, `GET /${'x'.repeat(200_000)}`],
    [413, 'PUT /db/bad HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000000\r\n\r\n']]) {
    const before = await count(status);
    await rawExchange(server.port, bytes, { end: true });
    await waitFor(`${status} is counted`, async () => await count(status) > before);
  }
});

test('a truncated request is not carried out', async () => {
  const head = ['PUT /db/bad HTTP/1.1', 'Host: x', 'Content-Type: application/json',
    `Authorization: ${authorization(alice).Authorization}`];
  await rawExchange(server.port, [...head, 'Content-Length: 100', '', '{"a":1}'].join('\r\n'),
    { end: true });
  await rawExchange(server.port,
    [...head, 'Transfer-Encoding: chunked', '', '7', '{"a":1}', ''].join('\r\n'), { end: true });
  await rawExchange(server.port, head.join('\r\n'), { end: true });
});

test('slow senders are cut off and hold nobody up', async () => {
  const slow = [
    rawExchange(server.port, 'GET /db/ HTTP/1.1\r\nHost: x\r\n', { within: 60_000 }),
    rawExchange(server.port, 'PUT /db/bad HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n'
      + `Authorization: ${authorization(alice).Authorization}\r\n\r\n{`, { within: 60_000 }),
  ];
  const idle = Array.from({ length: 100 }, () =>
    rawExchange(server.port, 'G', { within: 60_000 }));
  const watched = watch([...slow, ...idle]);
  await waitFor('others are served', async () =>
    (await server.public('GET', '/db/there', undefined, { user: alice })).status === 200);
  assert.equal(watched.settled, 0, 'before one of them is cut off');
  for (const answer of await Promise.all([...slow, ...idle])) {
    if (answer !== '') assert.match(answer, /^HTTP\/1\.1 (408|400) /);
  }
});
