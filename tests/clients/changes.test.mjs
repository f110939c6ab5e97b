// SPDX-License-Identifier: Apache-2.0
// The _changes feed as CouchDB-protocol clients use it: positions, pages, framing, waiting.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { allPages, expectError, expectStatus } from './expect.mjs';
import { Server, Stream, waitFor } from './server.mjs';

let server;
let alice;
before(async () => {
  server = await Server.start();
  await server.createDatabase('db');
  alice = await server.createUser('db', 'alice', ['red']);
  await server.write('db', Array.from({ length: 25 }, (_, index) => ({
    _id: `doc-${index}`, channels: [index % 2 ? 'red' : 'blue'], value: index,
  })));
  await caughtUp('db');
});
after(async () => { await server?.close(); });

let made = 0;
/** A new database with user alice in channel red. */
async function database(config = {}) {
  made += 1;
  const name = `changes-${made}`;
  await server.createDatabase(name, config);
  return { name, alice: await server.createUser(name, 'alice', ['red']) };
}

/** Waits until the stable sequence has reached what is written. */
async function caughtUp(name) {
  await waitFor('stable catches up', async () => {
    const { last_seq } = await server.changes(name, undefined, { mode: 'available' });
    const stable = await server.changes(name, undefined, { mode: 'stable' });
    return !`${last_seq}`.includes('::') && `${stable.last_seq}` === `${last_seq}`;
  });
}

function changesUrl(name, query = {}) {
  return `/${name}/_changes?${new URLSearchParams(query)}`;
}

const ids = (page) => page.results.map((entry) => entry.id);

test('entries carry seq, id and revisions, in order, of the channels of the user only', async () => {
  const page = await server.changes('db', alice);
  assert.deepEqual(ids(page), Array.from({ length: 12 }, (_, index) => `doc-${2 * index + 1}`));
  for (const entry of page.results) {
    assert.match(entry.changes[0].rev, /^1-[0-9a-f]{32}$/);
    assert.equal(entry.deleted, undefined);
    assert.equal(entry.doc, undefined);
  }
  assert.equal((await server.changes('db')).results.filter((e) => !e.id.startsWith('_')).length, 25);
});

test('the whole grammar of since is accepted', async () => {
  const { last_seq } = await server.changes('db', alice);
  const high = `${last_seq}`.split(':').at(-1);
  for (const since of ['', '0', '1', high, `"${high}"`, `1::${high}`, `1:${high}`, `1:1:${high}`,
    `${high}::${high}`, '18446744073709551615', 'now']) {
    const answer = await server.public('GET', changesUrl('db', { since }), undefined,
      { user: alice });
    expectStatus(answer, 200, `since=${since}`);
    assert.ok(answer.json.last_seq !== undefined);
  }
  for (const since of [0, 1, '1', '', '"1"', `1::${high}`, 'now']) {
    const answer = await server.public('POST', '/db/_changes', { since }, { user: alice });
    expectStatus(answer, 200, `since=${JSON.stringify(since)}`);
  }
});

test('a bad since is refused', async () => {
  for (const since of ['foo', ':', ':1', '::1', '1:', '1::', '1:2:', 'a:b:c:d', '1:2:3:4', '123:ggg',
    '-1', '+1', ' 1', '1 ', '1.5', '1e3', '0x1', '18446744073709551616', '99999999999999999999',
    '"1', '""1', 'NOW', 'null', '１']) {
    expectError(await server.public('GET', changesUrl('db', { since }), undefined, { user: alice }),
      400, `since=${since}`);
  }
  for (const since of ['foo', -1, 1.5, true, {}, [], '1:']) {
    expectError(await server.public('POST', '/db/_changes', { since }, { user: alice }), 400,
      `since=${JSON.stringify(since)}`);
  }
});

test('since=now gives nothing old and a position to go on from', async () => {
  const { name, alice: user } = await database();
  await server.write(name, [{ _id: 'old', channels: ['red'] }]);
  await caughtUp(name);
  const now = await server.changes(name, user, { since: 'now' });
  assert.deepEqual(now.results, []);
  await server.write(name, [{ _id: 'new', channels: ['red'] }]);
  await waitFor('the new one', async () => {
    const page = await server.changes(name, user, { since: now.last_seq });
    assert.ok(!ids(page).includes('old'));
    return ids(page).includes('new');
  });
});

test('a position beyond the end gives no entries and comes back unchanged', async () => {
  const page = await server.changes('db', alice, { since: '1000000000' });
  assert.deepEqual(page.results, []);
  assert.equal(`${page.last_seq}`, '1000000000');
});

// sync_gateway#621, #387, #314: a client that only echoes last_seq comes to an end, no page repeats.
test('pages have exactly the limit, end where the next begins and repeat nothing', async () => {
  for (const limit of [1, 2, 5, 11, 12, 13, 100]) {
    const pages = await allPages(server, 'db', alice, { limit });
    for (const page of pages.slice(0, -1)) assert.equal(page.results.length, limit);
    // A page that was cut ends at its last entry; the last one may know that nothing more came.
    for (const page of pages.slice(0, -1)) {
      assert.equal(`${page.last_seq}`, `${page.results.at(-1).seq}`);
    }
    assert.ok(pages.at(-1).results.length <= limit);
    const all = pages.flatMap(ids);
    assert.equal(all.length, 12, `limit ${limit}`);
    assert.equal(new Set(all).size, 12);
  }
});

test('every printed position is a place to go on from', async () => {
  const whole = await server.changes('db', alice);
  for (const [index, entry] of whole.results.entries()) {
    const rest = await server.changes('db', alice, { since: entry.seq });
    assert.deepEqual(ids(rest), ids(whole).slice(index + 1), `since=${entry.seq}`);
  }
});

test('an update moves the document to the end, one entry for each document', async () => {
  const { name, alice: user } = await database();
  const [first] = await server.write(name, [
    { _id: 'a', channels: ['red'] }, { _id: 'b', channels: ['red'] }]);
  const [second] = await server.write(name, [{ _id: 'a', _rev: first.rev, channels: ['red'] }]);
  await caughtUp(name);
  const page = await server.changes(name, user);
  assert.deepEqual(ids(page), ['b', 'a']);
  assert.deepEqual(page.results[1].changes, [{ rev: second.rev }]);
});

test('style=all_docs shows the winner first and then the other leaves', async () => {
  const { name, alice: user } = await database();
  const conflict = (rev) => ({ _id: 'c', _rev: rev, channels: ['red'], rev });
  const answer = await server.admin('POST', `/${name}/_bulk_docs`,
    { docs: [conflict('1-aaa'), conflict('1-bbb')], new_edits: false });
  expectStatus(answer, 201);
  await caughtUp(name);
  const all = await server.changes(name, user, { style: 'all_docs' });
  assert.deepEqual(all.results.map((entry) => entry.changes),
    [[{ rev: '1-bbb' }, { rev: '1-aaa' }]]);
  const main = await server.changes(name, user, { style: 'main_only' });
  assert.deepEqual(main.results[0].changes, [{ rev: '1-bbb' }]);
});

test('include_docs adds the documents', async () => {
  const page = await server.changes('db', alice, { include_docs: 'true', limit: 3 });
  for (const entry of page.results) {
    assert.equal(entry.doc._id, entry.id);
    assert.equal(entry.doc._rev, entry.changes[0].rev);
    assert.equal(typeof entry.doc.value, 'number');
  }
});

// couchbase-lite-ios#2040: a document that moves out of a channel does not just stay.
test('deletes and removals are told, to those who may know the document', async () => {
  const { name, alice: user } = await database();
  const [gone, moved] = await server.write(name, [
    { _id: 'gone', channels: ['red'] }, { _id: 'moved', channels: ['red'] },
    { _id: 'other', channels: ['blue'] }]);
  await caughtUp(name);
  const { last_seq: since } = await server.changes(name, user);
  expectStatus(await server.admin('DELETE', `/${name}/gone?rev=${gone.rev}`), 200);
  await server.write(name, [{ _id: 'moved', _rev: moved.rev, channels: ['blue'], secret: 1 }]);
  await caughtUp(name);
  const { results } = await server.changes(name, user, { since, include_docs: 'true' });
  assert.deepEqual(ids({ results }), ['gone', 'moved']);
  assert.equal(results[0].deleted, true);
  assert.deepEqual(results[1].removed, ['red']);
  assert.equal(results[1].doc?.secret, undefined);
  // An update out of sight is not told again.
  const { last_seq } = await server.changes(name, user, { since });
  const again = await server.admin('GET', `/${name}/moved`);
  await server.write(name, [{ ...again.json, secret: 2 }]);
  await caughtUp(name);
  assert.deepEqual(ids(await server.changes(name, user, { since: last_seq })), []);
});

// sync_gateway#2238, #2696, CBG-5262, PR 8420 (CBG-5555): pages of live entries are full until the end.
test('active_only leaves out tombstones and removals and fills its pages', async () => {
  const { name, alice: user } = await database();
  const docs = Array.from({ length: 60 }, (_, index) => ({
    _id: `d${String(index).padStart(2, '0')}`, channels: ['red'] }));
  const written = await server.write(name, docs);
  const rest = written.map(({ id, rev }, index) => ({ index, id, rev }));
  await server.write(name, rest.filter(({ index }) => index % 3 === 0)
    .map(({ id, rev }) => ({ _id: id, _rev: rev, _deleted: true })));
  await server.write(name, rest.filter(({ index }) => index % 3 === 1)
    .map(({ id, rev }) => ({ _id: id, _rev: rev, channels: ['blue'] })));
  await caughtUp(name);
  const pages = await allPages(server, name, user, { active_only: 'true', limit: 7 });
  assert.deepEqual(pages.map((page) => page.results.length), [7, 7, 6]);
  const live = rest.filter(({ index }) => index % 3 === 2).map(({ id }) => id);
  assert.deepEqual(pages.flatMap(ids), live);
  // CBG-814: a reader that wants tombstones still gets them after an active_only reader.
  const whole = await server.changes(name, user);
  assert.equal(whole.results.filter((entry) => entry.deleted).length, 20);
  assert.equal(whole.results.filter((entry) => entry.removed && !entry.deleted).length, 20);
});

test('filter sync_gateway/bychannel narrows to channels that the user has', async () => {
  const { name } = await database();
  const user = await server.createUser(name, 'bob', ['red', 'green']);
  await server.write(name, [{ _id: 'r', channels: ['red'] }, { _id: 'g', channels: ['green'] },
    { _id: 'b', channels: ['blue'] }]);
  await caughtUp(name);
  const by = async (channels) => ids(await server.changes(name, user,
    { filter: 'sync_gateway/bychannel', channels }));
  assert.deepEqual(await by('red'), ['r']);
  assert.deepEqual(await by('green,red'), ['r', 'g']);
  assert.deepEqual(await by('blue'), []);
  assert.deepEqual(await by('blue,green'), ['g']);
  assert.deepEqual(await by('*'), ['r', 'g']);
  const admin = await server.changes(name, undefined,
    { filter: 'sync_gateway/bychannel', channels: 'blue' });
  assert.deepEqual(ids(admin), ['b']);
});

test('bad parameters are refused', async () => {
  for (const query of [{ feed: 'sideways' }, { filter: 'sync_gateway/bychannel' },
    { filter: 'sync_gateway/bychannel', channels: '' }, { filter: 'no/such' }, { limit: '-1' },
    { limit: 'x' }, { style: 'none' }, { heartbeat: 'x' }, { timeout: '-5' }, { mode: 'sometimes' },
  ]) {
    expectError(await server.public('GET', changesUrl('db', query), undefined, { user: alice }),
      400, JSON.stringify(query));
  }
});

test('POST takes the same parameters, the query overrides them', async () => {
  const body = { limit: 3, style: 'all_docs', include_docs: true };
  const page = expectStatus(await server.public('POST', '/db/_changes', body, { user: alice }), 200);
  assert.equal(page.results.length, 3);
  assert.ok(page.results[0].doc);
  const fewer = await server.public('POST', '/db/_changes?limit=2', body, { user: alice });
  assert.equal(expectStatus(fewer, 200).results.length, 2);
});

test('a normal feed has one entry on each line', async () => {
  const answer = await server.public('GET', changesUrl('db', { limit: 3 }), undefined,
    { user: alice });
  assert.match(answer.headers.get('content-type'), /^application\/json/);
  assert.match(answer.text, /^\{"results":\[\r?\n/);
  assert.match(answer.text, /\n\],\r?\n"last_seq":"?[0-9:]+"?.*\}\r?\n$/);
  const lines = answer.text.split(/\r?\n/).filter((line) => line.includes('"id":'));
  assert.equal(lines.length, 3);
});

test('longpoll answers at once when there is something', async () => {
  const page = await server.changes('db', alice, { feed: 'longpoll', limit: 4 });
  assert.equal(page.results.length, 4);
});

test('longpoll waits for a change of its own channels', async () => {
  const { name, alice: user } = await database();
  const { last_seq: since } = await server.changes(name, user);
  const poll = Stream.open(server, user, changesUrl(name, { feed: 'longpoll', since }));
  await poll.opened;
  await server.write(name, [{ _id: 'blue', channels: ['blue'] }]);
  await server.write(name, [{ _id: 'red', channels: ['red'] }]);
  await poll.until('it ends', ({ ended }) => ended);
  const page = JSON.parse(poll.text);
  assert.deepEqual(ids(page), ['red']);
  const next = await server.changes(name, user, { since: page.last_seq });
  assert.deepEqual(ids(next).filter((id) => id !== 'red'), []);
});

// sync_gateway#1230: a channel known to be empty gets its first document at once.
test('the first document of a channel wakes a longpoll of a user who has only that', async () => {
  const { name } = await database();
  const user = await server.createUser(name, 'bob', ['never-used']);
  const { results, last_seq } = await server.changes(name, user);
  assert.deepEqual(results, []);
  const poll = Stream.open(server, user, changesUrl(name, { feed: 'longpoll', since: last_seq }));
  await poll.opened;
  await server.write(name, [{ _id: 'first', channels: ['never-used'] }]);
  await poll.until('it ends', ({ ended }) => ended);
  assert.deepEqual(ids(JSON.parse(poll.text)), ['first']);
});

// sync_gateway#743: a waiter on the channel of all documents wakes for any document.
test('a longpoll of an admin and of a holder of * wakes for any document', async () => {
  const { name } = await database();
  const star = await server.createUser(name, 'star', ['*']);
  for (const [index, user] of [undefined, star].entries()) {
    const { last_seq } = await server.changes(name, user);
    const poll = Stream.open(server, user, changesUrl(name, { feed: 'longpoll', since: last_seq }));
    await poll.opened;
    await server.write(name, [{ _id: `nowhere-${index}`, value: 'in no channel' }]);
    await poll.until('it ends', ({ ended }) => ended);
    assert.ok(ids(JSON.parse(poll.text)).includes(`nowhere-${index}`));
  }
});

// sync_gateway#164: longpoll honours its timeout; #1529: an empty answer has a usable last_seq.
test('a longpoll without changes ends at its timeout with a position to go on from', async () => {
  const { name, alice: user } = await database();
  const { last_seq } = await server.changes(name, user);
  const page = await server.changes(name, user,
    { feed: 'longpoll', since: last_seq, timeout: 200 });
  assert.deepEqual(page.results, []);
  await server.write(name, [{ _id: 'later', channels: ['red'] }]);
  const next = await server.changes(name, user,
    { feed: 'longpoll', since: page.last_seq, timeout: 10_000 });
  assert.deepEqual(ids(next), ['later']);
});

// sync_gateway#164: heartbeats come, and do not break the JSON.
test('heartbeats keep waiting feeds alive', async () => {
  const { name, alice: user } = await database();
  const { last_seq: since } = await server.changes(name, user);
  const query = { since, heartbeat: 1000 };
  const poll = Stream.open(server, user, changesUrl(name, { ...query, feed: 'longpoll' }));
  const feed = Stream.open(server, user, changesUrl(name, { ...query, feed: 'continuous' }));
  await Promise.all([poll.opened, feed.opened]);
  const blank = (stream) => stream.lines.filter((line) => line === '').length;
  await poll.until('heartbeats of the longpoll', (stream) => blank(stream) >= 1, 35_000);
  await feed.until('heartbeats of the continuous feed', (stream) => blank(stream) >= 2, 35_000);
  await server.write(name, [{ _id: 'a', channels: ['red'] }]);
  await poll.until('it ends', ({ ended }) => ended);
  assert.deepEqual(ids(JSON.parse(poll.text)), ['a']);
  await feed.until('the entry', (stream) => stream.ids.includes('a'));
  feed.close();
});

test('a continuous feed gives one entry on each line as they come', async () => {
  const { name, alice: user } = await database();
  await server.write(name, [{ _id: 'a', channels: ['red'] }, { _id: 'x', channels: ['blue'] }]);
  const feed = Stream.open(server, user, changesUrl(name, { feed: 'continuous', timeout: 60_000 }));
  await feed.until('the old one', (stream) => stream.ids.includes('a'));
  const [{ rev }] = await server.write(name, [{ _id: 'b', channels: ['red'] }]);
  await feed.until('the new one', (stream) => stream.ids.includes('b'));
  await server.admin('DELETE', `/${name}/b?rev=${rev}`);
  await feed.until('the delete', (stream) => stream.entries.at(-1).deleted);
  assert.deepEqual(feed.ids, ['a', 'b', 'b']);
  feed.close();
});

test('a continuous feed ends at its limit and at its timeout', async () => {
  const limited = Stream.open(server, alice, changesUrl('db', { feed: 'continuous', limit: 5 }));
  await limited.until('it ends', ({ ended }) => ended);
  assert.equal(limited.entries.length, 5);
  const timed = Stream.open(server, alice, changesUrl('db', { feed: 'continuous', timeout: 300 }));
  await timed.until('it ends', ({ ended }) => ended);
  assert.equal(timed.entries.length, 12);
});

test('include_docs works on waiting feeds', async () => {
  const { name, alice: user } = await database();
  const feed = Stream.open(server, user,
    changesUrl(name, { feed: 'continuous', include_docs: 'true', timeout: 60_000 }));
  await feed.opened;
  await server.write(name, [{ _id: 'a', channels: ['red'], value: 'x' }]);
  await feed.until('the entry', (stream) => stream.entries.length > 0);
  assert.equal(feed.entries[0].doc.value, 'x');
  feed.close();
});

test('a user sees the own write at once in mode available', async () => {
  const { name, alice: user } = await database();
  for (let count = 0; count < 50; count += 1) {
    const id = `own-${count}`;
    expectStatus(await server.public('PUT', `/${name}/${id}`, { channels: ['red'] }, { user }), 201);
    const page = await server.changes(name, user, { mode: 'available' });
    assert.ok(ids(page).includes(id), `${id} right after its answer`);
  }
});

test('mode stable prints plain numbers and catches up', async () => {
  const { name, alice: user } = await database();
  await server.write(name, [{ _id: 'a', channels: ['red'] }]);
  await waitFor('the entry in mode stable', async () => {
    const page = await server.changes(name, user, { mode: 'stable' });
    assert.match(`${page.last_seq}`, /^\d+$/);
    for (const entry of page.results) assert.match(`${entry.seq}`, /^\d+$/);
    return ids(page).includes('a');
  });
});

// sync_gateway#2204: an empty database serves an empty feed, then data, no error.
test('an empty database has an empty feed', async () => {
  const { name, alice: user } = await database();
  const page = await server.changes(name, user);
  assert.deepEqual(page.results, []);
  assert.ok(page.last_seq !== undefined);
  assert.deepEqual(ids(await server.changes(name, user, { since: page.last_seq })), []);
});

// sync_gateway#718: with the channel of all documents off, its readers still work.
test('without the star channel admins and holders of * are served all the same', async () => {
  const { name } = await database({ star_channel: false });
  const star = await server.createUser(name, 'star', ['*']);
  await server.write(name, [{ _id: 'a', channels: ['red'] }, { _id: 'b' }]);
  await caughtUp(name);
  for (const user of [undefined, star]) {
    const page = await server.changes(name, user);
    const documents = ids(page).filter((id) => !/^(_|woken)/.test(id));
    assert.deepEqual(documents, ['a', 'b']);
    const poll = Stream.open(server, user,
      changesUrl(name, { feed: 'longpoll', since: page.last_seq }));
    await poll.opened;
    const [{ id }] = await server.write(name, [{ _id: `woken-${Boolean(user)}` }]);
    await poll.until('it ends', ({ ended }) => ended);
    assert.ok(ids(JSON.parse(poll.text)).includes(id));
  }
});

// sync_gateway#1275, #1329, #1266, #3225, #3248, CBG-1113: waiters of vanished clients are freed.
test('clients that vanish leave nothing behind', async () => {
  const waiting = async () => {
    const { text } = await server.admin('GET', '/_metrics');
    const lines = text.split('\n').filter((line) => /^headgate_\w*feeds\w*(\{.*\})? /.test(line)
      && !/_total|_bucket|_sum|_count/.test(line));
    assert.ok(lines.length > 0, 'a gauge of feeds');
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };
  const { name, alice: user } = await database();
  const before = await waiting();
  const { last_seq: since } = await server.changes(name, user);
  const feeds = Array.from({ length: 150 }, (_, index) => Stream.open(server,
    index % 3 ? user : undefined,
    changesUrl(name, { since, heartbeat: 60_000, feed: index % 2 ? 'longpoll' : 'continuous' })));
  await Promise.all(feeds.map((feed) => feed.opened));
  await waitFor('all wait', async () => (await waiting()) >= before + 150);
  for (const feed of feeds) feed.close();
  await waitFor('all are freed', async () => (await waiting()) <= before, 40_000);
});
