// SPDX-License-Identifier: Apache-2.0
// What scripts/cluster runs: three Redis masters with a replica each and three Headgate nodes on the
// loopback, until SIGINT or SIGTERM; then all of them are ended, and nothing is kept.
import { request } from '../clients/server.mjs';
import { HeadgateNodes } from './headgate_nodes.mjs';
import { bucketToml, freePorts, RedisClusterOfSix } from './redis.mjs';

function option(name, otherwise) {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1];
}

const isCheck = process.argv.includes('--check');
const firstPort = Number(option('--port', isCheck ? 0 : 4984));

let redis;
let nodes;
let isClosing = false;

async function close(status) {
  if (isClosing) return;
  isClosing = true;
  for (const server of nodes?.servers ?? []) {
    if (!server.exited) await server.stop().catch(() => undefined);
  }
  await nodes?.close();
  await redis?.close();
  process.exit(status);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { close(0); });

/** The commands that are printed, with what they should print. */
function examples() {
  const [a, b, c] = nodes.servers;
  return [
    ['make a database', 'PUT', `${a.adminUrl}/db`, { guest: { disabled: false, admin_channels: ['*'] } }],
    ['write through the second node', 'PUT', `${b.adminUrl}/db/hello`, { text: 'world' }],
    ['follow through the third one', 'GET', `${c.publicUrl}/db/_changes?feed=longpoll`],
    ['see the nodes and their roles', 'GET', `${a.adminUrl}/_cluster`],
  ];
}

function print() {
  const line = ([what, method, url, body]) =>
    `  # ${what}\n  curl ${method === 'GET' ? '' : `-X ${method} `}'${url}'`
    + `${body ? ` -d '${JSON.stringify(body)}'` : ''}`;
  console.log(`Redis: ${redis.addresses.join(' ')}`);
  for (const [index, { publicUrl, adminUrl, child }] of nodes.servers.entries()) {
    console.log(`Headgate node${index + 1}: ${publicUrl}, admin ${adminUrl}, process ${child.pid}`);
  }
  console.log(`\nTry:\n${examples().map(line).join('\n')}\n`);
  console.log('Stop a node with `kill PROCESS` or `kill -9 PROCESS`: the others go on.');
  console.log('Ctrl-C ends everything. Nothing is kept.');
}

async function check() {
  for (const [what, method, url, body] of examples()) {
    const answer = await request(url, { method, body });
    if (answer.status >= 300) throw new Error(`${what}: ${answer.status} ${answer.text}`);
    console.log(`${what}: ${answer.text.trim()}`);
  }
}

try {
  redis = await RedisClusterOfSix.start({ ports: await freePorts(6) });
  const ports = [0, 1, 2].map((index) => (firstPort === 0 ? {}
    : { port: firstPort + 10 * index, adminPort: firstPort + 10 * index + 1 }));
  nodes = await HeadgateNodes.start(3, bucketToml('base', redis.addresses, { replicas: 1 }),
    { ports });
  print();
  if (isCheck) {
    await check();
    await close(0);
  }
} catch (error) {
  console.error(error.message);
  await close(1);
}
