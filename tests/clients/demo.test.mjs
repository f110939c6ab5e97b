// SPDX-License-Identifier: Apache-2.0
// scripts/run as a newcomer uses it: start, load, the printed commands, stop; twice on one directory.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binary } from './server.mjs';

const script = fileURLToPath(new URL('../../scripts/run', import.meta.url));

function runDemo(data) {
  return new Promise((resolve) => {
    execFile(script, ['--check', '--data', data, '--port', '0', '--admin-port', '0'],
      { env: { ...process.env, HEADGATE_BINARY: binary }, timeout: 90_000 },
      (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
}

test('the demo loads once, shows each user a region, and stops', async () => {
  const data = mkdtempSync(path.join(tmpdir(), 'headgate-client-'));
  try {
    const first = await runDemo(data);
    assert.equal(first.code, 0, first.stdout + first.stderr);
    assert.match(first.stdout, /250 documents \(250 loaded now\)/);
    assert.match(first.stdout, /http:\/\/127\.0\.0\.1:\d+/);
    const second = await runDemo(data);
    assert.equal(second.code, 0, second.stdout + second.stderr);
    assert.match(second.stdout, /250 documents \(0 loaded now\)/);
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
});
