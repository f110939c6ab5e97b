// SPDX-License-Identifier: Apache-2.0
// Feeds under concurrent writes: whatever position was ever printed, a client that goes on from
// it misses nothing, sees no older revision after a newer one, and comes to an end.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectStatus } from './expect.mjs';
import { seeded } from './pouch.mjs';
import { Server, Stream, waitFor } from './server.mjs';

let server;
before(async () => { server = await Server.start(); });
after(async () => { await server?.close(); });

const generation = (rev) => Number(rev.split('-')[0]);
const changesUrl = (name, query) => `/${name}/_changes?${new URLSearchParams(query)}`;

/**
 * Eight writers on 40 documents and three channels; returns the last revision of each document.
 * Every fifth write takes the document out of channel red, the next one puts it back.
 */
async function writeMuch(name, rounds, random) {
  const revs = new Map();
  await Promise.all(Array.from({ length: 8 }, async (_, writer) => {
    for (let round = 0; round < rounds; round += 1) {
      const id = `d${writer * 5 + random.below(5)}`;
      const doc = { channels: round % 5 === 4 ? ['blue'] : ['red', random.pick(['green', 'blue'])],
        round };
      if (revs.has(id)) doc._rev = revs.get(id);
      const answer = await server.admin('PUT', `/${name}/${id}`, doc);
      revs.set(id, expectStatus(answer, 201).rev);
    }
  }));
  // The end: every document is in red.
  await Promise.all([...revs].map(async ([id, rev]) => {
    const answer = await server.admin('PUT', `/${name}/${id}`, { _rev: rev, channels: ['red'] });
    revs.set(id, expectStatus(answer, 201).rev);
  }));
  return revs;
}

/** Revisions of a document on one feed never go back. */
function expectOrdered(entries, what) {
  const newest = new Map();
  for (const { id, changes: [{ rev }] } of entries) {
    assert.ok(generation(rev) >= (newest.get(id) ?? 0),
      `${what}: ${id} ${rev} after generation ${newest.get(id)}`);
    newest.set(id, generation(rev));
  }
}

function expectComplete(entries, revs, what) {
  const last = new Map(entries.map(({ id, changes }) => [id, changes[0].rev]));
  for (const [id, rev] of revs) assert.equal(last.get(id), rev, `${what}: ${id}`);
}

for (const block_format of ['append', 'indexed']) {
  for (const changes_mode of ['available', 'stable']) {
    // sync_gateway#789, #525, #624, #1227, #506, PR #1477, #3721, #4638.
    test(`no printed position loses anything: ${block_format}, ${changes_mode}`, async () => {
      const random = seeded();
      const name = `resume-${block_format}-${changes_mode}`;
      await server.createDatabase(name, { block_format, changes_mode });
      const alice = await server.createUser(name, 'alice', ['red', 'green']);
      const feed = Stream.open(server, alice,
        changesUrl(name, { feed: 'continuous', timeout: 120_000 }));
      await feed.opened;
      let writing = true;
      const pages = followByPages(name, alice, () => writing);
      const revs = await writeMuch(name, 60, random);
      writing = false;
      const complete = ({ entries }) => {
        const last = new Map(entries.map(({ id, changes }) => [id, changes[0].rev]));
        return [...revs].every(([id, rev]) => last.get(id) === rev);
      };
      await feed.until('the continuous feed has every last revision', complete, 30_000);
      const { entries } = feed;
      feed.close();
      expectOrdered(entries, 'continuous');
      const paged = await pages;
      expectOrdered(paged, 'longpoll pages');
      expectComplete(paged, revs, 'longpoll pages');
      await resumeEverywhere(name, alice, entries, revs, random);
    });
  }
}

/** Longpolls with small pages while others write, then until nothing comes any more. */
async function followByPages(name, user, writing) {
  const seen = [];
  let since = '0';
  for (;;) {
    const last = !writing();
    const page = await server.changes(name, user,
      { feed: 'longpoll', since, limit: 7, timeout: 500 });
    seen.push(...page.results);
    since = page.last_seq;
    if (last && page.results.length === 0) return seen;
    assert.ok(seen.length < 20_000, 'the pages come to an end');
  }
}

/** From any token of the feed, what came before it and what comes after make the whole. */
async function resumeEverywhere(name, user, entries, revs, random) {
  for (let sample = 0; sample < 40; sample += 1) {
    const index = random.below(entries.length);
    const since = entries[index].seq;
    const rest = await server.changes(name, user, { since });
    const known = entries.slice(0, index + 1);
    expectComplete([...known, ...rest.results], revs, `since=${since}`);
    expectOrdered(rest.results, `since=${since}`);
  }
}

// sync_gateway#1309: positions with a low part get no endless repeats.
test('a client that follows last_seq while others write sees few repeats and then none', async () => {
  const name = 'repeats';
  await server.createDatabase(name, { changes_mode: 'available' });
  const alice = await server.createUser(name, 'alice', ['red']);
  let since = '0';
  const seen = new Map();
  let sent = 0;
  for (let round = 0; round < 100; round += 1) {
    await server.write(name, [{ _id: `d${round}`, channels: ['red'] }]);
    const page = await server.changes(name, alice, { since });
    for (const { id } of page.results) seen.set(id, (seen.get(id) ?? 0) + 1);
    sent += page.results.length;
    since = page.last_seq;
  }
  assert.equal(seen.size, 100);
  assert.ok(sent < 1000, `${sent} entries for 100 documents`);
  // While stable rises below a position, what lies between them may come once more.
  await waitFor('an empty page at a position without a low part', async () => {
    const page = await server.changes(name, alice, { since });
    since = page.last_seq;
    return page.results.length === 0 && !`${since}`.includes('::');
  });
  assert.deepEqual((await server.changes(name, alice, { since })).results, []);
});

// sync_gateway#2365: a write that loses a race draws another sequence; the first holds nothing back.
test('races for one document do not hold back the stable feed', async () => {
  const name = 'races';
  await server.createDatabase(name);
  let winners = 0;
  const contend = async (_, writer) => {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const { json } = await server.admin('GET', `/${name}/hot`);
      // The same edit of the same parent would be a success for all who make it.
      const doc = { channels: ['red'], writer, ...(json?._rev ? { _rev: json._rev } : {}) };
      const { status } = await server.admin('PUT', `/${name}/hot`, doc);
      assert.ok(status === 201 || status === 409);
      if (status === 201) winners += 1;
    }
  };
  await Promise.all(Array.from({ length: 32 }, contend));
  const { _rev } = (await server.admin('GET', `/${name}/hot`)).json;
  assert.equal(generation(_rev), winners);
  await waitFor('the stable feed has it', async () => {
    const { results } = await server.changes(name, undefined, { mode: 'stable' });
    return results.find(({ id }) => id === 'hot')?.changes[0].rev === _rev;
  }, 5000);
});

// sync_gateway#3824: deleted and made again, no sequence is lost; PR 7302: nor with many updates.
test('deleting and making a document again and again holds nothing back', async () => {
  const name = 'again';
  await server.createDatabase(name);
  const alice = await server.createUser(name, 'alice', ['red']);
  let rev;
  for (let round = 0; round < 30; round += 1) {
    const doc = { channels: ['red'], round, ...(rev ? { _rev: rev } : {}) };
    ({ rev } = expectStatus(await server.admin('PUT', `/${name}/d`, doc), 201));
    if (round % 3 !== 2) continue;
    ({ rev } = expectStatus(await server.admin('DELETE', `/${name}/d?rev=${rev}`), 200));
  }
  await server.write(name, [{ _id: 'last', channels: ['red'] }]);
  await waitFor('the stable feed has the last one', async () => {
    const { results } = await server.changes(name, alice, { mode: 'stable' });
    return results.map(({ id }) => id).join() === 'd,last';
  }, 5000);
});

// R6b in the fault model: the first two writes of a new database, by two writers at once.
test('the first writes of new databases reach a follower', async () => {
  for (let round = 0; round < 20; round += 1) {
    const name = `first-${round}`;
    await server.createDatabase(name);
    const follow = followByPages(name, undefined, () => false);
    await Promise.all(Array.from({ length: 4 }, (_, index) =>
      server.write(name, [{ _id: `d${index}`, channels: ['red'] }])));
    const early = await follow;
    const page = await server.changes(name, undefined, { since: early.at(-1)?.seq ?? '0' });
    const ids = new Set([...early, ...page.results].map(({ id }) => id));
    for (let index = 0; index < 4; index += 1) assert.ok(ids.has(`d${index}`), `${name} d${index}`);
  }
});

test('a writer of a hot channel is followed in both modes by many feeds', async () => {
  const name = 'hot';
  await server.createDatabase(name);
  const alice = await server.createUser(name, 'alice', ['red']);
  const feeds = ['available', 'stable'].flatMap((mode) => Array.from({ length: 10 }, () =>
    Stream.open(server, alice, changesUrl(name, { feed: 'continuous', mode, timeout: 120_000 }))));
  await Promise.all(feeds.map((feed) => feed.opened));
  await Promise.all(Array.from({ length: 16 }, async (_, writer) => {
    for (let count = 0; count < 25; count += 1) {
      await server.write(name, [{ _id: `${writer}-${count}`, channels: ['red'] }]);
    }
  }));
  for (const feed of feeds) {
    await feed.until('all 400 documents', ({ ids }) => new Set(ids).size === 400, 30_000);
    assert.equal(feed.ids.length, 400, 'each one once');
    feed.close();
  }
});
