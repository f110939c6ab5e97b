// SPDX-License-Identifier: Apache-2.0
// RxDB with its CouchDB replication plugin: users with different channels replicate live and both
// ways, edit offline, delete and conflict, and all converge.
import assert from 'node:assert/strict';
import { randomUUID, webcrypto } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createRxDatabase } from 'rxdb/plugins/core';
import { getFetchWithCouchDBAuthorization, replicateCouchDB }
  from 'rxdb/plugins/replication-couchdb';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import { Server, waitFor } from './server.mjs';

// A global since Node.js 19; RxDB expects it.
globalThis.crypto ??= webcrypto;

const kSchema = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 100 },
    channels: { type: 'array', items: { type: 'string' } },
    value: { type: 'number' },
  },
};

let server;
before(async () => { server = await Server.start(); });
after(async () => { await server?.close(); });

/** What left the user's channels goes here, too (docs/api.md). */
const deleteRemoved = ({ _removed, ...doc }) => (_removed ? { ...doc, _deleted: true } : doc);

/** A user's RxDB in memory, and its replication with `database`. */
class RxUser {
  static async open(database, user) {
    const self = new RxUser();
    self.database = database;
    self.user = user;
    self.rx = await createRxDatabase({ name: `${user.name}-${randomUUID()}`,
      storage: getRxStorageMemory(), multiInstance: false });
    self.docs = (await self.rx.addCollections({ docs: { schema: kSchema } })).docs;
    return self;
  }

  /** Begins to replicate; `errors`, `pulled` and `pushed` grow with what happens. */
  start({ live = true, modifier = deleteRemoved } = {}) {
    const login = getFetchWithCouchDBAuthorization(this.user.name, this.user.password);
    const connection = new AbortController();
    const state = replicateCouchDB({
      replicationIdentifier: `headgate-${this.database}`,
      collection: this.docs,
      url: `${server.publicUrl}/${this.database}/`,
      fetch: (url, options) => this.fetch(login, url, { ...options, signal: connection.signal }),
      live,
      retryTime: 200,
      waitForLeadership: false,
      pull: {
        batchSize: 10,
        modifier,
      },
      push: { batchSize: 10 },
    });
    this.errors = [];
    this.pulled = 0;
    this.pushed = 0;
    state.error$.subscribe((error) => this.errors.push(error));
    this.state = state;
    this.connection = connection;
    return state;
  }

  async fetch(login, url, options) {
    const answer = await login(url, options);
    if (url.includes('/_bulk_docs')) this.pushed += JSON.parse(options.body).docs.length;
    if (url.includes('/_changes')) this.pulled += (await answer.clone().json()).results.length;
    return answer;
  }

  async stop() {
    await this.state?.cancel();
    this.connection?.abort();
    this.state = undefined;
  }

  async ids() {
    return (await this.docs.find().exec()).map(({ id }) => id).sort();
  }

  get(id) {
    return this.docs.findOne(id).exec();
  }

  async edit(id, change) {
    await (await this.get(id)).incrementalPatch(change);
  }

  async remove(id) {
    await (await this.get(id)).remove();
  }

  async holdings() {
    const docs = await this.docs.find({ sort: [{ id: 'asc' }] }).exec();
    return docs.map((doc) => doc.toJSON());
  }

  async close() {
    await this.stop();
    await this.rx.close();
  }
}

async function onServer(database, user) {
  const answer = await server.public('GET', `/${database}/_all_docs?include_docs=true`, undefined,
    { user });
  return answer.json.rows.map(({ doc: { _id, _rev, ...rest } }) => ({ id: _id, ...rest }));
}

/** Waits until each user's RxDB holds exactly what the server gives that user. */
async function untilConverged(users) {
  const members = (docs) => docs.map(({ id, channels, value }) => ({ id, channels, value }));
  await waitFor('all converge', async () => {
    for (const user of users) {
      assert.deepEqual(members(await user.holdings()),
        members(await onServer(user.database, user.user)), user.user.name);
    }
    return true;
  }, 30_000).catch((error) => {
    const errors = users.flatMap((user) => user.errors).slice(0, 3);
    throw new Error(`${error.cause}\n${errors.map((each) => each.message).join('\n')}`);
  });
}

/** A database with alice (red, shared) and bob (blue, shared); `body` runs with their RxDBs. */
function house(name, body, config = {}) {
  return async () => {
    await server.createDatabase(name, config);
    await server.write(name, ['red', 'blue', 'shared'].flatMap((channel) =>
      Array.from({ length: 25 }, (_, index) => (
        { _id: `${channel}-${index + 10}`, channels: [channel], value: index }))));
    const users = [
      await RxUser.open(name, await server.createUser(name, 'alice', ['red', 'shared'])),
      await RxUser.open(name, await server.createUser(name, 'bob', ['blue', 'shared'])),
    ];
    try {
      await body(...users);
    } finally {
      for (const user of users) await user.close();
    }
  };
}

test('two users replicate live, each its channels', house('live', async (alice, bob) => {
  const users = [alice, bob];
  for (const user of users) await user.start().awaitInitialReplication();
  assert.equal((await alice.ids()).length, 50);
  await untilConverged(users);

  await alice.docs.insert({ id: 'made', channels: ['shared'], value: 1 });
  await waitFor('bob has it', () => bob.get('made'));
  await bob.edit('made', { value: 2 });
  await waitFor('alice has the change', async () => (await alice.get('made')).value === 2);
  await alice.remove('made');
  await waitFor('bob has the deletion', async () => !(await bob.get('made')));
  await alice.docs.insert({ id: 'made', channels: ['shared'], value: 3 });
  await waitFor('bob has it again', async () => (await bob.get('made'))?.value === 3);

  await server.write('live', [{ _id: 'by-admin', channels: ['red'], value: 7 }]);
  await waitFor('alice has what an admin wrote', () => alice.get('by-admin'));
  assert.equal(await bob.get('by-admin'), null);
  await untilConverged(users);
  assert.deepEqual(users.flatMap((user) => user.errors), []);
}));

test('offline edits, deletes and conflicts converge', house('offline', async (alice, bob) => {
  const users = [alice, bob];
  for (const user of users) await user.start().awaitInitialReplication();
  await untilConverged(users);
  for (const user of users) await user.stop();

  await alice.edit('shared-10', { value: 101 });
  await bob.edit('shared-10', { value: 102 });
  await bob.remove('shared-11');
  await alice.edit('shared-12', { value: 103 });
  await bob.remove('shared-12');
  await alice.remove('red-10');
  await alice.docs.insert({ id: 'both', channels: ['shared'], value: 104 });
  await bob.docs.insert({ id: 'both', channels: ['shared'], value: 105 });
  await bob.docs.insert({ id: 'offline', channels: ['shared'], value: 106 });

  await alice.start().awaitInSync();
  await bob.start().awaitInSync();
  await untilConverged(users);
  assert.equal((await bob.get('shared-10')).value, 101, 'whoever comes first wins in RxDB');
  assert.equal(await alice.get('shared-11'), null);
  assert.equal((await bob.get('shared-12')).value, 103);
  assert.equal((await bob.get('both')).value, 104);
  assert.equal((await alice.get('offline')).value, 106);
  assert.deepEqual(users.flatMap((user) => user.errors), []);
}));

test('a second replication transfers nothing', house('again', async (alice, bob) => {
  const once = async (user) => {
    await user.start({ live: false }).awaitInitialReplication();
    await user.stop();
  };
  await alice.docs.insert({ id: 'mine', channels: ['shared'], value: 1 });
  for (const user of [alice, bob]) await once(user);
  await waitFor('stable catches up', async () =>
    !`${(await server.changes('again')).last_seq}`.includes('::'));
  for (const user of [alice, bob]) await once(user);
  await untilConverged([alice, bob]);
  for (const user of [alice, bob]) {
    await once(user);
    assert.deepEqual([user.pulled, user.pushed, user.errors], [0, 0, []]);
  }
}));

test('a document that leaves the channels of a user leaves its RxDB',
  house('leaving', async (alice, bob) => {
    for (const user of [alice, bob]) await user.start().awaitInitialReplication();
    await untilConverged([alice, bob]);
    await bob.edit('shared-10', { channels: ['blue'], value: 200 });
    await waitFor('alice loses it', async () => !(await alice.get('shared-10')));
    await untilConverged([alice, bob]);
    assert.equal((await bob.get('shared-10')).value, 200);
    assert.deepEqual([...alice.errors, ...bob.errors], []);
  }));

test('with removals as deletions no modifier is needed for that',
  house('deleted', async (alice, bob) => {
    for (const user of [alice, bob]) {
      await user.start({ modifier: (doc) => doc }).awaitInitialReplication();
    }
    await untilConverged([alice, bob]);
    await bob.edit('shared-10', { channels: ['blue'], value: 200 });
    await waitFor('alice loses it', async () => !(await alice.get('shared-10')));
    await untilConverged([alice, bob]);
    assert.deepEqual([...alice.errors, ...bob.errors], []);
  }, { removals: 'deleted' }));
