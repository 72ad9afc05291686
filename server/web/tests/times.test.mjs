//! Instants in words, in the zone of an election, and how fresh the figures are.

import assert from 'node:assert/strict';
import test, { afterEach } from 'node:test';

import { Freshness, hasSameFigures } from '../freshness.js';
import { fetchWords, setLanguage } from '../language.js';
import { clock, day, fullMoment, moment, recent, setTimeZone, spansDays, wantsSeconds, zoneName } from '../times.js';

globalThis.document = { baseURI: 'http://localhost/', documentElement: { dataset: {} } };
const { detailOf, windowText } = await import('../windows.js');

await fetchWords('fr');

afterEach(() => {
  setTimeZone('UTC');
  setLanguage(['en']);
});

test('times are those of the election\u2019s zone, wherever the reader is', () => {
  const at = '2013-11-03T19:05:09.123Z';
  assert.deepEqual([clock(at), moment(at), zoneName()], ['19:05:09', '3 Nov, 19:05', 'UTC']);
  setTimeZone('America/Montreal');
  assert.deepEqual([clock(at), clock(at, false), moment(at, true), day(at)], ['14:05:09', '14:05', '3 Nov, 14:05:09', '3 Nov 2013']);
  assert.equal(fullMoment(at), '3 Nov 2013, 14:05:09');
  setTimeZone('America/Argentina/Buenos_Aires');
  assert.equal(zoneName(), 'America/Argentina/Buenos Aires');
  for (const nowhere of ['Mars/Olympus', '', null, undefined]) {
    setTimeZone(nowhere);
    assert.equal(zoneName(), 'UTC');
  }
  assert.equal(clock('soon'), 'soon');
});

test('an hour that comes twice is told apart by its offset, and no other hour is', () => {
  const at = (zone, instant) => {
    setTimeZone(zone);
    return clock(instant, false);
  };
  for (const [zone, instant, said] of [
    ['America/Montreal', '2013-11-03T04:59:00Z', '00:59'], ['America/Montreal', '2013-11-03T05:00:00Z', '01:00 UTC\u22124'],
    ['America/Montreal', '2013-11-03T05:59:59Z', '01:59 UTC\u22124'], ['America/Montreal', '2013-11-03T06:00:00Z', '01:00 UTC\u22125'],
    ['America/Montreal', '2013-11-03T06:59:59Z', '01:59 UTC\u22125'], ['America/Montreal', '2013-11-03T07:00:00Z', '02:00'],
    ['America/Montreal', '2013-03-10T06:59:00Z', '01:59'], ['America/Montreal', '2013-03-10T07:00:00Z', '03:00'],
    ['Australia/Lord_Howe', '2024-04-06T14:59:00Z', '01:59 UTC+11'], ['Australia/Lord_Howe', '2024-04-06T15:00:00Z', '01:30 UTC+10:30'],
    ['Australia/Lord_Howe', '2024-04-06T14:29:00Z', '01:29'], ['Asia/Kolkata', '2024-04-06T14:29:00Z', '19:59'], ['UTC', '2024-04-06T14:29:00Z', '14:29'],
  ]) assert.equal(at(zone, instant), said, `${zone} ${instant}`);
});

test('the day is said where it matters', () => {
  setTimeZone('America/Montreal');
  assert.ok(!spansDays('2013-11-03T23:00:00Z', '2013-11-04T04:59:00Z'), 'it is one day in Montreal');
  assert.ok(spansDays('2013-11-03T04:59:00Z', '2013-11-03T23:00:00Z') === false);
  assert.equal(recent('2013-11-03T23:00:00Z', '2013-11-04T04:59:00Z'), '18:00:00');
  assert.equal(recent('2013-11-03T23:00:00Z', '2013-11-05T04:59:00Z'), '3 Nov, 18:00:00');
  setLanguage(['fr'], ['fr-CA']);
  assert.equal(day('2013-11-03T23:00:00Z'), '3 nov. 2013');
});

test('windows are told apart: by seconds where they are short, by days where they are of several', () => {
  setTimeZone('America/Montreal');
  const minute = 60_000;
  const of = (length, slide, ...starts) => {
    const listed = starts.map((start) => ({ start, end: new Date(Date.parse(start) + length).toISOString() })).reverse();
    const detail = detailOf({ window_ms: length, slide_ms: slide }, listed);
    return listed.map((window) => windowText(window, detail)).reverse();
  };
  assert.deepEqual(of(10 * minute, 5 * minute, '2013-11-03T15:00:00Z', '2013-11-03T15:05:00Z'), ['10:00 – 10:10', '10:05 – 10:15']);
  assert.deepEqual(of(5000, 5000, '2013-11-03T15:00:00Z', '2013-11-03T15:00:05Z'), ['10:00:00 – 10:00:05', '10:00:05 – 10:00:10']);
  assert.deepEqual(of(10 * minute, 10 * minute, '2013-11-03T15:00:00Z', '2013-11-05T04:55:00Z'), ['3 Nov, 10:00 – 10:10', '4 Nov, 23:55 – 5 Nov, 00:05']);
  assert.deepEqual(of(10 * minute, 10 * minute, '2013-11-04T04:50:00Z'), ['23:50 – 00:00'], 'its end is not in it');
  assert.deepEqual([5000, minute, 90_000, 3_600_000].map(wantsSeconds), [true, false, true, false]);
});

const state = (tick, votes, more = {}) => ({
  tick, as_of: new Date(tick).toISOString(), register_version: 'r', results: { tick, as_of: '', offsets: { [tick]: tick }, register_version: 'r', counts: { accepted: votes }, ...more },
  candidates: new Map([['a', { candidate_id: 'a', votes }]]),
});

test('a restart of the service is no update', () => {
  const freshness = new Freshness();
  freshness.setClock(1_000_000, 0);
  freshness.showed(null, state(999_000, 5), 0);
  assert.equal(freshness.changed_at, null, 'nobody saw it change');
  freshness.showed(state(999_000, 5), state(1_005_000, 5), 5000);
  assert.equal(freshness.changed_at, null);
  assert.equal(freshness.shownFor(7000), 7000);
  freshness.showed(state(1_005_000, 5), state(1_006_000, 6), 6000);
  assert.equal(freshness.changed_at, 1_006_000);
  // A tick may be ahead of the clock for a while after a restart.
  freshness.showed(state(1_006_000, 6), state(1_017_000, 7), 8000);
  assert.equal(freshness.changed_at, 1_008_000);
  assert.ok(hasSameFigures(state(1, 5), state(2, 5)) && !hasSameFigures(state(1, 5), state(1, 5, { blank: 1 })));
  freshness.clear();
  assert.equal(freshness.changed_at, null);
});

test('words that come late say how far the page is behind', () => {
  const freshness = new Freshness();
  const alive = (server_ms, now_ms, tick = 0, held = 0) => freshness.tookAlive({ tick, now: new Date(server_ms).toISOString() }, held, now_ms);
  assert.equal(freshness.behind(0), 0, 'nothing is known');
  alive(1_000_000, 0);
  assert.equal(freshness.behind(100), 0);
  assert.equal(freshness.serverNow(100), 1_000_100);
  // Five seconds later by the server, and twenty by the page.
  alive(1_005_000, 20_000);
  assert.ok(Math.abs(freshness.behind(20_000) - 15_000) < 10, String(freshness.behind(20_000)));
  assert.ok(Math.abs(freshness.serverNow(20_000) - 1_020_000) < 10, 'a late word does not set the clock back');
  alive(1_025_000, 25_000);
  assert.ok(freshness.behind(25_000) < 10);
  // A word of life that overtook the figures is no proof that nothing is on its way.
  freshness.tookFrame(1_026_000, 30_000);
  alive(1_031_000, 31_000, 1_031_000, 1_026_000);
  assert.ok(Math.abs(freshness.behind(31_000) - 4000) < 10);
  alive(1_032_000, 32_000, 1_026_000, 1_026_000);
  assert.ok(freshness.behind(32_000) < 10, 'the page holds the newest');
  // Where the word of life is overdue, the page does not know.
  assert.ok(freshness.behind(39_000) < 10);
  assert.equal(freshness.behind(42_000), 10_000);
  freshness.tookAll(42_000);
  assert.equal(freshness.behind(42_000), 0);
});

test('a server whose clock was set is believed again', () => {
  const freshness = new Freshness();
  freshness.setClock(5_000_000, 0);
  freshness.setClock(4_000_000, 1000);
  assert.equal(freshness.serverNow(1000), 4_000_000);
  freshness.setClock(NaN, 2000);
  assert.equal(freshness.serverNow(2000), 4_001_000);
});
