// SPDX-License-Identifier: Apache-2.0
// A user of an offline-first application: a local PouchDB in memory and its sync with Headgate.
import { randomUUID } from 'node:crypto';
import PouchDB from 'pouchdb';
import memory from 'pouchdb-adapter-memory';

PouchDB.plugin(memory);

/** More requests than this for one replication means that it does not come to an end. */
const kRequestsMax = 5000;

export class Client {
  /** @param user {name, password, channels} as Server.createUser returns it. */
  constructor(server, database, user) {
    this.user = user;
    this.server = server;
    this.local = new PouchDB(`${user.name}-${randomUUID()}`, { adapter: 'memory' });
    this.local.setMaxListeners(100);
    this.traffic = new Map();
    this.remote = new PouchDB(`${server.publicUrl}/${database}`, {
      skip_setup: true,
      auth: { username: user.name, password: user.password },
      fetch: (url, options) => this.fetch(database, url, options),
    });
    this.remote.setMaxListeners(100);
  }

  async fetch(database, url, options = {}) {
    const { pathname } = new URL(url);
    const [first] = pathname.split(`/${database}/`)[1]?.split('/') ?? [''];
    const endpoint = first === '' || first.startsWith('_') ? first || '/' : 'document';
    const key = `${options.method ?? 'GET'} ${endpoint}`;
    this.traffic.set(key, (this.traffic.get(key) ?? 0) + 1);
    if (this.requests > kRequestsMax) throw new Error(`more than ${kRequestsMax} requests`);
    const answer = PouchDB.fetch(url, options);
    // PouchDB asks for the database's figures without looking at a failure (replicate.js, progress).
    return endpoint === '/' ? answer.catch(() => Response.json({}, { status: 503 })) : answer;
  }

  get requests() {
    return [...this.traffic.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Requests that carried documents since the last call of forgetTraffic(). */
  get transfers() {
    const carries = /^(POST _bulk_docs|POST _bulk_get|(GET|PUT|POST) document|POST _all_docs)$/;
    return [...this.traffic].filter(([key]) => carries.test(key)).map(([key]) => key);
  }

  forgetTraffic() {
    this.traffic.clear();
  }

  async pull(options = {}) {
    return this.complete(this.local.replicate.from(this.remote, options));
  }

  async push(options = {}) {
    return this.complete(this.local.replicate.to(this.remote, options));
  }

  /** Both ways once. Returns how many documents moved. */
  async sync(options = {}) {
    const pushed = await this.push(options);
    const pulled = await this.pull(options);
    return pushed.docs_read + pushed.docs_written + pulled.docs_read + pulled.docs_written;
  }

  async complete(replication) {
    const denied = [];
    replication.on('denied', (error) => denied.push(error));
    const result = await replication;
    if (result.doc_write_failures !== denied.length) {
      throw new Error(`write failures: ${JSON.stringify(result)}`);
    }
    return { ...result, denied };
  }

  /** Live sync in both directions that survives interruptions; ends with `await live.stop()`. */
  live() {
    const live = this.local.sync(this.remote, {
      live: true,
      retry: true,
      heartbeat: 5000,
      back_off_function: () => 100,
    });
    const errors = [];
    live.on('error', (error) => errors.push(error));
    return {
      errors,
      stop: () => new Promise((resolve) => {
        live.on('complete', resolve);
        live.on('error', resolve);
        live.cancel();
      }),
    };
  }

  /** Changes the present winner of a document by `edit(doc)` and stores it locally. */
  async edit(id, edit) {
    const doc = await this.local.get(id);
    edit(doc);
    return this.local.put(doc);
  }

  async remove(id) {
    return this.local.remove(await this.local.get(id));
  }

  /** Local winner with its conflicts, `undefined` if there is none or it is deleted. */
  async get(id) {
    try {
      return await this.local.get(id, { conflicts: true });
    } catch (error) {
      if (error.status === 404) return undefined;
      throw error;
    }
  }

  async ids() {
    const { rows } = await this.local.allDocs();
    return rows.map((row) => row.id);
  }

  async close() {
    await this.local.destroy();
    await this.remote.close();
  }
}

/** Pushes and pulls each client until a round moves nothing; fails if there is no end. */
export async function settle(clients, roundsMax = 12) {
  for (let round = 0; round < roundsMax; round += 1) {
    let moved = 0;
    for (const client of clients) moved += await client.sync();
    if (moved === 0) return round;
  }
  throw new Error(`documents still move after ${roundsMax} rounds`);
}

/** Numbers that look random and are the same for the same seed. */
export function seeded(seed = Number(process.env.HEADGATE_SEED ?? Date.now() % 1_000_000)) {
  console.log(`# HEADGATE_SEED=${seed}`);
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return {
    below: (limit) => Math.floor(next() * limit),
    pick: (list) => list[Math.floor(next() * list.length)],
    chance: (probability) => next() < probability,
  };
}
