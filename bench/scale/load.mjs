// SPDX-License-Identifier: Apache-2.0
// What the programs of this directory share: documents by PUT on many connections.
import { ask } from '../load.mjs';

const kFiller = 'x'.repeat(450);

export function option(name, otherwise) {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

/** The figures, told apart from the disturbed ones by their middle. */
export function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
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
      await ask(201, 'PUT', `${server.adminUrl}/${database}/${prefix}${number}`,
        JSON.stringify({ channels: names, filler: kFiller }));
    }
  };
  await Promise.all(servers.flatMap((server) =>
    Array.from({ length: writers }, () => write(server))));
  return next;
}
