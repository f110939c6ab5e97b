// SPDX-License-Identifier: Apache-2.0
// What the server writes to its log: requests by name, slow ones, levels that change while it runs,
// and neither user data, where it is to be hidden, nor ever a secret.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { expectStatus } from './expect.mjs';
import { Server, waitFor } from './server.mjs';

const kAdmin = { name: 'root', password: 'pw-of-the-admin-port' };
const kKey = 'key-of-the-tokens-32-bytes-at-least';
const kSync = `function (doc) {
  console.log('saw ' + doc._id);
  if (doc.fails) throw new Error('cannot take ' + doc.fails);
  if (doc.spins) for (let i = 0; i < 3e6; ++i) ;
  channel(doc.channels);
}`;

let folder;
let server;
const config = (text) => {
  const file = path.join(folder, `${Math.random()}.toml`);
  writeFileSync(file, text);
  return ['--config', file];
};
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'headgate-logging-'));
  server = await Server.start({ args: config(`[admin]
user = "${kAdmin.name}"
password = "${kAdmin.password}"
`) });
  expectStatus(await asAdmin('PUT', '/db', { sync: kSync, guest: { disabled: false },
    jwt: [{ issuer: 'iss', audience: 'aud', register: true,
      keys: [{ alg: 'HS256', secret: kKey }] }],
  }), 201);
});
after(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const asAdmin = (method, target, body, headers = {}) =>
  server.admin(method, target, body, { user: kAdmin, headers });
const setLogging = async (settings) =>
  expectStatus(await asAdmin('PUT', '/_logging', settings), 200);

/** The lines of an event that were written after `from` characters of the output. */
const lines = (event, from = 0) => server.output.slice(from).split('\n')
  .filter((line) => line.includes(` ${event} `));
const written = (event, part, from) => waitFor(`${event} with ${part}`, () =>
  lines(event, from).find((line) => line.includes(part)));

function token(name) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256' })}.${encode({
    iss: 'iss', aud: 'aud', sub: name, exp: Math.floor(Date.now() / 1000) + 60 })}`;
  return `${text}.${createHmac('sha256', kKey).update(text).digest('base64url')}`;
}

test('the level changes while the server runs', async () => {
  await asAdmin('GET', '/db/quiet', undefined, { 'X-Request-Id': 'before' });
  await setLogging({ level: 'debug' });
  const answer = await asAdmin('GET', '/db/heard', undefined, { 'X-Request-Id': 'after' });
  assert.equal(answer.headers.get('x-request-id'), 'after');
  const line = await written('api.answered', 'request=after');
  assert.match(line, / debug /);
  assert.match(line, /method=GET route=\/db\/\{docid\} path=\/db\/heard status=404 ms=\d+ /);
  assert.equal(lines('api.answered').filter((each) => each.includes('request=before')).length, 0);
  await setLogging({ level: 'info' });
});

test('slow requests are told of, by name', async () => {
  const from = server.output.length;
  await setLogging({ slow_request_ms: 1 });
  await asAdmin('PUT', '/db/slow', { spins: true, channels: ['c'] }, { 'X-Request-Id': 'slow-1' });
  assert.match(await written('api.slow', 'request=slow-1', from), / warning .* status=201 ms=\d+/);
  await asAdmin('GET', '/db/_changes?feed=longpoll&timeout=50&since=now', undefined,
    { 'X-Request-Id': 'waits' });
  await setLogging({ slow_request_ms: 0 });
  await asAdmin('PUT', '/db/slow2', { spins: true }, { 'X-Request-Id': 'slow-2' });
  await setLogging({ slow_request_ms: 1000 });
  const told = lines('api.slow', from).join('\n');
  assert.ok(!told.includes('waits'), 'a feed that waits is not slow');
  assert.ok(!told.includes('slow-2'), 'turned off');
});

test('a failure names its request', async () => {
  const answer = await asAdmin('PUT', '/db/bad', { fails: 'Ann' }, { 'X-Request-Id': 'fail-1' });
  assert.equal(answer.status, 500);
  assert.match(await written('api.failed', 'request=fail-1'), /path=\/db\/bad status=500/);
  await written('sync.exception', 'cannot take Ann');
});

test('user data is left out where that is wanted', async () => {
  await setLogging({ level: 'debug', hide_user_data: true });
  const from = server.output.length;
  await asAdmin('PUT', '/db/Emma-Brown', { fails: 'Emma-Brown' }, { 'X-Request-Id': 'hidden-1' });
  const user = { name: 'Emma-Green', password: 'pw-of-emma-green' };
  await server.public('GET', '/db/Emma-White?rev=1-a', undefined, { user });
  await asAdmin('PUT', `/db/_user/${user.name}`, { password: user.password });
  await server.public('GET', '/db/Emma-White', undefined, { user });
  const line = await written('api.failed', 'request=hidden-1', from);
  assert.match(line, /route=\/db\/\{docid\} path=- status=500/);
  await setLogging({ level: 'info', hide_user_data: false });
  await asAdmin('PUT', '/db/shown', { fails: 'Emma-Black' });
  await written('sync.exception', 'Emma-Black', from);
  const between = server.output.slice(from, server.output.indexOf('Emma-Black', from));
  assert.doesNotMatch(between, /Emma-(Brown|Green|White)/);
});

test('no secret is ever written', async () => {
  await setLogging({ level: 'debug', slow_request_ms: 1, hide_user_data: false });
  const ann = { name: 'ann', password: 'pw-of-ann' };
  await asAdmin('PUT', '/db/_user/ann', { password: ann.password });
  const signed = token('jo');
  expectStatus(await server.public('GET', '/db/_session', undefined,
    { headers: { Authorization: `Bearer ${signed}` } }), 200);
  const session = await server.public('POST', '/db/_session', ann);
  expectStatus(session, 200);
  const cookie = session.headers.getSetCookie()[0].split(';')[0].split('=')[1];
  const once = (await server.public('POST', '/db/_session?one_time=true', undefined, { user: ann }))
    .json.one_time_session_id;
  const made = (await asAdmin('POST', '/db/_session', { name: 'ann' })).json.session_id;
  for (const id of [cookie, made]) {
    await asAdmin('GET', `/db/_session/${id}`);
    await asAdmin('GET', `/db/%5Fsession/${id}?x=1`);
    await asAdmin('DELETE', `/db/_session/${id}`);
    await server.public('GET', '/db/', undefined,
      { headers: { Cookie: `SyncGatewaySession=${id}` } });
  }
  const guess = (name) => ({ user: { name, password: 'pw-guessed' } });
  await server.public('GET', '/db/', undefined, guess('ann'));
  await server.admin('GET', '/_status', undefined, guess('root'));
  await asAdmin('GET', '/db/_config', undefined, { 'X-Request-Id': 'last' });
  await written('api.answered', 'request=last');
  await setLogging({ level: 'info', slow_request_ms: 1000 });
  const secrets = [kAdmin.password, kKey, ann.password, 'pw-guessed', signed, signed.split('.')[2],
    cookie, once, made, Buffer.from(`ann:${ann.password}`).toString('base64'), '$2b$'];
  for (const secret of secrets) {
    assert.ok(secret.length > 3);
    assert.ok(!server.output.includes(secret), `the log has ${secret}`);
  }
});

test('the configuration file says how the log begins', async () => {
  const quiet = await Server.start({ args: config(
    'log_level = "debug"\n[log]\nhide_user_data = true\nslow_request_ms = 7\n') });
  try {
    assert.deepEqual((await quiet.admin('GET', '/_logging')).json,
      { level: 'debug', hide_user_data: true, slow_request_ms: 7 });
  } finally {
    await quiet.close();
  }
});
