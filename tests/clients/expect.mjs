// SPDX-License-Identifier: Apache-2.0
// Assertions on answers of the server.
import assert from 'node:assert/strict';

const kTokens = {
  400: ['bad_request', 'doc_validation'],
  401: ['unauthorized'],
  403: ['forbidden'],
  404: ['not_found'],
  405: ['method_not_allowed'],
  406: ['not_acceptable'],
  408: ['timeout', 'request_timeout'],
  409: ['conflict'],
  412: ['file_exists'],
  413: ['too_large', 'document_too_large', 'request_entity_too_large'],
  415: ['bad_content_type'],
  416: ['requested_range_not_satisfiable'],
};

/** An error body as CouchDB clients read it: lower-case token, a reason for people. */
export function expectError(answer, status, what = '') {
  assert.equal(answer.status, status, `${what} ${answer.text}`);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/, what);
  const { error, reason } = answer.json ?? {};
  assert.match(`${error}`, /^[a-z_]+$/, `${what}: token in lower case: ${answer.text}`);
  if (kTokens[status]) assert.ok(kTokens[status].includes(error), `${what}: ${answer.text}`);
  assert.equal(typeof reason, 'string', what);
  assert.notEqual(reason, '', what);
}

export function expectStatus(answer, status, what = '') {
  assert.equal(answer.status, status, `${what} ${answer.text.slice(0, 500)}`);
  return answer.json;
}

/** Follows last_seq page by page until a page is empty; fails if that does not happen. */
export async function allPages(server, database, user, query, pagesMax = 500) {
  const pages = [];
  let { since = '0' } = query;
  for (;;) {
    assert.ok(pages.length < pagesMax, `no empty page within ${pagesMax} pages, since=${since}`);
    const page = await server.changes(database, user, { ...query, since });
    if (page.results.length === 0) return pages;
    pages.push(page);
    since = page.last_seq;
  }
}
