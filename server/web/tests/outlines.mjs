//! The map of files of outlines as people have them: with places that are missing, in parts, named by
//! a property, in TopoJSON, across the 180th meridian; and files that cannot be had.
//!
//! In come `TALLYFLOW_TEST_BINARY` (the service) and `TALLYFLOW_TEST_CHROMIUM` (the browser's path).

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { barriers, changed, launch, open, until } from './browser.mjs';
import { startService } from './service.mjs';

/** Where there is an outline is told by the name. */
const PLACES = ['id', 'property', 'parts', 'collection', 'meridian', 'no-geometry', 'missing', '007'];
const OUTLINED = ['id', 'property', 'parts', 'collection', 'meridian'];

const register = {
  elections: [{ election_id: 'isles', name: 'Isles', geojson_url: '/isles.json' }],
  contests: [{ contest_id: 'chief', election_id: 'isles', name: 'Chief' }],
  candidates: ['ada', 'grace'].map((id) => ({ contest_id: 'chief', candidate_id: id, candidate_name: id })),
  locations: PLACES.map((code) => ({ election_id: 'isles', location: code, name: `Place ${code}`, registered: 10 })),
};

const square = (west, south = -17) => ({ type: 'Polygon', coordinates: [[[west, south], [west + 1, south], [west + 1, south + 1], [west, south + 1], [west, south]]] });

const isles = {
  type: 'FeatureCollection',
  features: [
    { type: 'Feature', id: 'id', properties: {}, geometry: square(176) },
    { type: 'Feature', id: 1, properties: { code: 'property' }, geometry: square(177) },
    { type: 'Feature', id: 'parts', properties: {}, geometry: square(178) }, { type: 'Feature', id: 'parts', properties: {}, geometry: square(178, -15) },
    { type: 'Feature', id: 'collection', properties: {}, geometry: { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [179, -17] }, square(179, -15)] } },
    { type: 'Feature', id: 'meridian', properties: {}, geometry: { type: 'MultiPolygon', coordinates: [square(179).coordinates, square(-180).coordinates] } },
    { type: 'Feature', id: 'no-geometry', properties: {}, geometry: null },
    { type: 'Feature', id: 7, properties: {}, geometry: square(170) },
  ],
};

const topology = {
  type: 'Topology', transform: { scale: [1, 1], translate: [0, 0] },
  arcs: PLACES.map((_, at) => [[at * 2, 0], [1, 0], [0, 1], [-1, 0], [0, -1]]),
  objects: { isles: { type: 'GeometryCollection', geometries: PLACES.map((code, at) => ({ type: 'Polygon', id: code, arcs: [[at]] })) } },
};

describe('outlines', () => {
  let browser;
  let service;

  before(async () => {
    service = await startService(register);
    browser = await launch();
    await service.vote(PLACES.flatMap((code, at) => ['ada', 'grace', 'ada'].slice(at % 2, at % 2 + 2).map((id, voter) => (
      { vote_id: `${code}-${voter}`, voter_id: `${code}-${voter}`, candidate_id: at === 6 ? 'grace' : id, contest_id: 'chief', location: code }))));
    await until('all are counted', async () => (await service.api('api/v1/results')).counts.accepted === 2 * PLACES.length);
  });

  after(async () => {
    await browser?.close();
    await service?.stop();
  });

  /** The page, its map in sight, with a file of outlines and changes of the register. */
  async function look(file, { change = () => {}, ...options } = {}) {
    const answers = {
      '/isles.json': typeof file === 'function' ? file : { contentType: 'application/json', body: typeof file === 'string' ? file : JSON.stringify(file) },
      '/api/v1/elections': changed((answer) => change(answer.elections[0])),
    };
    const opened = await open(browser, service.address, { viewport: { width: 1280, height: 900 }, answers, ...options });
    await opened.page.waitForSelector('#map-section:not([hidden])');
    await opened.page.evaluate(() => document.getElementById('map-section').scrollIntoView());
    return opened;
  }

  const tiles = (page) => page.$$eval('.tile', (nodes) => nodes.map((node) => node.dataset.location).sort());

  async function table(page) {
    await page.click('#map-table summary');
    await page.waitForSelector('#map-table tbody tr');
    return page.$$eval('#map-table tbody tr', (rows) => rows.map((row) => row.children[0].textContent).sort());
  }

  test('every place is drawn or is a tile, and the page says how many are tiles', async () => {
    const { page, errors, close } = await look(isles, { change: (election) => { election.geojson_property = 'code'; } });
    await page.waitForSelector('#map-canvas canvas');
    await page.waitForSelector('.tile');
    assert.deepEqual(await tiles(page), PLACES.filter((code) => !OUTLINED.includes(code)).sort());
    assert.equal(await page.textContent('#map-failed'), '3 places have no outline and are shown as tiles.');
    assert.deepEqual(await table(page), PLACES.map((code) => `Place ${code}`).sort());
    const led = await page.$$eval('#legend .figure', (nodes) => nodes.map((node) => Number(node.textContent)));
    assert.equal(led.reduce((sum, each) => sum + each), PLACES.length);
    // From 176 to 181 degrees, and not around the world.
    const share = await page.evaluate(() => {
      const canvas = document.querySelector('#map-canvas canvas');
      const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let [left, right] = [width, 0];
      for (let at = 0; at < width * height; at += 1) if (data[at * 4 + 3] > 0) [left, right] = [Math.min(left, at % width), Math.max(right, at % width)];
      return (right - left) / width;
    });
    assert.ok(share > 0.3, `the map is ${share} of its box wide`);
    assert.deepEqual(await barriers(page), []);
    assert.deepEqual(errors, []);
    await close();
  });

  test('without the property its place is a tile, too', async () => {
    const { page, close } = await look(isles);
    await page.waitForSelector('#map-canvas canvas');
    await until('there are four tiles', async () => (await tiles(page)).length === 4);
    assert.equal(await page.textContent('#map-failed'), '4 places have no outline and are shown as tiles.');
    await close();
  });

  test('TopoJSON is read', async () => {
    const { page, errors, close } = await look(topology);
    await page.waitForSelector('#map-canvas canvas');
    assert.ok(await page.isHidden('#map-failed'));
    assert.ok(await page.isHidden('#tiles'));
    assert.deepEqual(await table(page), PLACES.map((code) => `Place ${code}`).sort());
    assert.deepEqual(errors, []);
    await close();
  });

  for (const [name, file, said, change] of [
    ['is not there', (route) => route.fulfill({ status: 404, body: '' }), /status 404/],
    ['is not JSON', '<html>', /the file is not JSON/],
    ['is something else', { type: 'Polygon' }, /neither GeoJSON nor TopoJSON/],
    ['is of other places', { type: 'FeatureCollection', features: [{ id: 'elsewhere', geometry: square(0) }] }, /no outline of any place here/],
    ['does not answer', (route) => route.abort(), /does not answer/],
    ['is not encrypted', isles, /begins with http: and not with https:/, (election) => { election.geojson_url = 'http://plain.example/isles.json'; }],
    ['is on a host that the page may not ask', isles, /may load nothing from their address/, (election) => { election.geojson_url = 'https://other.example/isles.json'; }],
  ]) {
    test(`a file that ${name} is said in words, and every place is a tile`, async () => {
      const { page, close } = await look(file, { change });
      await until('the page says why', async () => said.test(await page.textContent('#map-failed')));
      assert.ok(await page.isVisible('#map-failed'));
      await page.waitForSelector('.tile');
      assert.deepEqual(await tiles(page), [...PLACES].sort());
      await close();
    });
  }

  test('a place is looked at closely by the keyboard, on the map', async () => {
    const { page, errors, close } = await look(topology);
    await page.waitForSelector('#map-canvas canvas');
    await page.focus('#measure');
    for (let tabs = 0; tabs < 8 && !await page.evaluate(() => document.activeElement.id === 'map-canvas'); tabs += 1) await page.keyboard.press('Tab');
    await until('the keyboard points at a place', async () => /^Place/.test(await page.textContent('#map-cursor')));
    const first = await page.textContent('#map-cursor');
    // The first one is the one furthest to the right.
    for (const key of ['ArrowRight', 'ArrowLeft']) await page.keyboard.press(key);
    assert.notEqual(await page.textContent('#map-cursor'), first);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#place:not([hidden])');
    assert.ok((await page.textContent('#map-cursor')).startsWith(`${await page.textContent('#place-title')}:`));
    assert.deepEqual(errors, []);
    await close();
  });
});
