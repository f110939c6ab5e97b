// SPDX-License-Identifier: Apache-2.0
// One node on one Redis server: configuration, what it refuses to promise, writes, feeds, restart.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { expectError, expectStatus } from '../clients/expect.mjs';
import { binary, Server, Stream, waitFor } from '../clients/server.mjs';
import { changesTarget, currentRevisions } from './follower.mjs';
import { Metrics, untilStable } from './metrics.mjs';
import { bucketToml, freePorts, RedisProcess } from './redis.mjs';

async function withDirectory(body) {
  const directory = mkdtempSync(path.join(tmpdir(), 'headgate-config-'));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A node with that configuration, and the Redis servers that it names by their place: {0}. */
function withNode(toml, body, redisArgs = [[]]) {
  return withDirectory(async (directory) => {
    const redis = [];
    let server;
    try {
      for (const args of redisArgs) {
        redis.push(new RedisProcess((await freePorts(1))[0], args));
        await redis.at(-1).run();
      }
      const file = path.join(directory, 'headgate.toml');
      writeFileSync(file, toml(...redis.map(({ address }) => address)));
      server = await Server.start({ args: ['--config', file] });
      await body(server, ...redis);
    } finally {
      await server?.close();
      for (const one of redis) await one.close();
    }
  });
}

/** What a start with this configuration says when it fails. */
function refusal(toml) {
  return new Promise((resolve) => withDirectory(async (directory) => {
    const file = path.join(directory, 'headgate.toml');
    writeFileSync(file, toml);
    await new Promise((done) => execFile(binary,
      ['serve', '--config', file, '--data', path.join(directory, 'data'), '--port', '0',
        '--admin-port', '0'], { timeout: 40_000 }, (error, stdout, stderr) => {
        resolve({ code: error?.code ?? 0, text: stderr });
        done();
      }));
  }));
}

async function useIt(server) {
  await server.createDatabase('db');
  const alice = await server.createUser('db', 'alice', ['red']);
  const [{ rev }] = await server.write('db', [{ _id: 'a', channels: ['red'] }]);
  const page = await server.changes('db', alice);
  assert.deepEqual(page.results.map(({ id }) => id).filter((id) => id === 'a'), ['a']);
  const stream = Stream.open(server, alice,
    changesTarget('db', { feed: 'continuous', since: page.last_seq, heartbeat: 60_000 }));
  await stream.opened;
  await server.write('db', [{ _id: 'b', channels: ['red'] }, { _id: 'c', channels: ['blue'] }]);
  await stream.until('b comes', ({ ids }) => ids.includes('b'), 10_000);
  assert.ok(!stream.ids.includes('c'));
  stream.close();
  await server.restart();
  assert.equal((await currentRevisions(server, 'db')).get('a'), rev);
  const again = await server.changes('db', alice, { since: page.last_seq });
  assert.deepEqual(again.results.map(({ id }) => id), ['b']);
  await server.write('db', [{ _id: 'd', channels: ['red'] }]);
  await waitFor('writes after a restart are on the feed', async () =>
    (await server.changes('db', alice, { since: again.last_seq })).results
      .some(({ id }) => id === 'd'), 10_000);
  const metrics = await server.admin('GET', '/_metrics');
  assert.equal(metrics.status, 200);
  await waitFor('the node is alone, and the cache writer', async () => {
    const { json } = await server.admin('GET', '/_cluster');
    return json.nodes.length === 1 && json.databases[0].is_cache_writer_here;
  }, 10_000);
}

test('base and cache on one Redis server', () =>
  withNode((address) => bucketToml('base', [address]), useIt));

test('base and cache on two servers of their own', () =>
  withNode((a, b) => bucketToml('base', [a]) + bucketToml('cache', [b], { partitions: 3 }),
    useIt, [[], []]));

test('base on Redis, cache on the disk', () =>
  withNode((address) => `${bucketToml('base', [address])}[cache]\nengine = "rocksdb"\n`, useIt));

test('base on the disk, cache on Redis', () =>
  withNode((address) => bucketToml('cache', [address]), useIt));

// The walk reads more of each partition at a time than comes within a millisecond.
//   HEADGATE_DOCUMENTS  how many documents instead of 4,000
test('an emptied cache of many documents is built anew', () =>
  withNode((a, b) => bucketToml('base', [a]) + bucketToml('cache', [b]),
    async (server, base, cache) => {
      const count = Number(process.env.HEADGATE_DOCUMENTS ?? 4_000);
      const patience = 30_000 + count * 5;
      await server.createDatabase('db');
      const alice = await server.createUser('db', 'alice', ['red']);
      const written = new Map(); // of alice, in the order of the writes
      const sevenths = (number) => number % 7 === 0;
      for (let first = 0; first < count; first += 500) {
        const documents = Array.from({ length: 500 }, (_, index) => ({ _id: `d${first + index}`,
          channels: [sevenths(first + index) ? 'red' : 'green', `blue${index}`] }));
        const answers = await server.write('db', documents);
        answers.filter((_, index) => sevenths(first + index))
          .forEach(({ id, rev }) => written.set(id, rev));
      }
      await untilStable(server, 'db', { above: count });
      const half = (await server.changes('db', alice, { limit: Math.floor(written.size / 2) }));
      assert.equal(cache.ask('FLUSHALL'), 'OK');
      await waitFor('every document is read again', async () =>
        (await Metrics.read(server)).get('feed_entries_total') >= 2 * count, patience);
      await waitFor('every document is in its channels', async () =>
        (await server.changes('db')).results.length === count, patience);
      const revisions = ({ results }) => results.map(({ id, changes }) => [id, changes[0].rev]);
      const all = revisions(await server.changes('db', alice));
      assert.deepEqual(all, [...written], 'a first sync');
      const rest = revisions(await server.changes('db', alice, { since: half.last_seq }));
      assert.deepEqual(rest, [...written].slice(half.results.length), 'a position of before');
    }, [[], []]));

test('a login, and what it costs to have none', () =>
  withNode((address) => bucketToml('base', [address], { password: 'letmein' }), useIt,
    [['--requirepass', 'letmein']]));

test('nothing is promised that the store cannot keep', () =>
  withNode((address) => bucketToml('base', [address]), async (server) => {
    const disk = await server.admin('PUT', '/other', { durability: 'disk' });
    expectError(disk, 400);
    assert.match(disk.text, /appendfsync always/);
    expectError(await server.admin('PUT', '/other', { durability: 'replicated' }), 400);
    await server.createDatabase('db');
    const config = expectStatus(await server.admin('GET', '/db/_config'), 200);
    assert.equal(config.durability, 'memory');
    const put = (durability) => server.admin('PUT', `/db/${durability}`, {},
      { headers: { 'X-Headgate-Durability': durability } });
    expectStatus(await put('memory'), 201);
    expectError(await put('disk'), 400);
    expectError(await put('replicated'), 400);
    expectError(await put('eternal'), 400);
  }));

test('disk is promised where every write is synced, and while it is', () =>
  withNode((address) => bucketToml('base', [address]), async (server, redis) => {
    await server.createDatabase('db', { durability: 'disk' });
    const put = (id, durability) => server.admin('PUT', `/db/${id}`, {},
      durability ? { headers: { 'X-Headgate-Durability': durability } } : {});
    expectStatus(await put('a', 'disk'), 201);

    redis.ask('CONFIG', 'SET', 'appendfsync', 'everysec');
    let count = 0;
    const refused = await waitFor('the promise is refused', async () => {
      count += 1;
      const answer = await put(`b${count}`);
      return answer.status !== 201 && answer;
    });
    expectError(refused, 503);
    assert.match(refused.text, /does not keep durability \\"disk\\" now/);
    expectError(await put('c', 'disk'), 503);
    expectStatus(await put('c', 'memory'), 201);

    redis.ask('CONFIG', 'SET', 'appendfsync', 'always');
    await waitFor('it is promised again', async () => (await put('d', 'disk')).status === 201);
  }, [['--appendonly', 'yes', '--appendfsync', 'always']]));

test('a node with another cache bucket is refused', () =>
  withNode((address) => bucketToml('base', [address]), async (server, redis) => {
    const { code, text } = await refusal(
      `${bucketToml('base', [redis.address])}[cache]\nengine = "rocksdb"\n`);
    assert.equal(code, 1, text);
    assert.match(text, /uses this base bucket with another cache bucket/);
  }));

test('a cache bucket elsewhere is another one, though it is called the same', () =>
  withNode((base, cache) => bucketToml('base', [base]) + bucketToml('cache', [cache]),
    async (server, base, cache, elsewhere) => {
      const tables = (at) => bucketToml('base', [base.address]) + bucketToml('cache', [at.address]);
      const { code, text } = await refusal(tables(elsewhere));
      assert.equal(code, 1, text);
      assert.match(text, /uses this base bucket with another cache bucket/);
      await useIt(server);
      // The same one is, also where it has just forgotten what it was known by.
      cache.ask('FLUSHALL');
      await withDirectory(async (directory) => {
        const file = path.join(directory, 'headgate.toml');
        writeFileSync(file, tables(cache));
        const second = await Server.start({ args: ['--config', file] });
        await second.close();
      });
    }, [[], [], []]));

test('a node does what its roles say', () =>
  withNode((address) => `${bucketToml('base', [address])}[node]\nroles = ["cache_writer"]\n`,
    async (server) => {
      await server.createDatabase('db');
      const write = await server.admin('PUT', '/db/a', {});
      expectError(write, 503);
      assert.match(write.text, /takes no writes/);
      const feed = await server.admin('GET', '/db/_changes');
      expectError(feed, 503);
      assert.match(feed.text, /serves no feeds/);
      const status = execFileSync(binary, ['status', '--url', server.adminUrl],
        { encoding: 'utf8' });
      assert.match(status, /db .*1 /);
      assert.match(status, / cache_writer /);
    }));

test('a wrong configuration says what is wrong', async () => {
  const cases = [
    ['[base]\nengine = "redis"\n', /base: engine = "redis" needs nodes/],
    ['[base]\nengine = "mongo"\n', /headgate.toml:2: base.engine: must be rocksdb or redis/],
    ['[cache]\nnodes = ["a"]\n', /headgate.toml:2: cache.nodes: must be a list of texts/],
    ['[base]\nnodes = ["a:1"]\n', /base: nodes, .*engine = "redis"/],
    ['[base]\nengine = "redis"\nnodes = ["a:1"]\nsecret = "x"\n', /base.secret: is not a known/],
    ['[node]\nroles = ["king"]\n', /headgate.toml:2: node.roles: must be/],
  ];
  for (const [toml, expected] of cases) {
    const { code, text } = await refusal(toml);
    assert.equal(code, 2, text);
    assert.match(text, expected);
  }
});

test('a Redis that may evict, or wants a login, or is not there is named', async () => {
  const [port] = await freePorts(1);
  const redis = new RedisProcess(port, ['--maxmemory-policy', 'allkeys-lru']);
  try {
    await redis.run();
    const evicts = await refusal(bucketToml('base', [redis.address]));
    assert.equal(evicts.code, 1, evicts.text);
    assert.match(evicts.text, new RegExp(`${redis.address}.*maxmemory-policy noeviction`));
    redis.ask('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'requirepass', 'letmein');
    const login = await refusal(bucketToml('base', [redis.address]));
    assert.equal(login.code, 1, login.text);
    assert.match(login.text, /NOAUTH/);
    const wrong = await refusal(bucketToml('base', [redis.address], { password: 'no' }));
    assert.match(wrong.text, /WRONGPASS/);
  } finally {
    await redis.close();
  }
  const absent = await refusal(bucketToml('base', [redis.address]));
  assert.equal(absent.code, 1, absent.text);
  assert.match(absent.text, new RegExp(redis.address));
});
