// SPDX-License-Identifier: Apache-2.0
// docs/api/openapi.yaml names every address and method that the server has on each port, and no
// other.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fill, readOperations } from './openapi.mjs';
import { Server } from './server.mjs';

const kPorts = ['public', 'admin'];
const kValues = { db: 'db', docid: 'doc', attachment: 'file', name: 'alice', session: 'none',
  channel: 'red' };

let server;
let operations;
before(async () => {
  operations = await readOperations();
  server = await Server.start();
  await server.createDatabase('db');
});
after(async () => { await server?.close(); });

const send = (port, method, target, body) => server[port](method, target, body);

/** The methods that the server has for an address on a port; none: it has no such address. */
async function methodsOf(port, target) {
  const answer = await send(port, 'BREW', target);
  if (answer.status === 404) return [];
  assert.equal(answer.status, 405, `${target}: ${answer.text}`);
  return answer.headers.get('allow').split(', ').sort();
}

test('each parameter in a path is described', () => {
  for (const { path, method, parameters } of operations) {
    const described = parameters.filter((each) => each.in === 'path').map(({ name }) => name);
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    assert.deepEqual(described.sort(), named.sort(), `${method} ${path}`);
  }
});

test('each path has the methods that the server allows', async () => {
  for (const path of new Set(operations.map((operation) => operation.path))) {
    for (const port of kPorts) {
      const described = operations.filter((each) => each.path === path && each.ports.includes(port))
        .map(({ method }) => method).sort();
      assert.deepEqual(await methodsOf(port, fill(path, kValues)), described, `${path}, ${port}`);
    }
  }
});

// An address that is not in the file cannot be asked for; the router's source names them.
test('each name in the router is in a path', () => {
  const router = readFileSync(new URL('../../src/api/router.cpp', import.meta.url), 'utf8');
  const names = [...router.matchAll(/"(_[a-z_]+)"/g)].map(([, name]) => name);
  assert.ok(names.length > 20);
  const segments = new Set(operations.flatMap(({ path }) => path.split('/')));
  for (const name of names) assert.ok(segments.has(name), `${name} is in no path`);
});

test('each method of each path is answered', async () => {
  const deletes = ({ method }) => method === 'DELETE';
  const deletesLast = [...operations].sort((a, b) => deletes(a) - deletes(b));
  for (const { path, method, ports, body } of deletesLast) {
    for (const port of ports) {
      const answer = await send(port, method, fill(path, kValues), body ? '{}' : undefined);
      const what = `${method} ${path}, ${port}: ${answer.status} ${answer.text.slice(0, 200)}`;
      assert.notEqual(answer.status, 405, what);
      assert.notEqual(answer.json?.reason, 'no such address', what);
      assert.ok(answer.status < 500, what);
    }
  }
});
