// SPDX-License-Identifier: Apache-2.0
// The idea itself: front ends write the channel cache, so that changes are seen while the cache
// writer stands still; and what the cache holds serves a new process without the documents.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdCacheWriters, release, withServer } from './fault_server.mjs';
import { changesTarget, currentRevisions, expectOrdered, feedKinds, Follower, lastOf }
  from './follower.mjs';
import { Metrics, untilStable } from './metrics.mjs';

const kDocuments = 12;

async function writeAll(server, database, round) {
  const revs = new Map();
  for (let index = 0; index < kDocuments; index += 1) {
    const id = `${round}-${index}`;
    const [{ rev }] = await server.write(database, [{ _id: id, channels: ['red'] }]);
    revs.set(id, rev);
  }
  return revs;
}

function followEverywhere(server, database, user, mode) {
  return feedKinds.map((feed) => new Follower(server, database, user, feed, { mode }));
}

/** Ids among `revs` that came to the follower. */
function received(follower, revs) {
  return follower.entries.map(({ id }) => id).filter((id) => revs.has(id));
}

for (const block_format of ['append', 'indexed']) {
  test(`with the cache writer held, mode available sees every change: ${block_format}`, () =>
    withServer(async (server) => {
      await server.createDatabase('front', { block_format });
      await server.createDatabase('classic', { block_format, cache_writes: 'feed' });
      const alice = await server.createUser('front', 'alice', ['red']);
      const bob = await server.createUser('classic', 'bob', ['red']);
      const before = await writeAll(server, 'front', 'before');
      const classicBefore = await writeAll(server, 'classic', 'before');
      const early = followEverywhere(server, 'front', alice, 'available');
      const late = followEverywhere(server, 'front', alice, 'stable');
      const classic = ['available', 'stable'].flatMap((mode) =>
        followEverywhere(server, 'classic', bob, mode));
      for (const follower of [...early, ...late]) await follower.untilHas(before);
      for (const follower of classic) await follower.untilHas(classicBefore);
      const stable = await untilStable(server, 'front');

      await holdCacheWriters(server);
      const classicRevs = await writeAll(server, 'classic', 'held');
      const revs = await writeAll(server, 'front', 'held');
      for (const follower of early) await follower.untilHas(revs, 2_000);
      // The poll of every part passes meanwhile: none of them finds anything.
      const more = new Map(revs);
      for (let round = 0; round < 10; round += 1) {
        for (const [id, rev] of await writeAll(server, 'front', `more${round}`)) more.set(id, rev);
        for (const follower of early) await follower.untilHas(more, 2_000);
      }
      for (const follower of late) assert.deepEqual(received(follower, more), [], follower.name);
      for (const follower of classic) {
        assert.deepEqual(received(follower, classicRevs), [], follower.name);
      }
      const held = await Metrics.read(server);
      assert.equal(held.get('stable_sequence', { database: 'front' }), stable);

      await release(server);
      for (const follower of [...early, ...late]) await follower.untilHas(more);
      for (const follower of classic) await follower.untilHas(classicRevs);
      assert.ok(await untilStable(server, 'front') >= stable + more.size);
      for (const follower of [...early, ...late, ...classic]) {
        await follower.stop();
        expectOrdered(follower.entries, follower.name);
      }
      // Nobody repaired anything: the front end had done all of it.
      const { cache_work } = (await Metrics.read(server))
        .growth(held, 'repairs_total', 'kind', { database: 'front' });
      assert.equal(cache_work, 0, 'writes repaired in mode frontend');
    }));
}

/** Documents in random-looking channels, some moved, deleted and made again. */
async function fill(server, database) {
  const channels = ['red', 'green', 'blue'];
  const revs = new Map();
  for (let round = 0; round < 4; round += 1) {
    const docs = Array.from({ length: 150 }, (_, index) => index)
      .filter((index) => (index + round) % (round + 1) === 0)
      .map((index) => ({
        _id: `d${index}`,
        ...(revs.has(`d${index}`) ? { _rev: revs.get(`d${index}`) } : {}),
        ...(round === 2 && index % 5 === 0 ? { _deleted: true } : {}),
        channels: [channels[(index + round) % 3], ...(index % 7 === 0 ? ['red'] : [])],
      }));
    for (const { id, rev } of await server.write(database, docs)) revs.set(id, rev);
  }
}

for (const end of ['stop', 'kill']) {
  for (const block_format of ['append', 'indexed']) {
    test(`a new process serves channels from the cache alone: ${end}, ${block_format}`, () =>
      withServer(async (server) => {
        await server.createDatabase('db', { block_format, block_capacity: 16 });
        const users = [];
        for (const channels of [['red'], ['green', 'blue'], ['*']]) {
          users.push(await server.createUser('db', `u${users.length}`, channels));
        }
        await fill(server, 'db');
        await untilStable(server, 'db');
        await server[end]();
        await server.restart();
        await untilStable(server, 'db');
        const before = await Metrics.read(server);
        const pages = [];
        for (const user of users) pages.push(await server.changes('db', user, {}));
        const { document } = (await Metrics.read(server)).growth(before, 'store_reads_total', 'kind');
        assert.equal(document ?? 0, 0, 'base documents read for _changes');
        for (const [index, user] of users.entries()) {
          const expected = await currentRevisions(server, 'db', ({ channels }) =>
            user.channels.some((name) => name === '*' || channels.includes(name)));
          const shown = lastOf(pages[index].results
            .filter(({ id, deleted, removed }) => !deleted && !removed && !id.startsWith('_')));
          assert.deepEqual(new Map([...shown].sort()), new Map([...expected].sort()), user.name);
        }
        // The counter counts: a page with documents reads them.
        await server.changes('db', users[0], { include_docs: true });
        const { document: read } =
          (await Metrics.read(server)).growth(before, 'store_reads_total', 'kind');
        assert.ok(read > 0, 'include_docs reads documents');
      }));
  }
}

test('a feed of the held cache writer goes on where it stood after a restart', () =>
  withServer(async (server) => {
    await server.createDatabase('db');
    const alice = await server.createUser('db', 'alice', ['red']);
    const follower = new Follower(server, 'db', alice, 'continuous', { mode: 'stable' });
    await holdCacheWriters(server);
    const revs = await writeAll(server, 'db', 'held');
    assert.deepEqual(received(follower, revs), []);
    await server.kill();
    await server.restart();
    await follower.untilHas(revs);
    await follower.stop();
    const page = await server.changes('db', alice, { mode: 'stable' });
    assert.deepEqual([...revs].filter(([id, rev]) => lastOf(page.results).get(id) !== rev), [],
      changesTarget('db', {}));
  }));
