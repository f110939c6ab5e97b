// SPDX-License-Identifier: Apache-2.0
// Feeds that want only some documents, as PouchDB asks for them; revocations; the newest first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectError, expectStatus } from './expect.mjs';
import { Client } from './pouch.mjs';
import { Server, Stream, waitFor } from './server.mjs';

let server;
before(async () => { server = await Server.start(); });
after(async () => { await server?.close(); });

let made = 0;
/** A new database with user alice in `channels`, and ten documents in channel red. */
async function database({ channels = ['red'], config = {} } = {}) {
  made += 1;
  const name = `filters-${made}`;
  await server.createDatabase(name, config);
  await server.write(name, Array.from({ length: 10 }, (_, index) => ({
    _id: `doc-${index}`, channels: ['red'], value: index, kind: index % 3 ? 'plain' : 'third',
  })));
  return { name, alice: await server.createUser(name, 'alice', channels) };
}

const ids = (page) => page.results.map((entry) => entry.id);
const changesUrl = (name, query) => `/${name}/_changes?${new URLSearchParams(query)}`;

test('PouchDB pulls the documents it names, and no others, of those in reach', async (t) => {
  const { name, alice } = await database();
  await server.write(name, [{ _id: 'secret', channels: ['blue'] }]);
  const client = new Client(server, name, alice);
  t.after(() => client.close());
  await client.pull({ doc_ids: ['doc-1', 'doc-4', 'secret', 'absent'] });
  assert.deepEqual(await client.ids(), ['doc-1', 'doc-4']);
  await server.write(name, [{ _id: 'absent', channels: ['red'] }, { _id: 'x', channels: ['red'] }]);
  await client.pull({ doc_ids: ['doc-1', 'doc-4', 'secret', 'absent'] });
  assert.deepEqual(await client.ids(), ['absent', 'doc-1', 'doc-4']);
});

test('PouchDB pulls what a selector matches, and what comes to match', async (t) => {
  const { name, alice } = await database();
  await server.write(name, [{ _id: 'secret', channels: ['blue'], kind: 'third' }]);
  const client = new Client(server, name, alice);
  t.after(() => client.close());
  const selector = { kind: 'third', value: { $gte: 3 } };
  await client.pull({ selector });
  assert.deepEqual(await client.ids(), ['doc-3', 'doc-6', 'doc-9']);
  const live = client.local.replicate.from(client.remote, { selector, live: true, retry: true });
  await server.write(name, [{ _id: 'later', channels: ['red'], kind: 'third', value: 7 },
    { _id: 'other', channels: ['red'], kind: 'plain', value: 7 }]);
  await waitFor('the one that matches', async () => (await client.ids()).includes('later'));
  live.cancel();
  assert.ok(!(await client.ids()).includes('other'));
});

test('a waiting feed with a filter sends only what is asked for', async (t) => {
  const { name, alice } = await database();
  const { last_seq: since } = await server.changes(name, alice);
  for (const [query, body] of [
    [{ filter: '_doc_ids', doc_ids: '["wanted"]' }, undefined],
    [{ filter: '_selector' }, { selector: { want: { $regex: '^y' } } }]]) {
    const stream = Stream.open(server, alice,
      changesUrl(name, { ...query, feed: 'continuous', since }),
      body ? { method: 'POST', body } : {});
    t.after(() => stream.close());
    await stream.opened;
    assert.equal(stream.status, 200, stream.text);
    const suffix = body ? '-2' : '';
    await server.write(name, [{ _id: `no${suffix}`, channels: ['red'], want: 'no' }]);
    if (!body) await server.write(name, [{ _id: 'wanted', channels: ['red'] }]);
    else await server.write(name, [{ _id: 'wanted-2', channels: ['red'], want: 'yes' }]);
    await stream.until('the wanted one', (s) => s.ids.includes(`wanted${suffix}`));
    assert.deepEqual(stream.ids, [`wanted${suffix}`]);
  }
});

test('bad filters are refused', async () => {
  const { name, alice } = await database();
  const post = (query, body) => server.public('POST', changesUrl(name, query), body,
    { user: alice });
  for (const [query, body] of [
    [{ filter: '_doc_ids' }, {}],
    [{ filter: '_doc_ids' }, { doc_ids: [1] }], [{ filter: '_selector' }, {}],
    [{ filter: '_selector' }, { selector: 5 }], [{ filter: '_selector' }, { selector: { $no: 1 } }],
    [{ filter: '_selector' }, { selector: { a: { $regex: '(' } } }],
    [{ filter: '_selector' }, { selector: { a: { $in: 1 } } }],
    [{ filter: '_nothing' }, {}]]) {
    expectError(await post(query, body), 400, JSON.stringify([query, body]));
  }
});

test('descending shows the newest first, at most the limit', async () => {
  const { name, alice } = await database();
  const page = await server.changes(name, alice, { descending: 'true', limit: 3 });
  assert.deepEqual(ids(page), ['doc-9', 'doc-8', 'doc-7']);
  const all = await server.changes(name, alice, { descending: 'true' });
  assert.deepEqual(ids(all), ids(await server.changes(name, alice)).reverse());
});

test('request_plus reads what was written right before, in mode stable, too', async () => {
  const { name, alice } = await database();
  for (let round = 0; round < 5; round += 1) {
    await server.write(name, [{ _id: `now-${round}`, channels: ['red'] }]);
    const page = await server.changes(name, alice, { request_plus: 'true', mode: 'stable' });
    assert.ok(ids(page).includes(`now-${round}`));
  }
});

// sync-semantics 8: a client that asks for them is told what the loss of a channel takes away.
test('revocations name what a lost channel took, and nothing that is still in reach', async (t) => {
  const { name, alice } = await database({ channels: ['red', 'green'] });
  await server.write(name, [{ _id: 'both', channels: ['red', 'green'] }]);
  // Not before stable has passed it all: else the last rows would come once more.
  const { last_seq: since } =
    await server.changes(name, alice, { request_plus: 'true', mode: 'stable' });
  const stream = Stream.open(server, alice,
    changesUrl(name, { feed: 'continuous', since, revocations: 'true' }));
  t.after(() => stream.close());
  await stream.opened;
  await server.createUser(name, 'alice', ['green']);
  const told = Array.from({ length: 10 }, (_, index) => `doc-${index}`);
  await stream.until('the revocations', (s) => s.entries.length >= told.length);
  assert.deepEqual(stream.ids.sort(), told);
  assert.ok(stream.entries.every((entry) => entry.revoked === true && entry.changes.length === 1));
  // Another client that comes back later, and one that did not ask.
  await waitFor('the same for a normal feed', async () => {
    const page = await server.changes(name, alice, { since, revocations: 'true' });
    return page.results.length === told.length && page.results.every((entry) => entry.revoked);
  });
  assert.deepEqual(ids(await server.changes(name, alice, { since })), []);
  const begun = await server.changes(name, alice, { revocations: 'true' });
  assert.deepEqual(ids(begun), ['both'], 'who begins has nothing to lose');
});

test('the guest gets the backfill of a channel that the configuration gives it', async (t) => {
  const { name } = await database({ config: { guest: { disabled: false, admin_channels: [] } } });
  await server.write(name, [{ _id: 'open', channels: ['!'] }]);
  const nobody = { headers: {} };
  const read = async (query) => expectStatus(
    await server.public('GET', changesUrl(name, query), undefined, nobody), 200);
  const before = await read({ request_plus: 'true', mode: 'stable' });
  assert.deepEqual(ids(before), ['open']);
  const config = expectStatus(await server.admin('GET', `/${name}/_config`), 200);
  config.guest.admin_channels = ['red'];
  expectStatus(await server.admin('PUT', `/${name}/_config`, config), 201);
  await waitFor('the backfill', async () =>
    ids(await read({ since: before.last_seq })).length === 10);
});
