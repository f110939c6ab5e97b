// SPDX-License-Identifier: Apache-2.0
// The server is killed with SIGKILL in the middle of writes and restarted on the same data and
// ports: every acknowledged write is there, and live clients converge.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectStatus } from './expect.mjs';
import { Oracle } from './oracle.mjs';
import { Client, seeded } from './pouch.mjs';
import { Server, waitFor } from './server.mjs';

const kRounds = 5;
const kWriters = 8;
const kUsers = { alice: ['red', 'green'], bob: ['green', 'blue'], dave: ['*'] };
const kChannels = ['red', 'green', 'blue'];

/** Writes documents over and over until the server is gone; remembers what it acknowledged. */
async function writeUntilKilled(server, writer, round, acknowledged) {
  for (let count = 0; ; count += 1) {
    const id = `w${writer}-${count % 40}`;
    const known = acknowledged.get(id);
    const doc = { channels: [kChannels[(writer + count) % 3]], round, count };
    if (known) doc._rev = known;
    const answer = await server.admin('PUT', `/crash/${id}`, doc).catch(() => undefined);
    if (!answer) return;
    if (answer.status === 201) acknowledged.set(id, answer.json.rev);
    else if (answer.status !== 409) assert.ok(answer.status >= 500, answer.text);
    else await refresh(server, id, acknowledged).catch(() => undefined);
  }
}

/** After a write of unknown outcome the present revision is read; it descends from the known one. */
async function refresh(server, id, acknowledged) {
  const answer = await server.admin('GET', `/crash/${id}`);
  if (answer.status === 200) acknowledged.set(id, answer.json._rev);
}

async function bulkUntilKilled(server, round, acknowledged) {
  for (let count = 0; ; count += 1) {
    const docs = Array.from({ length: 20 }, (_, index) => ({
      _id: `bulk-${round}-${count}-${index}`,
      channels: [kChannels[index % 3]],
    }));
    const answer = await server.admin('POST', '/crash/_bulk_docs', { docs }).catch(() => undefined);
    if (!answer) return;
    for (const { id, rev } of answer.json ?? []) if (rev) acknowledged.set(id, rev);
  }
}

async function expectAcknowledged(server, acknowledged) {
  const entries = [...acknowledged];
  const ids = entries.map(([id]) => id);
  const listed = await server.admin('POST', '/crash/_all_docs', { keys: ids });
  const { rows } = expectStatus(listed, 200);
  const present = new Map(rows.map((row) => [row.id ?? row.key, row.value?.rev]));
  for (const [id, rev] of entries) {
    const now = present.get(id);
    assert.ok(now, `${id} ${rev} was acknowledged and is lost`);
    if (now === rev) continue;
    // A later write of unknown outcome may have been stored; then it descends from this one.
    const [answer] = (await server.admin('GET',
      `/crash/${id}?revs=true&open_revs=${encodeURIComponent(JSON.stringify([now]))}`,
      undefined, { headers: { Accept: 'application/json' } })).json;
    const { start, ids: digests } = answer.ok._revisions;
    const history = digests.map((digest, index) => `${start - index}-${digest}`);
    assert.ok(history.includes(rev), `${id}: ${rev} is not in the history of ${now}`);
  }
}

/** What `_changes` says to a user equals the oracle: every visible document, newest revision. */
async function expectChanges(server, oracle, user) {
  const { results } = await server.changes('crash', user, {});
  const last = new Map();
  const left = new Set(); // a channel of the user, perhaps for another one
  for (const entry of results) {
    if (entry.deleted) last.delete(entry.id);
    else last.set(entry.id, entry.changes[0].rev);
    if (entry.removed) left.add(entry.id);
    else left.delete(entry.id);
  }
  for (const id of oracle.idsFor(user)) {
    assert.equal(last.get(id), oracle.documents.get(id)._rev, `${user.name}: ${id} on _changes`);
  }
  for (const id of [...last.keys()].filter((each) => !left.has(each))) {
    assert.ok(oracle.maySee(user, oracle.documents.get(id)), `${user.name} must not see ${id}`);
  }
}

// sync_gateway#707: writes in flight at a restart are neither lost nor hidden from the feed.
// sync_gateway#2197, #750, #722: the feed goes on by itself after the interruption.
test('killed in the middle of writes, again and again', async () => {
  const random = seeded();
  const server = await Server.start();
  const acknowledged = new Map();
  const clients = [];
  try {
    await server.createDatabase('crash');
    for (const [name, channels] of Object.entries(kUsers)) {
      clients.push(new Client(server, 'crash', await server.createUser('crash', name, channels)));
    }
    const lives = clients.map((client) => client.live());
    for (let round = 0; round < kRounds; round += 1) {
      const writers = Array.from({ length: kWriters }, (_, writer) =>
        writeUntilKilled(server, writer, round, acknowledged));
      writers.push(bulkUntilKilled(server, round, acknowledged));
      await clients[0].local.put({ _id: `offline-${round}`, channels: ['green'], round });
      const enough = acknowledged.size + 150 + random.below(300);
      await waitFor('writes are acknowledged', () => acknowledged.size >= enough, 60_000);
      await server.kill();
      await Promise.all(writers);
      await server.restart();
      await expectAcknowledged(server, acknowledged);
      // The clients go on pushing: what they add meanwhile is met by the next look.
      await waitFor('_changes equals the oracle', async () => {
        const oracle = await Oracle.read(server, 'crash');
        for (const client of clients) await expectChanges(server, oracle, client.user);
        return true;
      }).catch((error) => { throw error.cause ?? error; });
    }
    await waitFor('all clients converge', async () => {
      const oracle = await Oracle.read(server, 'crash');
      for (const client of clients) await oracle.expectHeldBy(client);
      return true;
    }, 90_000).catch((error) => { throw error.cause ?? error; });
    const rows = (await server.admin('GET', '/crash/_all_docs')).json.rows.map((row) => row.id);
    for (let round = 0; round < kRounds; round += 1) assert.ok(rows.includes(`offline-${round}`));
    for (const live of lives) assert.deepEqual(live.errors, []);
    await Promise.all(lives.map((live) => live.stop()));
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
  }
});

// sync_gateway#3558: a write at the start of the node is on the feed exactly once.
// sync_gateway#1423: positions never go back over restarts.
test('writes during the start are on the feed exactly once, positions only grow', async () => {
  const server = await Server.start();
  const number = (seq) => Number(`${seq}`.split(':').at(-1));
  try {
    await server.createDatabase('start');
    let last = 0;
    for (let round = 0; round < 6; round += 1) {
      await server.write('start', [{ _id: `before-${round}`, channels: ['c'] }]);
      if (round % 2) await server.kill();
      else await server.stop();
      const running = server.restart();
      const target = `/start/at-start-${round}`;
      const written = waitFor('a write at the start is accepted', async () =>
        [201, 409].includes((await server.admin('PUT', target, { channels: ['c'] })).status));
      await running;
      await written;
      const page = await waitFor('the write is on the feed', async () => {
        const { results, last_seq } = await server.changes('start', undefined, {});
        return results.some((entry) => entry.id === `at-start-${round}`) && { results, last_seq };
      });
      const ids = page.results.map((entry) => entry.id);
      assert.equal(new Set(ids).size, ids.length, 'no document twice');
      assert.equal(ids.length, 2 * (round + 1));
      assert.ok(number(page.last_seq) > last, `${page.last_seq} after ${last}`);
      last = number(page.last_seq);
    }
  } finally {
    await server.close();
  }
});
