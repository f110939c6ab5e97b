// SPDX-License-Identifier: Apache-2.0
// Requests in great number. Fetch would cost the client so much that the server had time between two.
import http from 'node:http';

http.globalAgent.keepAlive = true;
http.globalAgent.maxSockets = 256;

/** One request; what is answered as {status, headers, text}. `body` is text. */
export function send(method, url, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const fields = body === undefined ? headers : { 'Content-Type': 'application/json', ...headers };
    const request = http.request(url, { method, headers: fields }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers,
        text: Buffer.concat(pieces).toString() }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** As send(); fails unless the status is the expected one. */
export async function ask(expected, method, url, body, headers) {
  const answer = await send(method, url, body, headers);
  if (answer.status !== expected) {
    throw new Error(`${method} ${url}: ${answer.status} ${answer.text.slice(0, 300)}`);
  }
  return answer;
}

/** Calls `work` with from, from + 1, ... to - 1, `atOnce` at a time. */
export async function inParallel(atOnce, from, to, work) {
  let next = from;
  await Promise.all(Array.from({ length: Math.min(atOnce, to - from) }, async () => {
    while (next < to) {
      const number = next;
      next += 1;
      await work(number);
    }
  }));
}

const kBulk = 1_000;
const kBulksAtOnce = 4;

/** Writes documentOf(from) to documentOf(to - 1) with _bulk_docs, each a document as JSON text. */
export async function writeInBulk(url, from, to, documentOf) {
  await inParallel(kBulksAtOnce, 0, Math.ceil((to - from) / kBulk), async (bulk) => {
    const first = from + bulk * kBulk;
    const texts = [];
    for (let number = first; number < Math.min(first + kBulk, to); number += 1) {
      texts.push(documentOf(number));
    }
    const { text } = await ask(201, 'POST', `${url}/_bulk_docs`, `{"docs":[${texts.join(',')}]}`);
    if (text.includes('"error"')) throw new Error(`_bulk_docs: ${text.slice(0, 300)}`);
  });
}
