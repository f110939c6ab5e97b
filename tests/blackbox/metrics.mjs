// SPDX-License-Identifier: Apache-2.0
// The figures of a server, read from /_metrics at one moment.
import assert from 'node:assert/strict';
import { waitFor } from '../clients/server.mjs';

function labelsOf(text) {
  return Object.fromEntries([...(text ?? '').matchAll(/(\w+)="([^"]*)"/g)]
    .map(([, name, value]) => [name, value]));
}

export class Metrics {
  static async read(server) {
    const answer = await server.admin('GET', '/_metrics');
    assert.equal(answer.status, 200, answer.text);
    const metrics = new Metrics();
    metrics.samples = [...answer.text.matchAll(/^headgate_(\w+)(?:\{(.*)\})? (\S+)$/gm)]
      .map(([, name, labels, value]) => ({ name, labels: labelsOf(labels), value: Number(value) }));
    return metrics;
  }

  has(name) {
    return this.samples.some((sample) => sample.name === name);
  }

  /** Sum of the samples `headgate_NAME` whose labels agree; fails if there is none. */
  get(name, labels = {}) {
    const found = this.samples.filter((sample) => sample.name === name
      && Object.entries(labels).every(([label, value]) => sample.labels[label] === value));
    assert.notEqual(found.length, 0, `no sample headgate_${name} ${JSON.stringify(labels)}`);
    return found.reduce((sum, { value }) => sum + value, 0);
  }

  /** How much `headgate_NAME` grew since `before`, by the value of `label`. */
  growth(before, name, label, labels = {}) {
    const grown = {};
    for (const sample of this.samples) {
      if (sample.name !== name) continue;
      if (!Object.entries(labels).every(([key, value]) => sample.labels[key] === value)) continue;
      const old = before.samples.find((other) => other.name === name
        && JSON.stringify(other.labels) === JSON.stringify(sample.labels))?.value ?? 0;
      grown[sample.labels[label]] = (grown[sample.labels[label]] ?? 0) + sample.value - old;
    }
    assert.notEqual(Object.keys(grown).length, 0, `no sample headgate_${name}`);
    return grown;
  }
}

/**
 * Waits until everything that was written to the database is accounted for; returns stable. A
 * database is started by the first request for it: this is one.
 */
export function untilStable(server, database, { above = 0, within = 15_000 } = {}) {
  return waitFor(`stable of ${database} reaches the highest sequence`, async () => {
    await server.admin('GET', `/${database}/_config`);
    const metrics = await Metrics.read(server);
    const stable = metrics.get('stable_sequence', { database });
    return stable === metrics.get('highest_sequence', { database }) && stable > above && stable;
  }, within);
}
