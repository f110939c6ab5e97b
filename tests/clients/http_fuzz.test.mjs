// SPDX-License-Identifier: Apache-2.0
// Thousands of requests out of docs/api/openapi.yaml, right and wrong: the server answers each as
// the file says, with nothing worse than 4xx, goes on serving, and stops in order.
//   HEADGATE_BINARY         the program, such as that of the build with sanitizers
//   HEADGATE_FUZZ_REQUESTS  how many requests (3000)
//   HEADGATE_SEED           the seed of what is sent, besides what earlier answers told
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import Ajv2020 from 'ajv/dist/2020.js';
import { readOperations } from './openapi.mjs';
import { seeded } from './pouch.mjs';
import { RequestGenerator } from './request_generator.mjs';
import { Server } from './server.mjs';

const kRequests = Number(process.env.HEADGATE_FUZZ_REQUESTS ?? 3000);
const kAtOnce = 6;
/** A feed that waits is left after this time. */
const kFeedPatience = 200;
const kPatience = 60_000;

http.globalAgent.keepAlive = true;

const ajv = new Ajv2020({ strict: false, validateFormats: false });
const validators = new Map();

function matches(schema, value) {
  if (!validators.has(schema)) validators.set(schema, ajv.compile(schema));
  const validate = validators.get(schema);
  return validate(value) ? undefined : ajv.errorsText(validate.errors);
}

/** Sends it; {status, headers, text, isWhole}. A feed that waits is cut, which is not its fault. */
function send(server, { port, method, target, headers, body, frame }) {
  const isFeed = target.includes('/_changes');
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', method, path: target, headers,
      port: port === 'public' ? server.port : server.adminPort });
    let answer;
    let before;
    request.on('socket', (socket) => {
      before = socket.lastRequest;
      socket.lastRequest = `${method} ${target}`;
    });
    const done = (isWhole) => {
      clearTimeout(timer);
      if (answer) resolve({ ...answer, isWhole });
      else if (isFeed) resolve(undefined);
      else reject(new Error('no answer'));
    };
    const timer = setTimeout(() => {
      done(false);
      request.destroy();
      request.socket?.destroy();
    }, isFeed ? kFeedPatience : kPatience);
    request.on('response', (response) => {
      answer = { status: response.statusCode, headers: response.headers, text: '' };
      response.setEncoding('latin1');
      response.on('data', (chunk) => { answer.text += chunk; });
      response.on('end', () => done(true));
      response.on('error', () =>
        reject(new Error(`cut after ${answer.status} ${answer.text.slice(0, 200)}`)));
    });
    request.on('upgrade', (response, socket) => {
      answer = { status: response.statusCode, headers: response.headers, text: '' };
      // Whatever comes back: the server judges the frame by itself.
      socket.on('data', () => socket.destroy());
      socket.on('error', () => socket.destroy());
      socket.on('close', () => done(false));
      socket.write(frame);
    });
    request.on('error', (error) => {
      clearTimeout(timer);
      // The server may have closed the connection just before it was used again.
      if (request.reusedSocket && error.code === 'ECONNRESET') {
        send(server, { port, method, target, headers, body, frame }).then(resolve, reject);
      } else {
        reject(new Error(`${error.message} after ${before}`));
      }
    });
    request.end(body);
  });
}

function expectError({ status, headers, text }, method, errorSchema) {
  assert.ok(status < 500 || status === 503 || status === 507, `status ${status}`);
  assert.match(headers['content-type'] ?? '', /^application\/json/);
  if (method === 'HEAD') return;
  assert.equal(matches(errorSchema, JSON.parse(text)), undefined);
}

/** The answer is one that the file has for the operation. */
function expectDescribed(answer, { operation, method, target }, errorSchema) {
  const { status, headers } = answer;
  if (status >= 400) return expectError(answer, method, errorSchema);
  if (method === 'OPTIONS') return assert.equal(status, 204);
  if (method !== operation.method) return undefined;
  const described = operation.responses[status];
  assert.ok(described, `status ${status} is not described`);
  if (method === 'HEAD' || status === 304 || status === 101) return assert.equal(answer.text, '');
  if (!described.content) return undefined;
  const type = (headers['content-type'] ?? '').split(';')[0];
  const content = described.content[type] ?? described.content['*/*'];
  assert.ok(content, `type ${type} is not described`);
  const isLines = target.includes('/_changes') && !answer.text.startsWith('{"results"');
  const isJson = type === 'application/json' && described.content[type] && !isLines;
  if (!isJson || !answer.isWhole) return undefined;
  const bytes = Buffer.from(answer.text, 'latin1');
  const value = JSON.parse(headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes);
  return assert.equal(matches(content.schema, value), undefined);
}

async function prepare(server) {
  await server.createDatabase('fuzz', { guest: { disabled: false, admin_channels: ['red'] } });
  const user = await server.createUser('fuzz', 'alice', ['red', 'x y']);
  const _attachments = { a: { content_type: 'text/plain', data: 'dGV4dA==' } };
  await server.write('fuzz', ['d0', 'd1', 'd2', 'a b', 'a/b'].map((_id) =>
    ({ _id, channels: ['red'], value: 1, _attachments })));
  await server.admin('POST', '/fuzz/_bulk_docs', { new_edits: false, docs: [
    { _id: 'd3', _rev: '2-a', channels: ['red'] },
    { _id: 'd3', _rev: '2-b', channels: ['blue'] }] });
  return user;
}

test('whatever is sent gets an answer of its kind, and the server goes on', async () => {
  const operations = await readOperations();
  const errorSchema = operations[0].responses.default.content['application/json'].schema;
  const server = await Server.start();
  try {
    const generator = new RequestGenerator(operations, seeded(), await prepare(server));
    const statuses = {};
    let left = kRequests;
    const work = async () => {
      while (left > 0) {
        left -= 1;
        const request = generator.next();
        try {
          const answer = await send(server, request);
          if (!answer) continue;
          statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
          expectDescribed(answer, request, errorSchema);
          if (answer.status < 400) generator.learn(answer.text, answer.headers);
        } catch (error) {
          left = 0;
          const { operation, body, ...head } = request;
          throw new Error(`${error.message}\n${JSON.stringify(head)}\n${body?.subarray(0, 3000)}\n${
            server.output.split('\n').slice(-12).map((line) => line.slice(0, 400)).join('\n')}`);
        }
      }
    };
    await Promise.all(Array.from({ length: kAtOnce }, work));
    console.log(`# answers: ${JSON.stringify(statuses)}`);
    assert.ok(statuses[200] + statuses[201] > kRequests / 5, 'enough requests are good ones');
    assert.equal((await server.public('GET', '/_health')).status, 200);
    assert.equal((await server.admin('PUT', '/fuzz/last', { channels: ['red'] })).status, 201);
    http.globalAgent.destroy();
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    assert.doesNotMatch(server.output, /Sanitizer|runtime error/);
  } finally {
    http.globalAgent.destroy();
    await server.close();
  }
});
