// SPDX-License-Identifier: Apache-2.0
// Real processes under faults: clients write and follow through three nodes while nodes, cache
// writers and Redis masters are killed and stopped, and a master dies whose replica lags far behind;
// where in_network may make networks, nodes and masters are cut off from each other, too. What was acknowledged with `replicated` must be there at the end, and whatever is there must be on
// every node and every feed (I1, I3, I5, I9). The record of what happened and its judgement share
// no code with the product.
//
//   HEADGATE_FAULT_SECONDS  how long the faults go on (90)
//   HEADGATE_FAULT_SEED     which faults, in which order (drawn anew and printed); of odd ones the
//                           channel cache is in a Redis cluster of its own
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '../clients/server.mjs';
import { currentRevisions, expectOrdered, Follower, generation, lastOf } from './follower.mjs';
import { HeadgateNodes } from './headgate_nodes.mjs';
import { Network } from './network.mjs';
import { bucketToml, RedisClusterOfSix } from './redis.mjs';

const kSeconds = Number(process.env.HEADGATE_FAULT_SECONDS ?? 90);
const kSeed = Number(process.env.HEADGATE_FAULT_SEED ?? Date.now() % 1_000_000);
const kIsCacheApart = kSeed % 2 === 1;
const kWriters = 6;
const kMemoryWriters = 3;
/** Of a memory write while a replica lags: more of them than what buffers of sockets hold. */
const kLargeBody = 'x'.repeat(400_000);
const kLagBytes = 45_000_000;
const kDocuments = 12;  // of each writer
const kChannels = ['red', 'green', 'blue'];
const kHealMs = 120_000;

/** Numbers that the seed decides (mulberry32). */
function generator(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}

/** What clients were told. */
class History {
  constructor() {
    /** id -> revisions that were acknowledged. */
    this.acknowledged = new Map();
    this.largeBytes = 0;
    this.counts = { acknowledged: 0, refused: 0, unknown: 0, conflicts: 0 };
  }

  acknowledge(id, rev) {
    this.counts.acknowledged += 1;
    if (!this.acknowledged.has(id)) this.acknowledged.set(id, []);
    this.acknowledged.get(id).push(rev);
  }
}

/** One client: writes its own documents through one node after the other. */
async function write(nodes, writer, history, run, durability) {
  const isMemory = durability === 'memory';
  const parents = new Map();
  for (let count = 0; !run.isOver; count += 1) {
    const server = nodes.servers[(writer + count) % nodes.servers.length];
    const id = `${durability[0]}${writer}-${count % kDocuments}`;
    const rev = parents.get(id);
    const isLarge = isMemory && run.isLagging;
    const doc = { channels: [kChannels[(writer + count) % 3]], count, ...(rev ? { _rev: rev } : {}),
      ...(isLarge ? { text: kLargeBody } : {}) };
    const answer = await server.admin('PUT', `/db/${id}`, doc,
      { within: 4_000, headers: { 'X-Headgate-Durability': durability } }).catch(() => undefined);
    if (answer?.status === 201) {
      if (isLarge) history.largeBytes += kLargeBody.length;
      history.acknowledge(id, answer.json.rev);
      parents.set(id, answer.json.rev);
    } else if (answer?.status === 409) {
      // A write of unknown outcome was stored.
      history.counts.conflicts += 1;
      const now = await server.admin('GET', `/db/${id}`, undefined, { within: 4_000 })
        .catch(() => undefined);
      if (now?.status === 200) parents.set(id, now.json._rev);
    } else {
      history.counts[answer ? 'refused' : 'unknown'] += 1;
      await pause(20);
    }
    if (!isLarge) await pause(5);
  }
}

/** A follower that goes to another node whenever its own does not answer. */
function follow(nodes, user, feed, query) {
  let at = nodes.servers.length;
  const anyNode = {
    get server() { return nodes.servers[at % nodes.servers.length]; },
    get isOver() { return nodes.isOver; },
    get publicUrl() { return this.server.publicUrl; },
    get adminUrl() { return this.server.adminUrl; },
    async changes(...args) {
      at += 1;
      return this.server.changes(...args);
    },
  };
  return new Follower(anyNode, 'db', user, feed, query);
}

class Nemesis {
  /**
   * @param clusters of Redis, that of documents first
   * @param network of the processes, if they are on one
   */
  constructor({ nodes, clusters, network }, draw, history, run) {
    Object.assign(this, { nodes, clusters, network, draw, history, run });
    this.counts = {};
    this.losses = 0;
  }

  async strike() {
    const faults = ['killNode', 'killCacheWriter', 'pauseNode', 'pauseCacheWriter', 'endNode',
      'killMaster', 'pauseMaster', 'loseWrites',
      ...(this.network ? ['cutNode', 'cutCacheWriter', 'cutMaster', 'cutMinority', 'cutLink'] : [])];
    // The first ones in turn, so that a short run has one of each.
    const struck = Object.keys(this.counts).length;
    const fault = faults[struck < faults.length ? struck : this.draw(faults.length)];
    this.counts[fault] = (this.counts[fault] ?? 0) + 1;
    await this[fault]();
  }

  anyNode() {
    return this.nodes.servers[this.draw(this.nodes.servers.length)];
  }

  async cacheWriter() {
    return (await this.nodes.cacheWriterOf('db')) ?? this.anyNode();
  }

  killNode() { return this.kill(this.anyNode()); }

  async killCacheWriter() { return this.kill(await this.cacheWriter()); }

  async kill(server) {
    await server.kill();
    await pause(500 + this.draw(1_500));
    await server.restart();
  }

  pauseNode() { return this.stop(this.anyNode()); }

  async pauseCacheWriter() { return this.stop(await this.cacheWriter()); }

  async stop(server) {
    server.child.kill('SIGSTOP');
    server.isPaused = true;
    await pause(1_000 + this.draw(2_500));
    server.child.kill('SIGCONT');
    server.isPaused = false;
  }

  async endNode() {
    await this.anyNode().restart();
  }

  anyCluster() {
    return this.clusters[this.draw(this.clusters.length)];
  }

  get redisServers() {
    return this.clusters.flatMap(({ servers }) => servers);
  }

  async untilWhole() {
    for (const cluster of this.clusters) await cluster.untilWhole();
  }

  /** kill -9 of a master that a replica succeeds; it comes back empty, as that one's replica. */
  async killMaster() {
    const cluster = this.anyCluster();
    const masters = cluster.masters();
    const master = masters[this.draw(masters.length)];
    const count = masters.length;
    await master.kill();
    await waitFor('a replica takes over', () => cluster.masters().length === count, 20_000);
    await master.run();
    await cluster.untilWhole();
  }

  /** The replicas stand still while much is written, then a master dies: its replica succeeds it. */
  async loseWrites() {
    const [redis] = this.clusters;
    const masters = redis.masters();
    const replicas = redis.servers.filter((server) => !masters.includes(server));
    const before = this.history.largeBytes;
    for (const replica of replicas) replica.signal('SIGSTOP');
    this.run.isLagging = true;
    // Without a replica no node gets new numbers: just after a failover nothing can be written.
    const isEnough = await waitFor('enough is written',
      () => this.history.largeBytes - before > kLagBytes, 15_000).catch(() => false);
    const master = masters[this.draw(masters.length)];
    if (isEnough) await master.kill();
    this.run.isLagging = false;
    for (const replica of replicas) replica.signal('SIGCONT');
    if (isEnough) {
      this.losses += 1;
      await waitFor('a replica takes over', () => redis.masters().length === masters.length,
        20_000);
      await master.run();
    }
    await redis.untilWhole();
  }

  async pauseMaster() {
    const master = this.anyMaster();
    master.signal('SIGSTOP');
    await pause(500 + this.draw(3_000));
    master.signal('SIGCONT');
    await this.untilWhole();
  }

  /** Clients reach the node, it reaches no Redis. */
  cutNode() { return this.cut([this.anyNode()], this.redisServers); }

  async cutCacheWriter() { return this.cut([await this.cacheWriter()], this.redisServers); }

  /** A master is out of reach of all others. */
  cutMaster() {
    const master = this.anyMaster();
    return this.cut([master],
      [...this.redisServers.filter((server) => server !== master), ...this.nodes.servers]);
  }

  /** A master stays with some nodes, which go on writing there until it gives up being one. */
  cutMinority() {
    const master = this.anyMaster();
    const others = this.redisServers.filter((server) => server !== master);
    const away = this.nodes.servers.filter(() => this.draw(2) === 0);
    const near = this.nodes.servers.filter((server) => !away.includes(server));
    return this.cut([master, ...near], [...others, ...away]);
  }

  /** Between one node and one master only, perhaps in one direction. */
  cutLink() {
    const sides = [[this.anyNode()], [this.anyMaster()]];
    if (this.draw(2) === 0) sides.reverse();
    return this.cut(...sides, { oneWay: this.draw(2) === 0 });
  }

  anyMaster() {
    const masters = this.anyCluster().masters();
    return masters[this.draw(masters.length)];
  }

  async cut(side, other, how) {
    const hosts = [side, other].map((processes) => processes.map(({ host }) => host));
    this.network.cut(...hosts, how);
    await pause(500 + this.draw(4_000));
    this.network.heal(...hosts, how);
    await this.untilWhole();
  }
}

/** Acknowledged revisions of documents with that initial that are neither present nor ancestors. */
async function findLost(server, history, initial) {
  const lost = [];
  for (const [id, revs] of history.acknowledged) {
    if (id[0] !== initial) continue;
    const answer = await server.admin('GET', `/db/${id}?revs=true&open_revs=all`, undefined,
      { headers: { Accept: 'application/json' } });
    const known = new Set((answer.status === 200 ? answer.json : []).flatMap(({ ok }) =>
      ok._revisions.ids.map((digest, index) => `${ok._revisions.start - index}-${digest}`)));
    for (const rev of revs.slice(-90)) if (!known.has(rev)) lost.push(`${id} ${rev}`);
  }
  return lost;
}

/** I1, I5: each channel's feed names exactly the documents in it, at each node and in each mode. */
async function expectChannels(server, expectedDocuments) {
  for (const channel of kChannels) {
    for (const mode of ['available', 'stable']) {
      const { results } = await server.changes('db', undefined,
        { mode, filter: 'sync_gateway/bychannel', channels: channel });
      const shown = lastOf(results.filter(({ deleted, removed }) => !deleted && !removed));
      const expected = new Map([...expectedDocuments].filter(([, doc]) =>
        doc.channels.includes(channel)).map(([id, doc]) => [id, doc._rev]));
      assert.deepEqual([...shown].sort(), [...expected].sort(), `channel ${channel}, ${mode}`);
      expectOrdered(results, `channel ${channel}, ${mode}`);
    }
  }
}

/** I1, I5, once what the last faults left behind is repaired; tells how long that took, and why. */
async function untilShown(server, context) {
  const begun = Date.now();
  const reasons = [];
  await waitFor('a node shows every document in its channels (I1, I5)', async () => {
    await expectChannels(server, await allDocuments(server)).catch((error) => {
      reasons.push(`${Date.now() - begun} ms: ${error.message.split('\n')[0]}`);
      throw error;
    });
    return true;
  }, kHealMs);
  context.diagnostic(`whole again at ${server.adminUrl} after ${Date.now() - begun} ms`
    + ` ${reasons.slice(-3).join('; ')}`);
}

async function allDocuments(server) {
  const answer = await server.admin('GET', '/db/_all_docs?include_docs=true');
  assert.equal(answer.status, 200, answer.text);
  return new Map(answer.json.rows.map(({ id, doc }) => [id, doc]));
}

/**
 * I3: the low parts of the positions that one client was given never go back; but to the floor of an
 * epoch that began since (R17), which a number above all earlier ones tells.
 */
function expectRisingPositions(follower) {
  let low = 0;
  let highest = 0;
  for (const { token } of follower.tokens) {
    const numbers = `${token}`.split(':').filter(Boolean).map(Number);
    const isOfNewEpoch = numbers.length > 1 && numbers.at(-1) > highest;
    assert.ok(numbers[0] >= low || isOfNewEpoch, `${follower.name}: ${token} after ${low}`);
    low = numbers[0];
    highest = Math.max(highest, ...numbers);
  }
}

/** I2: revisions go back only where a failover took place, and then once more to the newest. */
function countStepsBack(follower) {
  const newest = new Map();
  let back = 0;
  for (const { id, rev } of follower.entries) {
    if (!rev || id.startsWith('_')) continue;
    if (generation(rev) < (newest.get(id) ?? 0)) back += 1;
    newest.set(id, Math.max(generation(rev), newest.get(id) ?? 0));
  }
  return back;
}

test('nodes and Redis masters fail under writers and followers', async (context) => {
  context.diagnostic(`HEADGATE_FAULT_SEED=${kSeed} HEADGATE_FAULT_SECONDS=${kSeconds}`
    + `, the cache ${kIsCacheApart ? 'apart from' : 'beside'} the documents`);
  const draw = generator(kSeed);
  const run = { isOver: false };
  const history = new History();
  const network = await Network.start(kIsCacheApart ? 15 : 9);
  if (!network) context.diagnostic('no networks may be made here: nothing is cut off');
  const hosts = network?.hosts.slice() ?? [];
  const clusters = [];
  let nodes;
  try {
    let tables = '';
    for (const table of kIsCacheApart ? ['base', 'cache'] : ['base']) {
      clusters.push(await RedisClusterOfSix.start({ hosts: hosts.splice(0, 6) }));
      tables += bucketToml(table, clusters.at(-1).addresses, { replicas: 1 });
    }
    nodes = await HeadgateNodes.start(3, tables, { hosts });
    await nodes.servers[0].createDatabase('db', { durability: 'replicated', block_capacity: 32 });
    const alice = await nodes.servers[1].createUser('db', 'alice', ['red', 'green']);
    const followers = [['normal', {}], ['longpoll', {}], ['continuous', {}],
      ['longpoll', { mode: 'stable' }]].map(([feed, query]) => follow(nodes, alice, feed, query));
    const writers = Array.from({ length: kWriters }, (_, writer) =>
      write(nodes, writer, history, run, 'replicated'));
    for (let writer = 0; writer < kMemoryWriters; writer += 1) {
      writers.push(write(nodes, writer, history, run, 'memory'));
    }

    const nemesis = new Nemesis({ nodes, clusters, network }, draw, history, run);
    const end = Date.now() + kSeconds * 1_000;
    while (Date.now() < end) {
      await nemesis.strike();
      await pause(300);
    }
    run.isOver = true;
    await Promise.all(writers);
    await nemesis.untilWhole();
    await nodes.untilAllSeen(kHealMs);

    context.diagnostic(`faults: ${JSON.stringify(nemesis.counts)}, real losses: ${nemesis.losses}`);
    for (const server of nodes.servers) await untilShown(server, context);
    const red = await currentRevisions(nodes.servers[0], 'db', ({ channels }) =>
      channels.some((name) => name === 'red' || name === 'green'));
    for (const follower of followers) {
      await follower.untilHas(red, kHealMs);
      await follower.stop();
      expectRisingPositions(follower);
    }
    const lost = await findLost(nodes.servers[2], history, 'r');
    const lostOfMemory = await findLost(nodes.servers[2], history, 'm');
    context.diagnostic(`writes: ${JSON.stringify(history.counts)}, `
      + `acknowledged and lost: ${lost.length} replicated, ${lostOfMemory.length} memory`);
    context.diagnostic(`entries followed: ${followers.map(({ entries }) => entries.length)}, `
      + `steps back after failovers: ${followers.map(countStepsBack)}`);
    assert.ok(history.counts.acknowledged > 100, 'the run means something');
    assert.deepEqual(lost, [], 'acknowledged as replicated and lost');
    assert.ok(nemesis.losses === 0 || lostOfMemory.length > 0, 'the loss was a real one');
  } catch (error) {
    context.diagnostic(`${error.message}: ${error.cause?.message ?? ''}`);
    for (const server of nodes?.servers ?? []) {
      for (const target of ['/_cluster', '/_metrics']) {
        const { text = '' } = await server.admin('GET', target).catch(() => ({}));
        context.diagnostic(text.split('\n').filter((line) => line.startsWith('{')
          || /^headgate_(?!http|write_stage).*database=/.test(line)).join('\n'));
      }
      const said = server.output.split('\n').filter((line) => !line.includes('api.failed'));
      context.diagnostic(`what ${server.adminUrl} said last:\n${said.slice(-40).join('\n')}`);
    }
    throw error;
  } finally {
    run.isOver = true;
    if (nodes) {
      nodes.isOver = true;
      for (const server of nodes.servers) server.child.kill('SIGCONT');
      await nodes.close();
    }
    for (const cluster of clusters) {
      for (const server of cluster.servers) server.signal('SIGCONT');
      await cluster.close();
    }
    network?.close();
  }
});
