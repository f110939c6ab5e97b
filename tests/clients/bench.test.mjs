// SPDX-License-Identifier: Apache-2.0
// The command that measures: every case works, counts what it asked, and says what it compared.
// How fast anything is does not matter here.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { binary, Server } from './server.mjs';

let server;
before(async () => { server = await Server.start(); });
after(async () => { await server?.close(); });

/** Runs the command to its end: {code, out, error}. */
function bench(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, ['bench', ...args]);
    let out = '';
    let error = '';
    child.stdout.on('data', (chunk) => { out += chunk; });
    child.stderr.on('data', (chunk) => { error += chunk; });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, error }));
  });
}

const here = () => ['--url', server.adminUrl, '--public-url', server.publicUrl,
  '--server-pid', `${server.child.pid}`, '--tiny'];

async function listedCases() {
  const { code, out } = await bench(['--list']);
  assert.equal(code, 0);
  return out.trim().split('\n').map((line) => line.split(' ')[0]);
}

function assertMeasured(one, name) {
  assert.equal(one.skipped, undefined, name);
  assert.equal(one.failed, undefined, name);
  assert.equal(one.errors, 0, `${name}: ${one.first_error}`);
  assert.ok(one.requests > 0, name);
  assert.equal(one.answered, one.requests, name);
  assert.ok(one.generator_share >= 0, name);
  assert.ok(one.server_share >= 0, name);
  for (const [figure, { unit, better, median, rounds }] of Object.entries(one.figures)) {
    assert.ok(unit && ['more', 'less'].includes(better), `${name} ${figure}`);
    for (const value of [median, ...rounds]) assert.ok(Number.isFinite(value), `${name} ${figure}`);
  }
}

test('every case measures, and all that it asked was answered', async () => {
  const { code, out, error } = await bench([...here(), '--rounds', '2', '--json']);
  const report = JSON.parse(out);
  for (const { name, about, servers } of report.cases) {
    assert.ok(about);
    assert.equal(servers.length, 1, name);
    assertMeasured(servers[0], name);
    for (const figure of Object.values(servers[0].figures)) assert.equal(figure.rounds.length, 2);
    assert.match(error, new RegExp(`^${name}: round 2 of 2 at http`, 'm'));
  }
  assert.equal(code, 0);
  assert.deepEqual(report.cases.map(({ name }) => name), await listedCases());
  assert.equal(report.servers[0].durability, 'disk');
  assert.match(report.servers[0].name, /^Headgate \d/);
  const left = await server.admin('GET', '/_all_dbs');
  assert.deepEqual(left.json, [], 'no database is left behind');
});

test('a comparison takes turns, and marks unequal durability', async () => {
  const compare = ['--compare', server.adminUrl, '--case', 'put', '--case', 'catch-up'];
  const memory = ['--compare-config', '{"durability": "memory"}'];
  const unequal = JSON.parse((await bench([...here(), ...compare, ...memory, '--json'])).out);
  assert.deepEqual(unequal.servers.map(({ durability }) => durability), ['disk', 'process']);
  for (const { name, servers, ratios } of unequal.cases) {
    for (const one of servers) {
      assert.equal(one.errors, 0, one.first_error);
      for (const figure of Object.values(one.figures)) assert.equal(figure.rounds.length, 3);
    }
    assert.ok(ratios.per_second.first_to_second > 0, name);
    assert.equal(ratios.per_second.is_durability_equal, false);
  }
  assert.match((await bench([...here(), ...compare, ...memory])).out, /per_second.* unequal durab/);
  const equal = await bench([...here(), ...compare]);
  assert.doesNotMatch(equal.out, /unequal/);
});

test('the report can be saved beside the table', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'headgate-bench-'));
  const file = path.join(folder, 'report.json');
  const { code, out } = await bench([...here(), '--case', 'get', '--save', file]);
  assert.equal(code, 0);
  assert.match(out, /^get +per_second +documents\/s/m);
  const report = JSON.parse(readFileSync(file, 'utf8'));
  rmSync(folder, { recursive: true });
  assert.equal(report.cases[0].servers[0].figures.per_second.rounds.length, 3);
  const unwritable = await bench([...here(), '--case', 'get', '--rounds', '1', '--save', file]);
  assert.equal(unwritable.code, 1);
  assert.match(unwritable.error, /cannot write/);
});

test('errors are counted, shown, and the exit status', async () => {
  const refusing = ['--config', '{"sync": "function (doc) { throw({forbidden: \'no\'}); }"}'];
  const { code, out } = await bench([...here(), ...refusing, '--case', 'put', '--rounds', '1']);
  assert.equal(code, 1);
  assert.match(out, /put +A (\d+) errors in \1 requests: status 403 instead of 201/);
});

test('what a server does not offer is left out', async () => {
  const { code, out } = await bench(['--url', server.adminUrl, '--tiny', '--rounds', '1',
    '--case', 'first-sync', '--case', 'mixed', '--case', 'waiting', '--json']);
  for (const { name, servers: [one] } of JSON.parse(out).cases) {
    assert.equal(one.failed, undefined, name);
    assert.equal(one.errors, 0, `${name}: ${one.first_error}`);
    assert.equal(one.figures.memory_each, undefined, 'without a process nothing is known of it');
    assert.equal(one.server_share, undefined);
  }
  assert.equal(code, 0);
});

test('wrong usage is told apart from a server that is not there', async () => {
  for (const [status, args] of [
    [2, ['--case', 'no-such']],
    [2, ['--compare', server.adminUrl, '--rounds', '2']],
    [2, ['--config', '{']],
    [2, ['--config', '{"x": 1}']],
    [2, ['--durability', 'perhaps']],
    [2, ['--url', 'https://127.0.0.1:1']],
    [2, ['--rounds', '0']],
    [6, ['--url', 'http://127.0.0.1:1']],
  ]) {
    const url = args.includes('--url') ? [] : ['--url', server.adminUrl];
    const { code, out, error } = await bench(['--tiny', ...url, ...args]);
    assert.equal(code, status, `${args.join(' ')}: ${out}${error}`);
  }
});
