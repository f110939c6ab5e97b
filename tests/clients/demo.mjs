// SPDX-License-Identifier: Apache-2.0
// Behind scripts/run: starts a server, loads the countries of the world as a demo database, prints
// what to try, and runs until Ctrl-C. With --check it runs the printed commands and stops.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { Server } from './server.mjs';

const kDatabase = 'countries';
const kUsers = [
  { name: 'emma', password: 'headgate', channels: ['region-europe'] },
  { name: 'omar', password: 'headgate', channels: ['region-africa', 'region-asia'] },
];

function documents() {
  const countries = createRequire(import.meta.url)('world-countries');
  return countries.map((country) => ({
    _id: country.cca3,
    channels: [`region-${country.region.toLowerCase()}`],
    name: country.name.common,
    capital: country.capital,
    region: country.region,
    subregion: country.subregion,
    languages: country.languages,
    borders: country.borders,
    latlng: country.latlng,
    area: country.area,
  }));
}

function expect(answer, ...allowed) {
  assert.ok(allowed.includes(answer.status), `${answer.status} ${answer.text}`);
  return answer;
}

/** Makes what is missing and leaves the rest as it is: a second start keeps everybody's changes. */
async function load(server) {
  expect(await server.admin('PUT', `/${kDatabase}`, {}), 201, 412);
  for (const { name, password, channels } of kUsers) {
    const target = `/${kDatabase}/_user/${name}`;
    if (expect(await server.admin('GET', target), 200, 404).status === 200) continue;
    expect(await server.admin('PUT', target, { password, admin_channels: channels }), 201);
  }
  const docs = documents();
  const listed = await server.admin('POST', `/${kDatabase}/_all_docs`,
    { keys: docs.map((doc) => doc._id) });
  const { rows } = expect(listed, 200).json;
  const missing = docs.filter((_, index) => rows[index].error === 'not_found');
  if (missing.length > 0) await server.write(kDatabase, missing);
  return { total: docs.length, loaded: missing.length };
}

/** Commands to try, and what --check expects of their output. */
function commands({ publicUrl }) {
  const url = `${publicUrl}/${kDatabase}`;
  return [
    { text: `curl -s -u emma:headgate '${url}/_all_docs?limit=3'`, expected: /"id":"ALB"/ },
    { text: `curl -s -u omar:headgate '${url}/_changes?include_docs=true&limit=2'`,
      expected: /"channels":\["region-(africa|asia)"\].*"last_seq"/s },
    { text: `curl -s -u emma:headgate ${url}/JPN`, expected: /"error":"forbidden"/,
      remark: '  # in region-asia: not for emma' },
  ];
}

function check(server) {
  for (const { text, expected } of commands(server)) {
    const output = execFileSync('bash', ['-c', text], { encoding: 'utf8' });
    assert.match(output, expected, text);
  }
}

async function main() {
  const { values } = parseArgs({ options: {
    data: { type: 'string', default: process.env.HEADGATE_DATA ?? 'data' },
    port: { type: 'string', default: '4984' },
    'admin-port': { type: 'string', default: '4985' },
    check: { type: 'boolean', default: false },
  } });
  mkdirSync(values.data, { recursive: true });
  const server = await Server.start({
    dataDir: values.data, port: values.port, adminPort: values['admin-port'], log: 'inherit' });
  let stopping;
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => { stopping ??= server.stop(); });
  }
  try {
    const { total, loaded } = await load(server);
    console.log(`
Headgate serves at ${server.publicUrl} (admin ${server.adminUrl}).
Database "${kDatabase}": ${total} documents (${loaded} loaded now), one for each country, in
channels by region. ${kUsers.map(({ name, channels }) => `${name} sees ${channels.join(' and ')}`)
    .join(', ')}. Try:
`);
    for (const { text, remark = '' } of commands(server)) console.log(`  ${text}${remark}`);
    console.log(`\nThe console: ${server.adminUrl}/_console/\nCtrl-C stops it.`);
    if (values.check) check(server);
    if (values.check) stopping ??= server.stop();
    const { code, signal } = await server.exit;
    if (!stopping) console.error(`the server ended by itself (${signal ?? code})`);
    process.exitCode = stopping ? code ?? 1 : 1;
  } finally {
    await server.close();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
