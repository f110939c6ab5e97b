// SPDX-License-Identifier: Apache-2.0
// The server with faults at its store: it stops at a named point of a write, or holds there.
import assert from 'node:assert/strict';
import { Server, waitFor } from '../clients/server.mjs';

/** Exit status of a process that a fault ended. */
const kFaultStatus = 86;

async function control(server, action) {
  const answer = await server.admin(action === '' ? 'GET' : 'POST', `/_test${action}`);
  assert.equal(answer.status, 200, `${action}: ${answer.text}`);
  return answer.json;
}

/** The cache writers see nothing of what is written from now on. */
export function holdCacheWriters(server) {
  return control(server, '/hold?what=cache-writer');
}

/** Lets go of everything that is held. */
export function release(server) {
  return control(server, '/release');
}

/**
 * Begins a write whose front end is held between the cache blocks and the sequence document.
 * @returns {answer}: the promise of the PUT's answer, in an object so that it is not awaited
 */
export async function heldWrite(server, database, id, doc) {
  const { struck } = await control(server, '/hold?what=before:sequence-document');
  const answer = server.admin('PUT', `/${database}/${id}`, doc);
  answer.catch(() => undefined);
  await waitFor('the front end is held', async () => (await control(server, '')).struck > struck);
  return { answer };
}

/**
 * Brings `fault` into force, calls write(count) for count = 0, 1, 2 ... until the process is gone,
 * and starts it again without the fault. Returns how many writes it took.
 * @param write writes something; may fail when the process ends
 */
export async function crashAt(server, fault, write, writesMax = 40) {
  await control(server, `/fault?spec=${encodeURIComponent(fault)}`);
  let count = 0;
  for (; !server.exited && count < writesMax; count += 1) {
    const answer = await write(count).catch(() => undefined);
    if (answer !== undefined) continue;
    await waitFor(`the process ends at ${fault}`, () => server.exited, 5_000);
  }
  assert.ok(server.exited, `${fault} did not happen within ${writesMax} writes`);
  const { code } = await server.exit;
  assert.equal(code, kFaultStatus, `${fault}: exit status; ${server.output.slice(-2000)}`);
  await server.restart();
  return count;
}

export async function withServer(body, options) {
  const server = await Server.start(options);
  try {
    await body(server);
  } finally {
    server.isOver = true;  // for its followers
    await server.close();
  }
}
