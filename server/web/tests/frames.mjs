//! The page in somebody else's page, and addresses that ask for what there is not.
//!
//! In come `TALLYFLOW_TEST_BINARY` (the service) and `TALLYFLOW_TEST_CHROMIUM` (the browser's path).

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { WAIT_MS, barriers, launch, open, until } from './browser.mjs';
import { startService } from './service.mjs';

const register = {
  elections: [{ election_id: 'e', name: 'An election', date: '2024-06-09' }],
  contests: ['mayor', 'council'].map((id) => ({ contest_id: id, election_id: 'e', name: `The ${id}`, is_default: id === 'mayor' })),
  candidates: ['mayor', 'council'].flatMap((contest) => ['ada', 'grace'].map((id) => ({ contest_id: contest, candidate_id: id, candidate_name: `${id} of ${contest}` }))),
  locations: ['north', 'south'].map((code) => ({ election_id: 'e', location: code, name: code })),
};

describe('frames', () => {
  let browser;
  let service;

  before(async () => {
    service = await startService(register, ['--frame-origin', '*']);
    browser = await launch();
    await service.vote([{ vote_id: '1', voter_id: '1', candidate_id: 'ada', contest_id: 'mayor', location: 'north' }]);
    await until('it is counted', async () => (await service.api('api/v1/results')).counts.accepted === 1);
  });

  after(async () => {
    await browser?.close();
    await service?.stop();
  });

  const address = (parameters) => {
    const url = new URL(service.address);
    url.search = new URLSearchParams(parameters);
    return url;
  };
  const look = (parameters, options = {}) => open(browser, address(parameters), { viewport: { width: 1280, height: 900 }, ...options });

  /** A page that may show no figures. */
  async function visit(parameters) {
    const context = await browser.newContext({ locale: 'en-CA' });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    await page.goto(address(parameters).href);
    return { page, close: () => context.close() };
  }

  test('an embedded view has no header, no gutter, and the header if it is asked for', async () => {
    const { page, errors, close } = await look({ embed: 'candidates' });
    assert.ok(await page.isHidden('.masthead'));
    const { left, right } = await page.evaluate(() => {
      const box = document.getElementById('candidates-section').getBoundingClientRect();
      return { left: box.left, right: innerWidth - box.right };
    });
    assert.deepEqual([left, right], [0, 0]);
    assert.deepEqual(errors, []);
    await close();
    const other = await look({ embed: 'candidates', header: '1' });
    assert.ok(await other.page.isVisible('.masthead'));
    assert.deepEqual(await barriers(other.page), []);
    await other.close();
  });

  test('an embedded view is light or dark as its address says', async () => {
    for (const [theme, scheme] of [['light', 'dark'], ['dark', 'light']]) {
      const { page, close } = await look({ embed: 'candidates', theme }, { colorScheme: scheme });
      const paper = await page.evaluate(() => getComputedStyle(document.querySelector('.card')).backgroundColor);
      assert.equal(paper, theme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(22, 27, 35)');
      assert.deepEqual(await barriers(page), []);
      await close();
    }
  });

  test('an embedded view tells its height to the page around it', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    const around = new URL('/around.html', service.address).href;
    await context.route(around, (route) => route.fulfill({
      contentType: 'text/html',
      body: `<!doctype html><iframe width="500" height="50" src="/?embed=candidates"></iframe><script>
        addEventListener('message', ({ data }) => { if (data.type === 'tallyflow:height') { window.told = data; document.querySelector('iframe').height = data.height; } });</script>`,
    }));
    await page.goto(around);
    await page.waitForFunction(() => window.told?.height > 150);
    const frame = page.frames()[1];
    await until('it fits', () => frame.evaluate(() => document.documentElement.scrollHeight <= innerHeight));
    const [told, height] = await Promise.all([page.evaluate(() => window.told), frame.evaluate(() => document.body.getBoundingClientRect().height)]);
    assert.deepEqual([told.embed, told.height], ['candidates', Math.ceil(height)]);
    await context.close();
  });

  test('a contest that there is not is said, with links to those that there are, and no other is shown', async () => {
    for (const embed of [{}, { embed: 'candidates' }]) {
      const { page, close } = await visit({ contest: 'major', ...embed });
      await page.waitForSelector('#notice-ways a');
      assert.match(await page.textContent('#notice-text'), /There is no contest “major”/);
      assert.ok(await page.isHidden('#figures'));
      assert.equal(await page.locator('#candidates > li').count(), 0);
      assert.deepEqual(await page.$$eval('#notice-ways a', (links) => links.map((link) => link.textContent)), ['The mayor', 'The council']);
      await page.click('#notice-ways a >> nth=1');
      await page.waitForSelector('#figures:not([hidden])');
      assert.equal(new URL(page.url()).searchParams.get('contest'), 'council');
      assert.equal(await page.textContent('#contest-name'), 'The council');
      await close();
    }
  });

  test('a view that there is not is said, with links to those that there are', async () => {
    const { page, close } = await visit({ embed: 'candidate' });
    await page.waitForSelector('#notice-ways a');
    assert.match(await page.textContent('#notice-text'), /There is no view “candidate”/);
    assert.equal(await page.locator('[data-view]:visible').count(), 0);
    await page.click('#notice-ways bdi:text-is("Candidates")');
    await page.waitForSelector('[data-view=candidates]:visible');
    assert.deepEqual(await barriers(page), []);
    await close();
  });

  test('a place that there is not is said, and the contest is shown', async () => {
    for (const parameter of ['place', 'at', 'location']) {
      const { page, close } = await look({ [parameter]: 'nowhere' });
      await page.waitForSelector('#address-note:not([hidden])');
      assert.equal(await page.textContent('#address-note-text'), 'There is no place “nowhere” in this contest.');
      await page.click('#address-note-link');
      await page.waitForSelector('#figures:not([hidden])');
      assert.ok(await page.isHidden('#address-note'));
      await close();
    }
    const { page, close } = await look({ location: 'north' });
    await page.waitForSelector('#place:not([hidden])');
    assert.equal(await page.textContent('#place-title'), 'north');
    await close();
  });

  test('other parameters and values that there are not are said, and those of others are left alone', async () => {
    const { page, close } = await look({ contst: 'council', screen: 'wall', theme: 'pink', refresh: '7', of: 'nobody', utm_source: 'news', fbclid: 'x', measure: 'margin' });
    await page.waitForSelector('#address-note:not([hidden])');
    const said = await page.textContent('#address-note-text');
    for (const wrong of ['contst=council', 'screen=wall', 'theme=pink', 'refresh=7', 'of=nobody']) assert.ok(said.includes(`“${wrong}”`), said);
    assert.doesNotMatch(said, /utm|fbclid|measure/);
    await page.click('#address-note-link');
    await page.waitForSelector('#figures:not([hidden])');
    assert.ok(await page.isHidden('#address-note'));
    assert.equal(new URL(page.url()).searchParams.get('measure'), 'margin');
    await close();
    const french = await look({ contst: 'council', lang: 'fr' });
    await french.page.waitForSelector('#address-note:not([hidden])');
    assert.match(await french.page.textContent('#address-note-text'), /^L’adresse demande «\u00a0contst=council\u00a0»/);
    await french.close();
  });
});
