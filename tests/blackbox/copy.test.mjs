// SPDX-License-Identifier: Apache-2.0
// `headgate copy`: a server on its embedded store moves to Redis, with all that its clients know.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { expectStatus } from '../clients/expect.mjs';
import { binary, Server, waitFor } from '../clients/server.mjs';
import { untilStable } from './metrics.mjs';
import { bucketToml, freePorts, RedisClusterOfSix, RedisProcess } from './redis.mjs';

const kSync = `function (doc) {
  channel(doc.channels);
  if (doc.gives) access(doc.gives.user, doc.gives.channel);
}`;

/** A copy that runs; `ended` resolves to {code, signal, text}. */
function startCopy(from, to) {
  const child = spawn(binary, ['copy', '--from', from, '--to', to],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => { text += part; });
  const ended = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, text }));
  });
  return { child, ended };
}

const copy = (from, to) => startCopy(from, to).ended;

async function fill(server, count, durability) {
  await server.createDatabase('db', { durability, sync: kSync });
  await server.createDatabase('empty', { durability });
  const alice = await server.createUser('db', 'alice', ['red']);
  expectStatus(await server.admin('PUT', '/db/_role/crew', { admin_channels: ['blue'] }), 201);
  const bob = await server.createUser('db', 'bob', [], { admin_roles: ['crew'] });
  const carol = await server.createUser('db', 'carol', ['green']);
  const colours = ['red', 'blue', 'green'];
  for (let first = 0; first < count; first += 500) {
    await server.write('db', Array.from({ length: Math.min(500, count - first) }, (_, index) =>
      ({ _id: `d${first + index}`, channels: [colours[index % 3]], n: index })));
  }
  const [moved, gone] = await server.write('db', [
    { _id: 'moved', channels: ['red'] }, { _id: 'gone', channels: ['red', 'blue'] },
    { _id: 'gift', channels: ['gift'] },
    { _id: 'gives', channels: [], gives: { user: 'carol', channel: 'gift' } },
    { _id: 'with', channels: ['red'], _attachments: {
      small: { content_type: 'text/plain', data: Buffer.from('hello').toString('base64') },
      large: { content_type: 'application/octet-stream',
        data: Buffer.alloc(3_000_000, 'abcdefg').toString('base64') } } }]);
  await server.write('db', [{ _id: 'moved', _rev: moved.rev, channels: ['blue'] },
    { _id: 'gone', _rev: gone.rev, _deleted: true }]);
  const branches = ['1-a', '1-b'].map((rev) => ({ _id: 'torn', _rev: rev, channels: ['red'],
    _revisions: { start: 1, ids: [rev.slice(2)] }, text: 'x'.repeat(1_000) }));
  for (const branch of branches) {
    expectStatus(await server.admin('POST', '/db/_bulk_docs', { docs: [branch], new_edits: false }),
      201);
  }
  expectStatus(await server.public('PUT', '/db/_local/checkpoint', { at: 7 }, { user: alice }), 201);
  const login = await server.public('POST', '/db/_session',
    { name: alice.name, password: alice.password });
  assert.equal(login.status, 200, login.text);
  const cookie = login.headers.get('set-cookie').split(';')[0];
  await untilStable(server, 'db');
  return { users: [undefined, alice, bob, carol], cookie, tokens: {} };
}

/** Rows of _changes; `last_seq` is another one where the server is. */
async function rows(server, user, query) {
  return { results: (await server.changes('db', user, query)).results };
}

/** All that clients can see, also from where each of them was when this was asked first. */
async function capture(server, { users, cookie, tokens }) {
  const seen = {};
  for (const user of users) {
    const name = user?.name ?? 'admin';
    const all = await server.changes('db', user, { style: 'all_docs', include_docs: true });
    seen[name] = { results: all.results };
    const middle = all.results[Math.floor(all.results.length / 2)].seq;
    tokens[name] ??= { middle, end: all.last_seq };
    seen[`${name} from the middle`] = await rows(server, user, { since: tokens[name].middle });
    seen[`${name} from the end`] = await rows(server, user, { since: tokens[name].end });
    assert.deepEqual(seen[`${name} from the end`].results, []);
  }
  const [, alice] = users;
  const ask = async (target, options) => (await server.public('GET', target, undefined, options));
  const { _attachments, ...rest } = expectStatus(
    await ask('/db/with?attachments=true', { user: alice }), 200);
  seen.with = rest;
  for (const [name, { data, ...stub }] of Object.entries(_attachments)) {
    seen[`attachment ${name}`] = { ...stub, sha256: createHash('sha256').update(data).digest('hex') };
  }
  seen.torn = expectStatus(await ask('/db/torn?open_revs=all&revs=true',
    { user: alice, headers: { Accept: 'application/json' } }), 200);
  seen.moved = expectStatus(await server.admin('GET', '/db/moved?revs=true'), 200);
  seen.checkpoint = expectStatus(await ask('/db/_local/checkpoint', { user: alice }), 200);
  seen.session = expectStatus(await ask('/db/_session', { headers: { Cookie: cookie } }), 200);
  seen.session = seen.session.userCtx;
  seen.empty = { results: (await server.changes('empty')).results };
  seen.server = { uuid: expectStatus(await server.admin('GET', '/'), 200).uuid };
  return seen;
}

/** Servers of their own for base and cache, or one for both. */
async function singles(count) {
  const redis = [];
  for (const port of await freePorts(count)) {
    redis.push(new RedisProcess(port));
    await redis.at(-1).run();
  }
  return { redis, toml: redis.map(({ address }, index) =>
    bucketToml(index === 0 ? 'base' : 'cache', [address])).join('') };
}

async function clusterOfSix() {
  const cluster = await RedisClusterOfSix.start();
  return { redis: [cluster], toml: bucketToml('base', cluster.addresses, { replicas: 1 }) };
}

/** @param durability of the database on the old server */
async function withMove({ count, durability = 'memory', target }, body) {
  const directory = mkdtempSync(path.join(tmpdir(), 'headgate-copy-'));
  const { redis, toml } = await target;
  const servers = [];
  try {
    const to = path.join(directory, 'node.toml');
    writeFileSync(to, toml);
    const from = path.join(directory, 'data');
    const source = await Server.start({ dataDir: from });
    servers.push(source);
    const known = await fill(source, count, durability);
    const before = await capture(source, known);
    const serve = async () => {
      servers.push(await Server.start({ dataDir: path.join(directory, 'unused'),
        args: ['--config', to] }));
      return servers.at(-1);
    };
    await body({ source, from, to, known, before, redis, serve });
  } finally {
    for (const server of servers) await server.close();
    for (const one of redis) await one.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Without the number that names an epoch's beginning, which places in a backfill get there. */
function undated(row) {
  const numbers = `${row.seq}`.split(':');
  return { ...row, seq: numbers.length > 2 ? numbers.slice(1).join(':') : row.seq };
}

function expectSame(after, before) {
  assert.deepEqual(Object.keys(after), Object.keys(before));
  for (const [what, { results, ...rest }] of Object.entries(before)) {
    const { results: found, ...others } = after[what];
    assert.deepEqual(others, rest, what);
    assert.equal(found?.length, results?.length, what);
    results?.forEach((row, index) => assert.deepEqual(undated(found[index]), undated(row), what));
  }
}

async function expectMoved(server, known, before) {
  await waitFor('the channel cache is built', async () =>
    (await server.changes('db')).results.length === before.admin.results.length, 30_000);
  await untilStable(server, 'db');
  expectSame(await capture(server, known), before);
}

test('all that clients know is the same after a move that was interrupted again and again', () =>
  withMove({ count: 3_000, target: singles(1) }, async ({ source, from, to, known, before, redis: [redis], serve }) => {
    const inUse = await copy(from, to);
    assert.equal(inUse.code, 6, inUse.text);
    assert.match(inUse.text, /in use by another process/);
    await source.stop();

    let interrupted = 0;
    let isDone = false;
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGTERM']) {
      const there = Number(redis.ask('DBSIZE'));
      const { child, ended } = startCopy(from, to);
      while (Number(redis.ask('DBSIZE')) < there + 300 && child.exitCode === null) await pause(1);
      child.kill(signal);
      const { code, signal: by, text } = await ended;
      isDone = code === 0;  // it was faster
      if (isDone) break;
      interrupted += 1;
      if (signal === 'SIGKILL') assert.equal(by, 'SIGKILL', text);
      else assert.match(text, /stopped; run it again/);
      await assert.rejects(serve(), /a copy into this store is not finished: run `headgate copy`/);
    }
    assert.ok(interrupted > 0, 'no copy was interrupted');
    if (!isDone) {
      const done = await copy(from, to);
      assert.equal(done.code, 0, done.text);
      assert.match(done.text, /copied and compared: 2 databases/);
    }
    const again = await copy(from, to);
    assert.equal(again.code, 4, again.text);
    assert.match(again.text, /finished copy of this store/);

    const server = await serve();
    await expectMoved(server, known, before);
    const [, alice] = known.users;
    await server.write('db', [{ _id: 'later', channels: ['red'] }]);
    await waitFor('a write of after comes to who was there before', async () =>
      (await server.changes('db', alice, { since: known.tokens.alice.end })).results
        .some(({ id }) => id === 'later'));
    // The old place is as it was.
    await source.run();
    expectSame(await capture(source, known), before);
  }));

test('base and cache may be apart', () =>
  withMove({ count: 200, target: singles(2) }, async (move) => {
    await move.source.kill();
    const done = await copy(move.from, move.to);
    assert.equal(done.code, 0, done.text);
    await expectMoved(await move.serve(), move.known, move.before);
  }));

test('a promise to keep on the disk becomes one to replicate', () =>
  withMove({ count: 200, durability: 'disk', target: clusterOfSix() }, async (move) => {
    await move.source.stop();
    const done = await copy(move.from, move.to);
    assert.equal(done.code, 0, done.text);
    const server = await move.serve();
    await expectMoved(server, move.known, move.before);
    const config = expectStatus(await server.admin('GET', '/db/_config'), 200);
    assert.equal(config.durability, 'replicated');
  }));

test('a master that fails over meanwhile costs another try at most', () =>
  withMove({ count: 3_000, durability: 'disk', target: clusterOfSix() }, async (move) => {
    await move.source.stop();
    const [cluster] = move.redis;
    const [master] = cluster.masters();
    const sizes = () => cluster.masters().reduce((sum, one) => sum + Number(one.ask('DBSIZE')), 0);
    const { child, ended } = startCopy(move.from, move.to);
    await waitFor('half of it is there', () => sizes() > 1_500 || child.exitCode !== null, 60_000);
    await master.kill();
    const { code, text } = await ended;
    await master.run();
    await cluster.untilWhole();
    if (code !== 0) {
      assert.match(text, /run it again/);
      const done = await copy(move.from, move.to);
      assert.equal(done.code, 0, done.text);
    }
    await expectMoved(await move.serve(), move.known, move.before);
  }));

test('what cannot be copied is refused before anything is written', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'headgate-copy-'));
  const [port] = await freePorts(1);
  const redis = new RedisProcess(port);
  try {
    await redis.run();
    const to = path.join(directory, 'node.toml');
    const from = path.join(directory, 'data');
    writeFileSync(to, bucketToml('base', [redis.address]));
    const absent = await copy(from, to);
    assert.equal(absent.code, 3, absent.text);
    const source = await Server.start({ dataDir: from });
    await source.createDatabase('db');
    await source.stop();
    const promised = await copy(from, to);
    assert.equal(promised.code, 2, promised.text);
    assert.match(promised.text, /database db promises durability "disk"/);
    writeFileSync(to, '');
    const nowhere = await copy(from, to);
    assert.equal(nowhere.code, 2, nowhere.text);
    assert.match(nowhere.text, /must name Redis servers/);
    assert.match(redis.ask('KEYS', '*v*'), /^$/);
  } finally {
    await redis.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
