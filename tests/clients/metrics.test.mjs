// SPDX-License-Identifier: Apache-2.0
// /_metrics is what Prometheus reads, counts what happens, and has whatever the dashboard names.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Server, Stream, waitFor } from './server.mjs';

const dashboard = JSON.parse(readFileSync(
  new URL('../../docs/grafana/headgate.json', import.meta.url), 'utf8'));

let server;
before(async () => {
  server = await Server.start();
  await server.createDatabase('db', { sync: 'function (doc) { channel(doc.channels); }' });
});
after(async () => { await server?.close(); });

/** {types: name -> type, samples: [{name, labels, value}]}; fails on text that is none. */
async function readMetrics() {
  const { text } = await server.admin('GET', '/_metrics');
  const types = new Map();
  const samples = [];
  for (const line of text.split('\n').filter(Boolean)) {
    const type = line.match(/^# TYPE (\w+) (counter|gauge|histogram)$/);
    if (type) {
      assert.ok(!types.has(type[1]), `${type[1]} comes twice`);
      types.set(type[1], type[2]);
      continue;
    }
    if (line.startsWith('# HELP ')) continue;
    const sample = line.match(/^(\w+)(?:\{(.*)\})? (\S+)$/);
    assert.ok(sample, line);
    const pairs = (sample[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g);
    const labels = Object.fromEntries([...pairs].map(([, key, value]) => [key, value]));
    samples.push({ name: sample[1], labels, value: Number(sample[3]) });
  }
  return { types, samples };
}

const kinds = (metrics, name) => metrics.types.get(name) ??
  metrics.types.get(name.replace(/_(bucket|sum|count)$/, ''));

async function value(name, labels = {}) {
  const { samples } = await readMetrics();
  const found = samples.filter((sample) => sample.name === name &&
    Object.entries(labels).every(([key, wanted]) => sample.labels[key] === wanted));
  assert.equal(found.length, 1, `${name} ${JSON.stringify(labels)}`);
  return found[0].value;
}

test('names say what they are', async () => {
  const { types, samples } = await readMetrics();
  for (const [name, type] of types) {
    assert.match(name, /^headgate_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    if (type === 'histogram') assert.match(name, /_seconds$/);
  }
  for (const { name, value: number } of samples) assert.ok(number >= 0, name);
});

test('the dashboard names nothing that is not served', async () => {
  const metrics = await readMetrics();
  const queries = [
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...dashboard.templating.list.map(({ definition }) => definition).filter(Boolean)];
  assert.ok(queries.length > 30);
  for (const query of queries) {
    const names = [...query.matchAll(/headgate_\w+/g)].map(([name]) => name);
    assert.ok(names.length > 0, query);
    for (const name of names) {
      const samples = metrics.samples.filter((sample) => sample.name === name);
      assert.ok(kinds(metrics, name) && samples.length > 0, `${name} is not served: ${query}`);
      const known = new Set([...samples.flatMap(({ labels }) => Object.keys(labels)), 'instance']);
      const selected = [...query.matchAll(/(\w+)=~?"/g)].map(([, label]) => label);
      const grouped = [...query.matchAll(/by \(([\w, ]+)\)/g)]
        .flatMap(([, list]) => list.split(', '));
      for (const label of [...selected, ...grouped])
        assert.ok(known.has(label), `${name} has no label ${label}: ${query}`);
      const isRated = /rate\(|increase\(/.test(query.slice(0, query.indexOf(name)));
      assert.equal(isRated && !/_sequence$/.test(name), kinds(metrics, name) !== 'gauge', query);
    }
  }
});

test('panels do not lie on one another', () => {
  const taken = new Set();
  for (const { title, gridPos: { x, y, w, h } } of dashboard.panels) {
    assert.ok(x + w <= 24, title);
    for (let i = x; i < x + w; ++i) {
      for (let j = y; j < y + h; ++j) {
        assert.ok(!taken.has(`${i} ${j}`), title);
        taken.add(`${i} ${j}`);
      }
    }
  }
});

test('figures move with what happens', async () => {
  const ann = await server.createUser('db', 'ann', ['red']);
  const before_ = {
    writes: await value('headgate_http_request_seconds_count', { kind: 'write' }),
    stored: await value('headgate_document_writes_total', { database: 'db', outcome: 'stored' }),
    runs: await value('headgate_sync_function_runs_total'),
    sync: await value('headgate_sync_function_seconds_count'),
    delays: await value('headgate_feed_delay_seconds_count'),
  };
  const feed = Stream.open(server, ann, '/db/_changes?feed=continuous&heartbeat=10000');
  await feed.opened;
  await waitFor('the feed waits', async () =>
    (await value('headgate_feeds', { kind: 'continuous' })) === 1);
  assert.equal((await server.admin('PUT', '/db/a', { channels: ['red'] })).status, 201);
  await waitFor('the row', () => feed.text.includes('"id":"a"'));
  feed.close();
  assert.equal(await value('headgate_http_request_seconds_count', { kind: 'write' }),
    before_.writes + 1);
  assert.equal(await value('headgate_document_writes_total', { database: 'db', outcome: 'stored' }),
    before_.stored + 1);
  assert.equal(await value('headgate_sync_function_runs_total'), before_.runs + 1);
  assert.equal(await value('headgate_sync_function_seconds_count'), before_.sync + 1);
  assert.ok(await value('headgate_feed_delay_seconds_count') > before_.delays);

  const hits = { database: 'db', what: 'row', result: 'hit' };
  const before = await value('headgate_cache_lookups_total', hits);
  await server.changes('db', ann, {});
  await server.changes('db', ann, {});
  assert.ok(await value('headgate_cache_lookups_total', hits) > before, 'the same row again');
  assert.ok(await value('headgate_store_bytes', { place: 'memtables' }) > 0);
});

test('a stopped sync function is counted', async () => {
  const before_ = await value('headgate_sync_function_stopped_total', { limit: 'time' });
  await server.admin('POST', '/db/_sync/try', { sync: '() => { for (;;) {} }', doc: {} });
  assert.equal(await value('headgate_sync_function_stopped_total', { limit: 'time' }), before_ + 1);
});
