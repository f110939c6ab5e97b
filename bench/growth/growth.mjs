// SPDX-License-Identifier: Apache-2.0
// How costs grow with what there is. Prints JSON, which draw.py makes a table and pictures of.
//
//   node bench/growth/growth.mjs [--sizes tiny|normal|full|N,N...] [--effort 1000] [--data DIR] [DIMENSION...]
//
// In each dimension a database grows; at each size the server is killed and started again, and the same
// work is done. Costs are of the server alone: processor time, and what it counts. `effort` is the number of
// requests of each kind. `full` takes about an hour and 20 GB below DIR.
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { kDimensions } from './dimensions.mjs';
import { ServerUnderGrowth } from './server_under_growth.mjs';

function options(words) {
  const found = { sizes: 'normal', effort: '1000', data: tmpdir(), dimensions: [] };
  for (let at = 0; at < words.length; at += 1) {
    if (words[at].startsWith('--')) found[words[at].slice(2)] = words[at += 1];
    else found.dimensions.push(words[at]);
  }
  if (found.dimensions.length === 0) found.dimensions = Object.keys(kDimensions);
  return found;
}

async function measureAt(grown, dimension, from, size, effort) {
  const filling = await grown.costOf(size - from, async () => {
    await dimension.fill(grown, from, size);
    await grown.untilIdle();
  });
  const filled = { memory: grown.memory, disk: grown.disk };
  const restart = await grown.restartAfterKill(dimension.knownId);
  await grown.untilIdle();
  const costs = await dimension.measure(grown, size, effort);
  return { size, filling, filled, restart, ...costs, memory: grown.memory };
}

/** All sizes of one dimension; `data` is the folder to work in. */
export async function measureDimension(name, sizes, { effort, data }) {
  const dimension = Object.create(kDimensions[name]);
  const dataDir = mkdtempSync(path.join(data, 'headgate-growth-'));
  const grown = await ServerUnderGrowth.start(dimension.config, { dataDir });
  try {
    const results = [];
    for (const [index, size] of sizes.entries()) {
      results.push(await measureAt(grown, dimension, sizes[index - 1] ?? 0, size, effort));
      console.error(name, JSON.stringify(results.at(-1)));
    }
    return results;
  } finally {
    await grown.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function main() {
  const { sizes, effort, data, dimensions } = options(process.argv.slice(2));
  const results = {};
  for (const name of dimensions) {
    if (!kDimensions[name]) throw new Error(`no dimension ${name}: ${Object.keys(kDimensions)}`);
    const chosen = kDimensions[name].sizes[sizes] ?? sizes.split(',').map(Number);
    results[name] = await measureDimension(name, chosen, { effort: Number(effort), data });
  }
  console.log(JSON.stringify({ processor: cpus()[0].model, processors: cpus().length, results }, null, 1));
}

if (process.argv[1] === import.meta.filename) await main();
