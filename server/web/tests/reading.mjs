//! The page as people read it: on paper, on a wall, on a phone, in large letters, in the system's
//! colours, in the election's time, and when the service stands still.
//!
//! In come `TALLYFLOW_TEST_BINARY` (the service), `TALLYFLOW_TEST_CHROMIUM` (the browser's path) and, to keep
//! pictures, `TALLYFLOW_TEST_PICTURES` (a folder).

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { WAIT_MS, barriers, changed, launch, open, until } from './browser.mjs';
import { startService } from './service.mjs';

const PLACES = 120;
const CANDIDATES = 40;
/** Clocks in Montreal are put back on this day, at six by UTC; then it is one again. */
const FROM = Date.UTC(2013, 10, 3, 5, 58);

const range = (count) => Array.from({ length: count }, (_, at) => at);
const place = (at) => `p${String(at).padStart(3, '0')}`;
const LONG = 'Anne-Marguerite-Élisabeth Featherstonehaugh-Cholmondeley of the Association for Everything';

const register = {
  elections: [{ election_id: 'long', name: 'An election', date: '2013-11-03', geojson_url: '/grid.json' }],
  contests: [
    { contest_id: 'many', election_id: 'long', name: `The office of ${'the deputy commissioner of waterways and '.repeat(4)}bridges`, is_default: true, window_ms: 5000, slide_ms: 5000 },
    { contest_id: 'over', election_id: 'long', name: 'Closed', closes_at: '2013-11-03T12:00:00Z', window_ms: 5000, slide_ms: 5000 },
  ],
  candidates: [
    ...range(CANDIDATES).map((at) => ({ contest_id: 'many', candidate_id: `c${at}`, candidate_name: at === 0 ? LONG : `Candidate Number ${at}`, party: 'A party' })),
    ...['ada', 'grace'].map((id) => ({ contest_id: 'over', candidate_id: id, candidate_name: id })),
  ],
  locations: range(PLACES).map((at) => ({ election_id: 'long', location: place(at), name: `Place ${at}`, registered: 10 })),
};

const grid = {
  type: 'FeatureCollection',
  features: range(PLACES).map((at) => {
    const [x, y] = [at % 12, Math.floor(at / 12)];
    return { type: 'Feature', id: place(at), geometry: { type: 'Polygon', coordinates: [[[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]]] } };
  }),
};

describe('reading', () => {
  let browser;
  let service;

  before(async () => {
    service = await startService(register);
    browser = await launch();
    await service.vote(range(400).map((at) => ({
      vote_id: `v${at}`, voter_id: `v${at}`, candidate_id: `c${Math.floor(Math.sqrt((at % PLACES) * 4))}`, contest_id: 'many', location: place(at % PLACES), timestamp: FROM + at * 600,
    })));
    await service.vote([{ vote_id: 'o', voter_id: 'o', candidate_id: 'ada', contest_id: 'over', location: place(0), timestamp: FROM }]);
    await until('all are counted', async () => (await service.api('api/v1/results?contest=over')).counts.accepted === 1);
  });

  after(async () => {
    await browser?.close();
    await service?.stop();
  });

  /** The page with parameters in its address; `answers` are made-up ones. */
  async function look(parameters = {}, { answers = {}, ...options } = {}) {
    const url = new URL(service.address);
    url.search = new URLSearchParams(parameters);
    return open(browser, url, { viewport: { width: 1280, height: 900 }, answers: { '/grid.json': { contentType: 'application/json', body: JSON.stringify(grid) }, ...answers }, ...options });
  }

  async function picture(page, name) {
    const folder = process.env.TALLYFLOW_TEST_PICTURES;
    if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
  }

  const phone = { viewport: { width: 390, height: 844 } };
  const inMontreal = { '/api/v1/elections': changed((answer) => { answer.elections[0].time_zone = 'America/Montreal'; }) };

  test('paper has every chart and every row, without scrolling first', { timeout: 3 * WAIT_MS }, async () => {
    const { page, errors, close } = await look();
    await page.waitForSelector('#locations-body > tr');
    await page.waitForFunction(() => performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/echarts.js')));
    await page.waitForTimeout(1000);
    await page.evaluate(() => addEventListener('beforeprint', () => {
      const painted = (box) => [...box.querySelectorAll('canvas')].some((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0));
      window.paper = {
        charts: [...document.querySelectorAll('.chart')].map((box) => [box.id, painted(box)]),
        rows: [...document.querySelectorAll('#locations-body > tr')].map((row) => row.querySelector('.column-accepted').textContent),
      };
    }));
    const paper = await page.pdf();
    assert.ok(paper.length > 10_000);
    const { charts, rows } = await page.evaluate(() => window.paper);
    assert.deepEqual(charts, ['shares-canvas', 'map-canvas', 'series-canvas', 'windows-canvas'].map((id) => [id, true]));
    assert.equal(rows.length, PLACES);
    assert.ok(rows.every((text) => /^[34]$/.test(text)), 'every row has its figures');
    assert.equal(await page.evaluate(() => scrollY), 0);
    assert.deepEqual(errors, []);
    await close();
  });

  test('a wall breaks no word, and says how many candidates it leaves out', async () => {
    for (const viewport of [{ width: 1920, height: 1080 }, { width: 3840, height: 2160 }]) {
      const { page, errors, close } = await look({ screen: '' }, { viewport });
      await page.waitForSelector('#candidates-left-out:not([hidden])');
      await picture(page, `wall-${viewport.width}`);
      const { shown, said, broken } = await until('all that is shown is whole', () => page.evaluate(() => {
        const items = [...document.querySelectorAll('#candidates > li')].filter((item) => item.offsetHeight > 0);
        const bottom = document.getElementById('candidates').getBoundingClientRect().bottom;
        const words = [...document.querySelectorAll('#podium .name, #candidates > li .name')].filter((node) => node.offsetHeight > 0).flatMap((node) => {
          const text = node.firstChild;
          return [...text.data.matchAll(/[^\s-]+/g)].filter(({ 0: word, index }) => {
            const letters = document.createRange();
            letters.setStart(text, index);
            letters.setEnd(text, index + word.length);
            return new Set([...letters.getClientRects()].map((rect) => Math.round(rect.top))).size > 1;
          });
        });
        if (items.length === 0 || items.some((item) => item.getBoundingClientRect().bottom > bottom + 1)) return null;
        return { shown: items.length, said: document.getElementById('candidates-left-out').textContent, broken: words.map(String) };
      }));
      assert.equal(said, `and ${CANDIDATES - shown} more candidates`);
      assert.deepEqual(broken, []);
      assert.deepEqual(errors, []);
      await close();
    }
  });

  test('forty candidates are dense rows on a phone, and every name is whole', async () => {
    const { page, errors, close } = await look({}, phone);
    const rows = await page.$$eval('#candidates > li', (nodes) => nodes.map((node) => ({ height: node.offsetHeight, name: node.querySelector('.name').textContent, whole: node.querySelector('.name').scrollHeight <= node.querySelector('.name').clientHeight + 1 })));
    assert.equal(rows.length, CANDIDATES);
    assert.ok(rows.filter(({ name }) => name !== LONG).every(({ height }) => height <= 40), JSON.stringify(rows.map(({ height }) => height)));
    assert.ok(rows.every(({ whole }) => whole) && rows.some(({ name }) => name === LONG));
    await page.waitForSelector('#locations-body > tr');
    assert.deepEqual(await barriers(page), []);
    await picture(page, 'phone');
    assert.deepEqual(errors, []);
    await close();
  });

  test('a phone scrolls the page, and no table in it', async () => {
    const { page, close } = await look({}, phone);
    await page.waitForSelector('#locations-body > tr');
    const scrolls = await page.$$eval('#locations-scroll, .scroll:has(.windows)', (nodes) => nodes.map((node) => [node.scrollHeight - node.clientHeight, node.scrollWidth - node.clientWidth]));
    for (const [down, aside] of scrolls) assert.ok(down <= 1 && aside <= 1, JSON.stringify(scrolls));
    // What its columns are called is beside the figures.
    assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('#locations-body .column-accepted'), '::before').content), '"Accepted"');
    await close();
  });

  test('nothing is wider than its window, on a phone and in letters of twice the size', async () => {
    for (const [width, size] of [[390, '100%'], [390, '200%'], [1280, '200%'], [320, '100%']]) {
      const { page, close } = await look({}, { viewport: { width, height: 800 } });
      await page.evaluate((letters) => { document.documentElement.style.fontSize = letters; }, size);
      await page.waitForSelector('#locations-body > tr');
      await page.evaluate(() => document.getElementById('map-section').scrollIntoView());
      await page.selectOption('#measure', 'share');
      await until('it is drawn', () => page.evaluate(() => document.querySelector('#legend li') !== null));
      const overflow = await page.evaluate(() => ({
        by: document.documentElement.scrollWidth - innerWidth,
        who: [...document.querySelectorAll('body *')].filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && node.closest('.scroll, .unseen, .chart') === null)
          .map((node) => `${node.localName}#${node.id}.${node.className}`).slice(0, 8),
      }));
      assert.ok(overflow.by <= 0, `${width} px at ${size}: ${JSON.stringify(overflow)}`);
      if (width === 390) await picture(page, `letters-${parseInt(size, 10)}`);
      await close();
    }
  });

  test('in the system\u2019s colours map and donut can be read', async () => {
    const { page, errors, close } = await look({ contest: 'many' }, { forcedColors: 'active' });
    for (const id of ['shares-canvas', 'map-canvas']) {
      await page.evaluate((box) => document.getElementById(box).closest('section').scrollIntoView(), id);
      await page.waitForSelector(`#${id} canvas`);
      await until(`${id} has colours`, () => page.evaluate((box) => {
        const canvas = document.querySelector(`#${box} canvas`);
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const counts = new Map();
        for (let at = 0; at < data.length; at += 4) {
          const color = `${data[at]} ${data[at + 1]} ${data[at + 2]} ${data[at + 3]}`;
          counts.set(color, (counts.get(color) ?? 0) + 1);
        }
        return [...counts.values()].filter((count) => count > 200).length >= 4;
      }, id));
    }
    await picture(page, 'forced');
    assert.deepEqual(errors, []);
    await close();
  });

  test('every line has its name in the legend', async () => {
    const { page, errors, close } = await look();
    await page.waitForSelector('#series-legend li');
    const [listed, lines] = await page.evaluate(() => [
      [...document.querySelectorAll('#series-legend bdi')].map((node) => node.textContent), [...document.querySelectorAll('#series-legend .stroke')].map((node) => `${node.dataset.dash} ${node.style.getPropertyValue('--color')}`),
    ]);
    const { candidates } = await service.api('api/v1/results');
    assert.deepEqual(listed, candidates.slice(0, 8).map((row) => row.candidate_name));
    assert.equal(new Set(lines).size, 8, 'no two look alike');
    const inWindows = await page.$$eval('#windows-legend bdi', (nodes) => nodes.map((node) => node.textContent));
    assert.deepEqual(inWindows.sort(), candidates.filter((row) => row.votes > 0).map((row) => row.candidate_name).sort());
    assert.deepEqual(errors, []);
    await close();
  });

  test('numbers stand at the right, below headings at the right, in every table', async () => {
    const { page, close } = await look();
    await page.waitForSelector('#locations-body > tr');
    for (const id of ['shares', 'map', 'series', 'windows']) {
      await page.click(`#${id}-table summary`);
      await page.waitForSelector(`#${id}-table tbody tr`);
    }
    const wrong = await page.evaluate(() => {
      const edge = (node) => {
        const text = document.createRange();
        text.selectNodeContents(node.querySelector('button') ?? node);
        return Math.max(...[...text.getClientRects()].map((rect) => rect.right));
      };
      return [...document.querySelectorAll('table.grid')].flatMap((table) => {
        const heads = [...table.querySelectorAll('thead th')];
        const rows = [...table.querySelectorAll('tbody tr')].slice(0, 3);
        return heads.flatMap((head, column) => (!head.classList.contains('number') ? [] : rows.flatMap((row) => {
          const off = Math.abs(edge(head) - edge(row.children[column]));
          return off > 3 ? [`${table.closest('[id]').id} ${head.textContent}: ${off}`] : [];
        })));
      });
    });
    assert.deepEqual(wrong, []);
    await close();
  });

  test('times are those of the election, told apart, and the page says whose they are', async () => {
    const { page, errors, close } = await look({}, { answers: inMontreal, timezoneId: 'Asia/Tokyo' });
    await page.waitForSelector('#windows > tr');
    assert.match(await page.textContent('#footer-zone'), /America\/Montreal/);
    for (const id of ['series-explain', 'windows-explain']) await until(id, async () => (await page.textContent(`#${id}`)).includes('America/Montreal'));
    const first = (selector) => page.$$eval(selector, (rows) => rows.map((row) => row.children[0].textContent));
    const windows = await first('#windows > tr');
    assert.equal(windows[0], '01:01:55 UTC\u22125 – 01:02:00 UTC\u22125');
    assert.equal(new Set(windows).size, windows.length);
    await page.click('#series-table summary');
    await page.waitForSelector('#series-table tbody tr');
    const steps = await first('#series-table tbody tr');
    assert.equal(new Set(steps).size, steps.length, 'no two steps read alike');
    assert.ok(steps.some((text) => text.includes('UTC\u22124')) && steps.some((text) => text.includes('UTC\u22125')), 'the hour that comes twice');
    assert.match(steps.at(-1), /3 Nov|Nov 3/);
    assert.deepEqual(errors, []);
    await close();
  });

  test('the end is said, and turnout is so far only until then', { timeout: 2 * WAIT_MS }, async () => {
    const { page, close } = await look({ contest: 'over' });
    assert.equal(await page.textContent('#turnout-label'), 'Turnout');
    assert.equal(await page.textContent('#end'), 'all polls closed');
    await page.waitForSelector('#line[data-kind=final]');
    assert.match(await page.textContent('#line'), /Final\s+all polls closed, no change for/);
    await close();
    const open = await look();
    assert.equal(await open.page.textContent('#turnout-label'), 'Turnout so far');
    await open.page.waitForSelector('#line[data-kind=quiet]');
    await open.close();
  });

  test('a service that publishes nothing is an alarm in the reader\u2019s language, and no calm', async () => {
    const stalled = { '/api/v1/status': changed((answer) => { answer.publishing = { stalled_since: '2026-11-28T12:00:00Z', reason: 'the checkpoints cannot be written' }; }) };
    for (const [lang, said, title] of [['en', /No new results have been published since .*12:00:00/, 'Stalled'], ['fr', /Aucun nouveau résultat n’a été publié depuis/, 'Arrêt']]) {
      const { page, errors, close } = await look({ lang }, { answers: stalled });
      await page.waitForSelector('#alarm:not([hidden])');
      assert.match(await page.textContent('#alarm'), said);
      assert.match(await page.textContent('#alarm'), /the checkpoints cannot be written/);
      assert.equal(await page.textContent('#line-title'), title);
      assert.deepEqual(await barriers(page), []);
      assert.deepEqual(errors, []);
      await close();
    }
    const alone = await look({ embed: 'figures' }, { answers: stalled });
    await alone.page.waitForSelector('#alarm:not([hidden])');
    await alone.close();
    const fine = await look({}, { answers: { '/api/v1/status': changed((answer) => { answer.publishing = { stalled_since: null, reason: null }; }) } });
    await fine.page.waitForSelector('#health [data-health=messages]');
    assert.ok(await fine.page.isHidden('#alarm'));
    await fine.close();
  });

  test('where there is little room, candidates have their short names', async () => {
    // The stream as the page hears it, with a field that rows may have.
    const [results, { locations }, windows] = await Promise.all(['results', 'locations?parent=*', 'windows'].map((name) => service.api(`api/v1/${name}`)));
    for (const row of results.candidates) row.short_name = `S${row.candidate_id}`;
    const { tick, as_of, register_version, contest_id } = results;
    const event = JSON.stringify({ tick, as_of, register_version, contest_id, results, locations, windows });
    const { page, close } = await look({}, { answers: {
      '/page/*/feed.js': async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, body: (await response.text()).replace("typeof SharedWorker === 'undefined'", 'true') });
      },
      '/api/v1/stream*': { contentType: 'text/event-stream', body: `event: snapshot\ndata: ${event}\n\n` },
      '/grid.json': { status: 404, body: '' },
    } });
    await page.evaluate(() => document.getElementById('map-section').scrollIntoView());
    await page.waitForSelector('.tile[data-text]');
    const short = (id) => `S${id}`;
    const leaders = Object.fromEntries(locations.filter((row) => row.leader !== null).map((row) => [row.location, short(row.leader)]));
    const shown = await page.$$eval('.tile', (nodes) => Object.fromEntries(nodes.filter((node) => node.dataset.text !== '=').map((node) => [node.dataset.location, node.dataset.text])));
    assert.ok(Object.keys(leaders).length > 0);
    assert.deepEqual(shown, leaders);
    const heads = await page.$$eval('#locations-head .candidate-column', (nodes) => nodes.map((node) => node.textContent));
    assert.deepEqual([...heads].sort(), results.candidates.slice(0, 6).map((row) => row.short_name).sort());
    await close();
  });
});
