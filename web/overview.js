// SPDX-License-Identifier: Apache-2.0
import { html } from './htm-preact.js';
import { number, rateText } from './format.js';
import { Badge, Card, Table, Tile, Tiles, toneOf } from './parts.js';

const kDatabaseColumns = [
  { title: 'Database',
    cell: ({ name }) => html`<a href=${`#/${encodeURIComponent(name)}`}>${name}</a>` },
  { title: 'State', cell: ({ state, failure }) => html`
    <${Badge} tone=${failure ? 'bad' : toneOf(state)}>${failure ? 'Stopped' : state}<//>` },
  { title: 'Stable', isNumber: true, cell: ({ stable }) => figure(stable) },
  { title: 'Highest', isNumber: true, cell: ({ highest }) => figure(highest) },
  { title: 'Lag', isNumber: true, cell: ({ lag }) => figure(lag) },
  { title: 'Feeds waiting', isNumber: true, cell: ({ feeds }) => figure(feeds) },
  { title: 'Repairs', isNumber: true, cell: ({ repairs }) => figure(repairs) },
  { title: 'Cache writer', cell: ({ is_cache_writer_here: isHere }) =>
    (isHere === undefined ? '–' : isHere ? 'this node' : 'another node') },
];

const kNodeColumns = [
  { title: 'Node',
    cell: ({ name, isThis }) => html`${name}${isThis && html` <small>this one</small>`}` },
  { title: 'Roles', cell: rolesOf },
  { title: 'Cache writer of', isNumber: true, cell: ({ cache_writer_of: led }) => number(led) },
  { title: 'Public address', cell: (node) => node.public },
  { title: 'State', cell: ({ is_leaving: isLeaving }) => html`
    <${Badge} tone=${isLeaving ? 'warn' : 'good'}>${isLeaving ? 'Leaving' : 'Alive'}<//>` },
  { title: 'Version', cell: ({ version }) => version },
];

const figure = (value) => (value === undefined ? '–' : number(value));

function rolesOf(node) {
  const roles = [];
  if (node.takes_writes) roles.push('front end');
  if (node.serves_feeds) roles.push('reader');
  if (node.may_write_cache) roles.push('cache writer');
  return roles.join(', ') || 'none';
}

function Nodes({ cluster }) {
  const nodes = cluster.nodes.map((node) => ({ ...node, isThis: node.id === cluster.node }));
  return html`<${Card} title="Nodes">
    <${Table} caption="Nodes of the cluster" columns=${kNodeColumns} rows=${nodes}
      keyOf=${({ id }) => id} empty="No node is known yet." />
  <//>`;
}

export function Overview({ status, rates, cluster }) {
  const { databases, feeds } = status;
  const isShortened = databases.length < status.database_count;
  const lag = databases.reduce((sum, database) => sum + (database.lag ?? 0), 0);
  return html`
    <h1>Overview</h1>
    <${Tiles}>
      <${Tile} label="Databases" value=${number(status.database_count)} />
      <${Tile} label="Requests a second" value=${rateText(rates.requests)} />
      <${Tile} label="Feeds connected" value=${number(feeds.longpoll + feeds.continuous)}
        note=${`${number(feeds.continuous)} continuous, ${number(feeds.longpoll)} longpoll`} />
      <${Tile} label="Feed rows a second" value=${rateText(rates.rows)} />
      <${Tile} label="Sequences not yet stable" value=${number(lag)} />
    <//>
    <${Card} title="Databases">
      <${Table} caption="Databases" columns=${kDatabaseColumns} rows=${databases}
        keyOf=${({ name }) => name}
        empty="There is no database yet. PUT /NAME on this port makes one." />
      ${isShortened && html`<p class="note">The first ${number(databases.length)} by name.</p>`}
    <//>
    ${cluster && html`<${Nodes} cluster=${cluster} />`}`;
}
