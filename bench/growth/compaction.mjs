// SPDX-License-Identifier: Apache-2.0
// What is left of documents that were written again and again. Prints JSON.
//
//   node bench/growth/compaction.mjs [--documents 1000] [--revisions 20] [--data DIR] [--redis]
//
// For each document: bytes on disk or in Redis, and what a first sync costs. `once`: of as many documents that were
// written once; `written`: after all revisions, what compaction by itself left; `compacted`: after `_compact`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { bucketToml, freePorts, RedisProcess } from '../../tests/blackbox/redis.mjs';
import { waitFor } from '../../tests/clients/server.mjs';
import { ask, inParallel } from '../load.mjs';
import { documentText, probeFirstSync } from './probes.mjs';
import { ServerUnderGrowth } from './server_under_growth.mjs';

const kBulk = 500;
const kBulksAtOnce = 4;
const kChannel = 'all';
const kPatience = 1_200_000; // ms

/** One revision more of every document; `revisions` holds their present ones. */
async function writeAll(grown, count, revisions) {
  await inParallel(kBulksAtOnce, 0, Math.ceil(count / kBulk), async (bulk) => {
    const first = bulk * kBulk;
    const texts = [];
    for (let number = first; number < Math.min(first + kBulk, count); number += 1) {
      const text = documentText(`d${number}`, [kChannel], 500);
      texts.push(revisions[number] ? `{"_rev":"${revisions[number]}",${text.slice(1)}` : text);
    }
    const { text } = await ask(201, 'POST', `${grown.url}/_bulk_docs`, `{"docs":[${texts.join(',')}]}`);
    JSON.parse(text).forEach(({ rev, error }, index) => {
      if (error) throw new Error(`d${first + index}: ${error}`);
      revisions[first + index] = rev;
    });
  });
}

async function compact(grown) {
  const isRunning = async () =>
    JSON.parse((await ask(200, 'GET', `${grown.url}`)).text).compact_running;
  const ended = async () => (await grown.metrics()).get('cache_compactions_total');
  await waitFor('no compaction runs', async () => !await isRunning(), kPatience);
  const before = await ended();
  await ask(202, 'POST', `${grown.url}/_compact`, '{}');
  await waitFor('the cache is compacted', async () =>
    await ended() > before && !await isRunning(), kPatience);
  await grown.untilIdle();
}

/** By document. The server is started again: what it had in memory is no measure. */
async function look(grown, redis, documents) {
  await grown.untilIdle();
  const bytes = redis ? Number(/used_memory:(\d+)/.exec(redis.ask('INFO', 'memory'))[1]) : grown.disk;
  await grown.restartAfterKill('d0');
  await grown.untilIdle();
  const sync = await probeFirstSync(grown, { channels: [kChannel], rows: Infinity });
  const each = sync.operations / documents;
  return { bytes: bytes / documents, rows: each, us: sync.us * each, cache_reads: sync.cache_reads * each };
}

async function measure({ documents, revisions, data, redis }) {
  const dataDir = mkdtempSync(path.join(data, 'headgate-compaction-'));
  const args = [];
  if (redis) {
    const config = path.join(dataDir, 'redis.toml');
    writeFileSync(config, bucketToml('base', [redis.address]));
    args.push('--config', config);
  }
  const grown = await ServerUnderGrowth.start({}, { dataDir, args });
  try {
    const present = [];
    await writeAll(grown, documents, present);
    const found = { documents, revisions, engine: redis ? 'redis' : 'embedded',
      once: await look(grown, redis, documents) };
    found.writing = await grown.costOf(documents * (revisions - 1), async () => {
      for (let round = 1; round < revisions; round += 1) await writeAll(grown, documents, present);
      await grown.untilIdle();
    });
    found.written = await look(grown, redis, documents);
    found.compacting = await grown.costOf(documents, () => compact(grown));
    found.compacted = await look(grown, redis, documents);
    return found;
  } finally {
    await grown.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** See above; `redis` tells whether a Redis server holds all, else it is the embedded store. */
export async function measureCompaction({ documents, revisions, data = tmpdir(), redis = false }) {
  if (!redis) return measure({ documents, revisions, data });
  const process = new RedisProcess((await freePorts(1))[0]);
  try {
    await process.run();
    return await measure({ documents, revisions, data, redis: process });
  } finally {
    await process.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { documents: { type: 'string', default: '1000' },
    revisions: { type: 'string', default: '20' }, data: { type: 'string', default: tmpdir() },
    redis: { type: 'boolean', default: false } } });
  console.log(JSON.stringify(await measureCompaction({ ...values, documents: Number(values.documents),
    revisions: Number(values.revisions) }), null, 1));
}
