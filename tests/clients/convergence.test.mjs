// SPDX-License-Identifier: Apache-2.0
// Several users with real PouchDB clients share one database: all converge on exactly the
// documents they may see, and then nothing moves any more.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { content, Oracle } from './oracle.mjs';
import { Client, seeded, settle } from './pouch.mjs';
import { Server, waitFor } from './server.mjs';

const kChannels = ['red', 'green', 'blue'];
const kUsers = { alice: ['red', 'green'], bob: ['green', 'blue'], carol: ['blue'], dave: ['*'] };

let server;
before(async () => { server = await Server.start(); });
after(async () => { await server?.close(); });

/** A new database with the four users and a client for each; `body` runs with them. */
async function house(name, body, config = {}) {
  await server.createDatabase(name, config);
  const clients = {};
  for (const [user, channels] of Object.entries(kUsers)) {
    clients[user] = new Client(server, name, await server.createUser(name, user, channels));
  }
  try {
    await body(clients, Object.values(clients));
  } finally {
    await Promise.all(Object.values(clients).map((client) => client.close()));
  }
}

function documents(count, from = 0) {
  return Array.from({ length: count }, (_, index) => ({
    _id: `doc-${String(from + index).padStart(4, '0')}`,
    channels: [kChannels[index % kChannels.length]],
    value: index,
  }));
}

async function expectConverged(name, all) {
  const oracle = await Oracle.read(server, name);
  for (const client of all) await oracle.expectHeldBy(client);
  return oracle;
}

async function untilConverged(name, all, within = 60_000) {
  const converged = async () => {
    const oracle = await Oracle.read(server, name);
    for (const client of all) await oracle.expectHeldBy(client);
    return true;
  };
  await waitFor('all clients converge', converged, within)
    .catch((error) => { throw error.cause ?? error; });
}

// sync_gateway#2318, pouchdb#5820, pouchdb#8015: bodies come by _bulk_get in JSON, not one by one.
test('each client pulls exactly the documents of its channels, by _bulk_get', () =>
  house('pull', async ({ alice, bob, carol, dave }, all) => {
    await server.write('pull', documents(240));
    await server.write('pull', [
      { _id: 'nobody', value: 'in no channel' },
      { _id: 'everybody', channels: ['!'], value: 'in the channel of all' },
      { _id: 'two', channels: ['red', 'blue'], value: 'in two channels' },
    ]);
    for (const client of all) await client.pull();
    const oracle = await expectConverged('pull', all);
    assert.equal(oracle.idsFor(alice.user).length, 162);
    assert.equal(oracle.idsFor(bob.user).length, 162);
    assert.equal(oracle.idsFor(carol.user).length, 82);
    assert.equal(oracle.idsFor(dave.user).length, 243);
    assert.ok(alice.traffic.get('POST _bulk_get') >= 2);
    assert.equal(alice.traffic.get('GET document'), undefined);
  }));

test('a second run transfers nothing', () =>
  house('again', async ({ alice }, all) => {
    await server.write('again', documents(150));
    for (const client of all) await client.sync();
    await alice.local.put({ _id: 'mine', channels: ['red'] });
    await settle(all);
    for (const client of all) {
      client.forgetTraffic();
      const pushed = await client.push();
      const pulled = await client.pull();
      assert.deepEqual([pushed.docs_read, pushed.docs_written], [0, 0]);
      assert.deepEqual([pulled.docs_read, pulled.docs_written], [0, 0]);
      assert.deepEqual(client.transfers, []);
      // sync_gateway#1309, pouchdb#4604: the one-shot replication sees an empty page and ends.
      assert.ok(client.traffic.get('GET _changes') <= 2, 'few pages');
    }
  }));

test('offline edits, deletes, conflicts and attachments of several users converge', () =>
  house('offline', async ({ alice, bob, dave }, all) => {
    const random = seeded();
    await server.write('offline', documents(60));
    await settle(all);
    for (let round = 0; round < 3; round += 1) {
      for (const client of all) await editOffline(client, random, round);
      await settle(all);
      await expectConverged('offline', all);
    }
    const oracle = await Oracle.read(server, 'offline');
    const conflicts = [...oracle.documents.values()].filter((doc) => doc._conflicts);
    assert.ok(conflicts.length > 0, 'the edits made conflicts');
    await resolve(dave, conflicts);
    await settle(all);
    const resolved = await expectConverged('offline', all);
    assert.ok([...resolved.documents.values()].every((doc) => !doc._conflicts));
    assert.ok(alice && bob);
  }));

/** A live sync may change or delete a document between its reading and its writing. */
const unlessOvertaken = (work) => work.catch((error) => {
  if (![404, 409].includes(error.status)) throw error;
});

/** Random work on what the client holds and may see; channels of documents stay as they are. */
async function editOffline(client, random, round) {
  const { name, channels } = client.user;
  const mine = channels.includes('*') ? kChannels : channels;
  for (const id of await client.ids()) {
    if (random.chance(0.15)) {
      await unlessOvertaken(client.edit(id, (doc) => { doc.value = `${name} ${round}`; }));
    }
    if (random.chance(0.05)) await unlessOvertaken(client.remove(id));
  }
  for (let made = 0; made < 5; made += 1) {
    const doc = { _id: `${name}-${round}-${made}`, channels: [random.pick(mine)], value: made };
    if (made < 2) doc._attachments = attachment(`${name} ${round} ${made}`.repeat(50 * made + 1));
    await client.local.put(doc);
  }
}

function attachment(text) {
  return { 'note.txt': { content_type: 'text/plain', data: Buffer.from(text).toString('base64') } };
}

async function resolve(client, conflicts) {
  for (const { _id, _conflicts } of conflicts) {
    for (const rev of _conflicts) await client.local.remove(_id, rev);
  }
}

test('live two-way sync converges while all write', () =>
  house('live', async (clients, all) => {
    const random = seeded();
    await server.write('live', documents(30));
    const lives = all.map((client) => client.live());
    await untilConverged('live', all);
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(all.map((client) => editOffline(client, random, round)));
    }
    await untilConverged('live', all);
    for (const live of lives) assert.deepEqual(live.errors, []);
    await Promise.all(lives.map((live) => live.stop()));
    await settle(all);
    await expectConverged('live', all);
  }));

test('an attachment arrives with its bytes, by client and by plain request', () =>
  house('bytes', async ({ alice, bob, carol }) => {
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256));
    await alice.local.put({ _id: 'picture', channels: ['green'] });
    const { rev } = await alice.local.putAttachment('picture', 'a/b c.png',
      (await alice.local.get('picture'))._rev, bytes, 'image/png');
    await alice.push();
    await bob.pull();
    await carol.pull();
    assert.ok((await bob.local.getAttachment('picture', 'a/b c.png')).equals(bytes));
    assert.equal(await carol.get('picture'), undefined);
    const target = `/bytes/picture/${encodeURIComponent('a/b c.png')}`;
    const plain = await server.public('GET', target, undefined, { user: bob.user });
    assert.equal(plain.headers.get('content-type'), 'image/png');
    assert.ok(plain.bytes.equals(bytes));
    const refused = await server.public('GET', target, undefined, { user: carol.user });
    assert.equal(refused.status, 403);

    // An edit that keeps the attachment sends and stores only a stub.
    await bob.edit('picture', (doc) => { doc.title = 'kept'; });
    await bob.push();
    await alice.pull();
    assert.notEqual((await alice.get('picture'))._rev, rev);
    assert.ok((await alice.local.getAttachment('picture', 'a/b c.png')).equals(bytes));
  }));

test('a document that changes channels leaves one client and reaches another', () =>
  house('moves', async ({ alice, carol }, all) => {
    const lives = all.map((client) => client.live());
    const [{ rev }] = await server.write('moves', [{ _id: 'm', channels: ['red'], value: 1 }]);
    await untilConverged('moves', all);
    assert.equal((await alice.get('m')).value, 1);
    await server.write('moves', [{ _id: 'm', _rev: rev, channels: ['blue'], value: 'secret' }]);
    await waitFor('carol holds it', async () => (await carol.get('m'))?.value === 'secret');
    await waitFor('alice is told', async () => !content((await alice.get('m')) ?? {}).value);
    await untilConverged('moves', all);
    await Promise.all(lives.map((live) => live.stop()));
  }));

test('a document that leaves the channels of a user is deleted there, if that is wanted', () =>
  house('leaving', async ({ alice, carol }, all) => {
    const lives = all.map((client) => client.live());
    const [{ rev }] = await server.write('leaving', [{ _id: 'm', channels: ['red'], value: 1 }]);
    await untilConverged('leaving', all);
    const [moved] = await server.write('leaving',
      [{ _id: 'm', _rev: rev, channels: ['blue'], value: 'secret' }]);
    await waitFor('carol holds it', async () => (await carol.get('m'))?.value === 'secret');
    await waitFor('alice holds it no more', async () => !(await alice.ids()).includes('m'));
    assert.equal((await server.admin('GET', '/leaving/m')).json._rev, moved.rev,
      'the deletion is not pushed');
    await server.write('leaving', [{ _id: 'm', _rev: moved.rev, channels: ['red'], value: 2 }]);
    await waitFor('alice holds it again', async () => (await alice.get('m'))?.value === 2);
    await untilConverged('leaving', all);
    await Promise.all(lives.map((live) => live.stop()));
  }, { removals: 'deleted' }));

test('deletes reach everyone who held the document', () =>
  house('deletes', async ({ alice, bob, dave }, all) => {
    await server.write('deletes', documents(30));
    await settle(all);
    await alice.remove('doc-0000');
    await bob.remove('doc-0001');
    // A tombstone with a body keeps its channels.
    await dave.edit('doc-0002', (doc) => { doc._deleted = true; });
    await settle(all);
    for (const client of all) {
      for (const id of ['doc-0000', 'doc-0001', 'doc-0002']) {
        assert.equal(await client.get(id), undefined, `${client.user.name} ${id}`);
      }
    }
    await expectConverged('deletes', all);
    await alice.local.put({ _id: 'doc-0000', channels: ['red'], value: 'again' });
    await settle(all);
    await expectConverged('deletes', all);
    assert.equal((await dave.get('doc-0000')).value, 'again');
  }));

test('a refused document is reported as denied and the others of the push are stored', () =>
  house('denied', async ({ alice }) => {
    await alice.local.bulkDocs([
      { _id: 'a', channels: ['red'] },
      { _id: 'b', channels: ['blue'] },
      { _id: 'c', channels: ['green'] },
    ]);
    const { denied, docs_written } = await alice.push();
    assert.deepEqual(denied.map(({ id, name }) => [id, name]), [['b', 'forbidden']]);
    assert.equal(docs_written, 2);
    const rows = (await server.admin('GET', '/denied/_all_docs')).json.rows;
    assert.deepEqual(rows.map((row) => row.id), ['a', 'c']);
  }, { sync: 'function (doc) { requireAccess(doc.channels); channel(doc.channels); }' }));

test('wrong credentials end a live replication with an error instead of retrying for ever', () =>
  house('wrong', async () => {
    const client = new Client(server, 'wrong', { name: 'alice', password: 'no', channels: [] });
    const error = await client.local.replicate.from(client.remote, { live: true, retry: true })
      .then(() => undefined, (reason) => reason);
    assert.equal(error?.name, 'unauthorized');
    await client.close();
  }));

// pouchdb#4604, sync_gateway#1309: positions with a low part must not make the pull endless.
test('one-shot pulls go on while others write and end when they stop', () =>
  house('busy', async ({ alice, dave }) => {
    await server.write('busy', documents(300));
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let count = 0; count < 100; count += 1) {
        await server.write('busy', [{ _id: `w${writer}-${count}`, channels: ['red'] }]);
      }
    });
    const pulls = [alice.pull(), dave.pull({ batch_size: 20 })];
    await Promise.all(writers);
    for (const { ok } of await Promise.all(pulls)) assert.ok(ok);
    await settle([alice, dave]);
    await expectConverged('busy', [alice, dave]);
    assert.ok(alice.requests < 1000, `${alice.requests} requests`);
  }));

// sync_gateway#2068, #1865, #2340, #2267, #880: old documents come after a grant without another write.
test('a grant reaches a live client with all old documents of the channel', () =>
  house('grant', async ({ carol }) => {
    await server.write('grant', documents(90));
    const live = carol.live();
    await untilConverged('grant', [carol]);
    assert.equal((await carol.ids()).length, 30);
    await server.createUser('grant', 'carol', ['blue', 'green']);
    carol.user.channels = ['blue', 'green'];
    await untilConverged('grant', [carol]);
    assert.equal((await carol.ids()).length, 60);
    await live.stop();
  }));

test('a fresh client gets a database with every kind of history right', () =>
  house('fresh', async ({ alice, dave }, all) => {
    const random = seeded(7);
    await server.write('fresh', documents(40));
    await settle(all);
    for (let round = 0; round < 2; round += 1) {
      for (const client of all) await editOffline(client, random, round);
      await settle(all);
    }
    for (const seen of [alice, dave]) {
      const late = new Client(server, 'fresh', seen.user);
      await late.pull({ batch_size: 7 });
      await expectConverged('fresh', [late]);
      await late.close();
    }
  }));
