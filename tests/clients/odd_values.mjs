// SPDX-License-Identifier: Apache-2.0
// Values that have been trouble somewhere, for the requests of request_generator.mjs.

/** Odd, long, or something else in another language. */
export const oddTexts = [
  '', ' ', '\0', '"', '\\', "'", '%', '+', ',', '/', '//', '..', '../..', '?a=b', '#', '\n', '\t',
  '\r\nX-Bad: 1', '\u007f', '\ufeff', '\u202e', 'e\u0301', '😀', '\u{10ffff}', 'x'.repeat(251),
  'x'.repeat(5000), 'null', 'true', 'NaN', '-1', '0', '00', '1e9', '1.5', '0x10', '4294967296',
  '9223372036854775808', '18446744073709551615', '18446744073709551616', '[]', '{}', '[[', '["a"',
  '[null]', '[1]', '{"a":1}', '"a"', '_design', '_design/', '_local/', '_x', '_user/alice', '*',
  '1-', '-a', '0-a', '1-a', '2-b', '99999999999999999999-a', '::', '1:', ':1', '1::2', '1:2:3',
  '5:4:3:2', 'now', '$(id)', '{{', '<a>', 'a,b', ',,', '!', 'GUEST', 'role:x', 'bytes=0-',
  'bytes=5-2', 'bytes=-0', '*/*', 'multipart/mixed', 'W/"x"', 'Basic', 'Bearer x',
];

/** Percent-encoded or not, and not always well. */
export const oddEncodings = [
  '%', '%2', '%zz', '%ff', '%c0%80', '%00', '%2F', '%252F', '%e2%82', '%ed%a0%80', '+', '%0d%0a',
  '..%2f', '%20', '&', '=', ';', '*',
];

export const oddQueries = ['', '=', 'a', '%=%', 'x=%ff', 'rev', '&', 'a[]=1'];
export const oddPathEnds = ['/', '//', '/x', '/../x', '/x/y/z', '/%2F'];
export const oddMethods = ['OPTIONS', 'PATCH', 'COPY', 'TRACE', 'POST', 'PUT', 'GET'];
export const oddDatabases = ['none', ' ', '\0', 'Upper', '_x', '1a', 'x'.repeat(300), 'ä', '%'];
export const oddBodies = ['', ' ', 'null', '[', '{"a":', '"', '-', '1e', '[1,]', '\0'];

/** Nested lists and objects in turn. */
function deep(levels) {
  let value = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 ? { a: value } : [value];
  return value;
}

export const oddValues = [
  null, true, false, 0, -1, 1.5, 1e300, 2 ** 53, -(2 ** 63), '', 'x', '\ud800', [], [[]], [null],
  {}, { '': {} }, { _id: 5 }, 'x'.repeat(10_000), deep(50), deep(2000),
];

export const selectors = [
  {}, { value: 1 }, { value: { $gt: 3 } }, { $or: [{ value: 1 }, {}] }, { $nope: 1 },
  { value: { $regex: '(a+)+$' } }, { $not: { value: { $in: [1, 'x', null] } } },
  { value: { $mod: [0, 1] } }, { 'a.b.c': { $exists: false } }, { value: { $all: 5 } },
  { value: { $elemMatch: { $size: -1 } } }, { $and: 'x' }, { value: { $type: 'number' } },
  { channels: { $allMatch: { $eq: 'red' } } },
];

/** Good ones, and some that are no functions; none that fails for a document, which is a 500. */
export const syncFunctions = [
  'function (doc) { channel(doc.channels); }',
  'function (doc, old) { channel("red", [doc._id]); }',
  'function (doc) { channel(doc.channels); expiry(null); }',
  'function () {', '5', '', '})(); (function () {',
];

export const contentTypes = [
  'application/json', 'application/json; charset=utf-8', 'application/json;charset=latin1',
  'text/plain', 'text/html', 'image/svg+xml', 'application/x-www-form-urlencoded',
  'multipart/related', 'multipart/related; boundary=b', 'multipart/related; boundary="',
  'multipart/mixed; boundary=b', '/', ';', 'x/',
];

export const accepts = [
  '*/*', 'application/json', 'multipart/mixed', 'multipart/related', 'text/html',
  'multipart/*;q=0.1', ';;q', 'application/json;q=0', 'multipart/related, */*',
];

export const oddLogins = [
  {}, { Authorization: 'Bearer ' }, { Authorization: 'Bearer a.b.c' },
  { Authorization: 'Bearer e30.e30.e30' }, { Authorization: 'Bearer ..' }, { Authorization: '' },
  { Authorization: 'Basic' }, { Authorization: 'Basic !' }, { Authorization: 'Basic Og==' },
  { Authorization: 'Digest x' }, { Authorization: 'basic YTpi' }, { Cookie: ';' },
  { Cookie: 'SyncGatewaySession' }, { Cookie: 'SyncGatewaySession=;a=b' }, { Cookie: '=' },
];

export const oddHeaders = [
  ['Content-Type', contentTypes],
  ['Origin', ['null', 'http://x', '', 'x']],
  ['Host', ['evil.example', '', 'localhost:1', '[::1]', '127.0.0.1.x']],
  ['Content-Encoding', ['gzip', 'x']],
  ['X-Headgate-Durability', ['memory', 'x', '']],
  ['Access-Control-Request-Method', ['PUT', 'X']],
  ['Expect', ['100-continue', 'x']],
  ['Sec-WebSocket-Protocol', ['SyncGatewaySession_x', ',,']],
  ['Transfer-Encoding', ['chunked']],
  ['If-None-Match', ['*', '"', 'W/', ',,']],
  ['Accept-Encoding', ['gzip', 'gzip;q=0', '*', ';']],
  ['Connection', ['close', 'x']],
];
