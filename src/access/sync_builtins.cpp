// SPDX-License-Identifier: Apache-2.0
#include "access/sync_builtins.hpp"

namespace headgate {

// A search takes up to the product of both lengths: half a second for the work that is allowed. A
// text of the document may always be searched for one of some 250 characters. To normalize and to
// collate takes the square of a run of combining marks; to find a locale, that of its name's parts.
const std::string_view kSyncBuiltins = R"JS((function (maxPattern) {
'use strict';
const {construct, apply, ownKeys} = Reflect;
const {defineProperty, getOwnPropertyDescriptor} = Object;
const {RegExp: NativeRegExp, String: text, TypeError, RangeError} = globalThis;
const sourceOf = getOwnPropertyDescriptor(NativeRegExp.prototype, 'source').get;
const workPerMebibyte = 1 << 28, mebibyte = 1 << 20, maxNormalized = 10000, maxLocale = 100;
let work = workPerMebibyte;

function allow(length) {
  work = workPerMebibyte * (1 + length / mebibyte);
}
function checkSearch(length, sought) {
  if (length * sought > work) throw new RangeError('too long to be searched for so long a text');
}
function checkLength(value, most, what) {
  if (value.length > most) throw new RangeError(what + ' has at most ' + most + ' characters');
  return value;
}
const pattern = value => checkLength(text(value), maxPattern, 'a regular expression');

function isNative(value) {
  try {
    apply(sourceOf, value, []);
    return true;
  } catch (e) {
    return false;
  }
}
// The native constructor remembers the last match of anybody (RegExp.$1).
function RegExp(source, flags) {
  const checked = source === undefined || isNative(source) ? source : pattern(source);
  return construct(NativeRegExp, [checked, flags], new.target || RegExp);
}
RegExp.prototype = NativeRegExp.prototype;
RegExp.prototype.constructor = RegExp;
delete RegExp.prototype.compile;

// `make` gets the native method and returns the one to call with `self` as a text.
function replace(prototype, names, make) {
  for (const name of names) {
    const native = prototype[name];
    const call = make((self, args) => apply(native, self, args), name);
    defineProperty(prototype, name, {value: {[name](...args) {
      if (this === null || this === undefined) return apply(native, this, args);
      return call(prototype === text.prototype ? text(this) : this, args);
    }}[name]});
  }
}
function isRegExp(value) {
  if (value === null || typeof value !== 'object') return false;
  const match = value[Symbol.match];
  return match === undefined ? isNative(value) : !!match;
}
function checkGlobal(value) {
  if (isRegExp(value) && !text(value.flags).includes('g')) throw new TypeError('needs the flag g');
}

replace(text.prototype, ['indexOf', 'lastIndexOf', 'includes'], (native, name) => (self, args) => {
  if (name === 'includes' && isRegExp(args[0])) throw new TypeError('not a regular expression');
  args[0] = text(args[0]);
  checkSearch(self.length, args[0].length);
  return native(self, args);
});

// What has a method for it takes over; of anything else the text is sought.
const takeOver = (symbol, isGlobal, otherwise) => native => (self, args) => {
  const value = args[0];
  if (value !== null && typeof value === 'object') {
    if (isGlobal) checkGlobal(value);
    const method = value[symbol];
    if (method !== null && method !== undefined) {
      args[0] = self;
      return apply(method, value, args);
    }
  }
  if (value !== undefined) otherwise(self, args);
  return native(self, args);
};
const search = (self, args) => {
  args[0] = text(args[0]);
  checkSearch(self.length, args[0].length);
};
const compile = (self, args) => {
  args[0] = pattern(args[0]);
};
replace(text.prototype, ['split'], takeOver(Symbol.split, false, search));
replace(text.prototype, ['replace'], takeOver(Symbol.replace, false, search));
replace(text.prototype, ['replaceAll'], takeOver(Symbol.replace, true, search));
replace(text.prototype, ['match'], takeOver(Symbol.match, false, compile));
replace(text.prototype, ['matchAll'], takeOver(Symbol.matchAll, true, compile));
replace(text.prototype, ['search'], takeOver(Symbol.search, false, compile));

const normalized = value => checkLength(text(value), maxNormalized, 'a normalized text');
const locale = value => checkLength(text(value), maxLocale, 'the name of a locale');
function locales(value) {
  if (value === null || value === undefined) return value;
  if (typeof value !== 'object') return locale(value);
  const names = [];
  for (let i = 0; i < value.length; i++) names.push(locale(value[i]));
  return names;
}
const inLocale = native => (self, args) => {
  args[0] = locales(args[0]);
  return native(self, args);
};
replace(text.prototype, ['normalize'], native => (self, args) => {
  normalized(self);
  return native(self, args);
});
replace(text.prototype, ['localeCompare'], native => (self, args) => {
  normalized(self);
  return native(self, [normalized(args[0]), locales(args[1]), args[2]]);
});
replace(text.prototype, ['toLocaleUpperCase', 'toLocaleLowerCase'], inLocale);
replace(Number.prototype, ['toLocaleString'], inLocale);
replace(Date.prototype, ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString'], inLocale);

// Texts of one length are compared to their ends.
replace(Array.prototype, ['indexOf', 'lastIndexOf', 'includes'], native => (self, args) => {
  if (typeof args[0] === 'string') checkSearch(self.length, args[0].length);
  return native(self, args);
});

return {RegExp, allow};
}))JS";

}  // namespace headgate
