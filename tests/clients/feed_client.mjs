// SPDX-License-Identifier: Apache-2.0
// One connection to a changes feed of any kind: it hands over every row as it comes.
import http from 'node:http';
import { WebSocket } from 'ws';
import { authorization } from './server.mjs';

export const feedKinds = ['normal', 'longpoll', 'continuous', 'eventsource', 'websocket'];

/** Rows of a text that grows: calls take(text) with each piece up to a `separator`. */
function pieces(separator, take) {
  let rest = '';
  return (chunk) => {
    const parts = (rest + chunk).split(separator);
    rest = parts.pop();
    for (const part of parts) take(part);
  };
}

/** Reads the answer to `target` to its end; false if it was cut, or was no 200. */
function read(server, user, target, { take, signal }) {
  return new Promise((resolve) => {
    const cut = () => resolve(false);
    const request = http.get(server.publicUrl + target,
      { agent: false, signal, headers: authorization(user) });
    request.on('error', cut);
    request.on('response', (response) => {
      response.setEncoding('utf8');
      response.on('data', response.statusCode === 200 ? take : () => {});
      response.on('end', () => resolve(response.statusCode === 200 && response.complete));
      response.on('error', cut);
      response.on('close', cut);
    });
  });
}

async function page(server, user, target, { row, position, signal }) {
  let text = '';
  const isWhole = await read(server, user, target, { take: (chunk) => { text += chunk; }, signal });
  if (!isWhole) return;
  const { results, last_seq } = JSON.parse(text);
  results.forEach(row);
  position(last_seq);
}

function line(row) {
  return (text) => {
    const entry = text.trim() === '' ? {} : JSON.parse(text);
    if (entry.id !== undefined) row(entry);
  };
}

function event(row) {
  return (text) => {
    const data = text.split('\n').find((each) => each.startsWith('data:'));
    if (data) line(row)(data.slice('data:'.length));
  };
}

function socket(server, user, target, query, { row, signal }) {
  return new Promise((resolve) => {
    const url = `${server.publicUrl.replace('http', 'ws')}${target}?feed=websocket`;
    const peer = new WebSocket(url, { headers: authorization(user) });
    const end = () => peer.terminate();
    signal.addEventListener('abort', end);
    peer.on('open', () => peer.send(JSON.stringify(query)));
    peer.on('message', (bytes) => {
      if (bytes.length > 0) JSON.parse(bytes).forEach(row);
    });
    peer.on('error', () => {});
    peer.on('close', () => {
      signal.removeEventListener('abort', end);
      resolve();
    });
  });
}

/**
 * Follows a feed until it ends, is cut, or `signal` aborts it; never throws for that.
 * @param query parameters of `_changes`, `feed` among them
 * @param row is called with every row
 * @param position is called with the position at the end of a whole page
 */
export async function readFeed(server, database, user, query, { row, position, signal }) {
  const target = `/${database}/_changes`;
  const whole = `${target}?${new URLSearchParams(query)}`;
  const reading = { row, position, signal };
  switch (query.feed) {
    case 'continuous':
      return read(server, user, whole, { take: pieces('\n', line(row)), signal });
    case 'eventsource':
      return read(server, user, whole, { take: pieces('\n\n', event(row)), signal });
    case 'websocket':
      return socket(server, user, target, query, reading);
    default:
      return page(server, user, whole, reading);
  }
}
