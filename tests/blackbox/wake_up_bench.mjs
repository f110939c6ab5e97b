// SPDX-License-Identifier: Apache-2.0
// What wake-ups between nodes bring and cost (docs/wake-up.md): time from a PUT's answer at one node
// to a feed at another, and writes a second, with and without them. Not a test: prints figures.
//   HEADGATE_BINARY=build/release/headgate node tests/blackbox/wake_up_bench.mjs
import { Stream } from '../clients/server.mjs';
import { changesTarget } from './follower.mjs';
import { HeadgateNodes } from './headgate_nodes.mjs';
import { bucketToml, RedisClusterOfSix } from './redis.mjs';

const kPushes = 100;
const kWriters = 16;
const kWriteMs = 5_000;
const kRounds = Number(process.env.HEADGATE_BENCH_ROUNDS ?? 3);

async function pushTimes(writer, reader, mode) {
  const { last_seq: since } = await reader.changes('db');
  const stream = Stream.open(reader, undefined,
    changesTarget('db', { feed: 'continuous', mode, since, heartbeat: 60_000 }));
  await stream.opened;
  const times = [];
  for (let index = 0; index < kPushes; index += 1) {
    const id = `${mode}-${performance.now()}`;
    await writer.admin('PUT', `/db/${id}`, {});
    const answered = performance.now();
    while (!stream.text.includes(id)) await new Promise((resolve) => setImmediate(resolve));
    times.push(performance.now() - answered);
  }
  stream.close();
  return times.sort((x, y) => x - y);
}

async function writesPerSecond(writer) {
  const end = Date.now() + kWriteMs;
  const counts = await Promise.all(Array.from({ length: kWriters }, async (_, one) => {
    let count = 0;
    for (; Date.now() < end; count += 1) {
      await writer.admin('PUT', `/db/w${one}-${performance.now()}`, { channels: [`c${one}`] });
    }
    return count;
  }));
  return Math.round(counts.reduce((sum, count) => sum + count, 0) / (kWriteMs / 1_000));
}

const redis = await RedisClusterOfSix.start();
try {
  for (let round = 0; round < kRounds; round += 1) {
    for (const wakeUps of [true, false]) {
      const nodes = await HeadgateNodes.start(3, bucketToml('base', redis.addresses,
        { replicas: 1, name: `r${round}${wakeUps}` }), { node: `wake_ups = ${wakeUps}\n` });
      const [a, b] = nodes.servers;
      await a.createDatabase('db');
      for (const mode of ['available', 'stable']) {
        const times = await pushTimes(a, b, mode);
        console.log(`wake-ups ${wakeUps}, ${mode}: p50 ${times[kPushes / 2].toFixed(1)} ms, `
          + `p99 ${times[kPushes - 2].toFixed(1)} ms`);
      }
      console.log(`wake-ups ${wakeUps}: ${await writesPerSecond(a)} writes a second`);
      await nodes.close();
    }
  }
} finally {
  await redis.close();
}
