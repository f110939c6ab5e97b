// SPDX-License-Identifier: Apache-2.0
// kill -9 during a storm of writes on several connections, again and again: nothing acknowledged is
// lost (with memory durability neither: that allows the loss of power to lose writes, not the end
// of a process), stable reaches the highest sequence, channels equal the documents.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../clients/server.mjs';
import { withServer } from './fault_server.mjs';
import { currentRevisions, expectOrdered, feedKinds, Follower, generation, lastOf }
  from './follower.mjs';
import { untilStable } from './metrics.mjs';

const kRounds = 5;
const kWriters = 6;
const kChannels = ['red', 'green', 'blue'];
/** Acknowledged writes of each database before the process is killed. */
const kEnough = 120;

/** Writes, moves, deletes and bulk-writes until the server is gone; notes what is acknowledged. */
async function writeUntilKilled(server, database, writer, round, acknowledged) {
  for (let count = 0; ; count += 1) {
    const ids = [`${writer}-${count % 25}`, ...(count % 10 === 9
      ? Array.from({ length: 20 }, (_, index) => `${writer}-${round}-${count}-${index}`) : [])];
    const docs = ids.map((_id, index) => {
      const known = acknowledged.get(_id);
      return { _id, channels: [kChannels[(count + index + writer) % 3]], round, count,
        ...(known ? { _rev: known.rev } : {}), ...(count % 13 === 12 ? { _deleted: true } : {}) };
    });
    const answer = await server.admin('POST', `/${database}/_bulk_docs`, { docs })
      .catch(() => undefined);
    if (!answer) return;
    assert.equal(answer.status, 201, answer.text);
    for (const [index, item] of answer.json.entries()) {
      if (item.rev) {
        acknowledged.set(item.id, { rev: item.rev, isDeleted: docs[index]._deleted === true });
      } else {
        // A write of unknown outcome of the round before was stored.
        assert.equal(item.error, 'conflict', JSON.stringify(item));
        const { json } = await server.admin('GET', `/${database}/${item.id}?revs_info=true`)
          .catch(() => ({}));
        if (json?._rev) acknowledged.set(item.id, { rev: json._rev });
        else acknowledged.delete(item.id);
      }
    }
  }
}

/** Each acknowledged revision is the document's present one, or in its history. */
async function expectAcknowledged(server, database, acknowledged) {
  const current = await currentRevisions(server, database);
  for (const [id, { rev, isDeleted }] of acknowledged) {
    const now = current.get(id);
    if (now === rev || (isDeleted && now === undefined)) continue;
    const answer = await server.admin('GET',
      `/${database}/${id}?revs=true&open_revs=all`, undefined,
      { headers: { Accept: 'application/json' } });
    assert.equal(answer.status, 200, `${id} ${rev} was acknowledged: ${answer.text}`);
    const histories = answer.json.flatMap(({ ok }) => ok._revisions.ids
      .map((digest, index) => `${ok._revisions.start - index}-${digest}`));
    assert.ok(histories.includes(rev), `${database}: ${id} ${rev} was acknowledged and is lost`);
  }
}

/** The channel's feed names exactly the documents of the channel, in their present revisions. */
async function expectChannel(server, database, channel, query) {
  const { results } = await server.changes(database, undefined,
    { ...query, filter: 'sync_gateway/bychannel', channels: channel });
  const expected = await currentRevisions(server, database, (doc) =>
    doc.channels.includes(channel));
  const shown = lastOf(results.filter(({ deleted, removed }) => !deleted && !removed));
  assert.deepEqual([...shown].sort(), [...expected].sort(), `${database}: channel ${channel}`);
  expectOrdered(results, `${database}: channel ${channel}`);
}

test('killed in a storm of writes, with memory and with disk durability', (context) =>
  withServer(async (server) => {
    const databases = ['memory', 'disk'];
    const acknowledged = { memory: new Map(), disk: new Map() };
    const followers = [];
    for (const durability of databases) {
      await server.createDatabase(durability, { durability, block_capacity: 32 });
      const user = await server.createUser(durability, 'alice', ['red']);
      followers.push(...feedKinds.map((feed) => new Follower(server, durability, user, feed)));
    }
    for (let round = 0; round < kRounds; round += 1) {
      const writers = databases.flatMap((database) => Array.from({ length: kWriters },
        (_, writer) => writeUntilKilled(server, database, writer, round, acknowledged[database])));
      const storm = Promise.all(writers);
      const goals = databases.map((database) => acknowledged[database].size + kEnough);
      await waitFor('writes are acknowledged', () => databases.every((database, index) =>
        acknowledged[database].size >= goals[index]), 30_000);
      await server.kill();
      await storm;
      await server.restart();
      for (const database of databases) {
        await expectAcknowledged(server, database, acknowledged[database]);
        await untilStable(server, database);
        for (const channel of kChannels) {
          for (const mode of ['available', 'stable']) {
            await expectChannel(server, database, channel, { mode });
          }
        }
      }
    }
    for (const follower of followers) {
      await follower.untilHas(await currentRevisions(server, follower.database, ({ channels }) =>
        channels.includes('red')));
      await follower.stop();
      expectOrdered(follower.entries, `${follower.database}: ${follower.name}`);
    }
    for (const database of databases) {
      context.diagnostic(`${database}: ${acknowledged[database].size} documents acknowledged, `
        + `up to generation ${Math.max(...[...acknowledged[database].values()]
          .map(({ rev }) => generation(rev)))}`);
    }
  }));
