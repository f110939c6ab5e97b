// SPDX-License-Identifier: Apache-2.0
// The commands that ask a server: what they print, what they change, how they end.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { binary, Server, waitFor } from './server.mjs';

let server;
let folder;
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'headgate-commands-'));
  server = await Server.start();
});
after(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a command to its end: {code, out, error}. It knows the server by its environment. */
function run(args, { input = '', environment = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, args, { env: { ...process.env, HEADGATE_URL: server.adminUrl,
      ...environment } });
    let out = '';
    let error = '';
    child.stdout.on('data', (chunk) => { out += chunk; });
    child.stderr.on('data', (chunk) => { error += chunk; });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, error }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** What a command prints that must succeed. */
async function done(args, options) {
  const { code, out, error } = await run(args, options);
  assert.equal(code, 0, `${args.join(' ')}: ${error}`);
  assert.equal(error, '');
  return out;
}

/** What a command says that must end with `status`; it prints no answer. */
async function refused(status, args, options) {
  const { code, out, error } = await run(args, options);
  assert.equal(code, status, `${args.join(' ')}: ${out}${error}`);
  if (status !== 2) assert.equal(out, '');
  return error + out;
}

function file(name, text) {
  const full = path.join(folder, name);
  writeFileSync(full, text);
  return full;
}

test('an admin port with TLS is asked by commands that believe its certificate', async () => {
  const make = (name, host) => {
    const [certificate, key] = [file(`${name}.crt`, ''), file(`${name}.key`, '')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1',
      '-subj', `/CN=${name}`, '-addext', `subjectAltName=${host}`, '-keyout', key,
      '-out', certificate], { stdio: 'ignore' });
    return { certificate, key };
  };
  const own = make('own', 'IP:127.0.0.1');
  const other = make('other', 'DNS:other.example');
  const serve = ({ certificate, key }) => Server.start({ args: ['--config',
    file('tls.toml', `[admin]\ntls_certificate = "${certificate}"\ntls_key = "${key}"\n`)] });
  const safe = await serve(own);
  try {
    const environment = { HEADGATE_URL: `https://127.0.0.1:${safe.adminPort}` };
    await done(['db', 'create', 'safe', '--cacert', own.certificate], { environment });
    const stored = { ...environment, HEADGATE_CACERT: own.certificate };
    assert.match(await done(['db', 'list'], { environment: stored }), /safe/);
    assert.match(await done(['db', 'config', 'safe', '--insecure'], { environment }), /durability/);
    assert.match(await refused(6, ['db', 'list'], { environment }), /self-signed certificate/);
    assert.match(await refused(6, ['db', 'list', '--cacert', other.certificate], { environment }),
      /certificate/);
    assert.match(await refused(2, ['db', 'list', '--cacert', file('none.pem', 'none')],
      { environment }), /none.pem/);
    assert.match(await refused(6, ['status', '--url', `http://127.0.0.1:${safe.adminPort}`],
      { environment }), /reset|answer|connection/);
  } finally {
    await safe.close();
  }
  const elsewhere = await serve(other);
  try {
    const environment = { HEADGATE_URL: `https://127.0.0.1:${elsewhere.adminPort}` };
    assert.match(await refused(6, ['db', 'list', '--cacert', other.certificate], { environment }),
      /mismatch/);
  } finally {
    await elsewhere.close();
  }
});

test('databases are made, listed, configured and deleted', async () => {
  assert.equal(await done(['db', 'create', 'one']), 'database one created\n');
  const config = file('config.json', '{"revs_limit": 30}');
  await done(['db', 'create', 'two', '--config', config]);
  await done(['db', 'create', 'three', '--config', '-'], { input: '{"allow_conflicts": false}' });
  assert.equal(await done(['db', 'list']), 'one\nthree\ntwo\n');
  assert.deepEqual(JSON.parse(await done(['db', 'list', '--json'])), ['one', 'three', 'two']);
  assert.match(await done(['db', 'config', 'two']), /^revs_limit +30$/m);
  assert.match(await done(['db', 'config', 'two', '--set', '-'], { input: '{"revs_limit": 40}' }),
    /^revs_limit: 30 -> 40$/m);
  assert.equal(JSON.parse(await done(['db', 'config', 'two', '--json'])).revs_limit, 40);
  assert.equal(await done(['db', 'config', 'two', '--set', '-'], { input: '{"revs_limit": 40}' }),
    'nothing changed\n');
  assert.match(await refused(4, ['db', 'create', 'one']), /exists/);
  assert.match(await refused(2, ['db', 'create', 'four', '--config', '-'], { input: '{"x": 1}' }),
    /x/);
  assert.match(await refused(2, ['db', 'create', 'four', '--config', `${folder}/none`]), /none/);
  assert.match(await refused(2, ['db', 'delete', 'three']), /--yes/);
  assert.equal(await done(['db', 'delete', 'three', '--yes']), 'database three deleted\n');
  await refused(3, ['db', 'config', 'three']);
  assert.equal(await done(['db', 'list']), 'one\ntwo\n');
});

test('documents are purged', async () => {
  await server.createDatabase('clean');
  await server.write('clean', [{ _id: 'a b' }, { _id: 'c' }]);
  await refused(2, ['db', 'purge', 'clean', 'a b']);
  assert.equal(await done(['db', 'purge', 'clean', 'a b', 'none', '--yes']),
    'a b purged\nnone is not there\n');
  assert.equal((await server.admin('GET', '/clean/a%20b')).status, 404);
  assert.deepEqual((await server.changes('clean')).results.map(({ id }) => id), ['c']);
});

test('the status of a server that is alone has its databases', async () => {
  await done(['db', 'create', 'figures']);
  await done(['db', 'create', 'closed']);
  await done(['db', 'offline', 'closed']);
  const { json } = await server.admin('GET', '/figures/_status');
  const lines = (await done(['status'])).split('\n').map((line) => line.split(/ +/));
  const row = (name) => lines.find(([first]) => first === name);
  assert.deepEqual(row('DATABASE'),
    ['DATABASE', 'STATE', 'STABLE', 'HIGHEST', 'LAG', 'FEEDS', 'REPAIRS']);
  assert.deepEqual(row('figures').slice(1, 4), ['Online', `${json.highest}`, `${json.highest}`]);
  assert.equal(row('closed')[1], 'Offline');
  const answer = JSON.parse(await done(['status', '--json']));
  assert.ok(answer.databases.some(({ name }) => name === 'figures'));
});

test('databases go offline and online', async () => {
  await server.createDatabase('gate');
  assert.equal(await done(['db', 'offline', 'gate']), 'database gate is offline\n');
  assert.equal((await server.admin('GET', '/gate/')).json.state, 'Offline');
  assert.equal(await done(['db', 'online', 'gate']), 'database gate is online\n');
  assert.equal((await server.admin('GET', '/gate/')).json.state, 'Online');
  await refused(3, ['db', 'offline', 'none']);
});

test('a resync is started, waited for and shown', async () => {
  await server.createDatabase('judged');
  await server.write('judged', [{ _id: 'a', channels: ['red'] }]);
  await done(['db', 'config', 'judged', '--set', '-'],
    { input: JSON.stringify({ sync: 'function(doc) { channel("blue"); }' }) });
  const answer = JSON.parse(await done(['db', 'resync', 'judged', '--wait', '--json']));
  assert.equal(answer.status, 'completed');
  assert.equal(answer.docs_changed, 1);
  assert.match(await done(['db', 'resync', 'judged', '--show']), /^status: +completed$/m);
  await refused(2, ['db', 'resync', 'judged', '--stop', '--reset']);
});

test('users are made, shown, changed and deleted; a password comes by standard input', async () => {
  await server.createDatabase('db');
  assert.equal(await done(['user', 'create', 'db', 'ann', '--channel', 'news', '--channel',
    '[a b]', '--role', 'staff', '--email', 'ann@example.org'], { input: 'secret one\n' }),
  'user ann created\n');
  const ann = { name: 'ann', password: 'secret one' };
  assert.equal((await server.public('GET', '/db/', undefined, { user: ann })).status, 200);
  const shown = await done(['user', 'show', 'db', 'ann']);
  assert.match(shown, /^admin channels: +\[a b\], news$/m);
  assert.match(shown, /^admin roles: +staff$/m);
  assert.match(shown, /^email: +ann@example.org$/m);
  assert.match(shown, /^disabled: +no$/m);
  assert.deepEqual(JSON.parse(await done(['user', 'show', 'db', 'ann', '--json'])).admin_channels,
    ['[a b]', 'news']);

  await done(['user', 'change', 'db', 'ann', '--channel', 'sports', '--disable']);
  let now = JSON.parse(await done(['user', 'show', 'db', 'ann', '--json']));
  assert.deepEqual([now.admin_channels, now.admin_roles, now.disabled],
    [['sports'], ['staff'], true]);
  await done(['user', 'change', 'db', 'ann', '--no-channels', '--no-roles', '--enable',
    '--password'], { input: 'secret two' });
  now = JSON.parse(await done(['user', 'show', 'db', 'ann', '--json']));
  assert.deepEqual([now.admin_channels, now.admin_roles, now.disabled], [[], [], false]);
  const before = await server.public('GET', '/db/', undefined, { user: ann });
  assert.equal(before.status, 401);
  ann.password = 'secret two';
  assert.equal((await server.public('GET', '/db/', undefined, { user: ann })).status, 200);

  await refused(2, ['user', 'create', 'db', 'bob/x y'], { input: 'secret\n' });
  await done(['user', 'create', 'db', 'böb.@+'], { input: 'secret\n' });
  assert.equal(await done(['user', 'list', 'db']), 'ann\nböb.@+\n');
  assert.match(await refused(4, ['user', 'create', 'db', 'ann'], { input: 'secret' }), /exists/);
  assert.match(await refused(2, ['user', 'create', 'db', 'cid']), /no password/);
  await refused(3, ['user', 'show', 'db', 'cid']);
  await refused(3, ['user', 'change', 'db', 'cid', '--password'], { input: 'secret' });
  assert.equal(await done(['user', 'delete', 'db', 'ann']), 'user ann deleted\n');
  await refused(3, ['user', 'delete', 'db', 'ann']);
  assert.match(await refused(2, ['user', 'delete', 'db', 'GUEST']), /guest/);
  assert.equal(await done(['user', 'list', 'db']), 'böb.@+\n');
});

test('roles are made, shown, changed and deleted', async () => {
  await server.createDatabase('roles');
  assert.equal(await done(['role', 'create', 'roles', 'staff', '--channel', 'news']),
    'role staff created\n');
  assert.match(await done(['role', 'show', 'roles', 'staff']), /^all channels: +news$/m);
  await done(['role', 'change', 'roles', 'staff', '--no-channels']);
  assert.deepEqual(JSON.parse(await done(['role', 'show', 'roles', 'staff', '--json']))
    .admin_channels, []);
  assert.equal(await done(['role', 'list', 'roles']), 'staff\n');
  await refused(3, ['role', 'change', 'roles', 'boss', '--channel', 'x']);
  await refused(4, ['role', 'create', 'roles', 'staff']);
  assert.equal(await done(['role', 'delete', 'roles', 'staff']), 'role staff deleted\n');
  assert.equal(await done(['role', 'list', 'roles']), '');
});

test('explain tells why', async () => {
  await server.createDatabase('why');
  await server.createUser('why', 'ann', ['news']);
  await server.write('why', [{ _id: 'a b', channels: ['news'] }, { _id: 'c', channels: ['x'] }]);
  const seen = await waitFor('the write is stable', async () => {
    const text = await done(['explain', 'why', 'a b', 'ann']);
    return text.includes('not yet') ? undefined : text;
  });
  assert.match(seen, /^ann sees a b through news, on its feed at \S+\n/);
  assert.match(seen, /^ {2}in news since \d+, by the sync function$/m);
  assert.match(seen, /^ {2}holds news since \d+, by admin$/m);
  assert.match(await done(['explain', 'why', 'c', 'ann']),
    /^ann does not see c: the user has none of the document's channels\n/);
  assert.match(await done(['explain', 'why', 'c', 'eve']), /there is no such user/);
  assert.equal(JSON.parse(await done(['explain', 'why', 'a b', 'ann', '--json'])).readable, true);
  await refused(3, ['explain', 'none', 'c', 'ann']);
});

test('the login of the admin port comes by option or environment', async () => {
  const config = file('headgate.toml', '[admin]\nuser = "admin"\npassword = "pass:word"\n');
  const guarded = await Server.start({ args: ['--config', config] });
  try {
    const url = ['--url', guarded.adminUrl];
    assert.match(await refused(5, ['db', 'list', ...url]), /--login/);
    await refused(5, ['db', 'list', ...url, '--login', 'admin:wrong']);
    assert.equal(await done(['db', 'list', ...url, '--login', 'admin:pass:word']), '');
    assert.equal(await done(['db', 'list'], { environment: { HEADGATE_URL: guarded.adminUrl,
      HEADGATE_LOGIN: 'admin:pass:word' } }), '');
  } finally {
    await guarded.close();
  }
});

test('mistakes and absent servers have their own exit status', async () => {
  assert.match(await refused(6, ['db', 'list', '--url', 'http://127.0.0.1:1']), /127.0.0.1:1/);
  await refused(2, ['db', 'list', '--url', 'nonsense']);
  await refused(2, ['user']);
  await refused(2, ['user', 'show', 'db']);
  await refused(2, ['nonsense']);
  assert.match(await done(['user', 'create', '--help']), /standard input/);
  assert.match(await done(['--help']), /Exit status/);
});
