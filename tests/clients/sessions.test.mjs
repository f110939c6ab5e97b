// SPDX-License-Identifier: Apache-2.0
// Logins of real clients: cookies that outlive the process, bearer tokens, TLS.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import PouchDB from 'pouchdb';
import memory from 'pouchdb-adapter-memory';
import { expectError, expectStatus } from './expect.mjs';
import { Server } from './server.mjs';

PouchDB.plugin(memory);

const kSecret = 'a secret that is long enough: 32+ bytes';

let server;
before(async () => { server = await Server.start(); });
after(async () => { await server?.close(); });

async function logIn(database, user) {
  const answer = await server.public('POST', `/${database}/_session`,
    { name: user.name, password: user.password });
  expectStatus(answer, 200);
  const [cookie] = answer.headers.getSetCookie();
  assert.match(cookie, /HttpOnly/);
  return { Cookie: cookie.split(';')[0] };
}

/** A local PouchDB that has pulled everything that `headers` give access to. */
async function pull(database, headers) {
  const remote = new PouchDB(`${server.publicUrl}/${database}`, {
    skip_setup: true,
    fetch: (url, options) => {
      for (const [name, value] of Object.entries(headers)) options.headers.set(name, value);
      return PouchDB.fetch(url, options);
    },
  });
  const local = new PouchDB(`sessions-${database}-${Math.random()}`, { adapter: 'memory' });
  await local.replicate.from(remote);
  const { rows } = await local.allDocs();
  await local.destroy();
  return rows.map(({ id }) => id);
}

function token(claims) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', kSecret).update(text).digest('base64url')}`;
}

test('a session outlives a killed server, a logout does, too', async () => {
  await server.createDatabase('kept');
  const ann = await server.createUser('kept', 'ann', ['red']);
  await server.write('kept', [{ _id: 'a', channels: ['red'] }, { _id: 'b', channels: ['blue'] }]);
  const kept = await logIn('kept', ann);
  const ended = await logIn('kept', ann);
  expectStatus(await server.public('DELETE', '/kept/_session', undefined, { headers: ended }), 200);
  await server.kill();
  await server.run();
  expectError(await server.public('GET', '/kept/', undefined, { headers: ended }), 401);
  assert.deepEqual(await pull('kept', kept), ['a']);
  await server.admin('PUT', '/kept/_user/ann', { password: 'another' });
  expectError(await server.public('GET', '/kept/', undefined, { headers: kept }), 401);
});

test('PouchDB replicates with a bearer token that brings its channels', async () => {
  await server.createDatabase('tokens', {
    jwt: [{ issuer: 'id', audience: 'headgate', keys: [{ alg: 'HS256', secret: kSecret }],
      channels_claim: 'channels', register: true }],
  });
  await server.write('tokens', [{ _id: 'a', channels: ['red'] }, { _id: 'b', channels: ['blue'] }]);
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: 'id', aud: ['headgate'], sub: 'eve', iat: now - 10, exp: now + 60 };
  const red = token({ ...claims, channels: ['red'] });
  // What the token brings is granted by the first request with it: a feed shows it when it is stable.
  const pullStable = async (headers) => {
    expectStatus(await server.public('GET', '/tokens/_changes?request_plus=true', undefined,
      { headers }), 200);
    return pull('tokens', headers);
  };
  assert.deepEqual(await pullStable({ Authorization: `Bearer ${red}` }), ['a']);
  const both = token({ ...claims, iat: now, channels: ['red', 'blue'] });
  assert.deepEqual(await pullStable({ Authorization: `Bearer ${both}` }), ['a', 'b']);
});

test('a port with a certificate speaks TLS', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'headgate-tls-'));
  const certificate = path.join(directory, 'server.crt');
  const key = path.join(directory, 'server.key');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key,
    '-out', certificate], { stdio: 'ignore' });
  const config = path.join(directory, 'headgate.toml');
  writeFileSync(config, `[admin]\ntls_certificate = "${certificate}"\ntls_key = "${key}"\n`);
  const safe = await Server.start({ args: ['--config', config] });
  try {
    const status = await new Promise((resolve, reject) => {
      https.get({ host: '127.0.0.1', port: safe.adminPort, path: '/_all_dbs',
        ca: readFileSync(certificate) }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on('error', reject);
    });
    assert.equal(status, 200);
    await assert.rejects(fetch(`http://127.0.0.1:${safe.adminPort}/`));
  } finally {
    await safe.close();
    rmSync(directory, { recursive: true });
  }
});
