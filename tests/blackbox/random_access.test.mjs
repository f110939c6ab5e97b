// SPDX-License-Identifier: Apache-2.0
// Random requests that give and take access in every way, over crashes of the server, beside clients
// on every kind of feed in both modes, with and without revocations: 1,000 over each kind of cache blocks. An oracle that sees only
// the requests says what each client may be sent, and what it must hold in the end (I1, I7).
//   HEADGATE_SEED        the seed of what happens
//   HEADGATE_OPERATIONS  how many requests instead
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { feedKinds, readFeed } from '../clients/feed_client.mjs';
import { seeded } from '../clients/pouch.mjs';
import { waitFor } from '../clients/server.mjs';
import { AccessOracle } from './access_oracle.mjs';
import { withServer } from './fault_server.mjs';
import { generation } from './follower.mjs';

const kOperations = Number(process.env.HEADGATE_OPERATIONS ?? 1_000);
/** So many requests lie between two looks at what every client holds. */
const kBetweenLooks = 50;
/** So many requests lie between two crashes, in the mean. */
const kBetweenCrashes = 80;
const names = (prefix, count) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const kUsers = names('user', 20);
const kRoles = names('role', 5);
const kChannels = names('c', 30);
const kDocuments = names('doc', 80);
const kGrants = names('grant', 25);
const kMarker = 'marker';

const kSync = `function (doc, oldDoc) {
  channel(doc.channels);
  (doc.grants || []).forEach(function (g) { access(g.to, g.channels); });
  (doc.roles || []).forEach(function (r) {
    role(r.to, r.roles.map(function (name) { return 'role:' + name; }));
  });
}`;

const kFaults = ['stop-after:document-write', 'stop-before:block', 'stop-after:first-block',
  'stop-after:counters', 'stop-before:sequence-document', 'stop-after:sequence-document',
  'stop-before:block:tag=p', 'stop-after:block:tag=p', 'stop-before:access-counter',
  'stop-after:access-counter', 'stop-before:principal', 'stop-after:principal',
  'stop-after:stable:skip=3', 'stop-before:block-record'];

/** A client: what it holds by the rows it was sent, and what it should not have been sent. */
class Watcher {
  constructor(server, oracle, user, feed, mode, revocations) {
    Object.assign(this, { server, oracle, user, feed, mode, revocations });
    this.held = new Map();
    this.newest = new Map(); // generation of the newest revision told of each document
    this.told = new Map(); // document -> its rows, as far as they are looked at after a failure
    this.unjudged = [];
    this.since = '0';
    /** Rows come from passes that began at this time of the oracle, or later. */
    this.from = 0;
    this.aborted = new AbortController();
    this.done = this.run();
  }

  get name() {
    return `${this.user.name} on ${this.feed}, ${this.revocations ? 'revocations' : this.mode}`;
  }

  async run() {
    while (!this.aborted.signal.aborted) {
      const query = { feed: this.feed, mode: this.mode, since: this.since, include_docs: true,
        revocations: this.revocations, timeout: this.feed === 'longpoll' ? 500 : 60_000 };
      await readFeed(this.server, 'db', this.user, query, {
        row: (row) => this.take(row),
        position: (seq) => { this.since = seq; },
        signal: this.aborted.signal,
      });
      await pause(20);
    }
  }

  take(row) {
    this.since = row.seq;
    const { rev } = row.changes[0];
    this.note(row);
    // The request under way may be in force before it is answered.
    this.unjudged.push({ row, from: this.from, to: this.oracle.now + 1 });
    this.hold(row, rev);
    if (row.id === kMarker) this.from = Math.max(this.from, row.doc.at);
  }

  note({ id, seq, changes, deleted, removed, revoked, doc }) {
    const rows = this.told.get(id) ?? [];
    rows.push({ seq, rev: changes[0].rev, deleted, removed, revoked,
      redacted: doc?._removed, at: this.oracle.now });
    this.told.set(id, rows.slice(-8));
  }

  /** As a replicator does, which an older revision of what it has tells nothing. */
  hold(row, rev) {
    const known = this.newest.get(row.id) ?? 0;
    if (row.revoked) {
      this.newest.delete(row.id);
    } else {
      if (generation(rev) < known) return;
      this.newest.set(row.id, generation(rev));
    }
    if (row.deleted || row.revoked || row.doc?._removed) this.held.delete(row.id);
    else this.held.set(row.id, rev);
  }

  /** What should not have been sent. */
  objections() {
    return this.unjudged.splice(0).flatMap(({ row, from, to }) => {
      const wrong = this.oracle.objection(this.user.name, row, from, to);
      return wrong ? [`${this.name}: ${wrong}: ${JSON.stringify(row)}`] : [];
    });
  }

  /** What is held and should not be: without revocations nobody is told that a channel is lost. */
  kept(visible) {
    return this.revocations ? [...this.held].filter(([id]) => !visible.has(id)) : [];
  }

  /** How what is held differs from what should be. */
  difference() {
    const visible = this.oracle.visible(this.user.name);
    const lacks = [...visible].filter(([id, rev]) => this.held.get(id) !== rev)
      .map(([id, rev]) => `lacks ${id} ${rev}, has ${this.held.get(id)}`);
    const keeps = this.kept(visible)
      .map(([id, rev]) => `keeps ${id} ${rev}`);
    return [...lacks, ...keeps].slice(0, 6).map((each) => `${this.name} ${each}`);
  }

  /** What led to the first difference; nothing without one. */
  story() {
    const visible = this.oracle.visible(this.user.name);
    const id = this.kept(visible)[0]?.[0] ??
      [...visible].find(([each, rev]) => this.held.get(each) !== rev)?.[0];
    return id && [`${this.name}, since ${this.since}, now ${this.oracle.now}`,
      ...(this.told.get(id) ?? []).map((row) => `told ${JSON.stringify(row)}`),
      ...this.oracle.story(this.user.name, id)].join('\n');
  }

  async stop() {
    this.aborted.abort();
    await this.done;
  }
}

/** Asks until there is an answer. `repeated` tells whether an earlier copy may have been done. */
async function insist(server, method, target, body) {
  for (let repeated = false; ; repeated = true) {
    const answer = await server.admin(method, target, body).catch(() => undefined);
    if (answer && answer.status < 500) return { ...answer, repeated };
    if (server.exited) await server.restart();
  }
}

class Scene {
  constructor(server, random) {
    Object.assign(this, { server, random, oracle: new AccessOracle(), number: 0, users: [] });
  }

  some(list, most) {
    return [...new Set(Array.from({ length: this.random.below(most + 1) },
      () => this.random.pick(list)))];
  }

  /** Mostly few channels, sometimes all documents. */
  someChannels(most) {
    return [...this.some(kChannels, most), ...(this.random.chance(0.03) ? ['*'] : [])];
  }

  async writeDocument(id, doc) {
    const before = this.oracle.present(id);
    const isLive = before && !before.deleted;
    if (!doc && !isLive) return;
    this.number += 1;
    const whole = doc && { ...doc, secret: `${id} ${this.number}`, number: this.number };
    const answer = await insist(this.server, doc ? 'PUT' : 'DELETE',
      `/db/${id}${isLive ? `?rev=${before.rev}` : ''}`, whole);
    let written = answer.json.rev;
    if (answer.status === 409 && answer.repeated) {
      written = await this.newest(id);
    } else {
      assert.ok([200, 201].includes(answer.status), `${id}: ${answer.text}`);
    }
    this.oracle.putDocument(id, written, doc);
  }

  /** Of a write that was carried out without an answer. */
  async newest(id) {
    const { json } = await insist(this.server, 'GET',
      `/db/_changes?filter=_doc_ids&doc_ids=["${id}"]`);
    return json.results.at(-1).changes[0].rev;
  }

  async operate() {
    const { random, oracle } = this;
    const kind = random.below(100);
    if (kind < 40) {
      await this.writeDocument(random.pick(kDocuments), { channels: this.some(kChannels, 4) });
    } else if (kind < 52) {
      await this.writeDocument(random.pick([...kDocuments, ...kGrants]), undefined);
    } else if (kind < 72) {
      await this.writeDocument(random.pick(kGrants), this.grant());
    } else if (kind < 88) {
      const name = random.pick(kUsers);
      const [channels, roles] = [this.someChannels(4), this.some(kRoles, 2)];
      await this.admin('PUT', `/db/_user/${name}`,
        { admin_channels: channels, admin_roles: roles });
      oracle.putUser(name, channels, roles);
    } else if (kind < 97) {
      const [name, channels] = [random.pick(kRoles), this.someChannels(4)];
      await this.admin('PUT', `/db/_role/${name}`, { admin_channels: channels });
      oracle.putRole(name, channels);
    } else {
      const name = random.pick(kRoles);
      const answer = await insist(this.server, 'DELETE', `/db/_role/${name}`);
      assert.ok([200, 404].includes(answer.status), answer.text);
      oracle.deleteRole(name);
    }
  }

  grant() {
    const { random } = this;
    const principals = [...kUsers, ...kRoles.map((role) => `role:${role}`)];
    return {
      channels: this.some(kChannels, 2),
      grants: this.some(principals, 3).map((to) => ({ to, channels: this.some(kChannels, 3) })),
      roles: random.chance(0.4)
        ? this.some(kUsers, 2).map((to) => ({ to, roles: this.some(kRoles, 2) })) : [],
    };
  }

  async admin(method, target, body) {
    const answer = await insist(this.server, method, target, body);
    assert.ok([200, 201].includes(answer.status), `${target}: ${answer.text}`);
  }

  /** The next writes run into it, or it is killed at some moment. */
  async crash() {
    const { server, random } = this;
    // This process alone: a fault may end it before, and the next one is not to be killed as it starts.
    const { child } = server;
    if (random.chance(0.3)) return void setTimeout(() => child.kill('SIGKILL'), random.below(30));
    const spec = encodeURIComponent(random.pick(kFaults));
    await server.admin('POST', `/_test/fault?spec=${spec}`).catch(() => undefined);
  }

  async start(block_format) {
    await this.server.createDatabase('db', { sync: kSync, block_capacity: 64, block_format });
    for (const name of kUsers) {
      const user = await this.server.createUser('db', name, []);
      this.oracle.putUser(name, [], []);
      this.users.push(user);
    }
    const combinations = feedKinds.flatMap((feed) => [[feed, 'available', false],
      [feed, 'available', true], [feed, 'stable', false]]);
    this.watchers = this.users.flatMap((user, i) => [i, i + 7].map((k) => new Watcher(this.server,
      this.oracle, user, ...combinations[k % combinations.length])));
  }

  async look(what) {
    await this.writeDocument(kMarker, { channels: ['!'], at: this.oracle.now });
    const differences = () => this.watchers.flatMap((watcher) => watcher.difference());
    await waitFor('every client holds what it may see', async () => {
      if (this.server.exited) await this.server.restart();
      return differences().length === 0;
    }, 30_000)
      .catch(() => {
        const stories = this.watchers.map((watcher) => watcher.story()).filter(Boolean);
        if (stories.length > 0) console.log(stories.slice(0, 3).join('\n\n'));
        assert.deepEqual(differences().slice(0, 10), [], what);
      });
    const objections = this.watchers.flatMap((watcher) => watcher.objections());
    assert.deepEqual(objections.slice(0, 5), [], what);
  }

  /** A client that begins now is told exactly what may be seen. */
  async lookAnew() {
    for (const user of this.users) {
      const { results } = await this.server.changes('db', user,
        { mode: this.random.pick(['available', 'stable']), include_docs: true });
      const told = new Map();
      for (const { id, changes, deleted, doc } of results) {
        if (deleted || doc._removed) told.delete(id);
        else told.set(id, changes[0].rev);
      }
      const visible = this.oracle.visible(user.name);
      assert.deepEqual([...told].sort(), [...visible].sort(), user.name);
      const { json } = await this.server.public('GET', '/db/_all_docs', undefined, { user });
      assert.deepEqual(json.rows.map(({ id }) => id).sort(), [...visible.keys()].sort(), user.name);
    }
  }

  async stop() {
    await Promise.all((this.watchers ?? []).map((watcher) => watcher.stop()));
  }
}

for (const block_format of ['append', 'indexed']) {
  test(`each client is sent what it may see, and nothing else: ${block_format}`, () =>
    withServer(async (server) => {
      const random = seeded();
      const scene = new Scene(server, random);
      try {
        await scene.start(block_format);
        for (let done = 1; done <= kOperations; done += 1) {
          if (random.chance(1 / kBetweenCrashes)) await scene.crash();
          await scene.operate();
          if (done % kBetweenLooks === 0) await scene.look(`after ${done} requests`);
        }
        await scene.lookAnew();
      } finally {
        await scene.stop();
      }
    }));
}
