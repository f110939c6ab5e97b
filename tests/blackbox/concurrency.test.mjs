// SPDX-License-Identifier: Apache-2.0
// 64 writers on one hot channel and on "*", with followers in both modes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withServer } from './fault_server.mjs';
import { expectComplete, expectOrdered, Follower } from './follower.mjs';
import { Metrics, untilStable } from './metrics.mjs';

const kWriters = 64;
const kWrites = 12;
/** Documents of one writer: each is written several times. */
const kDocuments = 4;

async function writeMuch(server, database, writer) {
  const revs = new Map();
  for (let count = 0; count < kWrites; count += 1) {
    const id = `w${writer}-${count % kDocuments}`;
    const doc = { channels: ['hot'], count, ...(revs.has(id) ? { _rev: revs.get(id) } : {}) };
    const answer = await server.admin('PUT', `/${database}/${id}`, doc);
    assert.equal(answer.status, 201, answer.text);
    revs.set(id, answer.json.rev);
  }
  return revs;
}

for (const block_format of ['append', 'indexed']) {
  for (const block_capacity of [4, undefined]) {
    const name = `${block_format}, block capacity ${block_capacity ?? 'default'}`;
    // sync_gateway#718, #789: one hot channel, no change missed, none out of order.
    test(`64 writers on one channel: ${name}`, (context) => withServer(async (server) => {
      await server.createDatabase('db', { block_format, ...(block_capacity && { block_capacity }) });
      const alice = await server.createUser('db', 'alice', ['hot']);
      const followers = [alice, undefined].flatMap((user) => ['continuous', 'longpoll']
        .flatMap((feed) => ['available', 'stable']
          .map((mode) => new Follower(server, 'db', user, feed, { mode }))));
      const written = await Promise.all(Array.from({ length: kWriters }, (_, writer) =>
        writeMuch(server, 'db', writer)));
      const revs = new Map(written.flatMap((own) => [...own]));
      assert.equal(revs.size, kWriters * kDocuments);
      for (const follower of followers) {
        await follower.untilHas(revs, 30_000);
        await follower.stop();
        expectOrdered(follower.entries, follower.name);
      }
      await untilStable(server, 'db');
      for (const mode of ['available', 'stable']) {
        const { results } = await server.changes('db', alice, { mode });
        expectComplete(results, revs, `afterwards, ${mode}`);
        const documents = results.filter(({ id }) => id.startsWith('w'));
        assert.equal(documents.length, revs.size, `afterwards, ${mode}: each document once`);
      }
      const metrics = await Metrics.read(server);
      const retries = metrics.get('cas_retries_total', { what: 'block' });
      context.diagnostic(`${name}: ${retries} CAS retries of blocks for ${kWriters * kWrites}`
        + ` writes, ${metrics.get('blocks_opened_total')} blocks opened`);
      if (block_format === 'append') assert.equal(retries, 0);
      assert.equal(metrics.get('resequences_total'), 0);
    }));
  }
}
