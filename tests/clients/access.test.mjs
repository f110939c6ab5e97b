// SPDX-License-Identifier: Apache-2.0
// Who may do and see what: logins, channels, the sync function, grants by documents.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectError, expectStatus } from './expect.mjs';
import { Server, Stream, waitFor } from './server.mjs';

let server;
before(async () => { server = await Server.start(); });
after(async () => { await server?.close(); });

let made = 0;
async function database(config = {}) {
  made += 1;
  const name = `access-${made}`;
  await server.createDatabase(name, config);
  return name;
}

const ids = (page) => page.results.map((entry) => entry.id);
const changesUrl = (name, query) => `/${name}/_changes?${new URLSearchParams(query)}`;

test('logins are checked and errors have lower-case tokens', async () => {
  const name = await database();
  const alice = await server.createUser(name, 'alice', ['red']);
  // Few enough for each that none is slowed down.
  const bob = await server.createUser(name, 'bob', ['red']);
  for (const user of [undefined, { ...alice, password: 'wrong' }, { ...bob, password: '' },
    { name: 'nobody', password: 'x' }, { name: '', password: '' }]) {
    for (const [method, target] of [['GET', ''], ['GET', 'doc'], ['PUT', 'doc'],
      ['GET', '_changes'], ['GET', '_all_docs'], ['POST', '_bulk_docs'], ['POST', '_revs_diff']]) {
      const body = method === 'GET' ? undefined : {};
      const answer = await server.public(method, `/${name}/${target}`, body, { user });
      expectError(answer, 401, `${method} ${target} as ${user?.name}`);
      assert.equal(answer.json.error, 'unauthorized');
      assert.match(answer.headers.get('www-authenticate') ?? 'Basic', /^Basic/);
    }
  }
  for (const value of ['Basic', 'Basic ***', 'Basic YQ==', 'Bearer x', 'Negotiate', '']) {
    const answer = await server.public('GET', `/${name}/doc`, undefined,
      { headers: { Authorization: value } });
    assert.ok([400, 401].includes(answer.status), `${value}: ${answer.text}`);
    assert.match(answer.json.error, /^[a-z_]+$/);
  }
  expectError(await server.public('GET', '/nowhere/doc', undefined, { user: alice }), 404);
});

test('a new password counts at once, a deleted user is out at once', async () => {
  const name = await database();
  const alice = await server.createUser(name, 'alice', ['red']);
  expectStatus(await server.public('GET', `/${name}/`, undefined, { user: alice }), 200);
  await server.admin('PUT', `/${name}/_user/alice`,
    { password: 'another', admin_channels: ['red'] });
  expectError(await server.public('GET', `/${name}/`, undefined, { user: alice }), 401);
  const renewed = { name: 'alice', password: 'another' };
  expectStatus(await server.public('GET', `/${name}/`, undefined, { user: renewed }), 200);
  expectStatus(await server.admin('DELETE', `/${name}/_user/alice`), 200);
  expectError(await server.public('GET', `/${name}/`, undefined, { user: renewed }), 401);
});

test('users are made, shown without secrets, listed, changed and refused', async () => {
  const name = await database();
  const user = (method, who, body) => server.admin(method, `/${name}/_user/${who}`, body);
  expectStatus(await user('PUT', 'ann', { password: 'letmein', admin_channels: ['a'] }), 201);
  expectStatus(await user('PUT', 'ann', { password: 'letmein', admin_channels: ['a', 'b'] }), 200);
  const shown = expectStatus(await user('GET', 'ann'), 200);
  assert.equal(shown.name, 'ann');
  assert.deepEqual(shown.admin_channels.sort(), ['a', 'b']);
  assert.ok(!JSON.stringify(shown).includes('letmein'));
  assert.equal(shown.password, undefined);
  assert.ok(!JSON.stringify(shown).includes('$2'), 'no hash');
  assert.deepEqual(expectStatus(await user('GET', ''), 200), ['ann']);
  expectError(await user('GET', 'bob'), 404);
  expectError(await user('DELETE', 'bob'), 404);
  for (const [who, body] of [['bad%2Fname', { password: 'letmein' }],
    ['a:b', { password: 'letmein' }], ['a,b', { password: 'letmein' }],
    ['x'.repeat(240), { password: 'letmein' }], ['short', { password: 'ab' }],
    ['none', { admin_channels: [] }], ['chan', { password: 'letmein', admin_channels: ['a,b'] }],
    ['chan', { password: 'letmein', admin_channels: [''] }],
    ['chan', { password: 'letmein', admin_channels: 'x' }], ['num', { password: 5 }]]) {
    expectError(await user('PUT', who, body), 400, `${who} ${JSON.stringify(body)}`);
  }
  assert.deepEqual((await user('GET', '')).json, ['ann']);
});

test('every way of reading asks for a channel of the document', async () => {
  const name = await database();
  const alice = await server.createUser(name, 'alice', ['red']);
  const [{ rev }] = await server.write(name, [
    { _id: 'secret', channels: ['blue'], value: 'hush',
      _attachments: { a: { content_type: 'text/plain', data: 'aHVzaA==' } } },
    { _id: 'nowhere', value: 'hush' }, { _id: 'open', channels: ['!'], value: 'all' }]);
  const read = (target, body) => server.public(body ? 'POST' : 'GET', `/${name}/${target}`, body,
    { user: alice, headers: { Accept: 'application/json' } });
  expectError(await read('secret'), 403);
  expectError(await read('nowhere'), 403);
  expectError(await read('secret/a'), 403);
  expectStatus(await read('open'), 200);
  assert.equal((await server.public('HEAD', `/${name}/secret`, undefined, { user: alice })).status,
    403);
  const redacted = await read(`secret?rev=${rev}`);
  assert.ok(!redacted.text.includes('hush'));
  assert.equal(expectStatus(redacted, 200)._removed, true);
  for (const [target, body] of [
    ['secret?open_revs=all'], [`secret?revs=true&open_revs=${encodeURIComponent(`["${rev}"]`)}`],
    ['_all_docs?include_docs=true'], ['_all_docs?include_docs=true', { keys: ['secret', 'nowhere'] }],
    ['_bulk_get?revs=true', { docs: [{ id: 'secret', rev }, { id: 'nowhere' }] }],
    ['_changes?include_docs=true'], ['_changes?include_docs=true&feed=longpoll&timeout=100'],
    [changesUrl('', { filter: 'sync_gateway/bychannel', channels: 'blue,*', include_docs: true })
      .slice(1)],
  ]) {
    const { text } = await read(target, body);
    assert.ok(!text.includes('hush') && !text.includes('aHVzaA'), `${target}: ${text}`);
  }
});

test('a guest sees what the guest may see, if there is one', async () => {
  const closed = await database();
  expectError(await server.public('GET', `/${closed}/_changes`), 401);
  const name = await database({ guest: { disabled: false, admin_channels: ['public'] } });
  await server.write(name, [{ _id: 'p', channels: ['public'] }, { _id: 'q', channels: ['red'] }]);
  await waitFor('the guest sees it', async () => {
    const page = expectStatus(await server.public('GET', `/${name}/_changes`), 200);
    assert.ok(!ids(page).includes('q'));
    return ids(page).includes('p');
  });
  expectStatus(await server.public('GET', `/${name}/p`), 200);
  expectError(await server.public('GET', `/${name}/q`), 403);
});

test('_session tells who one is', async () => {
  const name = await database();
  const alice = await server.createUser(name, 'alice', ['red']);
  const answer = await server.public('GET', `/${name}/_session`, undefined, { user: alice });
  const { ok, userCtx } = expectStatus(answer, 200);
  assert.equal(ok, true);
  assert.equal(userCtx.name, 'alice');
  assert.ok('red' in userCtx.channels);
});

test('the sync function sees documents, assigns channels and refuses', async () => {
  const name = await database({ sync: `function (doc, oldDoc) {
    if (doc.type === 'mine') requireUser(doc.owner);
    if (doc.type === 'admin') requireAdmin();
    if (doc.type === 'kept' && oldDoc && oldDoc.value !== doc.value) throw({forbidden: 'kept'});
    if (doc.type === 'login') throw({unauthorized: 'log in'});
    requireAccess(doc.rooms);
    channel(doc.rooms, [doc.also, 'all']);
  }` });
  const alice = await server.createUser(name, 'alice', ['red', 'all']);
  const put = (id, doc, user = alice) =>
    server.public('PUT', `/${name}/${id}`, doc, { user });
  expectStatus(await put('a', { rooms: ['red'], also: 'blue' }), 201);
  expectStatus(await put('b', { rooms: ['red'], type: 'mine', owner: 'alice' }), 201);
  const refusals = [
    [{ rooms: ['blue'] }, 403, 'sg missing channel access'],
    [{ rooms: ['red'], type: 'mine', owner: 'bob' }, 403, 'sg wrong user'],
    [{ rooms: ['red'], type: 'admin' }, 403, 'sg admin required'],
    [{ rooms: ['red'], type: 'login' }, 401, 'log in'],
  ];
  for (const [doc, status, reason] of refusals) {
    const answer = await put('refused', doc);
    expectError(answer, status, reason);
    assert.equal(answer.json.reason, reason);
  }
  expectError(await server.admin('GET', `/${name}/refused`), 404);
  const { rev } = expectStatus(await put('k', { rooms: ['red'], type: 'kept', value: 1 }), 201);
  expectError(await put('k', { _rev: rev, rooms: ['red'], type: 'kept', value: 2 }), 403);
  expectStatus(await server.admin('PUT', `/${name}/admin`, { rooms: ['x'], type: 'admin' }), 201);
  const bob = await server.createUser(name, 'bob', ['blue']);
  expectStatus(await server.public('GET', `/${name}/a`, undefined, { user: bob }), 200);
  expectError(await server.public('GET', `/${name}/b`, undefined, { user: bob }), 403);
});

const kGranting = `function (doc) {
  channel(doc.channels);
  if (doc.grant) access(doc.grant.users, doc.grant.channels);
}`;

// sync_gateway#75: a grant written just before the request counts.
test('a document that grants a channel opens it with all its old documents', async () => {
  const name = await database({ sync: kGranting });
  const alice = await server.createUser(name, 'alice', ['red']);
  await server.write(name, Array.from({ length: 20 }, (_, index) =>
    ({ _id: `old-${index}`, channels: ['vault'] })));
  const before = await server.changes(name, alice);
  assert.deepEqual(ids(before), []);
  const [{ rev }] = await server.write(name,
    [{ _id: 'key', grant: { users: ['alice'], channels: ['vault'] } }]);
  expectStatus(await server.public('GET', `/${name}/old-0`, undefined, { user: alice }), 200);
  const seen = new Set();
  await waitFor('the backfill', async () => {
    const page = await server.changes(name, alice, { since: before.last_seq });
    for (const id of ids(page)) seen.add(id);
    return seen.size === 20;
  });
  // The grant taken back closes it at once.
  await server.write(name, [{ _id: 'key', _rev: rev }]);
  expectError(await server.public('GET', `/${name}/old-0`, undefined, { user: alice }), 403);
  await server.write(name, [{ _id: 'new', channels: ['vault'] }]);
  assert.ok(!ids(await server.changes(name, alice)).includes('new'));
});

// sync_gateway#2068, #1865, #2340, #2267, #880, #2335, PR 2287, PR 2336, PR 2334.
test('a grant by a document reaches waiting feeds without another write', async () => {
  const name = await database({ sync: kGranting });
  const alice = await server.createUser(name, 'alice', ['red']);
  await server.write(name, Array.from({ length: 20 }, (_, index) =>
    ({ _id: `old-${index}`, channels: ['vault'] })));
  const { last_seq: since } = await server.changes(name, alice);
  const poll = Stream.open(server, alice, changesUrl(name, { feed: 'longpoll', since }));
  const feed = Stream.open(server, alice,
    changesUrl(name, { feed: 'continuous', since, timeout: 60_000 }));
  await Promise.all([poll.opened, feed.opened]);
  await server.write(name, [{ _id: 'key', grant: { users: ['alice'], channels: ['vault'] } }]);
  await feed.until('the backfill on the continuous feed',
    ({ ids: seen }) => new Set(seen.filter((id) => id.startsWith('old-'))).size === 20);
  await poll.until('the longpoll ends', ({ ended }) => ended);
  const seen = new Set(ids(JSON.parse(poll.text)));
  let { last_seq } = JSON.parse(poll.text);
  await waitFor('the backfill over longpolls', async () => {
    const page = await server.changes(name, alice,
      { feed: 'longpoll', since: last_seq, timeout: 500 });
    for (const id of ids(page)) seen.add(id);
    ({ last_seq } = page);
    return [...seen].filter((id) => id.startsWith('old-')).length === 20;
  });
  feed.close();
});

test('a grant by an administrator reaches waiting feeds without another write', async () => {
  const name = await database();
  const alice = await server.createUser(name, 'alice', ['red']);
  await server.write(name, [{ _id: 'old', channels: ['vault'] }]);
  const { last_seq: since } = await server.changes(name, alice);
  const feed = Stream.open(server, alice,
    changesUrl(name, { feed: 'continuous', since, timeout: 60_000 }));
  await feed.opened;
  await server.createUser(name, 'alice', ['red', 'vault']);
  await feed.until('the old document', (stream) => stream.ids.includes('old'));
  // And without the channel nothing of it comes any more.
  await server.createUser(name, 'alice', ['red']);
  await server.write(name, [{ _id: 'hidden', channels: ['vault'] },
    { _id: 'shown', channels: ['red'] }]);
  await feed.until('what is allowed', (stream) => stream.ids.includes('shown'));
  assert.ok(!feed.ids.includes('hidden'));
  feed.close();
});

// CBG-1246, CBG-1163: a limit inside a backfill goes on at the right place.
test('a backfill comes in pages without loss or repeat', async () => {
  for (const limit of [1, 3, 7, 20]) {
    const name = await database({ sync: kGranting });
    const alice = await server.createUser(name, 'alice', ['red']);
    await server.write(name, Array.from({ length: 10 }, (_, index) =>
      ({ _id: `old-${index}`, channels: index % 2 ? ['vault'] : ['vault', 'red'] })));
    await server.write(name, [{ _id: 'key', channels: ['vault'],
      grant: { users: ['alice'], channels: ['vault'] } }]);
    await server.write(name, [{ _id: 'after', channels: ['red'] }]);
    await waitFor('the backfill is possible', async () =>
      ids(await server.changes(name, alice)).length === 12);
    const seen = [];
    let since = '0';
    for (let page = 0; page < 50; page += 1) {
      const { results, last_seq } = await server.changes(name, alice, { since, limit });
      if (results.length === 0) break;
      seen.push(...results.map((entry) => entry.id));
      since = last_seq;
    }
    assert.deepEqual([...new Set(seen)].sort(),
      ['after', 'key', ...Array.from({ length: 10 }, (_, index) => `old-${index}`)], `${limit}`);
    assert.ok(seen.length <= 17, `documents in both channels come twice at most: ${seen}`);
  }
});

// PR 7316 (CBG-4313): writers of one user lose races; their sequences hold nothing back.
test('many changes of one user at once do not hold back the stable feed', async () => {
  const name = await database();
  await server.createUser(name, 'alice', ['red']);
  const answers = await Promise.all(Array.from({ length: 24 }, (_, index) =>
    server.admin('PUT', `/${name}/_user/alice`,
      { password: 'letmein', admin_channels: ['red', `c${index}`] })));
  for (const { status, text } of answers) assert.ok([200, 409].includes(status), text);
  await server.write(name, [{ _id: 'after', channels: ['red'] }]);
  await waitFor('stable moves on', async () =>
    ids(await server.changes(name, undefined, { mode: 'stable' })).includes('after'), 5000);
});

test('what belongs to administrators is not on the public port', async () => {
  const name = await database();
  const alice = await server.createUser(name, 'alice', ['*']);
  for (const [method, target, body] of [['PUT', '/new-db', {}], ['DELETE', `/${name}`],
    ['GET', '/_all_dbs'], ['GET', `/${name}/_config`], ['PUT', `/${name}/_config`, {}],
    ['GET', `/${name}/_user/`], ['GET', `/${name}/_user/alice`],
    ['PUT', `/${name}/_user/eve`, { password: 'letmein' }], ['GET', '/_metrics'],
    ['POST', `/${name}/_compact`, {}]]) {
    const { status } = await server.public(method, target, body, { user: alice });
    const allowed = target.endsWith('_compact') ? [202, 401, 403, 404, 405] : [401, 403, 404, 405];
    assert.ok(allowed.includes(status), `${method} ${target}: ${status}`);
  }
  expectStatus(await server.admin('GET', `/${name}/`), 200);
  expectError(await server.admin('GET', `/${name}/_user/eve`), 404);
});
