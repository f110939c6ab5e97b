// SPDX-License-Identifier: Apache-2.0
// Three nodes on a Redis cluster: what one does the others know, and the cache writer's role moves.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectStatus } from '../clients/expect.mjs';
import { Stream, waitFor } from '../clients/server.mjs';
import { changesTarget } from './follower.mjs';
import { HeadgateNodes } from './headgate_nodes.mjs';
import { bucketToml, RedisClusterOfSix } from './redis.mjs';

/** So long that a feed which only the poll wakes fails its test. */
const kPollMs = 8_000;
const kTakeOverMs = 3_000;

let redis;
let nodes;

before(async () => {
  redis = await RedisClusterOfSix.start();
  nodes = await HeadgateNodes.start(3, bucketToml('base', redis.addresses, { replicas: 1 }));
});

after(async () => {
  await nodes?.close();
  await redis?.close();
});

function documents(entries) {
  return entries.map(({ id }) => id).filter((id) => !id.startsWith('_'));
}

test('databases, their configuration and their end are known to all nodes', async () => {
  const [a, b, c] = nodes.servers;
  await a.createDatabase('shared', { durability: 'replicated' });
  await b.write('shared', [{ _id: 'x' }]);
  assert.deepEqual(documents((await c.changes('shared')).results), ['x']);
  const config = expectStatus(await c.admin('GET', '/shared/_config'), 200);
  expectStatus(await c.admin('PUT', '/shared/_config', { ...config, max_document_bytes: 1_000 }),
    201);
  await waitFor('the others apply it', async () => {
    const answers = await Promise.all([a, b].map((server) =>
      server.admin('POST', '/shared', { text: 'x'.repeat(2_000) })));
    return answers.every(({ status }) => status === 413);
  }, 5_000);
  expectStatus(await b.admin('DELETE', '/shared'), 200);
  await waitFor('it is gone everywhere', async () => {
    const answers = await Promise.all([a, c].map((server) => server.admin('GET', '/shared')));
    return answers.every(({ status }) => status === 404);
  }, 5_000);
  await c.createDatabase('shared');
  await waitFor('the new one is empty everywhere', async () => {
    const pages = await Promise.all([a, b, c].map((server) => server.changes('shared')));
    return pages.every(({ results }) => documents(results).length === 0);
  }, 5_000);
});

test('each node tells how the databases are, and one of them writes the cache', async () => {
  const [a, b] = nodes.servers;
  await a.createDatabase('told');
  await b.write('told', [{ _id: 'x', channels: ['red', 'blue'] }, { _id: 'y', channels: ['red'] }]);
  const statuses = () => Promise.all(nodes.servers.map(async (server) => {
    const status = expectStatus(await server.admin('GET', '/_status'), 200);
    assert.equal(status.is_cluster, true);
    return status.databases.find(({ name }) => name === 'told');
  }));
  await waitFor('one has the role, and all know what is stable', async () => {
    // A node that serves no feed of it looks at the stable record when it is asked for one.
    await Promise.all(nodes.servers.map((server) => server.changes('told')));
    const told = await statuses();
    return told.filter((status) => status?.is_cache_writer_here).length === 1 &&
      told.every(({ stable }) => stable > 1 && stable === told[0].stable);
  });
  for (const server of nodes.servers) {
    const { channels } = expectStatus(await server.admin('GET', '/told/_channels'), 200);
    assert.deepEqual(channels.map(({ counter, ...rest }) => ({ ...rest, hasChanged: counter > 0 })), [
      { channel: 'red', documents: 2, left: 0, feeds: 0, hasChanged: true },
      { channel: 'blue', documents: 1, left: 0, feeds: 0, hasChanged: true },
    ]);
  }
});

test('a document that one node purges leaves the feeds of all', async () => {
  const [a, b, c] = nodes.servers;
  await a.createDatabase('purged');
  const alice = await a.createUser('purged', 'alice', ['red']);
  await b.write('purged', [{ _id: 'x', channels: ['red'] }, { _id: 'y', channels: ['red'] }]);
  const shown = async (server) => documents((await server.changes('purged', alice)).results);
  for (const server of nodes.servers) {
    await waitFor('both are shown', async () => (await shown(server)).length === 2);
  }
  const answer = await c.admin('POST', '/purged/_purge', { x: ['*'], none: ['*'] });
  assert.deepEqual(expectStatus(answer, 200), { purged: { x: ['*'] } });
  for (const server of nodes.servers) assert.deepEqual(await shown(server), ['y']);
  expectStatus(await a.admin('GET', '/purged/x'), 404);
  await b.write('purged', [{ _id: 'x', channels: ['red'] }]);
  for (const server of nodes.servers) assert.deepEqual(await shown(server), ['y', 'x']);
});

test('a position of one node is good at all; rights are those of all', async () => {
  const [a, b, c] = nodes.servers;
  await a.createDatabase('rights');
  const alice = await a.createUser('rights', 'alice', ['red']);
  let since = '0';
  const seen = [];
  for (let round = 0; round < 12; round += 1) {
    await nodes.servers[round % 3].write('rights', [{ _id: `r${round}`, channels: ['red'] },
      { _id: `b${round}`, channels: ['blue'] }]);
    const page = await nodes.servers[(round + 1) % 3].changes('rights', alice, { since });
    seen.push(...documents(page.results));
    since = page.last_seq;
  }
  const rest = await c.changes('rights', alice, { since });
  seen.push(...documents(rest.results));
  assert.deepEqual([...new Set(seen)].sort(), Array.from({ length: 12 }, (_, i) => `r${i}`).sort());
  expectStatus(await b.admin('PUT', '/rights/_user/alice',
    { password: alice.password, admin_channels: ['blue'] }), 200);
  // What a channel held before is backfilled once stable has reached the grant.
  const granted = new Set();
  since = rest.last_seq;
  await waitFor('the new channel is backfilled', async () => {
    const page = await c.changes('rights', alice, { since });
    since = page.last_seq;
    for (const id of documents(page.results.filter(({ removed }) => !removed))) granted.add(id);
    return granted.size >= 12;
  }, 5_000);
  assert.deepEqual([...granted].sort(), Array.from({ length: 12 }, (_, i) => `b${i}`).sort());
  await a.write('rights', [{ _id: 'secret', channels: ['red'] }]);
  for (const server of nodes.servers) {
    const all = await server.changes('rights', alice);
    assert.ok(!documents(all.results).some((id) => id.startsWith('r') || id === 'secret'));
  }
});

/** Milliseconds from the answer of a PUT at `writer` until its entry is on a feed of `reader`. */
async function pushTimes(database, writer, reader, mode, count) {
  const { last_seq: since } = await reader.changes(database);
  const stream = Stream.open(reader, undefined,
    changesTarget(database, { feed: 'continuous', mode, since, heartbeat: 60_000 }));
  const arrived = new Map();
  await stream.opened;
  const times = [];
  for (let index = 0; index < count; index += 1) {
    const id = `${mode}-${index}`;
    expectStatus(await writer.admin('PUT', `/${database}/${id}`, {}), 201);
    const answered = performance.now();
    while (!arrived.has(id)) {
      for (const one of stream.ids) if (!arrived.has(one)) arrived.set(one, performance.now());
      assert.ok(performance.now() - answered < 5_000, `${id} comes before the poll`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    times.push(Math.max(0, arrived.get(id) - answered));
  }
  stream.close();
  return times.sort((x, y) => x - y);
}

test('a change wakes the feeds of other nodes without their poll', async (context) => {
  const [a, b] = nodes.servers;
  await a.createDatabase('push', { poll_ms: kPollMs });
  for (const mode of ['available', 'stable']) {
    const times = await pushTimes('push', a, b, mode, 100);
    const at = (part) => times[Math.floor(times.length * part)].toFixed(1);
    context.diagnostic(`${mode}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms after the PUT's answer`);
  }
});

/** Until stable has risen past a new write; milliseconds. */
async function untilStableMoves(server, database, within) {
  const begun = performance.now();
  const id = `probe-${begun}`;
  await waitFor('a write is accepted', async () =>
    (await server.admin('PUT', `/${database}/${id}`, {})).status === 201, within);
  await waitFor('stable moves', async () =>
    documents((await server.changes(database, undefined, { mode: 'stable' })).results).includes(id),
  within);
  return performance.now() - begun;
}

test('the cache writer is killed, stopped, ended: another one takes over', async (context) => {
  const [a] = nodes.servers;
  await a.createDatabase('role');
  for (const how of ['SIGKILL', 'SIGSTOP', 'SIGTERM']) {
    const writer = await waitFor('there is a cache writer', () => nodes.cacheWriterOf('role'));
    const other = nodes.servers.find((server) => server !== writer);
    await untilStableMoves(other, 'role', 5_000);
    if (how === 'SIGTERM') {
      const stopping = writer.stop();
      const took = await untilStableMoves(other, 'role', kTakeOverMs);
      context.diagnostic(`${how}: stable moved after ${took.toFixed(0)} ms`);
      assert.equal((await stopping).code, 0);
      await writer.restart();
    } else {
      writer.child.kill(how);
      writer.isPaused = how === 'SIGSTOP';
      const took = await untilStableMoves(other, 'role', kTakeOverMs);
      context.diagnostic(`${how}: stable moved after ${took.toFixed(0)} ms`);
      if (writer.isPaused) writer.child.kill('SIGCONT');
      else await writer.restart();
      writer.isPaused = false;
    }
    await nodes.untilAllSeen();
    for (const server of nodes.servers) await untilStableMoves(server, 'role', 5_000);
  }
});
