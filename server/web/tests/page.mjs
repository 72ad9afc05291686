//! The dashboard of a running server in a browser: what it shows, and what it does when the line
//! breaks.
//!
//! In come `TALLYFLOW_TEST_URL` (the server), `TALLYFLOW_TOKEN_FILE` (its token's file),
//! `TALLYFLOW_TEST_CHROMIUM` (the browser's path) and, to keep pictures, `TALLYFLOW_TEST_PICTURES` (a folder). Run it with `node --test server/web/tests/page.mjs`
//! after `npm ci` in this folder. The last test casts votes; all others only read.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import test, { after, before } from 'node:test';

import { WAIT_MS, barriers, launch, open as openIn, until } from './browser.mjs';

/** The demo counts for a minute and a half; only then page and API stand at one tick for long. */
const QUIET_MS = 180_000;

const views = [
  { name: 'desktop-light', viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  { name: 'desktop-dark', viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  { name: 'phone-light', viewport: { width: 360, height: 740 }, colorScheme: 'light' },
  { name: 'phone-dark', viewport: { width: 360, height: 740 }, colorScheme: 'dark' },
];

let server;
let token;
let browser;

before(async () => {
  assert.ok(process.env.TALLYFLOW_TEST_URL, 'set TALLYFLOW_TEST_URL to the address of a running server');
  assert.ok(process.env.TALLYFLOW_TOKEN_FILE, 'set TALLYFLOW_TOKEN_FILE to the file of its token');
  server = new URL(process.env.TALLYFLOW_TEST_URL);
  token = (await readFile(process.env.TALLYFLOW_TOKEN_FILE, 'utf8')).trim();
  browser = await launch();
});

after(() => browser?.close());

/** The dashboard with parameters in its address. */
function asked(parameters) {
  const url = new URL(server);
  url.search = new URLSearchParams(parameters);
  return url;
}

/** A page on the dashboard. */
const open = (url, options = views[0]) => openIn(browser, url, options);

/** All figures of one moment, as a reader sees them. */
function read(page) {
  return page.evaluate(() => {
    const number = (node) => Number(node.textContent.replace(/[^\d]/g, ''));
    const figures = [...document.querySelectorAll('#outcomes [data-figure]')]
      .map((node) => [node.dataset.figure, number(node)]);
    const rows = (selector, key, cell) => [...document.querySelectorAll(selector)]
      .map((node) => [node.dataset[key], number(node.querySelector(cell))]);
    return {
      tick: Number(document.querySelector('#line').dataset.tick),
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
      (tick) => document.querySelector('#line').dataset.tick !== String(tick),
      shown.tick, { timeout: 2000 },
    ).catch(() => null);
  }
  return assert.fail(`page and API did not meet at one tick within ${QUIET_MS / 1000} s`);
}

/** Checks again and again, since the count may go on between what is read here and there. */
async function eventually(check) {
  const deadline = performance.now() + QUIET_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 250); });
    }
  }
}

test('every figure that is shown together agrees, while it counts', async () => {
  const { page, errors, close } = await open(asked({ rows: 1000 }));
  await page.waitForSelector('#locations-body > tr');
  const ticks = new Set();
  for (let reading = 0; reading < 60; reading += 1) {
    const shown = await read(page);
    agrees(shown);
    ticks.add(shown.tick);
    await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(resolve); }));
  }
  assert.ok(ticks.size > 1, 'it counts');
  assert.deepEqual(errors, []);
  await close();
});

for (const view of views) {
  test(`the figures equal the API's, ${view.name}`, { timeout: QUIET_MS + WAIT_MS }, async () => {
    const { page, errors, close } = await open(asked({ rows: 1000 }), view);
    await page.waitForSelector('#locations-body > tr');
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
    const pictures = process.env.TALLYFLOW_TEST_PICTURES;
    if (pictures) await page.screenshot({ path: path.join(pictures, `${view.name}.png`), fullPage: true });
    assert.deepEqual(errors, []);
    await close();
  });
}

test('every column sorts both ways, and the filter finds', async () => {
  const { page, errors, close } = await open(asked({ rows: 1000 }));
  await page.waitForSelector('#locations-body > tr');
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
  let delay_ms = 0;
  const listener = net.createServer((near) => {
    const far = net.connect(Number(server.port || 80), server.hostname);
    const pair = [near, far];
    pairs.add(pair);
    const drop = () => { near.destroy(); far.destroy(); pairs.delete(pair); };
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('data', (bytes) => frozen || setTimeout(() => to.destroyed || to.write(bytes), from === far ? delay_ms : 0));
      from.on('error', drop).on('close', drop);
    }
  });
  await new Promise((resolve) => { listener.listen(0, '127.0.0.1', resolve); });
  const cut = () => { for (const pair of pairs) pair[0].destroy(); };
  return {
    url: new URL(`http://127.0.0.1:${listener.address().port}/`),
    cut,
    freeze(silent) { frozen = silent; },
    delay(ms) { delay_ms = ms; },
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

test('behind a line that brings everything late, the page says how far it is behind', { timeout: 4 * WAIT_MS }, async () => {
  const line = await cuttableLine();
  const { page, close } = await open(line.url);
  await page.waitForSelector('#line:is([data-kind=live], [data-kind=quiet])');
  const detail = () => page.textContent('#line-detail');
  // A word of life sets the clock.
  await page.waitForTimeout(6000);
  assert.doesNotMatch(await detail(), /behind/);
  line.delay(6000);
  await until('it says so', async () => /^[5-9]\ss behind/.test(await detail()));
  line.delay(0);
  await until('it has caught up', async () => !/behind/.test(await detail()));
  await close();
  line.close();
});

test('the pager reaches every row, once', async () => {
  const { page, errors, close } = await open(asked({ rows: 10 }));
  await page.waitForSelector('#locations-body > tr');
  const { locations } = await api('api/v1/locations');
  const seen = [];
  for (;;) {
    const rows = await page.$$eval('#locations-body > tr', (nodes) => nodes.map((node) => node.dataset.location));
    assert.ok(rows.length > 0 && rows.length <= 10);
    seen.push(...rows);
    if (await page.isDisabled('#page-next')) break;
    await page.click('#page-next');
  }
  assert.deepEqual(seen.sort(), locations.map((row) => row.location).sort());
  assert.ok(seen.length > 10, 'there is more than one page');
  await page.selectOption('#page-size', '25');
  assert.ok(await page.isDisabled('#page-previous'), 'another size begins at the first page');
  assert.equal(new URL(page.url()).searchParams.get('rows'), '25', 'the link has the size');
  assert.equal(await page.locator('#locations-body > tr').count(), Math.min(25, seen.length));
  assert.deepEqual(errors, []);
  await close();
});

test('the page speaks the browser\u2019s language, and another when it is asked to', async () => {
  const { page, errors, close } = await open(server, { ...views[0], locale: 'fr-CA' });
  const says = (selector) => page.textContent(selector);
  assert.equal(await page.getAttribute('html', 'lang'), 'fr');
  assert.equal(await says('#candidates-title'), 'Candidatures');
  assert.match(await says('.share'), /^\d+,\d\u00a0%$/);
  await page.evaluate(() => { window.sameDocument = true; });
  await page.selectOption('#language-select', 'en');
  await page.waitForFunction(() => document.querySelector('#candidates-title').textContent === 'Candidates');
  await page.waitForFunction(() => /^\d+\.\d%$/.test(document.querySelector('.share').textContent));
  assert.equal(await page.getAttribute('html', 'lang'), 'en');
  assert.equal(new URL(page.url()).searchParams.get('lang'), 'en');
  assert.ok(await page.evaluate(() => window.sameDocument));
  // No word of the one language is left in the other.
  const text = await page.innerText('main');
  assert.doesNotMatch(text, /Bulletins|Reçus|Lieu|voix/);
  await page.reload();
  await page.waitForSelector('#figures:not([hidden])');
  assert.equal(await says('#candidates-title'), 'Candidates');
  assert.deepEqual(errors, []);
  await close();
});

for (const [name, parameters, options] of [
  ['in light', {}, views[0]],
  ['in dark', {}, views[1]],
  ['on a phone', { rows: 10 }, views[2]],
  ['in French', { lang: 'fr' }, views[0]],
  ['at 320 pixels', {}, { viewport: { width: 320, height: 600 } }],
  ['on a screen', { screen: '' }, { viewport: { width: 3840, height: 2160 } }],
  ['embedded', { embed: 'candidates' }, views[0]],
]) {
  test(`nobody is kept out, ${name}`, async () => {
    const { page, errors, close } = await open(asked(parameters), options);
    assert.deepEqual(await barriers(page), []);
    const pictures = process.env.TALLYFLOW_TEST_PICTURES;
    if (pictures) await page.screenshot({ path: path.join(pictures, `${name.replaceAll(' ', '-')}.png`) });
    assert.deepEqual(errors, []);
    await close();
  });
}

test('every view has a link of its own', async () => {
  const { page, errors, close } = await open(asked({ refresh: 'paused', measure: 'margin' }));
  const links = await page.$$eval('.view-link', (nodes) => nodes.map((node) => [node.closest('[data-view]').dataset.view, node.href, node.ariaLabel]));
  assert.ok(links.length > 8);
  for (const [view, href, label] of links) {
    const { searchParams } = new URL(href);
    assert.deepEqual([searchParams.get('embed'), searchParams.get('measure'), searchParams.get('refresh')], [view, 'margin', null]);
    assert.ok(label.endsWith('this view alone'));
  }
  assert.deepEqual(errors, []);
  await close();
});

test('a view that is embedded is alone', async () => {
  for (const name of ['figures', 'podium', 'candidates', 'shares', 'outcomes', 'map', 'series', 'windows', 'corrections', 'health', 'locations']) {
    const { page, errors, close } = await open(asked({ embed: name }));
    await page.waitForSelector(`[data-view=${name}]:visible`);
    assert.equal(await page.locator('[data-view]:visible').count(), 1, name);
    assert.equal(await page.locator('.chooser:visible').count(), 0, name);
    assert.deepEqual(errors, []);
    await close();
  }
});

test('the state of the count is the server\u2019s', { timeout: QUIET_MS + WAIT_MS }, async () => {
  const { page, errors, close } = await open(server);
  await page.locator('#health-title').scrollIntoViewIfNeeded();
  await page.waitForSelector('#health [data-health=messages]');
  await eventually(async () => {
    const shown = await page.$$eval('#health [data-health]:not([data-health=checkpoint])', (nodes) => Object.fromEntries(
      nodes.map((node) => [node.dataset.health, Number(node.textContent.replace(/[^\d]/g, ''))]),
    ));
    const status = await api('api/v1/status');
    const waiting = sum(status.partitions.map((partition) => partition.lag));
    const { messages, duplicates, voids } = status;
    const refused = sum(Object.values(status.refused));
    const reasons = Object.fromEntries(Object.entries(status.refused).map(([why, number]) => [`refused/${why}`, number]));
    assert.deepEqual(shown, { messages, duplicates, voids, refused, ...reasons, waiting });
  });
  assert.ok(await page.isHidden('#warnings'));
  assert.deepEqual(errors, []);
  await close();
});

test('the podium has the first three, as the results have them', { timeout: QUIET_MS + WAIT_MS }, async () => {
  const { page, errors, close } = await open(server);
  await eventually(async () => {
    const results = await api('api/v1/results');
    const first = results.candidates.filter((row) => row.votes > 0 && row.rank <= 3);
    const shown = await page.$$eval('#podium > li', (nodes) => nodes.map((node) => ({
      place: node.dataset.place, name: node.querySelector('.name').textContent, rank: node.querySelector('.podium-rank').textContent,
      votes: Number(node.querySelector('.votes').textContent.replace(/[^\d]/g, '')),
    })));
    assert.ok(shown.length > 1);
    assert.deepEqual(shown, first.map((row) => ({
      place: String(row.rank), name: row.candidate_name, rank: String(row.rank), votes: row.votes,
    })));
  });
  // Steps are as high as the votes.
  await eventually(async () => {
    const [steps, votes] = await page.$$eval('#podium > li', (nodes) => [
      nodes.map((node) => node.querySelector('.step').getBoundingClientRect().height),
      nodes.map((node) => Number(node.querySelector('.votes').textContent.replace(/[^\d]/g, ''))),
    ]);
    steps.forEach((height, at) => assert.ok(Math.abs(height / steps[0] - votes[at] / votes[0]) < 0.02, `${steps} of ${votes}`));
  });
  assert.deepEqual(errors, []);
  await close();
});

test('the page is light, and its files are kept for ever', async () => {
  const { page, errors, close } = await open(server);
  await page.locator('#shares-canvas').scrollIntoViewIfNeeded();
  await page.waitForSelector('#shares-canvas canvas');
  const all = await page.evaluate(() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .filter(({ name }) => !new URL(name).pathname.startsWith('/api/') && !name.includes('/geo/'))
    .map(({ name, encodedBodySize }) => [new URL(name).pathname, encodedBodySize]));
  assert.ok(all.some(([name]) => name.endsWith('/echarts.js')), 'this build has charts');
  assert.ok(sum(all.map(([, size]) => size)) < 300 * 1024, JSON.stringify(all));
  for (const [name] of all.filter(([path]) => path !== '/')) {
    const answer = await fetch(new URL(name, server));
    assert.equal(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable', name);
  }
  assert.deepEqual(errors, []);
  await close();
});

test('nothing is asked of another host', async () => {
  const { page, close } = await open(server);
  const hosts = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => new URL(name).host));
  assert.deepEqual([...new Set(hosts)], [server.host]);
  await close();
});

test('a page that is paused stands still until it is asked to go on', async () => {
  const { page, errors, close } = await open(server);
  const { locations } = await api('api/v1/locations');
  const { candidates } = await api('api/v1/results');
  const vote = async (number) => {
    const event = {
      vote_id: `paused-${number}`, voter_id: `paused-${number}-${Date.now()}`,
      candidate_id: candidates[0].candidate_id, location: locations.find((row) => row.leaf).location,
    };
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const answer = await fetch(new URL('api/v1/votes', server), { method: 'POST', headers, body: JSON.stringify(event) });
    assert.equal(answer.status, 202);
  };
  const received = async () => (await read(page)).outcomes.received;
  const counted = async () => (await api('api/v1/results')).counts.received;
  const showsMoreThan = (tab, old) => tab.waitForFunction((number) => {
    const text = document.querySelector('#outcomes [data-figure=received]')?.textContent ?? '';
    return Number(text.replace(/[^\d]/g, '')) > number;
  }, old);
  await page.selectOption('#pace', 'paused');
  assert.equal(new URL(page.url()).searchParams.get('refresh'), 'paused');
  const before = await received();
  await vote(1);
  await until('the vote is counted', async () => await counted() > before);
  // Who does not pause has it, by the same stream.
  const other = await page.context().newPage();
  await other.goto(server.href);
  await showsMoreThan(other, before);
  await vote(2);
  await until('another vote is counted', async () => await counted() > before + 1);
  await showsMoreThan(other, before + 1);
  await other.close();
  assert.equal(await received(), before);
  await page.waitForFunction(() => document.querySelector('#line-title').textContent === 'Paused');
  await page.click('#refresh');
  await showsMoreThan(page, before);
  const second = await received();
  await page.selectOption('#pace', 'live');
  await vote(3);
  await showsMoreThan(page, second);
  assert.ok(!await page.isVisible('#refresh'));
  assert.deepEqual(errors, []);
  await close();
});
