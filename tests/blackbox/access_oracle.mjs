// SPDX-License-Identifier: Apache-2.0
// Who may see what, told from the requests alone: what was asked of the server, in its order, and
// nothing that it answered but revisions. Time is the number of the request.

const union = (sets) => new Set(sets.flatMap((set) => [...set]));

/** Values in the course of time; `at` is the time from which on the value holds. */
class History {
  constructor(first) {
    this.values = [{ at: 0, value: first }];
  }

  get last() {
    return this.values.at(-1).value;
  }

  set(at, value) {
    this.values.push({ at, value });
  }

  /** All values that held at some time of from..to. */
  during(from, to) {
    return this.values.filter(({ at }, i) =>
      at <= to && (this.values[i + 1]?.at ?? Infinity) > from).map(({ value }) => value);
  }
}

export class AccessOracle {
  constructor() {
    this.now = 0;
    this.users = new Map(); // name -> {channels, roles, access: History of sets}
    this.roles = new Map(); // name -> channels; absent: there is no such role
    this.documents = new Map(); // id -> [{rev, at, channels, deleted, grants, roles}]
  }

  putUser(name, channels, roles) {
    this.now += 1;
    const user = this.users.get(name) ?? { access: new History(new Set()) };
    this.users.set(name, Object.assign(user, { channels, roles }));
    this.judge();
  }

  putRole(name, channels) {
    this.now += 1;
    this.roles.set(name, channels);
    this.judge();
  }

  deleteRole(name) {
    this.now += 1;
    this.roles.delete(name);
    this.judge();
  }

  /** @param doc {channels, grants: [{to, channels}], roles: [{to, roles}]}; absent: a deletion */
  putDocument(id, rev, doc) {
    this.now += 1;
    const revisions = this.documents.get(id) ?? [];
    const { channels = [], grants = [], roles = [] } = doc ?? {};
    revisions.push({ rev, at: this.now, channels, grants, roles, deleted: !doc });
    this.documents.set(id, revisions);
    this.judge();
  }

  present(id) {
    return this.documents.get(id)?.at(-1);
  }

  get live() {
    return [...this.documents].map(([id, revisions]) => ({ id, ...revisions.at(-1) }))
      .filter(({ deleted }) => !deleted);
  }

  /** Notes for all users what they may read from now on. */
  judge() {
    const grants = new Map(); // principal -> channels
    const memberships = new Map(); // user -> roles
    const add = (map, key, values) => map.set(key, union([map.get(key) ?? new Set(), values]));
    for (const doc of this.live) {
      for (const { to, channels } of doc.grants) add(grants, to, channels);
      for (const { to, roles } of doc.roles) add(memberships, to, roles);
    }
    for (const [name, user] of this.users) {
      const roles = [...union([user.roles, memberships.get(name) ?? []])]
        .filter((role) => this.roles.has(role));
      const access = union([['!'], user.channels, grants.get(name) ?? [], ...roles
        .flatMap((role) => [this.roles.get(role), grants.get(`role:${role}`) ?? []])]);
      const before = user.access.last;
      const isSame = before.size === access.size && [...access].every((each) => before.has(each));
      if (!isSame) user.access.set(this.now, access);
    }
  }

  /** id -> revision of what the user may see now. */
  visible(name) {
    const access = this.users.get(name).access.last;
    const isOpen = ({ channels }) => access.has('*') || channels.some((each) => access.has(each));
    return new Map(this.live.filter(isOpen).map(({ id, rev }) => [id, rev]));
  }

  /** Whether the user could read one of the channels at some time of from..to. */
  couldRead(name, channels, from, to) {
    return this.users.get(name).access.during(from, to)
      .some((access) => access.has('*') || [...channels].some((each) => access.has(each)));
  }

  /** The document and the user in the course of time, as text. */
  story(name, id) {
    const revisions = (this.documents.get(id) ?? []).slice(-8).map(({ at, rev, channels, deleted }) =>
      ({ at, text: `${id} ${rev} ${deleted ? 'deleted' : channels}` }));
    const accesses = this.users.get(name).access.values.slice(-12)
      .map(({ at, value }) => ({ at, text: `${name} has ${[...value]}` }));
    return [...revisions, ...accesses].sort((a, b) => a.at - b.at)
      .map(({ at, text }) => `${at}: ${text}`);
  }

  /**
   * What is wrong with a row that came to a user at the time `to`, in a pass that began at `from`
   * or later; nothing if it may come. The row has its document (include_docs).
   */
  objection(name, row, from, to) {
    const revisions = this.documents.get(row.id) ?? [];
    const revision = revisions.find(({ rev }) => rev === row.changes[0].rev);
    if (!revision) return 'a revision that nobody wrote';
    const ever = union(revisions.filter(({ at }) => at <= revision.at)
      .map(({ channels }) => channels));
    const has = (channels) => this.couldRead(name, channels, from, to);
    const isEmpty = Object.keys(row.doc ?? {}).every((member) => member.startsWith('_'));
    if (!isEmpty && (row.doc.secret !== `${row.id} ${row.doc.number}` || !has(revision.channels))) {
      return 'a body out of reach';
    }
    if (row.revoked) {
      // Of a channel that is lost: it was the user's, and the document in it.
      return this.couldRead(name, ever, 0, to) ? undefined : 'the loss of what never was in reach';
    }
    if (row.removed?.some((channel) => !ever.has(channel))) return 'left what it never was in';
    if (row.deleted || row.removed) return has(ever) ? undefined : 'the end of what it never saw';
    return has(revision.channels) ? undefined : 'a document out of reach';
  }
}
