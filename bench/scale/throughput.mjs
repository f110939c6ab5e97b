// SPDX-License-Identifier: Apache-2.0
// How much one, two and three front ends write into one database on one Redis cluster, and what that
// costs each process: three front ends, a node with the cache writer, three masters with a replica
// each. On a machine with fewer processors than processes the rate says what the machine can do; the
// processor time says which process would be busy first if each had a processor of its own.
//
//   node bench/scale/throughput.mjs [--seconds 5] [--rounds 3] [--channels 1] [--pool 100]
//
// Prints the tables of docs/scale.md. Figures are medians of the rounds, in which all settings take turns.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Metrics, untilStable } from '../../tests/blackbox/metrics.mjs';
import { bucketToml, RedisClusterOfSix } from '../../tests/blackbox/redis.mjs';
import { Server, waitFor } from '../../tests/clients/server.mjs';
import { processorTime } from '../processes.mjs';
import { median, option, writeAll } from './load.mjs';

const seconds = option('--seconds', 5);
const rounds = option('--rounds', 3);
const channels = option('--channels', 1);
const pool = option('--pool', 100);
const writers = 64;  // of each front end
const frontEndsMax = 3;

async function startNodes(directory, addresses) {
  const servers = [];
  const roles = [...Array(frontEndsMax).fill(['front_end', 'reader']), ['reader', 'cache_writer']];
  for (const [index, names] of roles.entries()) {
    const config = path.join(directory, `node${index}.toml`);
    writeFileSync(config, `${bucketToml('base', addresses, { replicas: 1 })}[node]\n`
      + `roles = ${JSON.stringify(names)}\n`);
    servers.push(await Server.start({ dataDir: directory, args: ['--config', config] }));
  }
  return servers;
}

/** Processor time of each process so far, by what it does. */
function usedByAll({ fronts, writer, redis }) {
  const masters = redis.masters();
  const of = (processes) => processes.map(({ child }) => processorTime(child.pid));
  return {
    'front end': of(fronts),
    'cache writer': of([writer]),
    master: of(masters),
    replica: of(redis.servers.filter((server) => !masters.includes(server))),
    client: [processorTime(process.pid)],
  };
}

/** One setting once: documents a second, and microseconds a document of each kind of process. */
async function measure(cluster, { count, cacheWrites, durability }, round) {
  const { fronts, writer } = cluster;
  const database = `${cacheWrites}${count}${durability}${round}`;
  const load = { database, channels, pool };
  await fronts[0].createDatabase(database,
    { durability, cache_writes: cacheWrites, star_channel: false });
  await writeAll(fronts, load, { writers, prefix: 'warm', isWanted: (begun) => begun < 500 });
  await waitFor('the cache writer leads', async () => {
    await writer.admin('GET', `/${database}/_config`);
    return (await writer.admin('GET', '/_cluster')).json.databases
      .some(({ name, is_cache_writer_here: isHere }) => name === database && isHere);
  });
  const first = await untilStable(writer, database, { above: 499, within: 60_000 });

  const before = usedByAll(cluster);
  const begun = Date.now();
  const end = begun + seconds * 1_000;
  const written = await writeAll(fronts.slice(0, count), load,
    { writers, prefix: 'd', isWanted: () => Date.now() < end });
  const took = (Date.now() - begun) / 1_000;
  const stable = (await Metrics.read(writer)).get('stable_sequence', { database }) - first;
  await untilStable(writer, database, { above: first, within: 120_000 });
  const after = usedByAll(cluster);
  await fronts[0].admin('DELETE', `/${database}`);

  const figures = { written: written / took, share: Math.min(1, stable / written) };
  for (const [kind, times] of Object.entries(after)) {
    const each = times.map((time, index) => (time - before[kind][index]) / written);
    figures[kind] = each.reduce((sum, time) => sum + time, 0);
    figures[`busiest ${kind}`] = Math.max(...each);
  }
  return figures;
}

function line(setting, found) {
  const of = (name, digits = 0) => median(found.map((figures) => figures[name])).toFixed(digits);
  const kinds = ['front end', 'cache writer', 'master', 'replica'];
  const first = kinds.slice(0, 3).sort((a, b) => of(`busiest ${b}`, 1) - of(`busiest ${a}`, 1))[0];
  return `| ${[setting.durability, setting.count, setting.cacheWrites, of('written'),
    of('share', 2), ...kinds.map((kind) => of(kind)), of('busiest front end'),
    of('busiest master'), `${first}, ${(1e6 / of(`busiest ${first}`, 1)).toFixed(0)}/s`,
    of('client')].join(' | ')} |`;
}

const directory = mkdtempSync(path.join(tmpdir(), 'headgate-throughput-'));
const redis = await RedisClusterOfSix.start();
let servers = [];
try {
  servers = await startNodes(directory, redis.addresses);
  const cluster = { fronts: servers.slice(0, frontEndsMax), writer: servers.at(-1), redis };
  const settings = ['memory', 'replicated'].flatMap((durability) => [1, 2, 3].flatMap((count) =>
    ['frontend', 'feed'].map((cacheWrites) => ({ durability, count, cacheWrites, found: [] }))));
  for (let round = 0; round < rounds; round += 1) {
    for (const setting of settings) {
      setting.found.push(await measure(cluster, setting, round));
      console.error(JSON.stringify({ ...setting, found: setting.found.at(-1) }));
    }
  }
  console.log('| Durability | Front ends | Mode | Documents/s | stable meanwhile | Front ends | '
    + 'Cache writer | Masters | Replicas | busiest front end | busiest master | '
    + 'full first, at | Client |');
  console.log(`|${' --- |'.repeat(13)}`);
  for (const setting of settings) console.log(line(setting, setting.found));
} finally {
  for (const server of servers) await server.close();
  await redis.close();
  rmSync(directory, { recursive: true, force: true });
}
