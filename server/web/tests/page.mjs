//! The dashboard of a running server in a browser: what it shows, and what it does when the line
//! breaks.
//!
//! In come `TALLYFLOW_URL` (the server), `TALLYFLOW_CHROMIUM` (the browser's path) and, to keep
//! pictures, `TALLYFLOW_PICTURES` (a folder). Run it with `node --test server/web/tests/page.mjs`
//! after `npm ci` in this folder. Only reads: no vote is cast here.

import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import test, { after, before } from 'node:test';

import { chromium } from 'playwright-core';

const WAIT_MS = 30_000;
/** The demo counts for a minute and a half; only then page and API stand at one tick for long. */
const QUIET_MS = 180_000;

const views = [
  { name: 'desktop-light', viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  { name: 'desktop-dark', viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  { name: 'phone-light', viewport: { width: 360, height: 740 }, colorScheme: 'light' },
  { name: 'phone-dark', viewport: { width: 360, height: 740 }, colorScheme: 'dark' },
];

let server;
let browser;

before(async () => {
  assert.ok(process.env.TALLYFLOW_URL, 'set TALLYFLOW_URL to the address of a running server');
  assert.ok(process.env.TALLYFLOW_CHROMIUM, 'set TALLYFLOW_CHROMIUM to the path of a Chromium');
  server = new URL(process.env.TALLYFLOW_URL);
  browser = await chromium.launch({
    executablePath: process.env.TALLYFLOW_CHROMIUM,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
});

after(() => browser?.close());

/** A page on the dashboard, with every error that its console shows. */
async function open(url, options = views[0]) {
  const context = await browser.newContext({ ...options, locale: 'en-CA', timezoneId: 'America/Toronto' });
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

/** All figures of one moment, as a reader sees them. */
function read(page) {
  return page.evaluate(() => {
    const number = (node) => Number(node.textContent.replace(/[^\d]/g, ''));
    const figures = [...document.querySelectorAll('#outcomes [data-figure]')]
      .map((node) => [node.dataset.figure, number(node)]);
    const rows = (selector, key, cell) => [...document.querySelectorAll(selector)]
      .map((node) => [node.dataset[key], number(node.querySelector(cell))]);
    return {
      tick: number(document.querySelector('#line-tick')),
      headline: number(document.querySelector('#accepted')),
      outcomes: Object.fromEntries(figures),
      candidates: rows('#candidates > li', 'candidate', '.votes'),
      locations: rows('#locations-body > tr', 'location', '.column-accepted'),
    };
  });
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** What is on the page together must agree, while it counts too. */
function agrees(shown) {
  const { received, accepted, superseded, voided, set_aside, blank } = shown.outcomes;
  assert.equal(shown.headline, accepted);
  assert.equal(received, accepted + superseded + voided + set_aside);
  assert.equal(sum(shown.candidates.map(([, votes]) => votes)) + blank, accepted);
  if (shown.locations.length > 0) assert.equal(sum(shown.locations.map(([, ballots]) => ballots)), accepted);
}

async function api(route) {
  const response = await fetch(new URL(route, server));
  assert.equal(response.status, 200, route);
  return response.json();
}

/** Waits until the page and the API are at one tick, and gives both. */
async function atOneTick(page) {
  const deadline = performance.now() + QUIET_MS;
  while (performance.now() < deadline) {
    const contest = await page.evaluate(() => document.querySelector('#footer-results').search);
    const results = await api(`api/v1/results${contest}`);
    const locations = await api(`api/v1/locations${contest}`);
    const shown = await read(page);
    // Ticks of other contests leave this page as it is, so its own figures may be older.
    const still = JSON.stringify(shown.outcomes.received) === JSON.stringify(results.counts.received);
    if (still && locations.tick === results.tick) return { shown, results, locations };
    await page.waitForFunction(
      (tick) => !document.querySelector('#line-tick').textContent.endsWith(` ${tick}`),
      shown.tick, { timeout: 2000 },
    ).catch(() => null);
  }
  return assert.fail(`page and API did not meet at one tick within ${QUIET_MS / 1000} s`);
}

test('every figure that is shown together agrees, while it counts', async () => {
  const { page, errors, close } = await open(server);
  const ticks = new Set();
  for (let reading = 0; reading < 60; reading += 1) {
    const shown = await read(page);
    agrees(shown);
    ticks.add(shown.tick);
    await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(resolve); }));
  }
  assert.ok(ticks.size >= 1);
  assert.deepEqual(errors, []);
  await close();
});

for (const view of views) {
  test(`the figures equal the API's, ${view.name}`, { timeout: QUIET_MS + WAIT_MS }, async () => {
    const { page, errors, close } = await open(server, view);
    const { shown, results, locations } = await atOneTick(page);
    agrees(shown);
    const votes = results.candidates.map((row) => [row.candidate_id, row.votes]);
    assert.deepEqual(shown.candidates, votes);
    assert.equal(shown.outcomes.conflicts, results.conflicts);
    for (const [reason, count] of Object.entries(results.set_aside_by)) {
      assert.equal(shown.outcomes[`set_aside_by/${reason}`], count);
    }
    const byCode = (rows) => rows.sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(byCode(shown.locations), byCode(locations.locations.map((row) => [row.location, row.accepted])));
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px wider than its window`);
    const pictures = process.env.TALLYFLOW_PICTURES;
    if (pictures) await page.screenshot({ path: path.join(pictures, `${view.name}.png`), fullPage: true });
    assert.deepEqual(errors, []);
    await close();
  });
}

test('every column sorts both ways, and the filter finds', async () => {
  const { page, errors, close } = await open(server);
  const heads = page.locator('#locations-head th');
  for (let at = 0; at < await heads.count(); at += 1) {
    const ways = new Set();
    for (let click = 0; click < 2; click += 1) {
      await heads.nth(at).locator('button').click();
      ways.add(await heads.nth(at).getAttribute('aria-sort'));
      assert.equal(await page.locator('#locations-head [aria-sort]').count(), 1);
    }
    assert.deepEqual([...ways].sort(), ['ascending', 'descending']);
  }
  const rows = page.locator('#locations-body > tr');
  if (await rows.count() > 1) {
    const last = await rows.last().getAttribute('data-location');
    await page.fill('#location-filter', last);
    assert.ok(await page.locator(`#locations-body > tr[data-location="${last}"]`).count() === 1);
    await page.fill('#location-filter', '\u2603 no such place');
    assert.equal(await rows.count(), 0);
    assert.ok(await page.isVisible('#locations-empty'));
  }
  assert.deepEqual(errors, []);
  await close();
});

/** A line between browser and server that can be cut, or go silent as a dead network does. */
async function cuttableLine() {
  const pairs = new Set();
  let frozen = false;
  const listener = net.createServer((near) => {
    const far = net.connect(Number(server.port || 80), server.hostname);
    const pair = [near, far];
    pairs.add(pair);
    const drop = () => { near.destroy(); far.destroy(); pairs.delete(pair); };
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('data', (bytes) => frozen || to.write(bytes));
      from.on('error', drop).on('close', drop);
    }
  });
  await new Promise((resolve) => { listener.listen(0, '127.0.0.1', resolve); });
  const cut = () => { for (const pair of pairs) pair[0].destroy(); };
  return {
    url: new URL(`http://127.0.0.1:${listener.address().port}/`),
    cut,
    freeze(silent) { frozen = silent; },
    close() { cut(); listener.close(); },
  };
}

test('a line that is cut, or dead, is opened again without loading the page anew', async () => {
  const line = await cuttableLine();
  const { page, close } = await open(line.url);
  await page.evaluate(() => { window.sameDocument = true; });
  const well = '#line:is([data-kind=live], [data-kind=quiet])';
  await page.waitForSelector(well);
  line.cut();
  await page.waitForSelector('#line[data-kind=lost]');
  await page.waitForSelector(well);
  line.freeze(true);
  await page.waitForSelector('#line[data-kind=lost]');
  assert.ok(await page.isVisible('#figures'), 'the last figures stay on the page');
  line.freeze(false);
  await page.waitForSelector(well);
  agrees(await read(page));
  assert.ok(await page.evaluate(() => window.sameDocument));
  await close();
  line.close();
});
