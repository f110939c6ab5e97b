// SPDX-License-Identifier: Apache-2.0
// What grows. Each dimension fills a database up to a size, and measures there what could depend on it.
import { createHmac } from 'node:crypto';
import { ask, inParallel, writeInBulk } from '../load.mjs';
import { documentText, probeFirstSync, probeGets, probeTail, probeWrites } from './probes.mjs';
import { WaitingFeeds } from './waiting_feeds.mjs';

const kSharedChannels = 100;
const kFirstSyncRows = 100_000;

const documentId = (number) => `d${number}`;

function upTo(limit, size) {
  return Math.min(limit, size);
}

async function usualProbes(grown, { size, effort, channelOf, channel, idOf, ids, channels }) {
  const round = size;
  const writes = await probeWrites(grown, { count: effort, round, channelOf });
  const gets = await probeGets(grown, { count: 2 * effort, idOf, size: ids ?? size });
  const tail = await probeTail(grown, { count: effort, round, channel });
  const firstSync = await probeFirstSync(grown, { channels, rows: kFirstSyncRows });
  return { writes, gets, tail, first_sync: firstSync };
}

/** Documents of 500 bytes that share 100 channels. */
const documents = {
  sizes: { tiny: [100, 1_000], normal: [1_000, 10_000, 100_000], full: [1_000, 10_000, 100_000, 1_000_000] },
  config: {},
  knownId: documentId(0),
  fill: (grown, from, to) => writeInBulk(grown.url, from, to,
    (number) => documentText(documentId(number), [`c${number % kSharedChannels}`], 500)),
  measure: (grown, size, effort) => usualProbes(grown, { size, effort, idOf: documentId,
    channelOf: (number) => `c${number % kSharedChannels}`, channel: 'c7', channels: [undefined] }),
};

const kChannelsOfDocument = 10;
const kEntriesOfChannel = 4;

/** Channels of four entries each; ten to a document. */
const channels = {
  sizes: { tiny: [100, 1_000], normal: [1_000, 10_000, 100_000], full: [1_000, 10_000, 100_000, 1_000_000] },
  config: {},
  knownId: documentId(0),
  fill(grown, from, to) {
    const documentsOf = (count) => (count * kEntriesOfChannel) / kChannelsOfDocument;
    // The new channels only: each gets its entries from documents that are next to each other.
    const name = (document, index) =>
      `s${from + (((document - documentsOf(from)) * kChannelsOfDocument + index) % (to - from))}`;
    return writeInBulk(grown.url, documentsOf(from), documentsOf(to), (number) => documentText(
      documentId(number), Array.from({ length: kChannelsOfDocument }, (_, index) => name(number, index)), 500));
  },
  measure: (grown, size, effort) => usualProbes(grown, { size, effort, idOf: documentId,
    channelOf: (number) => `s${(number * 7_919) % size}`, channel: `s${size >> 1}`,
    ids: (size * kEntriesOfChannel) / kChannelsOfDocument,
    channels: Array.from({ length: upTo(1_000, size) }, (_, index) => `s${(index * 104_729) % size}`) }),
};

/** One channel, and nothing beside it, of small documents. */
const entries = {
  sizes: { tiny: [100, 1_000], normal: [1_000, 10_000, 100_000], full: [10_000, 100_000, 1_000_000, 10_000_000] },
  config: { star_channel: false },
  knownId: documentId(0),
  fill: (grown, from, to) => writeInBulk(grown.url, from, to,
    (number) => `{"_id":"${documentId(number)}","channels":["all"]}`),
  measure: (grown, size, effort) => usualProbes(grown, { size, effort, idOf: documentId,
    channelOf: () => 'all', channel: 'all', channels: ['all'] }),
};

/** One document that is written again and again. */
const revisions = {
  sizes: { tiny: [100, 1_000], normal: [1_000, 10_000], full: [1_000, 10_000, 100_000] },
  config: { durability: 'memory' },
  knownId: 'hot',
  async write(grown, count) {
    for (let number = 0; number < count; number += 1) {
      const { text } = await ask(201, 'PUT', `${grown.url}/hot${this.revision ? `?rev=${this.revision}` : ''}`,
        documentText(undefined, ['hot'], 500));
      this.revision = JSON.parse(text).rev;
    }
  },
  fill(grown, from, to) { return this.write(grown, to - from); },
  async measure(grown, size, effort) {
    const writes = await grown.costOf(effort, async () => {
      await this.write(grown, effort);
      await grown.untilStable();
    });
    const gets = await probeGets(grown, { count: 2 * effort, idOf: () => 'hot', size });
    const tail = await probeTail(grown, { count: effort, round: size, channel: 'hot' });
    // Before and after what is superseded has left: a channel of one document.
    const firstSync = await probeFirstSync(grown, { channels: ['hot'], rows: kFirstSyncRows });
    return { writes, gets, tail, first_sync: firstSync };
  },
};

const kSecret = 'a secret of no less than thirty-two bytes';

function base64(value) {
  return Buffer.from(value).toString('base64url');
}

/** Bearer token of a user, who is made by its first use: without a password, which takes 60 ms. */
function tokenOf(number) {
  const claims = { iss: kIssuer.issuer, aud: kIssuer.audience, sub: `u${number}`, iat: 1, exp: 4e9,
    channels: [`c${number % kSharedChannels}`] };
  const text = `${base64('{"alg":"HS256"}')}.${base64(JSON.stringify(claims))}`;
  return `${text}.${createHmac('sha256', kSecret).update(text).digest('base64url')}`;
}

const kIssuer = { issuer: 'growth', audience: 'headgate', register: true, channels_claim: 'channels',
  keys: [{ alg: 'HS256', secret: kSecret }] };

/** Users with a channel each, of 100 with ten documents. */
const users = {
  sizes: { tiny: [100, 1_000], normal: [1_000, 10_000], full: [1_000, 10_000, 100_000] },
  config: { jwt: [kIssuer] },
  knownId: documentId(0),
  async request(grown, number) {
    const { text } = await ask(200, 'GET', `${grown.publicUrl}/_changes`, undefined,
      { Authorization: `Bearer ${tokenOf(number)}` });
    if (!text.includes(documentId(number % kSharedChannels))) throw new Error(`u${number}: ${text}`);
  },
  async fill(grown, from, to) {
    if (from === 0) {
      await writeInBulk(grown.url, 0, 10 * kSharedChannels,
        (number) => documentText(documentId(number), [`c${number % kSharedChannels}`], 500));
      await grown.untilStable();
    }
    await inParallel(16, from, to, (number) => this.request(grown, number));
  },
  async measure(grown, size, effort) {
    // All of them once: the server was started a moment ago and knows none.
    const first = await grown.costOf(size, () =>
      inParallel(16, 0, size, (number) => this.request(grown, number)));
    const usual = await usualProbes(grown, { size, effort, idOf: documentId, ids: 10 * kSharedChannels,
      channelOf: (number) => `c${number % kSharedChannels}`, channel: 'c7', channels: [undefined] });
    return { first_request: first, ...usual };
  },
};

/** Longpolls that wait in one channel. */
const feeds = {
  sizes: { tiny: [10, 100], normal: [10, 100, 1_000], full: [10, 100, 1_000, 9_000] }, // 20,000 descriptors are enough for it
  config: {},
  knownId: documentId(0),
  async fill(grown, from) {
    if (from > 0) return;
    await documents.fill(grown, 0, 1_000);
    await ask(201, 'PUT', `${grown.url}/first-awaited`, documentText(undefined, ['awaited'], 200));
  },
  async measure(grown, size, effort) {
    await ask(200, 'GET', `${grown.url}/_changes?since=now&filter=sync_gateway/bychannel&channels=awaited`);
    const before = grown.memory;
    const waiting = await WaitingFeeds.open(grown, 'awaited', size);
    const memory = grown.memory - before;
    const usual = await usualProbes(grown, { size, effort, idOf: documentId, ids: 1_000,
      channelOf: (number) => `c${number % kSharedChannels}`, channel: 'c7', channels: [undefined] });
    const wake = await grown.costOf(1, () => waiting.wake());
    return { bytes_of_feed: memory / size, wake, ...usual };
  },
};

export const kDimensions = { documents, channels, entries, revisions, users, feeds };
