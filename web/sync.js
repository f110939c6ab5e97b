// SPDX-License-Identifier: Apache-2.0
// The sync function: tried on a document, then saved.
import { html, useEffect, useState } from './htm-preact.js';
import { api } from './api.js';
import { number } from './format.js';
import { Badge, Card, Chips, Field, Problem, useRequest } from './parts.js';

const kDefault = `function (doc, oldDoc, meta) {
  channel(doc.channels);
}`;
const kDocument = `{
  "_id": "example",
  "channels": ["red"]
}`;

/** The text as JSON; a message that names the field if it is none. */
function parse(text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${what}: ${error.message}`);
  }
}

function trialOf({ source, doc, oldDoc, user }) {
  return {
    sync: source,
    doc: parse(doc, 'The document'),
    ...(oldDoc.trim() && { old_doc: parse(oldDoc, 'The document before') }),
    ...(user && { user }),
  };
}

function Grants({ title, grants }) {
  const names = Object.entries(grants)
    .flatMap(([who, what]) => what.map((each) => `${each} to ${who}`));
  return html`<div><dt>${title}</dt><dd><${Chips} names=${names} /></dd></div>`;
}

function Result({ tried }) {
  const { refusal } = tried;
  return html`<div class="verdict ${tried.accepted ? 'good' : 'bad'}">
      <p><strong>${tried.accepted ? 'It would be stored'
        : `It would be refused with ${refusal.status}`}</strong></p>
      ${refusal && html`<p>${refusal.error}: ${refusal.reason}</p>`}
      ${tried.exception && html`<p><code>${tried.exception}</code></p>`}
    </div>
    <dl class="facts">
      ${tried.accepted && html`
        <div><dt>Channels</dt><dd><${Chips} names=${tried.channels} /></dd></div>
        <${Grants} title="Channels granted" grants=${tried.access} />
        <${Grants} title="Roles granted" grants=${tried.roles} />
        ${tried.expiry !== undefined && html`
          <div><dt>Expires</dt><dd><code>${JSON.stringify(tried.expiry)}</code></dd></div>`}`}
      <div><dt>Took</dt><dd>${tried.duration_us < 10_000 ? `${number(tried.duration_us)} µs`
        : `${number(Math.round(tried.duration_us / 1000))} ms`}</dd></div>
    </dl>
    ${tried.console && html`<h3>Console</h3><pre>${tried.console}</pre>`}`;
}

function Save({ name, source, stored, saved }) {
  const [asks, setAsks] = useState(false);
  const [{ value, error, isBusy }, run] = useRequest();
  const isChanged = source !== stored;
  // What else somebody changed meanwhile is kept: the configuration is read just before.
  const save = () => run(async () => {
    const config = await api.config(name);
    const answer = await api.setConfig(name, { ...config, sync: source });
    setAsks(false);
    saved(source);
    return answer;
  });
  return html`
    ${asks
      ? html`<div class="ask" role="group" aria-label="Confirm">
          <p>Use this function for every write to “${name}” from now on? Documents that are there
            stay in their channels until a resync.</p>
          <button class="danger" disabled=${isBusy} onClick=${save}>Use it</button>
          <button onClick=${() => setAsks(false)}>Cancel</button>
        </div>`
      : html`<button disabled=${!isChanged} onClick=${() => setAsks(true)}>Save…</button>`}
    <${Problem} error=${error} />
    ${value && !isChanged && html`<p class="note" role="status">Saved.</p>`}`;
}

export function SyncFunction({ name }) {
  const [config, read] = useRequest();
  const [users, findUsers] = useRequest();
  const [stored, setStored] = useState(undefined);
  const [form, setForm] = useState({ source: '', doc: kDocument, oldDoc: '', user: '' });
  const [{ value, error, isBusy }, run] = useRequest();
  useEffect(() => {
    findUsers(() => api.users(name));
    read(async () => {
      const source = (await api.config(name)).sync || kDefault;
      setStored(source);
      setForm((before) => ({ ...before, source }));
    });
  }, [name]);
  const change = (member) => (event) => setForm({ ...form, [member]: event.target.value });
  const submit = (event) => {
    event.preventDefault();
    run(async () => api.trySync(name, trialOf(form)));
  };
  const found = users.value ? ` Known users: ${number(users.value.length)}.` : '';
  const area = (member, rows, wrap) => html`<textarea name=${member} rows=${rows}
    spellcheck="false" wrap=${wrap} value=${form[member]} onInput=${change(member)}></textarea>`;
  return html`
    <${Problem} error=${config.error} />
    <div class="columns">
      <${Card} title="Sync function" actions=${form.source !== stored && stored !== undefined
        && html`<${Badge} tone="warn">Not saved<//>`}>
        <form id="trial" onSubmit=${submit}>
          <${Field} label="Function">${area('source', 14, 'off')}<//>
        </form>
        <div class="row">
          <button class="primary" form="trial" disabled=${isBusy}>Try it</button>
          ${stored !== undefined && html`
            <${Save} name=${name} source=${form.source} stored=${stored} saved=${setStored} />`}
        </div>
      <//>
      <${Card} title="Try it on a document">
        <${Field} label="Document" hint="Nothing is stored.">${area('doc', 7, 'soft')}<//>
        <details><summary>An update of a document that is there</summary>
          <${Field} label="The document before">${area('oldDoc', 5, 'soft')}<//></details>
        <${Field} label="Written by" hint=${`Empty: an administrator.${found}`}>
          <input name="user" list="writers" autocomplete="off" value=${form.user}
            onInput=${change('user')} />
          <datalist id="writers">${(users.value ?? []).map((each) => html`
            <option value=${each} />`)}</datalist>
        <//>
        <${Problem} error=${error} />
        ${value && html`<div aria-live="polite"><${Result} tried=${value} /></div>`}
      <//>
    </div>`;
}
