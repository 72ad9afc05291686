//! The dashboard of a register that means harm: markup, other directions, endless and empty names
//! in every text.
//!
//! In come `TALLYFLOW_TEST_BINARY` (the service) and `TALLYFLOW_TEST_CHROMIUM` (the browser's path).

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { barriers, launch, open } from './browser.mjs';
import { startService } from './service.mjs';

const SCRIPT = '<script>alert(1)</script><img src=x onerror=alert(2)>';

/** Texts that somebody could write into a register; ids are the same with a number. */
const texts = [
  SCRIPT, '"\'><svg onload=alert(3)>', '\u202eright to left\u202c', 'שלום عالم', 'x'.repeat(200), '${alert(4)} {{alert(5)}}',
  'javascript:alert(6)', '__proto__', 'constructor', '\u0007\u001b[31m', '🗳️'.repeat(20), ' ',
];
const ids = texts.map((text, at) => `${at}${Buffer.from(text).length > 100 ? text.slice(0, 20) : text}`);
/** Two that JavaScript's own objects would have. */
ids[7] = '__proto__';
ids[8] = 'constructor';

const register = {
  elections: [{ election_id: SCRIPT, name: SCRIPT, date: '2013-11-03', test: true, geojson_url: '/hostile.geojson' }],
  contests: [{ contest_id: SCRIPT, election_id: SCRIPT, name: texts[4] }],
  candidates: ids.map((id, at) => ({
    contest_id: SCRIPT, candidate_id: id, candidate_name: texts[at], party: texts[(at + 1) % texts.length],
    biography: texts[(at + 2) % texts.length], campaign_promises: `${texts[at]}\n${texts[at]}`,
    color: ['red;background:url(//evil.example/x)', '#0a5', '', 'inherit'][at % 4],
    photo_url: ['javascript:alert(7)', 'http://evil.example/x.png', 'data:text/html,<script>alert(8)</script>', ''][at % 4],
  })),
  locations: ids.map((id, at) => ({ election_id: SCRIPT, location: id, name: texts[at], registered: 10 })),
};

/** Outlines of every location, with names that mean harm, and features that are none. */
const outlines = {
  type: 'FeatureCollection', __proto__: { polluted: true },
  features: [
    ...ids.map((id, at) => ({
      type: 'Feature', id, properties: { name: SCRIPT, __proto__: { polluted: true } },
      geometry: { type: 'Polygon', coordinates: [[[at, 45], [at + 1, 45], [at + 1, 46], [at, 46], [at, 45]]] },
    })),
    null, { id: {} }, { id: ids[0] }, { id: ids[1], geometry: { type: 'Point', coordinates: [0, 0] } },
  ],
};

let browser;
let service;
let address;

before(async () => {
  service = await startService(register);
  ({ address } = service);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

/** The page, with the outlines where the register says that they are. */
function look(viewport) {
  const answers = { '/hostile.geojson': { contentType: 'application/geo+json', body: JSON.stringify(outlines) } };
  return open(browser, address, { viewport, answers });
}

/** What a library left on the objects that all others inherit from. */
const pollution = (page) => page.evaluate(() => [Object.prototype, Object, Function.prototype, Array.prototype]
  .flatMap((each) => Object.entries(each).map(([key, value]) => `${key}: ${value}`)));

test('an election without a vote stands as it is', async () => {
  const { page, errors, close } = await look({ width: 360, height: 740 });
  assert.equal(await page.textContent('#accepted'), '0');
  assert.equal(await page.locator('#candidates > li').count(), ids.length);
  assert.ok(await page.isVisible('#test-warning'));
  assert.deepEqual(await barriers(page), []);
  assert.deepEqual(errors, []);
  await close();
});

test('names are text, whatever they hold, and every figure is right', async () => {
  const events = ids.flatMap((id, at) => Array.from({ length: at + 1 }, (_, number) => ({
    vote_id: `v-${at}-${number}`, voter_id: `${SCRIPT}-${at}-${number}`, candidate_id: id, location: ids[at],
  })));
  const { page, errors, close } = await look({ width: 1280, height: 900 });
  await service.vote(events);
  await page.waitForFunction((all) => document.querySelector('#accepted').textContent === String(all), events.length);
  await service.vote([{ type: 'void', vote_id: 'v-0-0', voter_id: `${SCRIPT}-0-0` }]);
  await page.waitForFunction((all) => document.querySelector('#accepted').textContent === String(all), events.length - 1);
  const shown = await page.$$eval('#candidates > li', (nodes) => nodes.map((node) => ({
    id: node.dataset.candidate, name: node.querySelector('.name').textContent, votes: parseInt(node.querySelector('.votes').textContent, 10),
  })));
  const results = await (await fetch(new URL('api/v1/results', address))).json();
  assert.deepEqual(shown.map(({ id, votes }) => [id, votes]), results.candidates.map((row) => [row.candidate_id, row.votes]));
  for (const { id, name } of shown) assert.equal(name, texts[ids.indexOf(id)].trim() ? texts[ids.indexOf(id)] : id);
  assert.equal(await page.textContent('#corrections .name'), SCRIPT);
  assert.equal(await page.locator('script:not([src$="app.js"]), svg, #figures img[src^=data]').count(), 0);
  for (const summary of await page.locator('.about summary').all()) await summary.click();
  const said = await page.$$eval('.said', (nodes) => nodes.map((node) => node.textContent));
  assert.ok(said.includes(`${SCRIPT}\n${SCRIPT}`));
  // Every chart in each of its forms, and every table beside one.
  for (const [id, select] of [['shares', '#shares-shape'], ['map', '#measure'], ['series', '#series-kind'], ['windows', null]]) {
    await page.locator(`#${id}-canvas`).scrollIntoViewIfNeeded();
    await page.waitForSelector(`#${id}-canvas canvas`);
    const values = select === null ? [] : await page.$$eval(`${select} option`, (nodes) => nodes.map((node) => node.value));
    for (const value of values) {
      await page.selectOption(select, value);
      await page.waitForSelector(`#${id}-canvas canvas`);
    }
    await page.click(`#${id}-table summary`);
    await page.waitForSelector(`#${id}-table tbody tr`);
  }
  await page.click('#map-table .name:text-is("__proto__")', { trial: true });
  // What was asked for is drawn in the next frame.
  await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
  assert.deepEqual(await pollution(page), []);
  for (const head of await page.locator('#locations-head button').all()) await head.click();
  await page.fill('#location-filter', '<script>');
  assert.equal(await page.locator('#locations-body > tr').count(), 1);
  assert.deepEqual(await barriers(page), []);
  assert.deepEqual(errors, []);
  const hosts = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => new URL(name).host));
  assert.deepEqual([...new Set(hosts)], [address.host]);
  await close();
});
