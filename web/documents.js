// SPDX-License-Identifier: Apache-2.0
// A document by its id: what is stored, and why a user sees it or does not.
import { html, useEffect, useState } from './htm-preact.js';
import { api } from './api.js';
import { number, pretty } from './format.js';
import { Badge, Card, Chips, Field, Problem, Table, useRequest } from './parts.js';

const kChannelColumns = [
  { title: 'Channel', cell: ({ channel }) => channel },
  { title: 'Since sequence', isNumber: true, cell: ({ since }) => number(since) },
  { title: 'Given by', cell: giver },
];

const kGivers = { admin: 'an administrator', token: 'a token', configuration: 'the configuration' };
const byWhom = (by, document) => (by === 'document' ? `document ${document}` : kGivers[by]);

function giver(grant) {
  if (grant.by === 'everyone') return 'everyone has it';
  const by = byWhom(grant.by, grant.document);
  if (!grant.role) return by;
  const roleBy = byWhom(grant.role_by, grant.role_document);
  return `${by}, through the role ${grant.role} (given by ${roleBy})`;
}

function Verdict({ explained }) {
  const { document: doc, user, readable } = explained;
  const sees = readable ? 'sees' : 'does not see';
  return html`<div class="verdict ${readable ? 'good' : 'bad'}">
    <p><strong>${user.name} ${sees} ${doc.id}</strong></p>
    ${readable
      ? html`<p>Through <${Chips} names=${explained.through} /></p>
          <p>A feed that begins at 0 has it at <code>${explained.seq}</code>${explained.is_stable
            ? '.' : ', as yet only in the mode “available”.'}</p>`
      : html`<p>Because ${explained.reason}.</p>`}
  </div>`;
}

function Explained({ explained }) {
  const { document: doc, user } = explained;
  const lost = user.lost ?? [];
  return html`
    <${Verdict} explained=${explained} />
    <h3>The document's channels</h3>
    <${Chips} names=${(doc.channels ?? []).map(({ channel }) => channel)} empty="It is in none." />
    ${doc.left?.length > 0 && html`<h3>Channels that it left</h3>
      <${Chips} names=${doc.left.map(({ channel, at }) => `${channel} at ${number(at)}`)} />`}
    <h3>The user's channels</h3>
    <${Table} caption="The user's channels" columns=${kChannelColumns} rows=${user.channels ?? []}
      keyOf=${(grant) => JSON.stringify(grant)} empty="None." />
    ${lost.length > 0 && html`<h3>Channels that the user lost</h3>
      <${Chips} names=${lost.map(({ channel, until }) => `${channel} at ${number(until)}`)} />`}`;
}

function Stored({ name, id }) {
  const [{ value, error }, run] = useRequest();
  useEffect(() => { run(() => api.raw(name, id)); }, [name, id]);
  if (!value) return html`<${Problem} error=${error} />`;
  const { _sync: sync, ...doc } = value;
  const mark = doc._deleted === true && html`<${Badge} tone="warn">Deleted<//>`;
  return html`<${Card} title="Stored" actions=${mark}>
    <dl class="facts">
      <div><dt>Revision</dt><dd><code>${doc._rev}</code></dd></div>
      <div><dt>Sequence</dt><dd>${number(sync.sequence)}</dd></div>
      <div><dt>Channels</dt><dd><${Chips} names=${sync.channels
        .filter(({ since }) => since !== undefined).map(({ channel }) => channel)} /></dd></div>
    </dl>
    <pre tabindex="0" aria-label="The document">${pretty(doc)}</pre>
    <details><summary>What is kept about it</summary>
      <pre tabindex="0" aria-label="What is kept about the document">${pretty(sync)}</pre></details>
  <//>`;
}

function Explain({ name, id }) {
  const [user, setUser] = useState('');
  const [users, findUsers] = useRequest();
  const [{ value, error, isBusy }, run] = useRequest();
  useEffect(() => { findUsers(() => api.users(name)); }, [name]);
  useEffect(() => { if (user) run(() => api.explain(name, id, user)); }, [name, id]);
  const submit = (event) => {
    event.preventDefault();
    run(() => api.explain(name, id, user));
  };
  return html`<${Card} title="Why does a user see it?">
    <form class="row" onSubmit=${submit}>
      <${Field} label="User">
        <input name="user" list="users" required autocomplete="off" value=${user}
          onInput=${(event) => setUser(event.target.value)} />
        <datalist id="users">${(users.value ?? []).map((each) => html`
          <option value=${each} />`)}</datalist>
      <//>
      <button class="primary" disabled=${isBusy}>Explain</button>
    </form>
    <${Problem} error=${error} />
    ${value && html`<div aria-live="polite"><${Explained} explained=${value} /></div>`}
  <//>`;
}

export function Documents({ name, id }) {
  const [text, setText] = useState(id ?? '');
  const [{ value, error }, run] = useRequest();
  useEffect(() => {
    const timer = setTimeout(() => run(() => api.idsFrom(name, text)), 150);
    return () => clearTimeout(timer);
  }, [name, text]);
  const place = (found) => `#/${encodeURIComponent(name)}/documents/${encodeURIComponent(found)}`;
  const submit = (event) => {
    event.preventDefault();
    if (text) location.hash = place(text);
  };
  return html`
    <${Card} title="Find a document">
      <form class="row" role="search" onSubmit=${submit}>
        <${Field} label="Its id, or the beginning of it">
          <input name="id" type="search" autocomplete="off" spellcheck="false" value=${text}
            onInput=${(event) => setText(event.target.value)} />
        <//>
        <button class="primary">Open</button>
      </form>
      <${Problem} error=${error} />
      ${value && (value.rows.length === 0
        ? html`<p class="empty">${text
          ? "No document's id begins so." : 'There is no document yet.'}</p>`
        : html`<ul class="found" aria-label="Documents found">${value.rows.map((row) => html`
          <li key=${row.id}><a href=${place(row.id)}
            aria-current=${row.id === id ? 'true' : undefined}>${row.id}</a></li>`)}</ul>`)}
    <//>
    ${id && html`<div class="columns">
      <${Explain} name=${name} id=${id} />
      <${Stored} name=${name} id=${id} key=${`stored ${id}`} />
    </div>`}`;
}
