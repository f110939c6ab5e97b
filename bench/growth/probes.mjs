// SPDX-License-Identifier: Apache-2.0
// The same work at every size of a database, and what it costs the server.
import { randomBytes } from 'node:crypto';
import { ask, inParallel } from '../load.mjs';

const kConnections = 16;
const kNewest = 10; // documents that a reader of the tail has not seen
const kPage = 10_000;

/** A document of `bytes` bytes in `channels`, as JSON text that does not compress well. */
export function documentText(id, channels, bytes) {
  const text = JSON.stringify({ _id: id, channels, text: '' });
  const more = Math.max(0, bytes - text.length);
  return text.replace('""}', `"${randomBytes(more).toString('base64').slice(0, more)}"}`);
}

/** New documents by PUT in a channel that is there. */
export function probeWrites(grown, { count, round, channelOf, bytes = 500 }) {
  return grown.costOf(count, async () => {
    await inParallel(kConnections, 0, count, (number) => ask(201, 'PUT',
      `${grown.url}/probe-${round}-${number}`, documentText(undefined, [channelOf(number)], bytes)));
    await grown.untilStable();
  });
}

/** Documents by id, in no order. */
export function probeGets(grown, { count, idOf, size }) {
  return grown.costOf(count, () => inParallel(kConnections, 0, count,
    (number) => ask(200, 'GET', `${grown.url}/${idOf((number * 7_919) % size)}`)));
}

function changesOf(grown, channel, since, limit) {
  const filter = channel === undefined ? '' : `&filter=sync_gateway/bychannel&channels=${channel}`;
  return ask(200, 'GET', `${grown.url}/_changes?since=${since}${filter}&limit=${limit}`);
}

async function lastSequence(grown, channel) {
  const { text } = await ask(200, 'GET', `${grown.url}/_changes?since=now&limit=1`);
  return JSON.parse(text).last_seq;
}

/** Readers of one channel that lack its newest entries. */
export async function probeTail(grown, { count, round, channel }) {
  const since = await lastSequence(grown);
  await inParallel(1, 0, kNewest, (number) => ask(201, 'PUT', `${grown.url}/tail-${round}-${number}`,
    documentText(undefined, [channel], 200)));
  await grown.untilStable();
  return grown.costOf(count, () => inParallel(kConnections, 0, count, async () => {
    const { results } = JSON.parse((await changesOf(grown, channel, since, 100)).text);
    if (results.length !== kNewest) throw new Error(`${results.length} rows of ${kNewest}`);
  }));
}

/** Those who have nothing read all of a channel in pages (absent: of all documents); by row. */
export async function probeFirstSync(grown, { channels, rows }) {
  let read = 0;
  const whole = await grown.costOf(1, async () => {
    for (const channel of channels) {
      for (let since = 0, isOver = false; !isOver && read < rows;) {
        const page = JSON.parse((await changesOf(grown, channel, since, kPage)).text);
        read += page.results.length;
        since = page.last_seq;
        isOver = page.results.length < kPage;
      }
    }
  });
  const each = Object.entries(whole).map(([name, cost]) => [name, cost / read]);
  return { ...Object.fromEntries(each), operations: read };
}
