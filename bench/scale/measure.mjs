// SPDX-License-Identifier: Apache-2.0
// What one document costs each process, in processor time: a node that takes writes, a node that has
// the cache writer, and their Redis server. Prints JSON for simulate.py. Processor time, not the
// clock: on a machine that does other things it grows, too, but to twice as much, not to ten times.
//
//   node bench/scale/measure.mjs [--documents 20000] [--rounds 3] > bench/scale/costs.json
//
// Of several rounds the cheapest counts: the others were disturbed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Metrics, untilStable } from '../../tests/blackbox/metrics.mjs';
import { bucketToml, freePorts, RedisProcess } from '../../tests/blackbox/redis.mjs';
import { Server, waitFor } from '../../tests/clients/server.mjs';
import { processorTime } from '../processes.mjs';
import { option, writeAll } from './load.mjs';

const documents = option('--documents', 20_000);
const rounds = option('--rounds', 3);

function writeDocuments(server, load, count, prefix) {
  return writeAll([server], load, { writers: 64, prefix, isWanted: (begun) => begun < count });
}

/** Processor time per document that `work` costs the processes of `pids`. */
async function costOf(pids, work) {
  const before = Object.values(pids).map(processorTime);
  await work();
  return Object.fromEntries(Object.keys(pids).map((name, index) =>
    [name, (processorTime(pids[name]) - before[index]) / documents]));
}

/**
 * The cache writer stands still while documents are written, and then works off what it missed, as
 * fast as it can: what it costs where it is what limits. So both parts are told apart, too.
 */
async function measure(front, writer, redis, { cacheWrites, channels, pool }, round) {
  const database = `${cacheWrites}${channels}of${pool}round${round}`;
  const load = { database, channels, pool };
  await front.createDatabase(database,
    { durability: 'memory', cache_writes: cacheWrites, star_channel: false });
  await writeDocuments(front, load, 500, 'warm');
  await waitFor('the cache writer leads', async () => {
    await writer.admin('GET', `/${database}/_config`);
    return (await writer.admin('GET', '/_cluster')).json.databases
      .some(({ name, is_cache_writer_here: isHere }) => name === database && isHere);
  });
  await untilStable(writer, database, { above: 500, within: 60_000 });

  writer.child.kill('SIGSTOP');
  const writing = await costOf({ front_end: front.child.pid, redis: redis.child.pid }, () =>
    writeDocuments(front, load, documents, 'd'));
  const following = await costOf({ cache_writer: writer.child.pid, redis: redis.child.pid },
    async () => {
      writer.child.kill('SIGCONT');
      await waitFor('the cache writer has caught up', async () => (await Metrics.read(writer))
        .get('stable_sequence', { database }) > documents, 120_000);
    });
  return { cache_writes: cacheWrites, channels, pool, documents, writing, following };
}

function total({ writing, following }) {
  return [writing, following].flatMap(Object.values).reduce((sum, cost) => sum + cost);
}

const directory = mkdtempSync(path.join(tmpdir(), 'headgate-scale-'));
const redis = new RedisProcess((await freePorts(1))[0]);
const servers = [];
try {
  await redis.run();
  for (const roles of [['front_end', 'reader'], ['reader', 'cache_writer']]) {
    const config = path.join(directory, `${roles[1]}.toml`);
    writeFileSync(config,
      `${bucketToml('base', [redis.address])}[node]\nroles = ${JSON.stringify(roles)}\n`);
    servers.push(await Server.start({ dataDir: directory, args: ['--config', config] }));
  }
  const results = [];
  // Channels that many documents share, and channels of a few documents each.
  for (const pool of [100, 10_000]) {
    for (const channels of [1, 4]) {
      for (const cacheWrites of ['frontend', 'feed']) {
        const found = [];
        for (let round = 0; round < rounds; round += 1) {
          found.push(await measure(...servers, redis, { cacheWrites, channels, pool }, round));
          console.error(JSON.stringify(found.at(-1)));
        }
        results.push(found.reduce((a, b) => (total(a) < total(b) ? a : b)));
      }
    }
  }
  console.log(JSON.stringify(results, null, 1));
} finally {
  for (const server of servers) await server.close();
  await redis.close();
  rmSync(directory, { recursive: true, force: true });
}
