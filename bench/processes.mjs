// SPDX-License-Identifier: Apache-2.0
// What a process of this machine uses.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** Processor time so far, in microseconds: of its threads that have not ended. */
export function processorTime(pid) {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const [ns] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return sum + Number(ns) / 1_000;
  }, 0);
}

/** Bytes of memory that are its own: not those of files. */
export function memoryOf(pid) {
  const [, kib] = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(kib) * 1024;
}

/** Bytes of the files below a folder; files that go meanwhile count as none. */
export function bytesIn(folder) {
  let sum = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const name = path.join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile()) sum += statSync(name, { throwIfNoEntry: false })?.size ?? 0;
  }
  return sum;
}
