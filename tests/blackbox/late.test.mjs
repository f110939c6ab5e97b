// SPDX-License-Identifier: Apache-2.0
// A front end held between block and sequence document while others overtake it: a late entry, and
// a late entry of a revision that is superseded meanwhile (R15b, R17b).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../clients/server.mjs';
import { heldWrite, holdCacheWriters, release, withServer } from './fault_server.mjs';
import { currentRevisions, expectAllTokensGood, expectComplete, expectOrdered, feedKinds, Follower }
  from './follower.mjs';
import { Metrics, untilStable } from './metrics.mjs';

const kModes = ['available', 'stable'];
/** Pages that a client may need from one position to the end of this little database. */
const kPagesMax = 12;

async function put(server, database, id, doc) {
  const answer = await server.admin('PUT', `/${database}/${id}`, doc);
  assert.equal(answer.status, 201, answer.text);
  return answer.json.rev;
}

/** Readers of channel red: a user, or the guest where nothing may be written before. */
function followAll(server, database, user) {
  return kModes.flatMap((mode) => feedKinds.map((feed) =>
    new Follower(server, database, user, feed, { mode })));
}

async function firstRevision(server, database, id) {
  const answer = await server.admin('GET', `/${database}/${id}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json._rev;
}

/**
 * `late` is held; `other`, with a higher sequence, and then a newer revision of `late` itself become
 * visible; then the held one is let go. `checks` are made before and after that.
 */
async function overtake(server, database, user, { isCacheWriterHeld, isSuperseded }) {
  const all = followAll(server, database, user);
  const early = all.filter(({ query }) => query.mode === 'available');
  if (isCacheWriterHeld) await holdCacheWriters(server);
  const late = await heldWrite(server, database, 'late', { channels: ['red'], n: 1 });
  const seen = new Map([['other', await put(server, database, 'other', { channels: ['red'] })]]);
  for (const follower of early) await follower.untilHas(seen);
  if (isCacheWriterHeld) {
    for (const { name, last } of early) assert.equal(last.get('late'), undefined, name);
  }
  if (isSuperseded) {
    const _rev = await firstRevision(server, database, 'late');
    seen.set('late', await put(server, database, 'late', { _rev, channels: ['red'], n: 2 }));
    for (const follower of early) await follower.untilHas(seen);
  }
  // What was printed so far is good while the hole is open, too.
  for (const follower of early) {
    const before = follower.tokens.slice();
    assert.ok(before.length > 0, follower.name);
    await expectAllTokensGood({ ...follower, tokens: before, name: `${follower.name}, hole open` },
      seen, { pagesMax: kPagesMax });
  }
  await release(server);
  const { status, text } = await late.answer;
  assert.equal(status, 201, text);
  const revs = await currentRevisions(server, database);
  assert.deepEqual([...revs.keys()].filter((id) => ['late', 'other'].includes(id)),
    ['late', 'other']);
  for (const follower of all) await follower.untilHas(revs);
  return { all, revs };
}

/** One connection brings a revision once; from page to page few come again while stable rises. */
function expectFewRepeats(follower) {
  const timesMax = follower.feed === 'continuous' ? follower.connections : 6;
  const times = new Map();
  for (const { id, rev } of follower.entries) {
    const key = `${id} ${rev}`;
    times.set(key, (times.get(key) ?? 0) + 1);
    assert.ok(times.get(key) <= timesMax, `${follower.name}: ${key} more than ${timesMax} times`);
  }
}

async function expectGood(server, database, user, { all, revs }) {
  await untilStable(server, database);
  for (const follower of all) {
    await follower.stop();
    expectOrdered(follower.entries, follower.name);
    expectComplete(follower.entries, revs, follower.name);
    expectFewRepeats(follower);
    await expectAllTokensGood(follower, revs, { pagesMax: kPagesMax });
    await expectAllTokensGood(follower, revs, { pagesMax: kPagesMax, limit: 1 });
  }
  // And with the tokens of each mode in the other.
  for (const follower of all) {
    const mode = follower.query.mode === 'stable' ? 'available' : 'stable';
    await expectAllTokensGood({ ...follower, query: { mode }, name: `${follower.name} to ${mode}` },
      revs, { pagesMax: kPagesMax });
  }
}

for (const block_format of ['append', 'indexed']) {
  for (const isCacheWriterHeld of [true, false]) {
    for (const isSuperseded of [true, false]) {
      const name = `${block_format}${isCacheWriterHeld ? ', cache writer held' : ''}`
        + `${isSuperseded ? ', superseded' : ''}`;
      const how = { isCacheWriterHeld, isSuperseded };

      // sync_gateway#789, #3721, #1309; pouchdb#4604: nothing lost, nothing for ever.
      test(`a late write: ${name}`, () => withServer(async (server) => {
        await server.createDatabase('db', { block_format });
        const alice = await server.createUser('db', 'alice', ['red']);
        await server.write('db', Array.from({ length: 5 }, (_, index) =>
          ({ _id: `d${index}`, channels: ['red'] })));
        await untilStable(server, 'db');
        await expectGood(server, 'db', alice, await overtake(server, 'db', alice, how));
      }));

      // R6b: the low part of a printed position is never 0.
      test(`a late write is the first of a new database: ${name}`, () =>
        withServer(async (server) => {
          await server.createDatabase('db', { block_format,
            guest: { disabled: false, admin_channels: ['red'] } });
          await expectGood(server, 'db', undefined, await overtake(server, 'db', undefined, how));
        }));
    }
  }
}

// The cache writer does the work of a front end that takes too long; its own late insert is
// harmless (A5).
test('stable passes a held front end, which may end later', () => withServer(async (server) => {
  await server.createDatabase('db');
  const alice = await server.createUser('db', 'alice', ['red']);
  const before = await untilStable(server, 'db');
  const late = await heldWrite(server, 'db', 'late', { channels: ['red'] });
  await waitFor('the held write is repaired', async () =>
    (await Metrics.read(server)).get('repairs_total', { kind: 'cache_work' }) === 1);
  await untilStable(server, 'db', { above: before });
  const { results } = await server.changes('db', alice, { mode: 'stable' });
  assert.ok(results.some(({ id }) => id === 'late'));
  await release(server);
  assert.equal((await late.answer).status, 201);
  const again = await server.changes('db', alice, { mode: 'stable' });
  assert.deepEqual(again.results, results);
  assert.equal((await Metrics.read(server)).get('resequences_total'), 0);
}));
