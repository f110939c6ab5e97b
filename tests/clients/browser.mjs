// SPDX-License-Identifier: Apache-2.0
// Headless Chromium as tests use it: Debian's, driven by playwright-core. A page that breaks a rule
// of its own (an error, a breach of its policy, a request to another server) fails the test.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const kAxe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export function startBrowser() {
  return chromium.launch({
    executablePath: process.env.HEADGATE_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],  // tests may run as root, in a container
  });
}

/** A page on `origin`; `broken` grows with whatever must not happen. */
export async function openPage(browser, origin, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.broken = [];
  page.on('pageerror', (error) => page.broken.push(`${error}`));
  page.on('console', (message) => {
    // A refused request is shown in the page; Chromium reports it, too.
    const isRefusal = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isRefusal) page.broken.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('data:'))
      page.broken.push(`asks ${request.url()}`);
  });
  return page;
}

export async function closePage(page) {
  assert.deepEqual(page.broken, []);
  await page.context().close();
}

/** Fails if axe finds something that people with disabilities could not use. */
export async function expectAccessible(page, what) {
  await page.evaluate(kAxe);
  const { violations } = await page.evaluate(() => window.axe.run());
  const found = violations.map(({ id, help, nodes }) =>
    `${id}: ${help}: ${nodes.map(({ html }) => html).slice(0, 3).join(' ')}`);
  assert.deepEqual(found, [], what);
}
