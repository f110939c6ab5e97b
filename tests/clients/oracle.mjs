// SPDX-License-Identifier: Apache-2.0
// What each user may see, decided here and not by the server: the admin port tells what documents
// there are, the channels named in their bodies tell whose they are.
import assert from 'node:assert/strict';

const kBatch = 100;

/** Members that are the application's own. */
export function content(doc) {
  return Object.fromEntries(Object.entries(doc).filter(([name]) => !name.startsWith('_')));
}

function attachmentsOf(doc) {
  return Object.fromEntries(Object.entries(doc._attachments ?? {})
    .map(([name, { content_type, digest }]) => [name, { content_type, digest }]));
}

function channelsOf(doc) {
  const { channels } = doc;
  if (channels === undefined || channels === null) return [];
  return Array.isArray(channels) ? channels : [channels];
}

export class Oracle {
  /** Reads every document of the database at the admin port, one by one. */
  static async read(server, database) {
    const oracle = new Oracle();
    oracle.documents = new Map();
    const rows = (await server.admin('GET', `/${database}/_all_docs`)).json.rows;
    for (let from = 0; from < rows.length; from += kBatch) {
      await Promise.all(rows.slice(from, from + kBatch).map(async ({ id }) => {
        const answer = await server.admin('GET',
          `/${database}/${encodeURIComponent(id)}?conflicts=true`);
        if (answer.status === 200) oracle.documents.set(id, answer.json);
      }));
    }
    return oracle;
  }

  maySee(user, doc) {
    return user.channels.includes('*')
      || channelsOf(doc).some((name) => name === '!' || user.channels.includes(name));
  }

  /** Ids of the documents that the user may see, in order. */
  idsFor(user) {
    return [...this.documents.values()].filter((doc) => this.maySee(user, doc))
      .map((doc) => doc._id).sort();
  }

  /**
   * Checks that a client holds exactly what its user may see: the same winners, conflicts, bodies
   * and attachments, and of every other document nothing but an empty revision.
   * @param own ids of documents that this client wrote itself into channels it cannot read
   */
  async expectHeldBy(client, { own = new Set() } = {}) {
    const { name } = client.user;
    for (const doc of this.documents.values()) {
      if (!this.maySee(client.user, doc)) continue;
      const held = await client.get(doc._id);
      assert.ok(held, `${name} lacks ${doc._id} ${doc._rev}`);
      assert.equal(held._rev, doc._rev, `${name}: winner of ${doc._id}`);
      assert.deepEqual(content(held), content(doc), `${name}: body of ${doc._id}`);
      assert.deepEqual((held._conflicts ?? []).sort(), (doc._conflicts ?? []).sort(),
        `${name}: conflicts of ${doc._id}`);
      assert.deepEqual(attachmentsOf(held), attachmentsOf(doc), `${name}: ${doc._id}`);
    }
    const visible = new Set(this.idsFor(client.user));
    for (const id of await client.ids()) {
      if (visible.has(id) || own.has(id)) continue;
      const held = await client.get(id);
      assert.deepEqual(content(held ?? {}), {}, `${name} must not hold ${id}`);
    }
  }

  async isHeldBy(client, options) {
    try {
      await this.expectHeldBy(client, options);
      return true;
    } catch (error) {
      if (error instanceof assert.AssertionError) return false;
      throw error;
    }
  }
}
