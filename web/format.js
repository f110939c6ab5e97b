// SPDX-License-Identifier: Apache-2.0
// Figures as people read them.

const kNumber = new Intl.NumberFormat('en');
const kShort = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const kTime = new Intl.DateTimeFormat('en', {
  hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const kDay = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' });

export const number = (value) => kNumber.format(value);
export const short = (value) => (value < 100_000 ? kNumber.format(value) : kShort.format(value));
export const time = (ms) => kTime.format(new Date(ms));
export const day = (ms) => kDay.format(new Date(ms));
export const pretty = (value) => JSON.stringify(value, null, 2);

/** "3 channels", "1 channel". */
export const count = (value, one) => `${number(value)} ${value === 1 ? one : `${one}s`}`;

/** A rate for each second, from two counts; none before the second look. */
export function rate(before, after, seconds) {
  if (before === undefined || seconds <= 0) return undefined;
  return Math.max(0, (after - before) / seconds);
}

export function rateText(value) {
  if (value === undefined) return '–';
  return value >= 10 || value === 0 ? number(Math.round(value)) : value.toFixed(1);
}
