// SPDX-License-Identifier: Apache-2.0
// The console: the address after `#` says what is shown, and every two seconds the server is asked
// how it is.
import { html, render, useEffect, useRef, useState } from './htm-preact.js';
import { api } from './api.js';
import { Channels, DatabaseOverview, StateBadge } from './database.js';
import { Documents } from './documents.js';
import { rate, time } from './format.js';
import { Overview } from './overview.js';
import { Problem, usePolling } from './parts.js';
import { SyncFunction } from './sync.js';

const kEvery = 2000;
/** Points of the plot: five minutes. */
const kHistory = 150;
const kTabs = [
  ['', 'Overview'], ['channels', 'Channels'], ['documents', 'Documents'], ['sync', 'Sync function'],
];

/** "#/DB/TAB/ID" as {database, tab, id}, decoded; a tab that is not there is the first. */
function readPlace() {
  const parts = location.hash.replace(/^#\/?/, '').split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  const isTab = kTabs.some(([key]) => key === parts[1]);
  return { database: parts[0] || undefined, tab: isTab ? parts[1] : '', id: parts[2] || undefined };
}

function usePlace() {
  const [place, setPlace] = useState(readPlace);
  useEffect(() => {
    const moved = () => setPlace(readPlace());
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  return place;
}

/** What of each database the plot shows; databases that are gone are forgotten. */
function grow(histories, databases, at) {
  return new Map(databases.filter(({ stable }) => stable !== undefined)
    .map(({ name, stable, highest }) =>
      [name, [...(histories.get(name) ?? []), { at, stable, highest }].slice(-kHistory)]));
}

function ratesOf(before, status, at) {
  const seconds = before ? (at - before.at) / 1000 : 0;
  return {
    requests: rate(before?.status.requests.answered, status.requests.answered, seconds),
    rows: rate(before?.status.feeds.rows_sent, status.feeds.rows_sent, seconds),
  };
}

/** {status, cluster, rates, histories, at}, and `error` if the server did not answer last time. */
function useServer() {
  const [state, setState] = useState({ histories: new Map() });
  const latest = useRef(state);
  latest.current = state;
  usePolling(async () => {
    try {
      const status = await api.status();
      const cluster = status.is_cluster ? await api.cluster() : undefined;
      const at = Date.now();
      const before = latest.current;
      setState({ status, cluster, at,
        rates: ratesOf(before.status && before, status, at),
        histories: grow(before.histories, status.databases, at) });
    } catch (error) {
      setState((before) => ({ ...before, error }));
    }
  }, kEvery, []);
  return state;
}

function stateOf({ status, error, at }) {
  if (error) return at ? `No answer since ${time(at)}` : 'No answer';
  return status ? 'Live' : 'Connecting…';
}

function Header({ server }) {
  const { status, error } = server;
  return html`<header class="top">
    <a class="brand" href="#/"><img src="icon.svg" alt="" width="28" height="28" />Headgate</a>
    <span class="version">${status && `Version ${status.version}`}</span>
    <span class="live ${error ? 'bad' : status ? 'good' : ''}" role="status">
      ${stateOf(server)}</span>
  </header>`;
}

function Tabs({ database, tab }) {
  const place = (key) => `#/${encodeURIComponent(database)}${key && `/${key}`}`;
  return html`<nav class="tabs" aria-label="Views of the database">
    ${kTabs.map(([key, title]) => html`<a key=${key} href=${place(key)}
      aria-current=${key === tab ? 'page' : undefined}>${title}</a>`)}
  </nav>`;
}

function Database({ server, place }) {
  const { database: name, tab, id } = place;
  const known = server.status.databases.find((each) => each.name === name);
  return html`
    <p class="crumbs"><a href="#/">Overview</a></p>
    <h1>${name} <${StateBadge} database=${known} /></h1>
    <${Tabs} database=${name} tab=${tab} />
    ${tab === '' && html`
      <${DatabaseOverview} name=${name} key=${name} history=${server.histories.get(name) ?? []} />`}
    ${tab === 'channels' && html`<${Channels} name=${name} key=${name} />`}
    ${tab === 'documents' && html`<${Documents} name=${name} id=${id} key=${name} />`}
    ${tab === 'sync' && html`<${SyncFunction} name=${name} key=${name} />`}`;
}

function App() {
  const server = useServer();
  const place = usePlace();
  useEffect(() => {
    document.title = place.database ? `${place.database} – Headgate` : 'Headgate console';
  }, [place.database]);
  const skip = (event) => {
    event.preventDefault();  // an address after `#` would be a place
    document.getElementById('main').focus();
  };
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header} server=${server} />
    <main id="main" tabindex="-1">
      ${!server.status && html`<${Problem} error=${server.error} />`}
      ${server.status && (place.database
        ? html`<${Database} server=${server} place=${place} />`
        : html`<${Overview} ...${server} />`)}
    </main>`;
}

const app = document.getElementById('app');
app.replaceChildren();
render(html`<${App} />`, app);
