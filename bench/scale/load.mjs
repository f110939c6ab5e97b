// SPDX-License-Identifier: Apache-2.0
// What the programs of this directory share: documents by PUT on many connections, and the processor
// time of processes of this machine.
import { readFileSync } from 'node:fs';
import http from 'node:http';

const kTicksPerSecond = 100;
const kFiller = 'x'.repeat(450);

export function option(name, otherwise) {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

/** Processor time of a process so far, in microseconds. */
export function used(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * (1e6 / kTicksPerSecond);
}

/** The figures, told apart from the disturbed ones by their middle. */
export function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

// Fetch would cost the client so much that the server had time between two writes.
http.globalAgent.keepAlive = true;

function put(url, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'PUT',
      headers: { 'Content-Type': 'application/json' } }, (response) => {
      response.resume();
      response.on('end', () => (response.statusCode === 201 ? resolve()
        : reject(new Error(`PUT: ${response.statusCode}`))));
    });
    request.on('error', reject);
    request.end(JSON.stringify(body));
  });
}

/**
 * Writes documents of some channels each, out of a pool of channels, through all of `servers`.
 * @param writers of each server, each with a connection
 * @param isWanted (how many were begun) -> whether another one is
 * @returns how many were written
 */
export async function writeAll(servers, { database, channels, pool }, { writers, prefix, isWanted }) {
  let next = 0;
  const write = async (server) => {
    while (isWanted(next)) {
      const number = next;
      next += 1;
      const names = Array.from({ length: channels },
        (_, index) => `c${(number * channels + index) % pool}`);
      await put(`${server.adminUrl}/${database}/${prefix}${number}`,
        { channels: names, filler: kFiller });
    }
  };
  await Promise.all(servers.flatMap((server) =>
    Array.from({ length: writers }, () => write(server))));
  return next;
}
