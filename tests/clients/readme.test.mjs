// SPDX-License-Identifier: Apache-2.0
// The examples of README.md work as they stand there, against the server that scripts/run starts:
// only the ports are others.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { binary, request, waitFor } from './server.mjs';

const top = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(path.join(top, 'README.md'), 'utf8');

let directory;
let demo;
before(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'headgate-client-'));
  demo = start(path.join(top, 'scripts/run'),
    ['--data', path.join(directory, 'data'), '--port', '0', '--admin-port', '0'],
    { env: { ...process.env, HEADGATE_BINARY: binary } });
  await waitFor('the demo serves', () => {
    assert.equal(demo.code, undefined, demo.output);
    return demo.output.includes('Ctrl-C stops it');
  }, 60_000);
  [, demo.publicPort, demo.adminPort] =
    demo.output.match(/serves at http:[^ ]*:(\d+) \(admin http:[^ ]*:(\d+)\)/);
});
after(async () => {
  await stop(demo);
  rmSync(directory, { recursive: true, force: true });
  assert.equal(demo.code, 0, demo.output);
});

/** A process whose output and exit status can be looked at while it runs. */
function start(program, args, options) {
  const run = { output: '', child: spawn(program, args, options) };
  for (const stream of [run.child.stdout, run.child.stderr]) {
    stream.on('data', (chunk) => { run.output += chunk; });
  }
  run.child.on('exit', (code, signal) => { run.code = code ?? signal; });
  return run;
}

async function stop(run) {
  if (run?.code === undefined) run?.child.kill('SIGTERM');
  await waitFor('the process ends', () => run.code !== undefined, 30_000);
}

/** Fenced blocks of README.md in a language, with the ports of the demo. */
function blocks(language) {
  const fences = readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'));
  return [...fences].map(([, text]) => text.replaceAll('127.0.0.1:4984',
    `127.0.0.1:${demo.publicPort}`).replaceAll('127.0.0.1:4985', `127.0.0.1:${demo.adminPort}`));
}

test('the curl commands answer what their remarks say', async () => {
  const commands = blocks('sh').flatMap((block) => block.split('\n'))
    .filter((line) => line.startsWith('curl '));
  assert.ok(commands.length >= 3, 'README.md has curl commands');
  for (const command of commands) {
    const { stdout } = await promisify(execFile)('bash', ['-c', command], { timeout: 20_000 });
    const [, refusal] = command.match(/ # (forbidden|not_found|conflict|unauthorized)\b/) ?? [];
    assert.equal(JSON.parse(stdout).error, refusal, `${command}: ${stdout}`);
  }
});

test('the program with PouchDB syncs', async () => {
  const programs = blocks('js').filter((block) => block.includes('PouchDB'));
  assert.equal(programs.length, 1);
  symlinkSync(path.join(top, 'tests/clients/node_modules'), path.join(directory, 'node_modules'));
  writeFileSync(path.join(directory, 'example.mjs'), programs[0]);
  const example = start(process.execPath, ['example.mjs'], { cwd: directory });
  try {
    await waitFor('Iceland is marked on the server', async () => {
      assert.ok(example.code === undefined, example.output);
      const { json } = await request(`http://127.0.0.1:${demo.adminPort}/countries/ISL`);
      return json.visited === true;
    }, 60_000).catch((error) => { throw new Error(`${error.message}: ${example.output}`); });
    assert.match(example.output, /^53 countries$/m);
  } finally {
    await stop(example);
  }
});
