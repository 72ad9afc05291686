//! A browser for the tests, and a page in it with every error that its console shows.
//!
//! `TALLYFLOW_TEST_CHROMIUM` is the browser's path.

import assert from 'node:assert/strict';

import axe from 'axe-core';
import { chromium } from 'playwright-core';

/** How long anything may take on a busy machine. */
export const WAIT_MS = 30_000;

/** Starts the browser. */
export function launch() {
  assert.ok(process.env.TALLYFLOW_TEST_CHROMIUM, 'set TALLYFLOW_TEST_CHROMIUM to the path of a Chromium');
  return chromium.launch({
    executablePath: process.env.TALLYFLOW_TEST_CHROMIUM,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

/**
 * A page on an address, with every error that its console shows. `answers` are made-up answers by
 * path, or what gives them, `without` is what is taken out of the page's own text.
 */
export async function open(browser, url, { answers = {}, without = '', ...options } = {}) {
  const context = await browser.newContext({ locale: 'en-CA', timezoneId: 'America/Toronto', ...options });
  for (const [path, answer] of Object.entries(answers)) {
    await context.route(new URL(path, url).href, (route) => (typeof answer === 'function' ? answer(route) : route.fulfill(answer)));
  }
  if (without !== '') {
    await context.route(url.href, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: (await response.text()).replace(without, '') });
    });
  }
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.stack));
  page.on('dialog', (dialog) => errors.push(`dialog: ${dialog.message()}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  await page.goto(url.href);
  await page.waitForSelector('#figures:not([hidden])');
  return { page, errors, close: () => context.close() };
}

/** An answer of the service with something changed, such as a field that it does not have yet. */
export function changed(change) {
  return async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    change(answer);
    await route.fulfill({ response, json: answer });
  };
}

/** Asks until it is so. */
export async function until(what, ask) {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (performance.now() > deadline) return assert.fail(`waited in vain until ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

/** What keeps somebody out, by axe, and how much wider the page is than its window. */
export async function barriers(page) {
  // The page may run nothing but its own scripts; the debugger's may run this one.
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
  });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (overflow <= 0) return found;
  const wide = await page.evaluate(() => [...document.querySelectorAll('body *')]
    .filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && node.closest('.scroll, .unseen, .chart') === null)
    .map((node) => `${node.localName}#${node.id}.${node.className}`));
  return [...found, `the page is ${overflow} px wider than its window: ${wide.slice(0, 8)}`];
}
