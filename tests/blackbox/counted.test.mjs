// SPDX-License-Identifier: Apache-2.0
// What things cost, counted by the server's own figures and not timed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Stream, waitFor } from '../clients/server.mjs';
import { withServer } from './fault_server.mjs';
import { changesTarget } from './follower.mjs';
import { Metrics, untilStable } from './metrics.mjs';

test('a lone durable PUT costs one fsync', () => withServer(async (server) => {
  await server.createDatabase('disk');
  await server.createDatabase('memory', { durability: 'memory' });
  await server.write('disk', [{ _id: 'first' }]);
  await untilStable(server, 'disk');
  const before = await Metrics.read(server);
  const writes = 20;
  for (let count = 0; count < writes; count += 1) {
    const answer = await server.admin('PUT', `/disk/d${count}`,
      { channels: Array.from({ length: count % 2 ? 10 : 1 }, (_, index) => `c${index}`) });
    assert.equal(answer.status, 201, answer.text);
  }
  await untilStable(server, 'disk');
  const after = await Metrics.read(server);
  const fsyncs = after.get('store_fsyncs_total') - before.get('store_fsyncs_total');
  assert.equal(fsyncs, writes, `fsyncs of ${writes} lone PUTs`);
  for (const stage of ['document', 'cache_blocks', 'sequence_document']) {
    const name = 'write_stage_seconds_count';
    assert.equal(after.get(name, { stage }) - before.get(name, { stage }), writes,
      `one bucket step of stage ${stage} a write, with 1 and with 10 channels`);
  }
}));

/** Store reads that one write costs while `count` longpolls wait for it. */
async function costOfWaking(server, alice, count, round) {
  await untilStable(server, 'db');
  const { last_seq: since } = await server.changes('db', alice, {});
  const feeds = Array.from({ length: count }, () => Stream.open(server, alice,
    changesTarget('db', { feed: 'longpoll', since, timeout: 120_000 })));
  await waitFor('all longpolls wait', async () =>
    (await Metrics.read(server)).get('feeds', { kind: 'longpoll' }) === count, 60_000);
  await untilQuiet(server);
  const before = await Metrics.read(server);
  const id = `woken-${round}`;
  await server.write('db', [{ _id: id, channels: ['red'] }]);
  await waitFor('all longpolls are answered', () => feeds.every(({ ended }) => ended), 30_000);
  for (const feed of feeds) {
    assert.equal(feed.status, 200);
    assert.deepEqual(JSON.parse(feed.text).results.map((entry) => entry.id), [id]);
  }
  await untilStable(server, 'db');
  const after = await Metrics.read(server);
  return {
    cache: after.growth(before, 'cache_reads_total', 'what', { database: 'db' }),
    store: after.growth(before, 'store_reads_total', 'kind'),
  };
}

/** Waits until the figures of reading stand still. */
async function untilQuiet(server) {
  const reads = async () => (await Metrics.read(server)).get('cache_reads_total');
  let last = await reads();
  await waitFor('no more reads', async () => {
    const now = await reads();
    const isQuiet = now === last;
    last = now;
    return isQuiet;
  });
}

function sum(counts) {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

test('one write that wakes 1,000 longpolls is read once', (context) =>
  withServer(async (server) => {
    await server.createDatabase('db');
    const alice = await server.createUser('db', 'alice', ['red']);
    await server.write('db', [{ _id: 'first', channels: ['red'] }]);
    const few = await costOfWaking(server, alice, 5, 'few');
    const many = await costOfWaking(server, alice, 1_000, 'many');
    context.diagnostic(`5 longpolls: ${JSON.stringify(few)}`);
    context.diagnostic(`1,000 longpolls: ${JSON.stringify(many)}`);
    for (const [what, count] of Object.entries(many.cache)) {
      assert.ok(count <= 8, `${count} reads of ${what} for 1,000 longpolls`);
    }
    assert.ok(sum(many.store) <= sum(few.store) + 8,
      `${sum(many.store)} store reads for 1,000 longpolls, ${sum(few.store)} for 5`);
    assert.equal(many.store.document ?? 0, few.store.document ?? 0);
  }));
