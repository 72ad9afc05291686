//! The dashboard under a stream of changes: what it weighs, how its frames come, what it holds.
//!
//! In come a service's address and for how many seconds; out go lines of figures. Half of the time
//! the top of the page is looked at, half of it the map's tiles.

import { launch } from '../server/web/tests/browser.mjs';

const [address, seconds = '600'] = process.argv.slice(2);
const SAMPLES = 10;

const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
const errors = [];
page.on('pageerror', (error) => errors.push(String(error)));
page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
await page.addInitScript(() => {
  window.longTasks = [];
  new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ entryTypes: ['longtask'] });
});

const begun = performance.now();
await page.goto(address);
await page.waitForSelector('#figures:not([hidden])');
const figures_ms = performance.now() - begun;
const early = await bytes();
const paint_ms = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
for (const id of ['shares-canvas', 'series-canvas', 'windows-canvas']) {
  await page.locator(`#${id}`).scrollIntoViewIfNeeded();
  await page.waitForSelector(`#${id} canvas`);
}
const all = await bytes();
console.log(`first paint ${paint_ms.toFixed(0)} ms, figures ${figures_ms.toFixed(0)} ms (cold, loopback)`);
console.log(`page's own files until the figures ${early.page} B, with the charts ${all.page} B (compressed)`);

const session = await context.newCDPSession(page);
await session.send('Performance.enable');
for (const [name, id] of [['top of the page', 'figures'], ['map', 'map-section']]) {
  await page.evaluate((target) => document.getElementById(target).scrollIntoView(), id);
  await page.evaluate(() => {
    window.frames_ms = [];
    window.longTasks.length = 0;
    let before = performance.now();
    window.watching = true;
    requestAnimationFrame(function frame(now) {
      window.frames_ms.push(now - before);
      before = now;
      if (window.watching) requestAnimationFrame(frame);
    });
  });
  const ticks = await ticksShown();
  const busy = (await metrics()).TaskDuration;
  const heaps = [];
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    await page.waitForTimeout((Number(seconds) * 1000) / 2 / SAMPLES);
    await session.send('HeapProfiler.collectGarbage');
    const { JSHeapUsedSize, Nodes, JSEventListeners } = await metrics();
    heaps.push(`${(JSHeapUsedSize / 2 ** 20).toFixed(1)} MB/${Nodes} nodes/${JSEventListeners} listeners`);
  }
  const spent = (await metrics()).TaskDuration - busy;
  const { frames, longs } = await page.evaluate(() => {
    window.watching = false;
    return { frames: [...window.frames_ms].sort((a, b) => a - b), longs: [...window.longTasks] };
  });
  const at = (part) => frames[Math.min(frames.length - 1, Math.floor(frames.length * part))].toFixed(1);
  const over = frames.filter((ms) => ms > 50).length;
  console.log(`${name}: ${frames.length} frames, ms p50 ${at(0.5)} p95 ${at(0.95)} p99 ${at(0.99)} most ${at(1)}, over 50 ms ${over} (${((100 * over) / frames.length).toFixed(2)} %)`);
  console.log(`  long tasks ${longs.length}, longest ${Math.max(0, ...longs).toFixed(0)} ms; main thread busy ${((100 * spent) / (Number(seconds) / 2)).toFixed(0)} %`);
  console.log(`  from tick ${ticks} to ${await ticksShown()}, accepted ${await page.textContent('#accepted')}`);
  console.log(`  heap after collection: ${heaps.join(', ')}`);
}
console.log(`errors: ${errors.length === 0 ? 'none' : errors.join('; ')}`);
await browser.close();

async function metrics() {
  const { metrics: list } = await session.send('Performance.getMetrics');
  return Object.fromEntries(list.map(({ name, value }) => [name, value]));
}

function ticksShown() {
  return page.evaluate(() => document.querySelector('#line-tick').textContent.replace(/[^\d]/g, ''));
}

/** Bytes of the page's own files; the stream and the API's answers are apart. */
async function bytes() {
  const files = await page.evaluate(() => {
    const [document] = performance.getEntriesByType('navigation');
    const others = performance.getEntriesByType('resource').filter(({ name }) => new URL(name).pathname.startsWith('/page/'));
    return [document, ...others].map(({ name, encodedBodySize }) => [name, encodedBodySize]);
  });
  return { page: files.reduce((sum, [, size]) => sum + size, 0), files: files.length };
}
