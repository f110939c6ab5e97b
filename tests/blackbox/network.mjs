// SPDX-License-Identifier: Apache-2.0
// Hosts of a test: network namespaces on one bridge, within the namespace that in_network has made.
// Pairs of them can be cut off from each other, silently: what they send is lost, and nobody is told.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { waitFor } from '../clients/server.mjs';

const kBridge = 'hosts';
/** Nobody has it: what is sent there arrives nowhere. */
const kNowhere = '02:00:00:00:00:ff';

function ip(lines, launcher = []) {
  const [program, ...args] = [...launcher, 'ip', '-batch', '-'];
  execFileSync(program, args, { input: lines.join('\n'), stdio: ['pipe', 'ignore', 'pipe'] });
}

class Host {
  static async start(number) {
    const host = new Host();
    host.address = `10.77.0.${number}`;
    // Stays while the processes on the host come and go, and ends with this process.
    host.holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'ignore'] });
    await once(host.holder, 'spawn');
    const { pid } = host.holder;
    host.launcher = ['nsenter', '--target', `${pid}`, '--net', '--'];
    const own = readlinkSync('/proc/self/ns/net');
    await waitFor('a host is there', () => readlinkSync(`/proc/${pid}/ns/net`) !== own);
    ip([`link add h${number} type veth peer name eth0 netns ${pid}`,
      `link set h${number} master ${kBridge} up`]);
    ip(['link set lo up', `address add ${host.address}/24 dev eth0`, 'link set eth0 up'],
      host.launcher);
    return host;
  }

  /** What it sends to the others is lost from now on, or arrives again. */
  lose(others, isLost) {
    ip(others.map(({ address }) => (isLost
      ? `neighbour replace ${address} lladdr ${kNowhere} dev eth0 nud permanent`
      : `neighbour delete ${address} dev eth0`)), this.launcher);
  }
}

export class Network {
  /** A network of that many hosts; nothing where it may not be made. */
  static async start(count) {
    if (process.env.HEADGATE_TEST_NETWORK !== 'own') return undefined;
    const network = new Network();
    network.hosts = [];
    try {
      ip(['link set lo up', `link add ${kBridge} type bridge`, `link set ${kBridge} up`,
        `address add 10.77.0.254/24 dev ${kBridge}`]);
      for (let number = 1; number <= count; number += 1) {
        network.hosts.push(await Host.start(number));
      }
    } catch {
      network.close();
      return undefined;
    }
    return network;
  }

  /** Cuts each of one side off from each of the other; one way: only what the first ones send. */
  cut(side, other, { oneWay = false } = {}) { Network.turn(side, other, oneWay, true); }

  /** Undoes cut() with the same arguments. */
  heal(side, other, { oneWay = false } = {}) { Network.turn(side, other, oneWay, false); }

  static turn(side, other, oneWay, isLost) {
    for (const host of side) host.lose(other, isLost);
    if (!oneWay) for (const host of other) host.lose(side, isLost);
  }

  close() {
    for (const { holder } of this.hosts) holder.kill('SIGKILL');
  }
}
