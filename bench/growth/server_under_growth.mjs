// SPDX-License-Identifier: Apache-2.0
// The server whose database grows, and what it counts and uses.
import { Metrics, untilStable } from '../../tests/blackbox/metrics.mjs';
import { Server, waitFor } from '../../tests/clients/server.mjs';
import { send } from '../load.mjs';
import { bytesIn, memoryOf, processorTime } from '../processes.mjs';

const kDatabase = 'grown';
const kPatience = 1_200_000; // ms
const kLook = 300; // ms
const kCounters = { store_reads: 'store_reads_total', cache_reads: 'cache_reads_total',
  store_operations: 'store_operations_total', fsyncs: 'store_fsyncs_total' };

export class ServerUnderGrowth {
  /** `dataDir` and `args` as in Server.start. */
  static async start(config, { dataDir, args } = {}) {
    const grown = new ServerUnderGrowth();
    grown.server = await Server.start({ dataDir, args });
    await grown.server.createDatabase(kDatabase, config);
    return grown;
  }

  get pid() { return this.server.child.pid; }
  get url() { return `${this.server.adminUrl}/${kDatabase}`; }
  get publicUrl() { return `${this.server.publicUrl}/${kDatabase}`; }
  get memory() { return memoryOf(this.pid); }
  get disk() { return bytesIn(this.server.dataDir); }

  /** Until all that was written is accounted for. */
  untilStable() { return untilStable(this.server, kDatabase, { within: kPatience }); }

  /** Until the store has compacted what was written, and nothing else goes on. */
  async untilIdle() {
    await this.untilStable();
    let used = processorTime(this.pid);
    await waitFor('the server is idle', async () => {
      await new Promise((resolve) => { setTimeout(resolve, kLook); });
      const before = used;
      used = processorTime(this.pid);
      return (used - before) / 1_000 < kLook / 10;
    }, kPatience);
  }

  metrics() { return Metrics.read(this.server); }

  /** What `work` costs for each of `operations`: processor time, and what the server counted. */
  async costOf(operations, work) {
    const [before, time] = [await this.metrics(), processorTime(this.pid)];
    await work();
    const used = processorTime(this.pid) - time;
    const after = await this.metrics();
    const cost = { operations, us: used / operations };
    for (const [name, counter] of Object.entries(kCounters)) {
      if (!after.has(counter)) continue; // of another engine
      cost[name] = (after.get(counter) - before.get(counter)) / operations;
    }
    return cost;
  }

  /** SIGKILL and a new process; what it takes until that reads, writes and tells changes. */
  async restartAfterKill(id) {
    await this.server.kill();
    const began = performance.now();
    await this.server.run();
    for (const [method, target, body] of [['GET', `/${id}`], ['GET', '/_changes?limit=1'],
      ['PUT', `/after-restart-${began}`, '{"channels":["restart"]}']]) {
      const { status, text } = await send(method, this.url + target, body);
      if (status >= 300) throw new Error(`${method} ${target} after the restart: ${status} ${text}`);
    }
    return { seconds: (performance.now() - began) / 1_000, us: processorTime(this.pid) };
  }

  close() { return this.server.close(); }
}
