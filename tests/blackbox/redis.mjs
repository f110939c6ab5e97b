// SPDX-License-Identifier: Apache-2.0
// Redis servers of a test, one or a cluster of three masters with a replica each: on the loopback, or
// on hosts of a network (network.mjs). They keep nothing, end with this process, and are ended by
// their ids only.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { kLoopback, waitFor } from '../clients/server.mjs';

const kBusAbove = 10_000;

function listens(port) {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** Ports below the ephemeral ones that are free, with that of the cluster's bus above each. */
export async function freePorts(count) {
  const ports = [];
  let port = 12_000 + (process.pid % 900) * 10;
  while (ports.length < count) {
    port = port >= 21_900 ? 12_000 : port + 1;
    try {
      const held = [await listens(port), await listens(port + kBusAbove)];
      for (const server of held) await new Promise((resolve) => server.close(resolve));
      ports.push(port);
    } catch {
      // taken
    }
  }
  return ports;
}

export class RedisProcess {
  /** @param host of a network; absent: this machine's loopback */
  constructor(port, args = [], host = kLoopback) {
    Object.assign(this, { port, args, host, exited: true });
    this.directory = mkdtempSync(path.join(tmpdir(), 'headgate-redis-'));
  }

  /** Starts it, again after kill(), and waits until it answers. */
  async run() {
    this.exited = false;
    const [program, ...args] = [...this.host.launcher, 'redis-server', '--port', `${this.port}`,
      '--bind', this.host.address, '--protected-mode', 'no', '--dir', this.directory, '--save', '',
      '--maxmemory-policy', 'noeviction', ...this.args];
    this.child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.exit = new Promise((resolve) => {
      this.child.on('exit', () => { this.exited = true; resolve(); });
      this.child.on('error', () => { this.exited = true; resolve(); });
    });
    await waitFor(`redis-server answers on ${this.port}`, () => {
      if (this.exited) throw new Error('redis-server ended');
      return /PONG|NOAUTH/.test(this.ask('PING'));
    }, 20_000);
  }

  get address() {
    return `${this.host.address}:${this.port}`;
  }

  /** One command; its answer as redis-cli prints it, or '' if there is none. */
  ask(...command) {
    try {
      return execFileSync('redis-cli',
        ['-h', this.host.address, '-p', `${this.port}`, ...command],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 3_000 }).trim();
    } catch {
      return '';
    }
  }

  signal(name) {
    this.child.kill(name);
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.exit;
  }

  async close() {
    if (!this.exited) await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export class RedisClusterOfSix {
  /** Waits until every slot is served and every replica follows. */
  static async start({ nodeTimeout = 1_000, ports, hosts = [] } = {}) {
    const cluster = new RedisClusterOfSix();
    const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', `${nodeTimeout}`,
      '--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0',
      '--repl-backlog-ttl', '0'];
    cluster.servers = [];
    for (const [index, port] of (ports ?? await freePorts(6)).entries()) {
      cluster.servers.push(new RedisProcess(port, args, hosts[index]));
    }
    try {
      for (const server of cluster.servers) await server.run();
      await cluster.join();
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  async join() {
    const { servers } = this;
    const slots = [[0, 5460], [5461, 10922], [10923, 16383]];
    for (const [index, server] of servers.entries()) {
      server.ask('CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`);
      if (slots[index]) server.ask('CLUSTER', 'ADDSLOTSRANGE', ...slots[index].map(String));
      server.ask('CLUSTER', 'MEET', servers[0].host.address, `${servers[0].port}`);
    }
    for (const [index, server] of servers.entries()) {
      if (index < 3) continue;
      const master = servers[index - 3].ask('CLUSTER', 'MYID');
      await waitFor('a replica is taken',
        () => server.ask('CLUSTER', 'REPLICATE', master) === 'OK', 20_000);
    }
    await this.untilWhole();
  }

  /** Every slot is served by a master whose replica follows. */
  async untilWhole(within = 30_000) {
    await waitFor('the Redis cluster is whole', () => this.servers.every((server) => {
      const info = server.ask('CLUSTER', 'INFO');
      const replication = server.ask('INFO', 'replication');
      return /cluster_state:ok/.test(info) && /cluster_known_nodes:6/.test(info)
        && (/role:master/.test(replication) ? /state=online/.test(replication)
          : /master_link_status:up/.test(replication));
    }), within);
  }

  get addresses() {
    return this.servers.map((server) => server.address);
  }

  masters() {
    return this.servers.filter((server) => !server.exited
      && /role:master/.test(server.ask('INFO', 'replication')));
  }

  async close() {
    for (const server of this.servers ?? []) await server.close();
  }
}

/** TOML of a bucket's table. */
export function bucketToml(table, addresses, settings = {}) {
  const values = { engine: 'redis', nodes: addresses, ...settings };
  return [`[${table}]`, ...Object.entries(values).map(([key, value]) =>
    `${key} = ${JSON.stringify(value)}`), ''].join('\n');
}
