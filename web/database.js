// SPDX-License-Identifier: Apache-2.0
// One database: its sequences, cache writer and channels.
import { html, useEffect, useState } from './htm-preact.js';
import { api } from './api.js';
import { count, day, number, rateText, time } from './format.js';
import {
  Badge, Card, Problem, Table, Tile, Tiles, toneOf, usePolling, useRequest,
} from './parts.js';
import { SequencePlot } from './plot.js';

const kEvery = 2000;
const kFirstCount = 10_000;
const kCountMore = 1_000_000;

const kKinds = {
  cache_work: 'Finished the cache work of a write',
  resequence: 'Gave a document a fresh sequence',
  bury: 'Closed a gap of unused sequences',
};

const kRepairColumns = [
  { title: 'Time', cell: ({ time_ms: at }) => html`<time datetime=${new Date(at).toISOString()}>
    ${day(at)}, ${time(at)}</time>` },
  { title: 'What', cell: ({ kind }) => kKinds[kind] ?? kind },
  { title: 'Sequence', isNumber: true, cell: ({ first, last }) =>
    (first === last ? number(first) : `${number(first)} to ${number(last)}`) },
  { title: 'Document', cell: ({ id }) => id ?? '–' },
];

const kChannelColumns = [
  { title: 'Channel', cell: ({ channel }) => channel },
  { title: 'Documents', isNumber: true, cell: ({ documents }) => number(documents) },
  { title: 'Left', isNumber: true, cell: ({ left }) => number(left) },
  { title: 'Times changed', isNumber: true, cell: ({ counter }) => number(counter) },
  { title: 'Feeds waiting', isNumber: true, cell: ({ feeds }) => number(feeds) },
];

/** The status of one database, and again every two seconds. */
function useDatabase(name) {
  const [state, setState] = useState({});
  usePolling(async (isOver) => {
    let next;
    try {
      next = { status: await api.database(name) };
    } catch (error) {
      next = { error };
    }
    if (!isOver()) setState((before) => ({ status: before.status, ...next }));
  }, kEvery, [name]);
  return state;
}

function CacheWriter({ writer }) {
  const closed = count(writer.gaps_closed, 'gap');
  return html`<${Card} title="Cache writer" actions=${html`
    <${Badge} tone=${writer.is_here ? 'good' : 'calm'}>
      ${writer.is_here ? 'At work on this node' : 'Not on this node'}<//>`}>
    <${Tiles}>
      <${Tile} label="Feed entries seen" value=${number(writer.entries)} />
      <${Tile} label="Times published" value=${number(writer.published)} />
      <${Tile} label="Writes awaited" value=${number(writer.awaited)} />
      <${Tile} label="Open gaps" value=${number(writer.gaps)} tone=${writer.gaps ? 'warn' : ''} />
      <${Tile} label="Repairs"
        value=${number(writer.repairs + writer.resequences + writer.gaps_closed)}
        note=${`${number(writer.resequences)} resequenced, ${closed} closed`} />
      <${Tile} label="Given up" value=${number(writer.given_up)}
        tone=${writer.given_up ? 'bad' : ''} />
    <//>
    <h3>Recent repairs</h3>
    <${Table} caption="Recent repairs" columns=${kRepairColumns} rows=${writer.recent_repairs}
      keyOf=${(repair) => `${repair.time_ms} ${repair.kind} ${repair.first}`}
      empty="Nothing had to be repaired since this node took the role." />
  <//>`;
}

export function DatabaseOverview({ name, history }) {
  const { status, error } = useDatabase(name);
  if (!status) return html`<${Problem} error=${error} />`;
  const past = history.at(-16) ?? history[0];
  const now = history.at(-1);
  const seconds = past && now ? (now.at - past.at) / 1000 : 0;
  const writes = seconds > 0 ? Math.max(0, now.highest - past.highest) / seconds : undefined;
  return html`
    <${Problem} error=${error ?? (status.failure && { message: status.failure })} />
    <${Tiles}>
      <${Tile} label="Stable sequence" value=${number(status.stable)} />
      <${Tile} label="Highest sequence" value=${number(status.highest)} />
      <${Tile} label="Lag" value=${number(status.lag)} />
      <${Tile} label="Sequences a second" value=${rateText(writes)}
        note="of the last half minute" />
      <${Tile} label="Feeds waiting" value=${number(status.feeds)} />
    <//>
    <${Card} title="Stable against highest sequence">
      <${SequencePlot} history=${history} />
    <//>
    <${CacheWriter} writer=${status.cache_writer} />`;
}

function whatWasCounted(answer) {
  const shown = answer.channels.length;
  const text = `${count(answer.documents_read, 'document')} read, ${
    count(answer.channel_count, 'channel')} found`;
  return shown < answer.channel_count ? `${text}, the ${number(shown)} largest shown.` : `${text}.`;
}

export function Channels({ name }) {
  const [{ value, error, isBusy }, run] = useRequest();
  const [documents, setDocuments] = useState(kFirstCount);
  const look = () => run(() => api.channels(name, documents));
  useEffect(() => { look(); }, [name, documents]);
  const again = html`<button disabled=${isBusy} onClick=${look}>
    ${isBusy ? 'Counting…' : 'Count again'}</button>`;
  return html`<${Card} title="Channels" actions=${again}>
    <${Problem} error=${error} />
    ${value && html`
      <p class="note">${whatWasCounted(value)}
        ${!value.is_complete && html` There are more documents.
          <button class="link" disabled=${isBusy} onClick=${() => setDocuments(kCountMore)}>
            Count up to a million</button>`}</p>
      <${Table} caption="Channels" columns=${kChannelColumns} rows=${value.channels}
        keyOf=${({ channel }) => channel} empty="No document is in a channel." />`}
  <//>`;
}

export function StateBadge({ database }) {
  if (!database) return null;
  const state = database.failure ? 'Stopped' : database.state;
  return html`<${Badge} tone=${database.failure ? 'bad' : toneOf(state)}>${state}<//>`;
}
