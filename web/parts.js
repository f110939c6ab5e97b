// SPDX-License-Identifier: Apache-2.0
// Pieces that several views are made of. Whatever a server sends gets into the page as text.
import { html, useEffect, useRef, useState } from './htm-preact.js';

export function Tile({ label, value, note, tone = '' }) {
  return html`<div class="tile ${tone}">
    <dt>${label}</dt>
    <dd>${value}${note && html`<small>${note}</small>`}</dd>
  </div>`;
}

export const Tiles = ({ children }) => html`<dl class="tiles">${children}</dl>`;

export function Card({ title, actions, children }) {
  return html`<section class="card" aria-label=${title}>
    <header><h2>${title}</h2>${actions}</header>
    ${children}
  </section>`;
}

export const Badge = ({ tone, children }) => html`<span class="badge ${tone}">${children}</span>`;

/** Tone of a database's or node's state. */
export const toneOf = (state) => ({ Online: 'good', Offline: 'bad' })[state] ?? 'warn';

/**
 * `columns` is a list of {title, cell, isNumber}; `cell` makes of a row what is shown. The first
 * column is the row's name.
 */
export function Table({ caption, columns, rows, keyOf, empty }) {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${`${caption}, scrolls`}>
    <table>
      <caption class="hidden">${caption}</caption>
      <thead><tr>${columns.map(({ title, isNumber }) => html`
        <th scope="col" class=${isNumber ? 'number' : ''}>${title}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${keyOf(row)}>
        ${columns.map(({ cell, isNumber }, index) => (index === 0
          ? html`<th scope="row">${cell(row)}</th>`
          : html`<td class=${isNumber ? 'number' : ''}>${cell(row)}</td>`))}
      </tr>`)}</tbody>
    </table>
  </div>`;
}

export function Problem({ error }) {
  return error ? html`<p class="problem" role="alert">${error.message}</p>` : null;
}

export function Chips({ names, empty = 'none' }) {
  if (names.length === 0) return html`<span class="empty">${empty}</span>`;
  return html`<ul class="chips">${names.map((name) => html`<li key=${name}>${name}</li>`)}</ul>`;
}

export function Field({ label, hint, children }) {
  return html`<label class="field"><span>${label}</span>${children}
    ${hint && html`<small>${hint}</small>`}</label>`;
}

/**
 * Something that is asked for by a click: [state, run]. `state` is {value, error, isBusy}; `run`
 * takes a function that returns a promise, and of several only the last one's result counts.
 */
export function useRequest() {
  const [state, setState] = useState({});
  const last = useRef(0);
  const run = async (ask) => {
    const mine = ++last.current;
    setState((before) => ({ ...before, isBusy: true }));
    let next;
    try {
      next = { value: await ask() };
    } catch (error) {
      next = { error };
    }
    if (mine === last.current) setState(next);
    return next.value;
  };
  return [state, run];
}

/** Calls `look` now and then every `ms` while the page is seen. */
export function usePolling(look, ms, keys) {
  useEffect(() => {
    let timer;
    let isOver = false;
    const turn = async () => {
      if (!document.hidden) await look(() => isOver);
      if (!isOver) timer = setTimeout(turn, ms);
    };
    turn();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, keys);
}
