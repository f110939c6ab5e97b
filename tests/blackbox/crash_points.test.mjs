// SPDX-License-Identifier: Apache-2.0
// The process stops between any two steps of a write (A2, A3 in the fault model). After a restart
// the change, and the backfill of a grant, reaches every follower, and stable moves on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashAt, withServer } from './fault_server.mjs';
import { currentRevisions, expectAllTokensGood, expectOrdered, feedKinds, Follower }
  from './follower.mjs';
import { untilStable } from './metrics.mjs';

const kSync = `function (doc, oldDoc) {
  channel(doc.channels);
  if (doc.reader) access(doc.reader, doc.opens);
}`;
const kSecrets = 24;
const kSteps = ['stop-after:document-write', 'stop-after:first-block', 'stop-after:counters',
  'stop-before:sequence-document'];
const kOpening = ['stop-before:block-record', 'stop-after:block-record',
  'stop-before:block-record:tag=cred', 'stop-after:block-record:tag=cred'];
const kPoints = { append: [...kSteps, ...kOpening], indexed: kSteps };
/** At the hidden channel of the principal that the write grants to (R5b). */
const kGranting = ['stop-before:block:tag=puser:alice', 'stop-after:block:tag=puser:alice',
  'stop-before:access-counter', 'stop-after:access-counter'];
const kOpeningHidden = ['stop-before:block-record:tag=puser:alice',
  'stop-after:block-record:tag=puser:alice'];
const kGrantPoints = { append: [...kSteps, ...kGranting, ...kOpeningHidden],
  indexed: [...kSteps, ...kGranting] };

function followers(server, users) {
  return users.flatMap((user) => feedKinds.flatMap((feed) =>
    ['available', 'stable'].map((mode) => new Follower(server, 'db', user, feed, { mode }))));
}

async function expectReached(server, follower, expected) {
  await follower.untilHas(expected, 20_000);
  const fresh = new Follower(server, follower.database, follower.user, follower.feed,
    follower.query);
  await fresh.untilHas(expected);
  await fresh.stop();
  expectOrdered(fresh.entries, `new ${fresh.name}`);
}

async function expectEverythingReached(server, all, isVisible) {
  await Promise.all(all.map(async (follower) => expectReached(server, follower,
    await currentRevisions(server, 'db', (doc) => isVisible(follower.user, doc)))));
}

for (const block_format of ['append', 'indexed']) {
  // sync_gateway#707: writes in flight at a restart are neither lost nor hidden from the feed.
  test(`a change whose process stopped half-way reaches every follower: ${block_format}`, () =>
    withServer(async (server) => {
      const points = kPoints[block_format];
      await server.createDatabase('db', { block_format, block_capacity: 4 });
      const alice = await server.createUser('db', 'alice', ['red']);
      const all = followers(server, [undefined, alice]);
      const isVisible = (user, doc) => !user || doc.channels.includes('red');
      const revs = new Map();
      let stable = 0;
      for (const [round, point] of points.entries()) {
        await crashAt(server, point, async (count) => {
          const id = `d${count % 3}`;
          const doc = { channels: (round + count) % 2 ? ['red', 'blue'] : ['red'], round, count };
          const known = (await currentRevisions(server, 'db')).get(id);
          if (known) doc._rev = known;
          const answer = await server.admin('PUT', `/db/${id}`, doc);
          assert.equal(answer.status, 201, answer.text);
          revs.set(id, answer.json.rev);
          return answer;
        });
        stable = await untilStable(server, 'db', { above: stable });
        await expectEverythingReached(server, all, isVisible);
      }
      for (const follower of all) {
        await follower.stop();
        expectOrdered(follower.entries, follower.name);
        const expected = await currentRevisions(server, 'db', (doc) =>
          isVisible(follower.user, doc));
        await expectAllTokensGood(follower, expected);
      }
      // What was acknowledged is there, or something newer.
      const current = await currentRevisions(server, 'db');
      for (const [id, rev] of revs) {
        assert.ok(Number.parseInt(current.get(id), 10) >= Number.parseInt(rev, 10), `${id} ${rev}`);
      }
    }));

  // sync_gateway#2068, #1865, #2335: the backfill of a grant needs no other write.
  test(`a grant whose process stopped half-way opens its channel: ${block_format}`, () =>
    withServer(async (server) => {
      const points = kGrantPoints[block_format];
      await server.createDatabase('db', { block_format, block_capacity: 4, sync: kSync });
      const secrets = points.flatMap((_, round) => Array.from({ length: kSecrets }, (__, index) =>
        ({ _id: `secret-${round}-${index}`, channels: [`s-${round}-${index}`] })));
      await server.write('db', secrets);
      const alice = await server.createUser('db', 'alice', ['red']);
      const all = followers(server, [alice]);
      let stable = await untilStable(server, 'db');
      for (const [round, point] of points.entries()) {
        const written = await crashAt(server, point, (count) => server.admin('PUT',
          `/db/grant-${round}-${count}`, { channels: ['grants'], reader: 'alice',
            opens: `s-${round}-${count}` }), kSecrets);
        stable = await untilStable(server, 'db', { above: stable });
        const grants = await currentRevisions(server, 'db', ({ opens }) => opens !== undefined);
        assert.ok(grants.has(`grant-${round}-${written - 1}`), `${point}: the base holds the grant`);
        const isOpen = ({ _id }) =>
          _id.startsWith('secret') && grants.has(_id.replace('secret', 'grant'));
        await expectEverythingReached(server, all, (_, doc) => isOpen(doc));
      }
      for (const follower of all) {
        await follower.stop();
        const grants = await currentRevisions(server, 'db', ({ opens }) => opens !== undefined);
        for (const { id } of follower.entries.filter((entry) => entry.id.startsWith('secret'))) {
          assert.ok(grants.has(id.replace('secret', 'grant')), `${follower.name}: ${id} was opened`);
        }
      }
    }));
}
