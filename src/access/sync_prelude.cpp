// SPDX-License-Identifier: Apache-2.0
#include "access/sync_prelude.hpp"

namespace headgate {

// Everything below the line "frozen" may rely on built-in methods: no sync function has run before
// they were frozen. What is never frozen (`run`) is out of a sync function's reach.
const std::string_view kSyncPrelude = R"JS((function () {
'use strict';
const {parse, stringify} = JSON;
const {isArray} = Array;
const {ownKeys} = Reflect;
const {freeze, isFrozen, getPrototypeOf, getOwnPropertyDescriptor} = Object;
const {InternalError: EngineError, String: text} = globalThis;
const maxLogLines = 20, maxLogLength = 500;
const loneSurrogate = /[\ud800-\udfff]/u;

const kept = new Set(['Object', 'Array', 'String', 'Number', 'Boolean', 'Symbol', 'Date',
  'Math', 'JSON', 'Map', 'Set', 'WeakMap', 'WeakSet', 'Error', 'TypeError', 'RangeError',
  'SyntaxError', 'ReferenceError', 'EvalError', 'URIError', 'parseInt', 'parseFloat', 'isNaN',
  'isFinite', 'decodeURI', 'decodeURIComponent', 'encodeURI', 'encodeURIComponent', 'escape',
  'unescape', 'undefined', 'NaN', 'Infinity', 'globalThis']);

let run = null;

function reject(code, reason) {
  if (run.code !== '') return;
  run.code = code;
  run.reason = reason;
}

function print(values) {
  if (run.log.length >= maxLogLines) return;
  let line = '';
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const shown = typeof value === 'object' ? stringify(value) : text(value);
    line += (i > 0 ? ' ' : '') + shown;
  }
  run.log.push(line.slice(0, maxLogLength));
}

function strings(value, what) {
  const found = [];
  const list = isArray(value) ? value : [value];
  for (let i = 0; i < list.length; i++) {
    const item = list[i];
    if (typeof item === 'string') found.push(item);
    else if (item !== null && item !== undefined) print([what + ': not a string, ignored']);
  }
  return found;
}

// Names travel joined by commas, so none with a comma may leave.
function isChannel(name) {
  if (name !== '' && !name.includes(',')) return true;
  reject('invalid_argument', 'Illegal channel name: "' + name + '"');
  return false;
}

function isPrincipal(name) {
  if (name !== '' && !name.includes(',')) return true;
  reject('internal', 'Illegal user or role name: "' + name + '"');
  return false;
}

function channel(...values) {
  for (let i = 0; i < values.length; i++) {
    const names = strings(values[i], 'channel');
    for (let k = 0; k < names.length; k++) {
      if (isChannel(names[k])) run.tokens.push('c' + names[k]);
    }
  }
}

function access(users, channels) {
  const names = strings(users, 'access').filter(isPrincipal);
  const granted = strings(channels, 'access').filter(name => name !== '*' && isChannel(name));
  for (let i = 0; i < names.length; i++) {
    for (let k = 0; k < granted.length; k++) run.tokens.push('a' + names[i], granted[k]);
  }
}

function role(users, roles) {
  const names = strings(users, 'role').filter(isPrincipal);
  const granted = strings(roles, 'role').filter(isPrincipal);
  for (let k = 0; k < granted.length; k++) {
    if (!granted[k].startsWith('role:')) {
      reject('internal', 'Role without "role:" in a sync function: "' + granted[k] + '"');
    }
    for (let i = 0; i < names.length; i++) run.tokens.push('r' + names[i], granted[k].slice(5));
  }
}

function expiry(value) {
  if (value === null || value === undefined) return;
  const shown = stringify(value);
  if (shown !== undefined) run.expiry = shown;
}

function requireAny(value, isHeld, reason) {
  if (run.user === null) return;
  const list = isArray(value) ? value : [value];
  for (let i = 0; i < list.length; i++) {
    if (typeof list[i] === 'string' && isHeld(list[i])) return;
  }
  throw {forbidden: reason};
}
function isIn(joined, name) {
  return name !== '' && !name.includes(',') && joined.includes(',' + name + ',');
}
function requireUser(names) {
  requireAny(names, name => name === run.user, 'sg wrong user');
}
function requireRole(names) {
  requireAny(names, name => isIn(run.roles, name), 'sg missing role');
}
function requireAccess(names) {
  requireAny(names, name => isIn(run.channels, name), 'sg missing channel access');
}
function requireAdmin() {
  requireAny([], null, 'sg admin required');
}

function thrown(e) {
  if (e !== null && e !== undefined) {
    if (e.forbidden) return reject('forbidden', text(e.forbidden));
    if (e.unauthorized) return reject('unauthorized', text(e.unauthorized));
  }
  if (e instanceof EngineError && e.message === 'too much recursion') {
    return reject('internal', 'sync function: too much recursion');
  }
  reject('internal', 'Exception in JS sync function');
  run.exception = text(e) + (e instanceof Error ? ' (line ' + e.lineNumber + ')' : '');
}

function open(user, channels, roles) {
  run = {tokens: [], code: '', reason: '', expiry: '', log: [], exception: '', user,
    channels: ',' + channels + ',', roles: ',' + roles + ','};
}
function close() {
  const done = run;
  run = null;
  const tokens = done.tokens.join(',');
  if (done.code === '' && loneSurrogate.test(tokens)) {
    done.code = 'invalid_argument';
    done.reason = 'Illegal name: not Unicode text';
  }
  return [tokens, done.code, done.reason, done.expiry, done.exception,
    done.log.join('\n')];
}

function freezeDeep(...roots) {
  while (roots.length > 0) {
    const object = roots.pop();
    if (object === null || (typeof object !== 'object' && typeof object !== 'function')) continue;
    if (isFrozen(object)) continue;
    freeze(object);
    roots.push(getPrototypeOf(object));
    const keys = ownKeys(object);
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === 'name' || keys[i] === 'length') continue;
      const property = getOwnPropertyDescriptor(object, keys[i]);
      roots.push(property.value, property.get, property.set);
    }
  }
}

return function prepare({RegExp, allow}) {
  for (const key of ownKeys(globalThis)) {
    if (!kept.has(key)) delete globalThis[key];
  }
  const log = (...values) => print(values);
  const console = {log, info: log, warn: log, error: log, debug: log};
  const added = {RegExp, channel, access, role, expiry, requireUser, requireRole, requireAccess,
    requireAdmin, console};
  for (const name of ownKeys(added)) globalThis[name] = added[name];
  freezeDeep(globalThis, [][Symbol.iterator](), ''[Symbol.iterator](), new Map()[Symbol.iterator](),
    new Set()[Symbol.iterator](), /a/[Symbol.matchAll](''), function* () {}, async function () {},
    async function* () {}, (function () { return arguments; })());
  // frozen
  return function bind(sync) {
    freezeDeep(sync);
    return function call(doc, oldDoc, user, channels, roles) {
      const newBody = parse(doc);
      const oldBody = oldDoc === '' ? null : parse(oldDoc);
      open(user, channels, roles);
      allow(doc.length + oldDoc.length);
      try {
        sync(newBody, oldBody, {xattrs: {}});
      } catch (e) {
        try {
          thrown(e);
        } catch (x) {
          reject('internal', 'Exception in JS sync function');
        }
      }
      return close();
    };
  };
};
})())JS";

const std::string_view kSyncSourceCheck = R"JS((function (source, maxPattern) {
  'use strict';
  const body = Reflect.parse(source, {loc: false}).body;
  const node = body.length === 1 ? body[0].expression : null;
  if (!node || (node.type !== 'FunctionExpression' && node.type !== 'ArrowFunctionExpression')) {
    return 'a sync function is one function expression: function (doc, oldDoc, meta) {...}';
  }
  if (node.async || node.generator) return 'a sync function is neither async nor a generator';
  const rest = [node];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next === 'bigint') return 'a sync function has no BigInt: nothing bounds its work';
    if (next === null || typeof next !== 'object') continue;
    if (next instanceof RegExp && next.source.length > maxPattern) {
      return 'a regular expression has at most ' + maxPattern + ' characters';
    }
    for (const key of Object.keys(next)) rest.push(next[key]);
  }
  return '';
}))JS";

}  // namespace headgate
