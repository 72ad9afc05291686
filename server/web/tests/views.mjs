//! The dashboard of elections of every shape: forty candidates, a tree of places, outlines or none,
//! portraits from elsewhere, a build without charts, many tabs.
//!
//! In come `TALLYFLOW_TEST_BINARY` (the service), `TALLYFLOW_TEST_CHROMIUM` (the browser's path) and, to keep
//! pictures, `TALLYFLOW_TEST_PICTURES` (a folder).

import assert from 'node:assert/strict';
import path from 'node:path';
import test, { after, before } from 'node:test';

import { WAIT_MS, barriers, launch, open, until } from './browser.mjs';
import { startService } from './service.mjs';
// They are of this run, too.
import './outlines.mjs';
import './frames.mjs';
import './reading.mjs';

const LANDS = 3;
const REGIONS = 3;
const TOWNS = 4;
const VOTERS = 20;
const CANDIDATES = 40;
/** Votes are cast over an hour and a half. */
const OPENS = Date.UTC(2024, 5, 9, 18, 0);
const STEP_MS = 7000;

const range = (count) => Array.from({ length: count }, (_, at) => at);
const towns = range(LANDS).flatMap((land) => range(REGIONS).flatMap((region) => range(TOWNS)
  .map((town) => ({ code: `t${land}${region}${town}`, parent: `r${land}${region}`, land, region, town }))));

const location = (code, parent, more = {}) => ({ election_id: 'many', location: code, name: `Place ${code}`, parent, ...more });

const register = {
  elections: [
    { election_id: 'many', name: 'An election of many', date: '2024-06-09', geojson_url: '/towns.geojson' },
    { election_id: 'few', name: 'An election of few', date: '2024-06-09', test: true },
    { election_id: 'uneven', name: 'An election with places beside a region', date: '2024-06-09' },
  ],
  contests: [
    { contest_id: 'council', election_id: 'many', name: 'Council', is_default: true, window_ms: 600_000, slide_ms: 300_000 },
    { contest_id: 'chair', election_id: 'few', name: 'Chair' },
    { contest_id: 'board', election_id: 'uneven', name: 'Board' },
    { contest_id: 'nobody', election_id: 'few', name: 'A contest that nobody voted in' },
  ],
  candidates: [
    ...range(CANDIDATES).map((at) => ({
      contest_id: 'council', candidate_id: `c${at}`, candidate_name: `Candidate ${at}`, party: `List ${at % 5}`,
      campaign_promises: at % 2 ? `Promise ${at}` : null, photo_url: PHOTOS(at),
    })),
    ...['chair', 'board', 'nobody'].flatMap((contest) => ['ada', 'grace', 'linus'].map((id) => ({ contest_id: contest, candidate_id: id, candidate_name: id }))),
  ],
  locations: [
    ...range(LANDS).map((land) => location(`l${land}`, null)),
    ...range(LANDS).flatMap((land) => range(REGIONS).map((region) => location(`r${land}${region}`, `l${land}`))),
    ...towns.map(({ code, parent }) => location(code, parent, { registered: 2 * VOTERS })),
    ...[['home', null], ['east', 'home'], ['west', 'home'], ['overseas', null], ['postal', null]].map(([code, parent]) => ({ election_id: 'uneven', location: code, parent })),
  ],
};

/** Portraits of the own origin, of one that the register names, and of one that is not there. */
function PHOTOS(at) {
  return [`/photos/${at}.png`, `https://cdn.example/${at}.png`, null][at % 3];
}

/** The towns as squares in a grid, by land. */
const outlines = {
  type: 'FeatureCollection',
  features: towns.map(({ code, land, region, town }) => {
    const [x, y] = [land * 2.2 + (town % 2), region * 2.2 + Math.floor(town / 2)];
    return { type: 'Feature', id: code, geometry: { type: 'Polygon', coordinates: [[[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]]] } };
  }),
};

/** A picture of one point. */
const POINT = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
const photo = { contentType: 'image/png', body: POINT };
const answers = {
  '/towns.geojson': { contentType: 'application/geo+json', body: JSON.stringify(outlines) },
  ...Object.fromEntries(range(CANDIDATES).map((at) => [PHOTOS(at) ?? '/none', photo])),
};

/** Town by town another candidate is ahead; in the last town two are equal. */
function votes() {
  return towns.flatMap(({ code }, town) => range(VOTERS).map((voter) => {
    const even = town === towns.length - 1 ? voter % 2 : (voter * voter + town) % (3 + (town % 5));
    return {
      vote_id: `${code}-${voter}`, voter_id: `${code}-${voter}`, ...(voter === 3 && town < towns.length - 1 ? { choices: [] } : { candidate_id: `c${(town + even) % CANDIDATES}` }),
      contest_id: 'council', location: code, timestamp: new Date(OPENS + (town * VOTERS + voter) * STEP_MS).toISOString(),
    };
  }));
}

let browser;
let service;

before(async () => {
  service = await startService(register);
  browser = await launch();
  await service.vote(votes());
  await service.vote(['ada', 'grace'].map((id) => ({ vote_id: id, voter_id: id, candidate_id: id, contest_id: 'chair' })));
  await until('the last votes are counted', async () => (await service.api('api/v1/results?contest=chair')).counts.accepted === 2);
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

/** The dashboard with parameters in its address, scrolled to the map. */
async function look(parameters = {}, options = {}) {
  const url = new URL(service.address);
  url.search = new URLSearchParams(parameters);
  const opened = await open(browser, url, { viewport: { width: 1280, height: 900 }, answers, ...options });
  // Only an election with places has one.
  if (parameters.contest === undefined) await toMap(opened.page);
  return opened;
}

/** The map is drawn while it is looked at. */
async function toMap(page) {
  await page.waitForSelector('#map-section:not([hidden])');
  await page.evaluate(() => document.getElementById('map-section').scrollIntoView());
}

async function picture(page, name) {
  const folder = process.env.TALLYFLOW_TEST_PICTURES;
  if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

/** The rows of a table beside a chart. */
async function twin(page, id) {
  if (await page.getAttribute(`#${id}`, 'open') === null) await page.click(`#${id} summary`);
  await page.waitForSelector(`#${id} tbody tr`);
  return page.$$eval(`#${id} tbody tr`, (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
}

const number = (text) => Number(text.replace(/[^\d]/g, ''));
const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);

/** Who leads how many of some places, as a legend says it. */
function led(rows) {
  const counts = new Map();
  for (const row of rows) {
    const name = row.leader === null ? 'tie' : `Candidate ${row.leader.slice(1)}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Object.fromEntries(counts);
}

const legend = (page) => page.$$eval('#legend > li', (nodes) => Object.fromEntries(
  nodes.map((node) => [node.querySelector('bdi').textContent, Number(node.querySelector('.figure').textContent)]),
));

const leaves = async () => (await service.api('api/v1/locations?contest=council&parent=*')).locations.filter((row) => row.leaf);

test('the map shows every place that has an outline, and its legend and table are right', async () => {
  const { page, errors, close } = await look();
  await page.locator('#map-canvas').scrollIntoViewIfNeeded();
  await page.waitForSelector('#map-canvas canvas');
  const rows = await leaves();
  assert.deepEqual(await legend(page), led(rows));
  const table = await twin(page, 'map-table');
  assert.deepEqual(table.map(([name]) => name).sort(), rows.map((row) => row.name).sort());
  for (const [name, leader] of table) {
    const row = rows.find((each) => each.name === name);
    assert.equal(leader, row.leader === null ? 'a tie for first' : `Candidate ${row.leader.slice(1)}`);
  }
  // Who cannot press on the map presses a name in its table.
  await page.click('#map-table tbody .door >> nth=5');
  await page.waitForSelector('#place:not([hidden])');
  assert.equal(await page.textContent('#place-title'), table[5][0]);
  assert.ok(await page.isHidden('#tiles') && await page.isVisible('#zooms'));
  await picture(page, 'forty-candidates');
  assert.deepEqual(await barriers(page), []);
  assert.deepEqual(errors, []);
  await close();
});

test('a place on the map is looked at closely, and the map is zoomed', async () => {
  const { page, errors, close } = await look();
  const canvas = page.locator('#map-canvas');
  await canvas.scrollIntoViewIfNeeded();
  await page.waitForSelector('#map-canvas canvas');
  const box = await canvas.boundingBox();
  // Between the lands there is nothing; a little left of the middle is a town of the middle land.
  const town = [box.x + box.width / 2 - box.height * 0.06, box.y + box.height / 2 - box.height * 0.06];
  await until('the town that is pressed is shown', async () => {
    await page.mouse.click(...town);
    return page.isVisible('#place');
  });
  const code = new URL(page.url()).searchParams.get('place');
  const row = (await leaves()).find((each) => each.location === code);
  assert.equal(await page.textContent('#place-title'), row.name);
  const listed = await page.$$eval('#place-candidates > li', (nodes) => nodes.map((node) => node.querySelector('.figure').textContent.split('· ')[1]));
  assert.deepEqual(listed.map(Number), Object.values(row.votes).sort((a, b) => b - a));
  await page.reload();
  await toMap(page);
  await page.waitForSelector('#place:not([hidden])');
  assert.equal(await page.textContent('#place-title'), row.name, 'the address says which place');
  await page.waitForSelector('#map-canvas canvas');
  const shot = () => page.locator('#map-canvas').screenshot().then((picture) => picture.toString('base64'));
  /** The map once it stands still, and is another than before. */
  const drawn = (before = '') => {
    let last = before;
    return until('the map is another, and stands', async () => {
      const now = await shot();
      const stands = now === last && now !== before;
      last = now;
      return stands && now;
    });
  };
  const whole = await drawn();
  await page.click('#zoom-in');
  assert.ok(await page.isEnabled('#zoom-all'));
  const zoomed = await drawn(whole);
  await page.keyboard.press('ArrowRight');
  await drawn(zoomed);
  await page.click('#zoom-all');
  assert.ok(await page.isDisabled('#zoom-out'));
  await page.click('#place-close');
  assert.ok(await page.isHidden('#place'));
  assert.deepEqual(errors, []);
  await close();
});

test('without outlines there are tiles, and with outlines that are missing the page says so', async () => {
  const { page, errors, close } = await look({}, { answers: { ...answers, '/towns.geojson': { status: 404, body: 'no' } } });
  await page.waitForSelector('#tiles:not([hidden])');
  assert.ok(await page.isVisible('#map-failed'));
  assert.equal(await page.locator('.tile').count(), towns.length);
  assert.deepEqual(await legend(page), led(await leaves()));
  await picture(page, 'tiles');
  assert.deepEqual(await barriers(page), []);
  assert.ok(errors.every((error) => error.includes('404')), String(errors));
  await close();
});

test('places beside a region are tiles like those in it', async () => {
  const { page, errors, close } = await look({ contest: 'board' });
  await toMap(page);
  await page.waitForSelector('.tile');
  const tiles = await page.$$eval('.tile', (nodes) => nodes.map((node) => node.dataset.location));
  assert.deepEqual(tiles, ['overseas', 'postal', 'east', 'west']);
  assert.deepEqual(errors, []);
  await close();
});

test('the tree is gone down and up, on the tiles and in the table at once', async () => {
  const { page, close } = await look({}, { answers: { ...answers, '/towns.geojson': { status: 404, body: 'no' } } });
  await page.click('.tile-group .door:has-text("Place l1")');
  await page.waitForFunction((count) => document.querySelectorAll('.tile').length === count, REGIONS * TOWNS);
  assert.equal(new URL(page.url()).searchParams.get('at'), 'l1');
  const shown = () => page.$$eval('#locations-body > tr', (nodes) => nodes.map((node) => node.dataset.location));
  assert.deepEqual(await shown(), ['r10', 'r11', 'r12']);
  assert.ok(await page.evaluate(() => document.activeElement.closest('#map-trail') !== null), 'the keyboard goes on from the way back');
  await page.fill('#location-filter', 'r12');
  await page.evaluate(() => document.querySelector('.skip').click());
  await page.waitForFunction(() => document.activeElement.id === 'candidates-title');
  assert.deepEqual(await shown(), ['r12'], 'a link into the page leaves it as it is');
  await page.fill('#location-filter', '');
  await page.click('#locations-body .door:has-text("Place r11")');
  await page.waitForFunction((count) => document.querySelectorAll('.tile').length === count, TOWNS);
  assert.deepEqual(await page.$$eval('.tile', (nodes) => nodes.map((node) => node.dataset.location)), ['t110', 't111', 't112', 't113']);
  const again = await look({ at: 'r11' });
  await again.page.waitForSelector('#locations-body > tr');
  assert.deepEqual(await again.page.$$eval('#locations-body > tr', (nodes) => nodes.map((node) => node.dataset.location)), ['t110', 't111', 't112', 't113']);
  await again.close();
  await page.click('#map-trail button:has-text("All")');
  await page.waitForFunction((count) => document.querySelectorAll('.tile').length === count, towns.length);
  assert.deepEqual(await shown(), ['l0', 'l1', 'l2']);
  await close();
});

test('tiles are one stop of the keyboard, and arrows go from one to the next', async () => {
  const { page, close } = await look({}, { answers: { ...answers, '/towns.geojson': { status: 404, body: 'no' } } });
  await page.waitForSelector('.tile');
  assert.equal(await page.locator('.tile[tabindex="0"]').count(), 1);
  await page.focus('.tile[tabindex="0"]');
  const at = () => page.evaluate(() => document.activeElement.dataset.location);
  const first = await at();
  await page.keyboard.press('ArrowRight');
  assert.notEqual(await at(), first);
  await page.keyboard.press('ArrowLeft');
  assert.equal(await at(), first);
  await page.keyboard.press('ArrowDown');
  assert.notEqual(await at(), first);
  await page.keyboard.press('End');
  assert.equal(await at(), towns.at(-1).code);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#place:not([hidden])');
  assert.equal(await page.textContent('#place-title'), `Place ${towns.at(-1).code}`);
  assert.equal(await page.textContent('#place-figures dd'), 'a tie for first');
  await close();
});

test('every measure has its classes, and a link of its own', async () => {
  const rows = await leaves();
  for (const [measure, value] of [
    ['margin', null], ['turnout', (row) => row.turnout], ['share', (row) => (row.votes.c7 ?? 0) / (row.accepted - row.blank)],
  ]) {
    const { page, errors, close } = await look({ measure, of: 'c7' });
    await page.waitForSelector('#legend > li');
    assert.equal(await page.inputValue('#measure'), measure);
    const classes = await legend(page);
    assert.equal(sum(Object.values(classes)), rows.length);
    if (value !== null) {
      for (const [words, count] of Object.entries(classes)) {
        const [from, to] = words.match(/[\d.]+(?=%)/g).map((text) => Number(text) / 100);
        const last = words === Object.keys(classes).at(-1);
        const within = rows.filter((row) => value(row) >= from - 1e-9 && (last ? value(row) <= to : value(row) < to - 1e-9));
        assert.equal(count, within.length, `${measure} ${words}`);
      }
    }
    assert.deepEqual(errors, []);
    await close();
  }
});

test('shares, votes over time and windows say what the API says', async () => {
  const { page, errors, close } = await look();
  const results = await service.api('api/v1/results');
  const series = await service.api('api/v1/series');
  const windows = await service.api('api/v1/windows');
  const shares = await twin(page, 'shares-table');
  assert.deepEqual(shares.map(([name, , votes]) => [name, number(votes)]), results.candidates.map((row) => [row.candidate_name, row.votes]));
  const sums = await twin(page, 'series-table');
  assert.equal(sums.length, series.points.length);
  assert.equal(number(sums[0][1]), results.counts.accepted, 'the newest line has everything');
  await page.selectOption('#series-kind', 'steps');
  assert.equal(new URL(page.url()).searchParams.get('over'), 'steps');
  await page.waitForFunction((first) => document.querySelector('#series-table tbody td').textContent === first, String(series.points.at(-1).accepted));
  const steps = await twin(page, 'series-table');
  assert.deepEqual(steps.map((cells) => number(cells[1])), series.points.map((point) => point.accepted).reverse());
  const shown = await twin(page, 'windows-table');
  assert.deepEqual(shown.map((cells) => number(cells[2])), windows.windows.slice(0, 120).map((row) => row.accepted));
  for (const id of ['shares', 'series', 'windows']) {
    await page.locator(`#${id}-canvas`).scrollIntoViewIfNeeded();
    await page.waitForSelector(`#${id}-canvas canvas`);
  }
  await page.locator('#shares-canvas').scrollIntoViewIfNeeded();
  await page.selectOption('#shares-shape', 'bars');
  await page.waitForSelector('#shares-canvas canvas');
  assert.deepEqual(await barriers(page), []);
  assert.deepEqual(errors, []);
  await close();
});

test('portraits come from the own origin and from those that the register names', async () => {
  const { page, errors, close } = await look();
  const faces = await page.$$eval('#candidates .face img', (images) => images.map((image) => image.src));
  assert.equal(faces.length, register.candidates.filter((row) => row.photo_url).length);
  for (const image of await page.locator('#candidates .face img').all()) await image.scrollIntoViewIfNeeded();
  await page.waitForFunction(() => [...document.querySelectorAll('#candidates .face img')].every((image) => image.naturalWidth > 0));
  // The policy, not the page's own care, keeps others out.
  const blocked = await page.evaluate(() => new Promise((resolve) => {
    document.addEventListener('securitypolicyviolation', (event) => resolve(event.blockedURI));
    const image = new Image();
    image.src = 'https://other.example/a.png';
  }));
  assert.ok(blocked.startsWith('https://other.example'));
  assert.ok(errors.length > 0 && errors.every((error) => error.includes('other.example')), String(errors));
  await close();
});

test('a build without charts says the same with tiles, tables and bars', async () => {
  const { page, errors, close } = await look({}, { without: ' data-charts' });
  await page.waitForSelector('.tile');
  assert.equal(await page.locator('canvas').count(), 0);
  assert.equal(await page.locator('.chart:visible').count(), 0);
  for (const id of ['series-table', 'windows-table']) await page.waitForSelector(`#${id} tbody tr >> nth=0`);
  assert.deepEqual(await legend(page), led(await leaves()));
  assert.deepEqual(await barriers(page), []);
  assert.deepEqual(errors, []);
  await close();
});

test('a chart library that cannot be had leaves tiles and tables', async () => {
  const without = { answers: { ...answers, '/page/*/echarts.js': { status: 503, body: '' } } };
  const alone = await look({ embed: 'map' }, without);
  await alone.page.waitForSelector('.tile');
  await alone.close();
  const { page, close } = await look({}, without);
  await page.waitForSelector('.tile');
  assert.equal(await page.locator('.chart:visible').count(), 0);
  assert.deepEqual(await legend(page), led(await leaves()));
  assert.equal((await twin(page, 'series-table')).length, (await service.api('api/v1/series')).points.length);
  assert.deepEqual(await barriers(page), []);
  await close();
});

test('a table that is opened before the charts come stays open, and is filled', async () => {
  let release;
  const opened = new Promise((resolve) => { release = resolve; });
  const pictures = (route) => opened.then(() => route.continue());
  const { page, errors, close } = await look({ contest: 'chair' }, { answers: { ...answers, '/page/*/pictures.js': pictures } });
  await page.click('#shares-table summary');
  release();
  await page.waitForSelector('#shares-table tbody tr');
  assert.deepEqual(errors, []);
  await close();
});

test('no votes yet, and a tie', async () => {
  const { page, errors, close } = await look({ contest: 'nobody' }, { viewport: { width: 360, height: 740 } });
  assert.equal(await page.textContent('#leader'), 'no votes yet');
  assert.ok(await page.isVisible('#test-warning'));
  assert.ok(await page.isVisible('#windows-empty') && await page.isHidden('#windows-canvas') && await page.isHidden('.windows'));
  await picture(page, 'no-votes');
  assert.deepEqual(await barriers(page), []);
  await until('the page says that there is nothing', async () => await page.textContent('#announcer') === 'No ballots yet.');
  assert.deepEqual(await Promise.all(['#podium-section', '#lead-card', '#turnout-card', '#registered-card'].map((id) => page.isVisible(id))), [false, false, false, false]);
  await page.selectOption('#contest-select', 'chair');
  await page.waitForFunction(() => document.querySelector('#leader').textContent === 'a tie for first');
  const podium = await page.$$eval('#podium > li', (nodes) => nodes.map((node) => {
    const { left, right, top } = node.querySelector('.step').getBoundingClientRect();
    return { rank: node.querySelector('.podium-rank').textContent, tie: node.querySelector('.podium-tie').textContent, left, right, top };
  }));
  assert.deepEqual(podium.map(({ rank, tie }) => [rank, tie]), [['1', 'tied'], ['1', 'tied']]);
  const [first, second] = podium;
  assert.ok(first.top === second.top && Math.abs(first.right - second.left) < 1, `one step: ${JSON.stringify(podium)}`);
  await page.waitForSelector('#shares-section:not([hidden])');
  await picture(page, 'tie');
  await page.goBack();
  await page.waitForFunction(() => document.querySelector('#leader').textContent === 'no votes yet');
  assert.deepEqual(await barriers(page), []);
  assert.deepEqual(errors, []);
  await close();
});

test('all tabs of a browser have one stream, which outlives each of them', { timeout: 3 * WAIT_MS }, async () => {
  const context = await browser.newContext();
  const streams = async () => Number((await (await fetch(new URL('metrics', service.address))).text()).match(/^tallyflow_streams_open (\d+)$/m)[1]);
  const none = async () => await streams() === 0;
  await until('earlier pages are gone', none);
  const tabs = [];
  for (const at of range(8)) {
    const page = await context.newPage();
    await page.goto(`${service.address}?contest=chair${at % 2 ? '&embed=candidates' : ''}`);
    tabs.push(page);
  }
  for (const page of tabs) await page.waitForSelector('#figures:not([hidden])');
  assert.equal(await streams(), 1);
  const show = (page, votes) => page.waitForFunction((all) => document.querySelector('#outcomes [data-figure=received]').textContent === String(all), votes);
  await service.vote([{ vote_id: 'one', voter_id: 'one', candidate_id: 'ada', contest_id: 'chair' }]);
  await Promise.all(tabs.map((page) => show(page, 3)));
  await tabs.shift().close();
  await service.vote([{ vote_id: 'two', voter_id: 'two', candidate_id: 'grace', contest_id: 'chair' }]);
  await Promise.all(tabs.map((page) => show(page, 4)));
  assert.equal(await streams(), 1);
  await context.close();
  await until('the stream is closed', none);
});
