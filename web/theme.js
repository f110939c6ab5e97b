// SPDX-License-Identifier: Apache-2.0
// Colours for what is drawn on a canvas, which knows no style sheet.

const dark = matchMedia('(prefers-color-scheme: dark)');

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Calls `changed` whenever the system changes between light and dark; returns what ends that. */
export function onThemeChange(changed) {
  dark.addEventListener('change', changed);
  return () => dark.removeEventListener('change', changed);
}
