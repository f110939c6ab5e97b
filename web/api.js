// SPDX-License-Identifier: Apache-2.0
// The admin port as the console uses it. Addresses are relative to the page's folder.

/** An answer that is no success: its text is for people. */
export class ApiError extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

async function send(method, path, body) {
  let answer;
  try {
    answer = await fetch(`../${path}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      cache: 'no-store',
    });
  } catch {
    throw new ApiError(0, 'The server does not answer.');
  }
  const text = await answer.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ApiError(answer.status, `The answer is no JSON (status ${answer.status}).`);
  }
  if (!answer.ok) throw new ApiError(answer.status, json.reason ?? `Status ${answer.status}`);
  return json;
}

/** `query` is an object; members that are undefined are left out. */
function address(segments, query = {}) {
  const path = segments.map(encodeURIComponent).join('/');
  const parts = Object.entries(query).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return parts.length > 0 ? `${path}?${parts.join('&')}` : path;
}

const get = (segments, query) => send('GET', address(segments, query));

export const api = {
  status: () => get(['_status']),
  cluster: () => get(['_cluster']),
  database: (name) => get([name, '_status']),
  channels: (name, documents) => get([name, '_channels'], { documents }),
  config: (name) => get([name, '_config']),
  setConfig: (name, config) => send('PUT', address([name, '_config']), config),
  users: (name) => get([name, '_user'], { limit: 1000 }),
  /** Ids that begin with a text. */
  idsFrom: (name, prefix) => get([name, '_all_docs'], {
    startkey: JSON.stringify(prefix), endkey: JSON.stringify(`${prefix}\uffff`), limit: 12 }),
  raw: (name, id) => get([name, '_raw', id]),
  explain: (name, doc, user) => get([name, '_explain'], { doc, user }),
  trySync: (name, trial) => send('POST', address([name, '_sync', 'try']), trial),
};
