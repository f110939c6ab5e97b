// SPDX-License-Identifier: Apache-2.0
// A Headgate process under test: starts the binary on a data directory, finds the ports it
// printed, kills, stops and restarts it on the same data and ports, and speaks HTTP to it.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));

/** The program to test: of the build that CTest runs, else the release build. */
export const binary =
  process.env.HEADGATE_BINARY ?? path.join(here, '../../build/release/headgate');

/** Settings of the databases that CTest varies (tests/clients/CMakeLists.txt). */
export const matrix = Object.fromEntries(
  Object.entries({
    block_format: process.env.HEADGATE_BLOCK_FORMAT,
    changes_mode: process.env.HEADGATE_CHANGES_MODE,
    cache_writes: process.env.HEADGATE_CACHE_WRITES,
  }).filter(([, value]) => value),
);

/** Calls `condition` until it returns something true, which is the result; fails after `within` ms. */
export async function waitFor(what, condition, within = 15_000) {
  const deadline = Date.now() + within;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`not within ${within} ms: ${what}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Header of Basic authentication for `{name, password}`; nothing for an absent user. */
export function authorization(user) {
  if (!user) return {};
  const credentials = Buffer.from(`${user.name}:${user.password}`).toString('base64');
  return { Authorization: `Basic ${credentials}` };
}

/**
 * One HTTP request. A body that is no string or buffer is sent as JSON.
 * @returns {status, headers, text, json}; json is undefined if the answer is no JSON.
 */
export async function request(url, { method = 'GET', body, user, headers = {}, within = 30_000 } = {}) {
  const raw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const response = await fetch(url, {
    method,
    body: raw ? body : JSON.stringify(body),
    headers: {
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...authorization(user),
      ...headers,
    },
    signal: AbortSignal.timeout(within),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const text = bytes.toString('utf8');
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, bytes, text, json };
}

/** Where processes are that no host of a network was named for. */
export const kLoopback = { address: '127.0.0.1', launcher: [] };

export class Server {
  /**
   * Starts the program and waits until it is healthy.
   * @param dataDir directory to use and keep; absent: a new one, removed by close().
   * @param args further command line arguments
   * @param launcher command line to put before the program's, such as that of a shell
   * @param environment variables for the program beside those of this process
   * @param host of a network (tests/blackbox/network.mjs) to run on; absent: the loopback
   * @param login {name, password} of the admin port, as the configuration has it
   */
  static async start({ dataDir, port = 0, adminPort = 0, args = [], launcher = [],
    environment = {}, log = 'on-failure', host = kLoopback, login } = {}) {
    const server = new Server();
    server.ownsData = dataDir === undefined;
    server.dataDir = dataDir ?? mkdtempSync(path.join(tmpdir(), 'headgate-client-'));
    server.port = port;
    server.adminPort = adminPort;
    server.args = args;
    server.launcher = launcher;
    server.environment = environment;
    server.log = log;
    server.host = host;
    server.login = login;
    await server.run();
    return server;
  }

  async run() {
    this.output = '';
    this.exited = false;
    const [program, ...args] = [...this.host.launcher, ...this.launcher, binary,
      'serve', '--data', this.dataDir, '--port', `${this.port}`, '--admin-port',
      `${this.adminPort}`, '--bind', this.host.address,
      '--admin-bind', this.host.address, ...this.args];
    this.child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.environment },
    });
    const keep = (chunk) => {
      this.output = (this.output + chunk).slice(-200_000);
      if (this.log === 'inherit') process.stderr.write(chunk);
    };
    this.child.stdout.on('data', keep);
    this.child.stderr.on('data', keep);
    this.exit = new Promise((resolve) => {
      const ended = (code, signal) => {
        this.exited = true;
        resolve({ code, signal });
      };
      this.child.on('exit', ended);
      this.child.on('error', (error) => {
        this.output += `${error}\n`;
        ended(-1, null);
      });
    });
    await waitFor('the server prints its ports and is healthy', async () => {
      if (this.exited) return true;
      const ports = this.printedPorts();
      if (!ports.public || !ports.admin) return false;
      this.port = ports.public;
      this.adminPort = ports.admin;
      return (await request(`${this.publicUrl}/_health`, { within: 2000 })).status === 200;
    }, 30_000).catch(async (error) => {
      await this.kill();
      throw new Error(`${error.message}\n${this.output}`);
    });
    if (this.exited) throw new Error(`the server ended at its start:\n${this.output}`);
  }

  /** The addresses in lines such as `public http://127.0.0.1:4984`. */
  printedPorts() {
    const ports = {};
    const address = /\b(public|admin)\b[^\d\n[]*(?:[\d.]+|\[[^\]\n]*\]|localhost):(\d+)/g;
    for (const [, side, port] of this.output.matchAll(address)) ports[side] ??= Number(port);
    return ports;
  }

  get publicUrl() {
    return `http://${this.host.address}:${this.port}`;
  }

  get adminUrl() {
    return `http://${this.host.address}:${this.adminPort}`;
  }

  /** SIGKILL: nothing is flushed, nothing is said. */
  async kill() {
    this.child.kill('SIGKILL');
    return this.exit;
  }

  /** SIGTERM; the exit status, or an error if it takes longer than `within` ms. */
  async stop(within = 20_000) {
    this.child.kill('SIGTERM');
    await waitFor('the server stops after SIGTERM', () => this.exited, within);
    return this.exit;
  }

  /** Starts again on the same data and the same ports. */
  async restart() {
    if (!this.exited) await this.stop();
    await this.run();
  }

  /** Ends the process and removes a data directory of its own. */
  async close() {
    if (!this.exited) await this.kill();
    if (this.ownsData) rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** Request to the admin port. */
  admin(method, target, body, options = {}) {
    return request(this.adminUrl + target, { method, body, user: this.login, ...options });
  }

  /** Request to the public port; `options.user` is {name, password}. */
  public(method, target, body, options = {}) {
    return request(this.publicUrl + target, { method, body, ...options });
  }

  /** Makes a database with the settings of the matrix and `config`. */
  async createDatabase(name, config = {}) {
    const made = await this.admin('PUT', `/${name}`, { ...matrix, ...config });
    if (made.status !== 201) throw new Error(`PUT /${name}: ${made.status} ${made.text}`);
  }

  /** Makes or changes a user and returns {name, password, channels} for other calls. */
  async createUser(database, name, channels, more = {}) {
    const password = `secret-${name}`;
    const made = await this.admin('PUT', `/${database}/_user/${name}`,
      { password, admin_channels: channels, ...more });
    if (made.status !== 201 && made.status !== 200) {
      throw new Error(`PUT user ${name}: ${made.status} ${made.text}`);
    }
    return { name, password, channels };
  }

  /** Writes documents as admin with _bulk_docs; fails unless all are accepted. */
  async write(database, documents) {
    const answer = await this.admin('POST', `/${database}/_bulk_docs`, { docs: documents });
    const refused = answer.json?.filter?.((item) => item.error) ?? [answer.text];
    if (answer.status !== 201 || refused.length > 0) {
      throw new Error(`_bulk_docs: ${answer.status} ${JSON.stringify(refused.slice(0, 3))}`);
    }
    return answer.json;
  }

  /** One page of _changes; parameters in `query`. Fails unless it is answered with 200. */
  async changes(database, user, query = {}) {
    const target = `/${database}/_changes?${new URLSearchParams(query)}`;
    const answer = user ? await this.public('GET', target, undefined, { user })
      : await this.admin('GET', target);
    if (answer.status !== 200) throw new Error(`_changes: ${answer.status} ${answer.text}`);
    return answer.json;
  }
}

/** A streamed answer (longpoll or continuous feed) that is looked at while it grows. */
export class Stream {
  /** Opens `target` at the public port as `user`, at the admin port without a user. */
  static open(server, user, target, { method = 'GET', body } = {}) {
    const stream = new Stream();
    stream.text = '';
    stream.ended = false;
    const base = user ? server.publicUrl : server.adminUrl;
    stream.request = http.request(base + target, {
      method,
      agent: false,
      headers: {
        ...authorization(user ?? server.login),
        ...(body ? { 'Content-Type': 'application/json' } : {}),
      },
    });
    stream.opened = new Promise((resolve) => {
      stream.request.on('response', (response) => {
        stream.status = response.statusCode;
        stream.headers = response.headers;
        response.setEncoding('utf8');
        response.on('data', (chunk) => { stream.text += chunk; });
        response.on('close', () => { stream.ended = true; });
        response.on('error', () => { stream.ended = true; });
        resolve();
      });
      stream.request.on('error', (error) => {
        stream.error = error;
        stream.ended = true;
        resolve();
      });
    });
    stream.request.end(body === undefined ? undefined : JSON.stringify(body));
    return stream;
  }

  /** Complete lines so far, empty ones included. */
  get lines() {
    return this.text.split('\n').slice(0, -1).map((line) => line.replace(/\r$/, ''));
  }

  /** Entries of a continuous feed so far. */
  get entries() {
    return this.lines.filter((line) => line !== '').map((line) => JSON.parse(line))
      .filter((entry) => entry.id !== undefined);
  }

  /** Ids seen so far, in order. */
  get ids() {
    return this.entries.map((entry) => entry.id);
  }

  async until(what, condition, within) {
    return waitFor(what, () => condition(this), within).catch((error) => {
      throw new Error(`${error.message}; received: ${this.text.slice(-2000)}`);
    });
  }

  close() {
    this.request.destroy();
  }
}

/**
 * Sends bytes on a plain connection and returns what comes back until the server closes it,
 * or until `until` matches. For requests that no HTTP client would send.
 */
export function rawExchange(port, bytes, { until, end = false, within = 30_000 } = {}) {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = net.connect(port, '127.0.0.1', () => {
      if (end) socket.end(bytes);
      else socket.write(bytes);
    });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end within ${within} ms; received: ${received.slice(0, 500)}`));
    }, within);
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(received);
    };
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      received += chunk;
      if (until?.test(received)) finish();
    });
    socket.on('error', finish);
    socket.on('close', finish);
  });
}
