// SPDX-License-Identifier: Apache-2.0
// A client that follows a changes feed of one kind over restarts of the server and remembers every
// entry and every position that was ever printed for it.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Stream, waitFor } from '../clients/server.mjs';

export const feedKinds = ['normal', 'longpoll', 'continuous'];
/** Between two questions of a feed that does not wait by itself. */
const kPauseMs = 20;
const kPagesMax = 2_000;

export function generation(rev) {
  return Number(rev.split('-')[0]);
}

export function changesTarget(database, query) {
  return `/${database}/_changes?${new URLSearchParams(query)}`;
}

export class Follower {
  /**
   * Begins to follow at once; ends with `await follower.stop()`, or when the test is over.
   * @param user as Server.createUser returns it; absent: the admin port
   * @param query further parameters of `_changes`
   */
  constructor(server, database, user, feed, query = {}) {
    Object.assign(this, { server, database, user, feed, query });
    this.since = query.since ?? '0';
    /** {id, rev, seq, ...} of all entries, in their order. */
    this.entries = [];
    /** {token, after}: a printed position and how many entries came before it was printed. */
    this.tokens = [];
    this.connections = 0;
    this.done = this.run().catch((error) => { this.error = error; });
  }

  get name() {
    const mode = this.query.mode ? `, mode ${this.query.mode}` : '';
    return `${this.feed} feed of ${this.user?.name ?? 'admin'}${mode}`;
  }

  get isOver() {
    return this.isStopped || this.server.isOver;
  }

  async run() {
    while (!this.isOver) {
      try {
        await (this.feed === 'continuous' ? this.stream() : this.page());
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        await pause(kPauseMs);  // the server is away
      }
    }
  }

  async page() {
    const page = await this.server.changes(this.database, this.user,
      { feed: this.feed, timeout: 300, ...this.query, since: this.since });
    this.connections += 1;
    for (const entry of page.results) this.take(entry);
    this.since = page.last_seq;
    this.tokens.push({ token: page.last_seq, after: this.entries.length });
    if (this.feed === 'normal') await pause(kPauseMs);
  }

  async stream() {
    const stream = Stream.open(this.server, this.user, changesTarget(this.database,
      { feed: 'continuous', timeout: 120_000, ...this.query, since: this.since }));
    let taken = 0;
    try {
      await stream.opened;
      if (stream.status === 200) this.connections += 1;
      while (!this.isOver && !stream.ended) {
        for (const entry of stream.entries.slice(taken)) {
          this.take(entry);
          this.since = entry.seq;
          taken += 1;
        }
        await pause(kPauseMs);
      }
      await pause(kPauseMs);
    } finally {
      stream.close();
    }
  }

  take(entry) {
    this.entries.push({ ...entry, rev: entry.changes[0]?.rev });
    this.tokens.push({ token: entry.seq, after: this.entries.length });
  }

  /** Last revision of each document that came. */
  get last() {
    return lastOf(this.entries);
  }

  /** Waits until the last revision of each document of `revs` (a Map) has come. */
  async untilHas(revs, within = 15_000) {
    await waitFor(`${this.name} has the last revisions`, () => {
      if (this.error) return true;
      const { last } = this;
      return [...revs].every(([id, rev]) => last.get(id) === rev);
    }, within).catch((error) => {
      const { last } = this;
      const missing = [...revs].filter(([id, rev]) => last.get(id) !== rev).slice(0, 5)
        .map(([id, rev]) => `${id}: ${last.get(id)} instead of ${rev}`);
      throw new Error(`${error.message}: ${missing.join('; ')}`);
    });
    if (this.error) throw this.error;
  }

  async stop() {
    this.isStopped = true;
    await this.done;
    if (this.error) throw this.error;
  }
}

/** Last revision of each document among entries. */
export function lastOf(entries) {
  return new Map(entries.map(({ id, rev, changes }) => [id, rev ?? changes[0]?.rev]));
}

/** Revisions of a document never go back. */
export function expectOrdered(entries, what) {
  const newest = new Map();
  for (const { id, rev, changes, seq } of entries) {
    if (id.startsWith('_user/')) continue;
    const now = generation(rev ?? changes[0].rev);
    assert.ok(now >= (newest.get(id) ?? 0),
      `${what}: ${id} generation ${now} at ${seq} after generation ${newest.get(id)}`);
    newest.set(id, now);
  }
}

export function expectComplete(entries, revs, what) {
  const last = lastOf(entries);
  for (const [id, rev] of revs) assert.equal(last.get(id), rev, `${what}: ${id}`);
}

/**
 * Reconnects with every position that was ever printed for the follower: what came before it and
 * what comes now is everything, in order, and comes to an end.
 */
export async function expectAllTokensGood(follower, revs, { limit, pagesMax = kPagesMax } = {}) {
  const { server, database, user, query, entries } = follower;
  const seen = new Set();
  for (const { token, after } of follower.tokens) {
    const key = `${token} ${after}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const all = entries.slice(0, after);
    const what = `${follower.name}, again from ${token}`;
    let since = token;
    for (let pages = 0; ; pages += 1) {
      assert.ok(pages < pagesMax, `${what}: no empty page within ${pagesMax} pages`);
      const page = await server.changes(database, user,
        { ...query, since, ...(limit ? { limit } : {}) });
      if (page.results.length === 0) break;
      all.push(...page.results);
      since = page.last_seq;
    }
    expectComplete(all, revs, what);
    expectOrdered(all, what);
  }
  return seen.size;
}

/** Current revision of every document that is not deleted, by id, as the base bucket has it. */
export async function currentRevisions(server, database, isWanted = () => true) {
  const answer = await server.admin('GET', `/${database}/_all_docs?include_docs=true`);
  assert.equal(answer.status, 200, answer.text);
  return new Map(answer.json.rows.filter(({ doc }) => isWanted(doc))
    .map(({ id, value }) => [id, value.rev]));
}
