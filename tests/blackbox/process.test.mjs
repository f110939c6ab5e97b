// SPDX-License-Identifier: Apache-2.0
// The process and its machine: a second process on the data, SIGTERM with feeds open, few
// descriptors, a full disk.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { expectError, expectStatus } from '../clients/expect.mjs';
import { binary, Server, Stream, waitFor } from '../clients/server.mjs';
import { withServer } from './fault_server.mjs';
import { changesTarget, currentRevisions, Follower } from './follower.mjs';
import { Metrics, untilStable } from './metrics.mjs';

/** What `serve` on a data directory that is in use comes to. */
function serveTo(directory) {
  return new Promise((resolve) => {
    execFile(binary, ['serve', '--data', directory, '--port', '0', '--admin-port', '0'],
      { timeout: 60_000 },
      (error, stdout, stderr) => resolve({ error, code: error?.code, text: stdout + stderr }));
  });
}

test('a second process on the same data is refused and harms nothing', () =>
  withServer(async (server) => {
    await server.createDatabase('db');
    const [{ rev }] = await server.write('db', [{ _id: 'a' }]);
    const { error, code, text } = await serveTo(server.dataDir);
    assert.ok(error, 'it ends with an error');
    assert.equal(error.killed, false, `it ends by itself: ${text}`);
    assert.ok(code > 0, `exit status ${code}`);
    assert.ok(text.includes(server.dataDir), `it names the directory: ${text}`);
    assert.match(text, /in use|another process|already/i);
    await server.write('db', [{ _id: 'b' }]);
    await server.restart();
    assert.deepEqual([...await currentRevisions(server, 'db')].map(([id]) => id), ['a', 'b']);
    assert.equal((await currentRevisions(server, 'db')).get('a'), rev);
  }));

/** Sequence number of the newest entry of the admin's feed. */
async function lastSequence(server) {
  await untilStable(server, 'db');
  const { results } = await server.changes('db', undefined, { mode: 'stable' });
  return Number(results.at(-1).seq);
}

test('SIGTERM with feeds open ends cleanly and leaves no gap in the sequences', () =>
  withServer(async (server) => {
    await server.createDatabase('db');
    const alice = await server.createUser('db', 'alice', ['red']);
    let last = 0;
    for (let round = 0; round < 3; round += 1) {
      await server.write('db', Array.from({ length: 10 }, (_, index) =>
        ({ _id: `d-${round}-${index}`, channels: ['red'] })));
      const { last_seq: since } = await server.changes('db', alice, {});
      const feeds = Array.from({ length: 40 }, (_, index) =>
        Stream.open(server, alice, changesTarget('db', { since, heartbeat: 60_000,
          feed: index % 2 ? 'longpoll' : 'continuous' })));
      await waitFor('the feeds are open', async () =>
        (await Metrics.read(server)).get('feeds') === feeds.length);
      last = await lastSequence(server);
      const { code } = await server.stop();
      assert.equal(code, 0, server.output);
      for (const feed of feeds) await feed.until('the feed ends', ({ ended }) => ended);
      await server.restart();
      assert.match(server.output, /\bclean=yes\b/);
      assert.doesNotMatch(server.output, /clean=no/);
      assert.equal(await untilStable(server, 'db'), last, 'stable after the restart');
      // Before anything is written: what is written later is repaired where the machine stands still
      // for a moment.
      const metrics = await Metrics.read(server);
      assert.equal(metrics.get('gaps_closed_total', { database: 'db' }), 0);
      assert.equal(metrics.get('repairs_total', { database: 'db' }), 0);
      await server.write('db', [{ _id: `next-${round}`, channels: ['red'] }]);
      assert.equal(await lastSequence(server), last + 1, 'the next sequence');
    }
    await server.kill();
    await server.restart();
    assert.match(server.output, /\bclean=no\b/);
  }));

test('64 descriptors are enough to serve', () => withServer(async (server) => {
  await server.createDatabase('db', { block_capacity: 16 });
  const alice = await server.createUser('db', 'alice', ['red']);
  // Far more connections than descriptors: those beyond the limit are refused, the rest is served.
  const many = Array.from({ length: 100 }, () => Stream.open(server, alice,
    changesTarget('db', { feed: 'longpoll', timeout: 120_000, since: 'now' })));
  await Promise.all(many.map((feed) => feed.opened));
  const waiting = many.filter(({ status }) => status === 200);
  assert.ok(waiting.length > 0 && waiting.length < 64, `${waiting.length} of 100 feeds are open`);
  for (const feed of waiting.splice(0, waiting.length - 2)) feed.close();
  // Until the server has seen that, it may have no descriptor for another connection.
  await waitFor('the closed feeds are gone', async () =>
    (await Metrics.read(server)).get('feeds') === waiting.length);
  await server.write('db', Array.from({ length: 500 }, (_, index) =>
    ({ _id: `d${index}`, channels: ['red'], text: 'x'.repeat(1_000) })));
  for (const feed of waiting) await feed.until('a woken feed ends', ({ ended }) => ended);
  await server.restart();
  assert.equal((await currentRevisions(server, 'db')).size, 500);
  const { results } = await server.changes('db', alice, {});
  assert.equal(results.filter(({ id }) => id.startsWith('d')).length, 500);
}, { launcher: ['sh', '-c', 'ulimit -n 64; exec "$0" "$@"'] }));

/**
 * A file system in memory whose size can be set, or undefined where this user may not mount one.
 * Memory is used for what is stored there only.
 */
function mountOwn(megabytes) {
  const directory = mkdtempSync(path.join(tmpdir(), 'headgate-full-'));
  const run = (...args) => execFileSync(args[0], args.slice(1), { stdio: 'pipe' });
  try {
    run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory);
  } catch {
    rmSync(directory, { recursive: true });
    return undefined;
  }
  return {
    directory,
    resize: (to) => run('mount', '-o', `remount,size=${to}m`, directory),
    unmount: () => {
      run('umount', '-l', directory);
      rmSync(directory, { recursive: true });
    },
  };
}

/** The store keeps some of the disk for itself: it calls the disk full before nothing is left. */
const kRoomyMb = 600;
const kFullMb = 200;

test('on a full disk writes get 507, reads go on, and writes come back', async (context) => {
  const disk = mountOwn(kRoomyMb);
  if (!disk) {
    context.skip('this user may not mount a file system');
    return;
  }
  let server;
  try {
    server = await Server.start({ dataDir: path.join(disk.directory, 'data') });
    await server.createDatabase('db');
    const alice = await server.createUser('db', 'alice', ['red']);
    const follower = new Follower(server, 'db', alice, 'longpoll');
    const stored = new Map();
    let count = 0;
    const write = async () => {
      const id = `d${count += 1}`;
      const answer = await server.admin('PUT', `/db/${id}`,
        { channels: ['red'], text: 'x'.repeat(50_000) });
      if (answer.status === 201) stored.set(id, answer.json.rev);
      return answer;
    };
    for (let round = 0; round < 2; round += 1) {
      for (let writes = 0; writes < 10; writes += 1) expectStatus(await write(), 201);
      disk.resize(kFullMb);
      const full = await waitFor('a write does not fit', async () => {
        const answer = await write();
        return answer.status !== 201 && answer;
      });
      expectError(full, 507, 'the first write that does not fit');
      for (let writes = 0; writes < 5; writes += 1) expectError(await write(), 507);
      const bulk = await server.admin('POST', '/db/_bulk_docs', { docs: [{ _id: 'bulk' }] });
      assert.ok(bulk.status === 507 || bulk.json[0].status === 507, bulk.text);
      // Reads and feeds go on.
      assert.deepEqual([...await currentRevisions(server, 'db')].sort(), [...stored].sort());
      const { results } = await server.changes('db', alice, {});
      assert.equal(results.filter(({ id }) => stored.has(id)).length, stored.size);
      for (const id of stored.keys()) {
        expectStatus(await server.public('GET', `/db/${id}`, undefined, { user: alice }), 200);
      }
      // So they do if the server is started on a full disk.
      if (round === 1) {
        await server.restart();
        assert.deepEqual([...await currentRevisions(server, 'db')].sort(), [...stored].sort());
        const after = await server.changes('db', alice, {});
        assert.equal(after.results.filter(({ id }) => stored.has(id)).length, stored.size);
        expectError(await write(), 507);
      }
      // With room again, the same process writes again.
      disk.resize(kRoomyMb);
      await waitFor('writes are accepted again', async () => (await write()).status === 201);
      await follower.untilHas(stored);
      await untilStable(server, 'db');
    }
    await follower.stop();
    await server.restart();
    assert.deepEqual([...await currentRevisions(server, 'db')].sort(), [...stored].sort());
  } finally {
    if (server) server.isOver = true;
    await server?.close();
    disk.unmount();
  }
});
