// SPDX-License-Identifier: Apache-2.0
// Several Headgate nodes on one Redis, as tests and scripts/cluster start them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Server, waitFor } from '../clients/server.mjs';

/** Of nodes that are not on the loopback, where the admin port asks for a login. */
const kAdmin = { name: 'admin', password: 'secret-admin' };
const kAdminToml = `[admin]\nuser = "${kAdmin.name}"\npassword = "${kAdmin.password}"\n`;

export class HeadgateNodes {
  /**
   * Starts `count` nodes and waits until they see each other.
   * @param tables TOML of the tables base and cache
   * @param node more of the table node
   * @param ports {port, adminPort} of each node; absent: free ones
   * @param hosts of a network, for each node; absent: this machine's loopback
   */
  static async start(count, tables, { ports = [], hosts = [], log, node = '' } = {}) {
    const nodes = new HeadgateNodes();
    nodes.directory = mkdtempSync(path.join(tmpdir(), 'headgate-nodes-'));
    nodes.servers = [];
    try {
      for (let index = 0; index < count; index += 1) {
        const config = path.join(nodes.directory, `node${index + 1}.toml`);
        const host = hosts[index];
        writeFileSync(config, `${tables}${host ? kAdminToml : ''}`
          + `[node]\nname = "node${index + 1}"\n${node}`);
        nodes.servers.push(await Server.start({ dataDir: nodes.directory, ...ports[index],
          args: ['--config', config], log,
          ...(host ? { host, login: kAdmin } : {}) }));
      }
      await nodes.untilAllSeen();
    } catch (error) {
      await nodes.close();
      throw error;
    }
    return nodes;
  }

  async untilAllSeen(within = 15_000) {
    await waitFor('the nodes see each other', async () => {
      const seen = await Promise.all(this.servers.map(async (server) =>
        (await server.admin('GET', '/_cluster')).json.nodes.length));
      return seen.every((count) => count === this.servers.length);
    }, within);
  }

  /** The node that has the database's cache writer and should have it, or nothing. */
  async cacheWriterOf(database) {
    for (const server of this.servers) {
      if (server.exited || server.isPaused) continue;
      const { json } = await server.admin('GET', '/_cluster', undefined, { within: 2_000 })
        .catch(() => ({}));
      const found = json?.databases.find(({ name }) => name === database);
      if (found?.is_cache_writer_here && found.cache_writer === json.node) return server;
    }
    return undefined;
  }

  async close() {
    for (const server of this.servers) {
      server.isOver = true;
      await server.close();
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
