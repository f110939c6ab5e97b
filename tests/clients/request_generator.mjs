// SPDX-License-Identifier: Apache-2.0
// Requests out of docs/api/openapi.yaml: most as it has them, many wrong in one place or another.
// They aim at the database "fuzz", whose life and configuration stay as they are, and at "scratch".
import * as odd from './odd_values.mjs';
import { authorization } from './server.mjs';

const kIds = ['d0', 'd1', 'd2', 'd3', 'a b', 'a/b', 'ä'];

export class RequestGenerator {
  /**
   * @param operations as readOperations() has them
   * @param random as seeded() makes it
   * @param user {name, password} of database "fuzz"
   */
  constructor(operations, random, user) {
    this.random = random;
    this.user = user;
    this.choices = operations.flatMap((operation) => operation.ports.flatMap((port) => {
      const { method, path } = operation;
      const isOften = /docid|_bulk|_changes|_all_docs|_revs_diff/.test(path) && method !== 'HEAD';
      const makes = /docid|_bulk_docs/.test(path) && /PUT|POST/.test(method);
      return Array(1 + 2 * isOften + 4 * makes).fill({ operation, port });
    }));
    // What answers told, so that later requests name what is there.
    this.known = { rev: ['1-a'], seq: ['0'], session: ['none'], etag: ['"x"'] };
    this.present = new Map();
  }

  /** Keeps what an answer tells about revisions, positions and sessions. */
  learn(text, { etag }) {
    const begin = text.slice(0, 20_000);
    const revisions = /"_?id":"([^"]+)",(?:"ok":true,)?"_?rev":"([^"]+)"/g;
    for (const [, id, rev] of begin.matchAll(revisions)) this.present.set(id, rev);
    for (const [, rev] of begin.matchAll(/"_?rev":"([^"]+)"/g)) this.keep('rev', rev);
    for (const [, seq] of begin.matchAll(/"(?:last_)?seq":"?([\d:]+)/g)) this.keep('seq', seq);
    for (const [, id] of begin.matchAll(/"(?:one_time_)?session_id":"([^"]+)"/g)) {
      this.keep('session', id);
    }
    if (etag) this.keep('etag', etag);
  }

  keep(kind, value) {
    const values = this.known[kind];
    if (values.length < 200) values.push(value);
    else values[this.random.below(values.length)] = value;
  }

  /** {port, operation, method, target, headers, body} */
  next() {
    const { operation, port } = this.random.pick(this.choices);
    const request = { port, operation, method: operation.method, headers: this.login(port) };
    if (this.random.chance(0.02)) request.method = this.random.pick(odd.oddMethods);
    request.target = this.target(operation, request);
    if (operation.body && this.random.chance(0.95)) this.addBody(operation.body, request);
    if (this.random.chance(0.15)) request.headers.Accept = this.random.pick(odd.accepts);
    if (this.random.chance(0.1)) {
      const [name, values] = this.random.pick(odd.oddHeaders);
      request.headers[name] = this.random.pick(values);
    }
    if (operation.path.endsWith('/_changes') && this.random.chance(0.15)) this.upgrade(request);
    // Node.js would send the body of a GET without saying so: as the next request.
    if (request.body && !request.headers['Transfer-Encoding']) {
      request.headers['Content-Length'] = request.body.length;
    }
    return request;
  }

  /** Makes it the handshake of a WebSocket, on which `frame` is to be sent. */
  upgrade(request) {
    request.method = 'GET';
    request.body = undefined;
    request.target += `${request.target.includes('?') ? '&' : '?'}feed=websocket`;
    Object.assign(request.headers, { Connection: 'Upgrade', Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' });
    if (this.random.chance(0.3)) {
      request.headers['Sec-WebSocket-Extensions'] = 'permessage-deflate; client_max_window_bits';
    }
    const limit = this.random.below(9);
    const options = this.random.chance(0.7) ? JSON.stringify({ since: 0, limit })
      : this.random.pick(odd.oddTexts);
    request.frame = this.damaged(this.frame(Buffer.from(options).subarray(0, 125)));
  }

  /** A frame of up to 125 bytes; the mask changes nothing. */
  frame(bytes) {
    const opcode = this.random.chance(0.7) ? 1 : this.random.below(16);
    const flags = this.random.pick([0x80, 0x80, 0x80, 0x00, 0xc0, 0xf0]);
    return Buffer.concat([Buffer.from([flags | opcode, 0x80 | bytes.length, 0, 0, 0, 0]), bytes]);
  }

  login(port) {
    if (port === 'admin' && this.random.chance(0.9)) return {};
    if (this.random.chance(0.85)) return authorization(this.user);
    if (this.random.chance(0.7)) return { ...this.random.pick(odd.oddLogins) };
    return { Cookie: `SyncGatewaySession=${this.random.pick(this.known.session)}` };
  }

  target(operation, request) {
    let path = operation.path.replace(/\{(\w+)\}/g,
      (_, name) => this.encoded(this.segment(name, operation)));
    if (this.random.chance(0.02)) path += this.random.pick(odd.oddPathEnds);
    const query = [];
    let revisions = 0;
    for (const { name, in: place, required, schema } of operation.parameters) {
      const isRevision = /^(rev|If-Match)$/.test(name);
      const probability = isRevision && revisions === 0 ? 0.6 : 0.1;
      if (place === 'path' || !this.random.chance(required ? 0.95 : probability)) continue;
      revisions += isRevision;
      const text = this.text(name, schema);
      if (place === 'query') query.push(`${name}=${this.encoded(text)}`);
      else request.headers[name] = this.headerText(text);
      if (place === 'query' && this.random.chance(0.03)) query.push(query.at(-1));
    }
    if (this.random.chance(0.03)) query.push(this.random.pick(odd.oddQueries));
    return query.length > 0 ? `${path}?${query.join('&')}` : path;
  }

  segment(name, operation) {
    if (name === 'db') return this.database(operation);
    if (this.random.chance(0.05)) return this.random.pick(odd.oddTexts) || 'x';
    switch (name) {
      case 'docid': {
        const id = this.id();
        const [folder] = operation.path.match(/_(design|local)\//) ?? [''];
        this.current = folder + id;
        return id;
      }
      case 'attachment': return this.random.pick(['a', 'a', 'b.txt', 'dir/ä']);
      case 'session': return this.random.pick(this.known.session);
      case 'channel': return this.channel();
      default: return this.random.pick(['bob', 'carol', 'dave']);
    }
  }

  /** Whatever makes, ends or changes a database does not meet "fuzz". */
  database({ path, method }) {
    if (this.random.chance(0.03)) return this.random.pick(odd.oddDatabases);
    const isOfScratch = (path === '/{db}' && /DELETE|PUT/.test(method))
      || /_config|_offline/.test(path);
    return isOfScratch || this.random.chance(0.1) ? 'scratch' : 'fuzz';
  }

  id() {
    this.current = this.random.pick([...kIds, `n${this.random.below(1000)}`]);
    return this.current;
  }

  /** Mostly the present one of the id that was made last. */
  rev() {
    const present = this.present.get(this.current);
    if (present && this.random.chance(0.7)) return present;
    return this.random.chance(0.9) ? this.random.pick(this.known.rev)
      : `${this.random.below(5)}-abc`;
  }

  channel() {
    return this.random.pick(['red', 'blue', '*', '!', 'x y']);
  }

  some(make) {
    return Array.from({ length: this.random.below(4) }, make);
  }

  encoded(text) {
    if (this.random.chance(0.03)) return this.random.pick(odd.oddEncodings);
    return encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, ''));
  }

  /** What no HTTP client sends is left to other tests. */
  headerText(text) {
    return text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '').slice(0, 2000);
  }

  /** The text of a parameter in a query or a header. */
  text(name, schema) {
    if (this.random.chance(0.08)) return this.random.pick(odd.oddTexts);
    switch (name) {
      case 'doc': return this.id();
      case 'rev': case 'If-Match': return this.rev();
      case 'If-None-Match': case 'If-Range': return this.random.pick(this.known.etag);
      case 'Range': return this.random.pick(['bytes=0-3', 'bytes=2-', 'bytes=-2', 'bytes=900-']);
      case 'Content-MD5': return 'XUFAKrxLKna5cZ2REBfFkg==';
      case 'since': case 'Last-Event-ID': return this.random.pick(this.known.seq);
      case 'open_revs':
        return this.random.chance(0.4) ? 'all' : JSON.stringify(this.some(() => this.rev()));
      case 'atts_since': return JSON.stringify(this.some(() => this.rev()));
      case 'keys': case 'doc_ids': return JSON.stringify(this.some(() => this.id()));
      case 'key': case 'startkey': case 'endkey': case 'start_key': case 'end_key':
        return JSON.stringify(this.id());
      case 'channels': return this.some(() => this.channel()).join(',');
      case 'selector': return JSON.stringify(this.random.pick(odd.selectors));
      default: {
        const value = this.value(name, schema, 0);
        return typeof value === 'string' ? value : JSON.stringify(value);
      }
    }
  }

  /** JSON of a schema; `name` is that of the member or parameter. */
  value(name, schema, depth) {
    if (depth > 0 && this.random.chance(0.04)) return this.random.pick(odd.oddValues);
    if (depth > 6) return null;
    const known = this.knownValue(name);
    if (known !== undefined) return known;
    if ('const' in schema) return schema.const;
    if (schema.enum) return this.random.pick(schema.enum);
    if (schema.anyOf) return this.value(name, this.random.pick(schema.anyOf), depth);
    if (!schema.type && schema.examples) return this.random.pick(schema.examples);
    const type = Array.isArray(schema.type) ? this.random.pick(schema.type) : schema.type;
    switch (type) {
      case 'boolean': return this.random.chance(0.5);
      case 'integer': return this.integer(schema);
      case 'array': return this.some(() => this.value('', schema.items ?? {}, depth + 1));
      case 'object': return this.object(schema, depth);
      case 'string': return this.random.chance(0.2) ? this.random.pick(odd.oddTexts)
        : this.random.pick(schema.examples ?? ['a', 'some text', 'dGV4dA==']);
      default: return null;
    }
  }

  /** Values of members that a schema says too little about; undefined: the schema says enough. */
  knownValue(name) {
    switch (name) {
      case '_id': case 'id': return this.id();
      case '_rev': case 'rev': return this.rev();
      case 'name': return this.random.pick(['bob', 'carol', 'dave', this.user.name]);
      case 'sync': return this.random.pick(odd.syncFunctions);
      case 'selector': return this.random.pick(odd.selectors);
      case 'since': return this.random.pick(this.known.seq);
      case 'keys': case 'doc_ids': return [this.id(), this.id()];
      default: return undefined;
    }
  }

  integer({ minimum = 0, maximum = 2 ** 32 }) {
    if (this.random.chance(0.1)) {
      return this.random.pick([minimum - 1, maximum + 1, -1, 2 ** 53, 1.5]);
    }
    return Math.min(maximum, minimum + this.random.pick([0, 1, 2, 10, 100, 5000]));
  }

  object({ properties = {}, required = [], additionalProperties }, depth) {
    const made = {};
    for (const [name, schema] of Object.entries(properties)) {
      if (!this.random.chance(required.includes(name) ? 0.95 : 0.25)) continue;
      made[name] = this.value(name, schema, depth + 1);
    }
    if (additionalProperties) {
      this.some(() => { made[this.id()] = this.value('', additionalProperties, depth + 1); });
    } else if (this.random.chance(0.3)) {
      const name = this.random.pick(['value', 'other', '_odd', 'é', '']);
      made[name] = this.random.pick(odd.oddValues);
    }
    return made;
  }

  addBody(contents, request) {
    const type = this.random.pick(Object.keys(contents));
    request.headers['Content-Type'] = type;
    if (type === 'application/json') {
      const json = JSON.stringify(this.value('', contents[type].schema, 0));
      request.body = this.damaged(Buffer.from(json));
    } else if (type === 'multipart/related') {
      request.headers['Content-Type'] = 'multipart/related; boundary=b';
      request.body = this.damaged(Buffer.from(this.multipart()));
    } else if (type === 'application/x-www-form-urlencoded') {
      const { name, password } = this.user;
      request.body = this.damaged(Buffer.from(`name=${name}&password=${password}`));
    } else {
      request.headers['Content-Type'] = this.random.pick(odd.contentTypes);
      request.body = Buffer.from(this.random.pick(odd.oddTexts));
    }
  }

  /** A document with attachments that follow it: as many and as long as it says, or not. */
  multipart() {
    const texts = ['one', 'two'].slice(0, this.random.below(3));
    const _attachments = Object.fromEntries(texts.map((text, index) => [`f${index}`, {
      follows: true, content_type: 'text/plain', length: text.length + this.random.chance(0.1) }]));
    if (this.random.chance(0.1)) _attachments.more = { follows: true, length: 3 };
    const doc = { channels: ['red'], _attachments };
    if (this.random.chance(0.5)) doc._rev = this.rev();
    const parts = texts.map((text, index) =>
      `--b\r\nContent-Disposition: attachment; filename="f${index}"\r\n\r\n${text}\r\n`);
    const first = `--b\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(doc)}\r\n`;
    return `${first}${parts.join('')}--b--`;
  }

  /** The bytes, at times with an error in them. */
  damaged(bytes) {
    if (this.random.chance(0.85)) return bytes;
    const at = this.random.below(bytes.length + 1);
    const [begin, end] = [bytes.subarray(0, at), bytes.subarray(at)];
    switch (this.random.below(8)) {
      case 0: return begin;
      case 1: return Buffer.concat([begin, Buffer.from([this.random.below(256)]), end]);
      case 2: return Buffer.concat([begin, Buffer.from([0xed, 0xa0, 0x80, 0xff]), end]);
      case 3: return Buffer.from(`\ufeff${bytes}`);
      case 4: return Buffer.from(`${bytes}`, 'utf16le');
      case 5: return Buffer.concat([bytes, end, bytes]);
      case 6: return Buffer.from(
        this.random.pick(odd.oddBodies).repeat(1 + this.random.below(3000)));
      default: return Buffer.from(`${bytes}`.replace(/"[^"]*"/, '"\\ud800"'));
    }
  }
}
