//! What is written, what is let through, how rows are sorted and when the line tries again: the pure
//! modules beside the reducer, case by case.

import assert from 'node:assert/strict';
import test from 'node:test';

import { describe, progressOf, retryAfter, retryAfterHeader } from '../connection.js';
import { choose } from '../contests.js';
import { count, exactSpan, folded, initials, longDate, percent, span } from '../format.js';
import { linesOf, warningsOf } from '../health.js';
import { pick, setLanguage, words } from '../language.js';
import { isUnder, levelOf, matches, sorted, trailOf } from '../level.js';
import { safeAddress, safeColor } from '../safe.js';
import { en } from '../words/en.js';
import { fr } from '../words/fr.js';

/** Runs one function over many cases. */
function check(run, cases) {
  for (const [input, expected] of cases) assert.deepEqual(run(input), expected, `of ${JSON.stringify(input)}`);
}

test('numbers and spans', () => {
  check(count, [[0, '0'], [1101001, '1,101,001'], [null, '–'], [undefined, '–']]);
  check(percent, [[0, '0.0%'], [0.38243, '38.2%'], [1, '100.0%'], [null, '–']]);
  check(span, [[-5, '0 s'], [59_999, '59 s'], [60_000, '1 min'], [7_200_000, '2 h'], [200 * 3_600_000, '8 days']]);
  check(exactSpan, [[10_000, '10 s'], [90_000, '90 s'], [60_000, '1 min'], [7_200_000, '2 h'], [1500, '1.5 s']]);
  check(longDate, [['2013-11-03', '3 November 2013'], [null, ''], ['soon', 'soon']]);
});

test('names', () => {
  check(initials, [['Denis Coderre', 'DC'], ['Labour', 'L'], ['', ''], ['<script>', 'S'], ['ñandú', 'Ñ'], ['—', '']]);
  check(folded, [['Sault-au-Récollet', 'sault-au-recollet'], ['ÅNGSTRÖM', 'angstrom']]);
});

test('only a plain colour reaches a style', () => {
  const asked = [];
  const supports = (color) => asked.push(color) > 0;
  check((text) => safeColor(text, supports), [
    ['#0a5', '#0a5'], [' #00AA55 ', '#00AA55'], ['rebeccapurple', 'rebeccapurple'],
    ['rgb(1 2 3 / 50%)', 'rgb(1 2 3 / 50%)'], ['hsl(120deg, 3%, 4%)', 'hsl(120deg, 3%, 4%)'],
    ['red;background:url(x)', null], ['url(https://example.org/x)', null], ['var(--card)', null],
    ['rgb(var(--x))', null], ['expression(alert(1))', null], ['currentColor', null], ['transparent', null],
    ['inherit', null], ['#12345', null], ['', null], [null, null], ['a'.repeat(200), null],
  ]);
  assert.equal(safeColor('nonsense', () => false), null);
  assert.ok(asked.every((color) => !/[;:]|url|var/.test(color)));
});

test('only what the register named when the page was loaded, or the own origin, reaches an image', () => {
  const page = 'http://localhost:8080/';
  const refused = [
    'http://example.org/a.jpg', '//example.org/a.jpg', 'javascript:alert(1)', 'data:text/html,x',
    'blob:http://localhost:8080/x', 'https://', '', null,
  ].map((text) => [text, null]);
  const own = [
    ['/photos/a.jpg', 'http://localhost:8080/photos/a.jpg'],
    ['http://localhost:8080/a.jpg', 'http://localhost:8080/a.jpg'],
  ];
  const [named, other] = ['https://example.org/a.jpg', 'https://example.org:8443/a.jpg'];
  check((text) => safeAddress(text, page, 'https://a.example https://example.org'), [
    [named, named], [other, null], ['https://sub.example.org/a.jpg', null], ...own, ...refused,
  ]);
  check((text) => safeAddress(text, page, 'https:'), [[named, named], [other, other], ...own, ...refused]);
  check((text) => safeAddress(text, page, ''), [[named, null], ...own, ...refused]);
});

test('the line in words', () => {
  const line = (more) => {
    const { kind, title, detail } = describe({
      phase: 'open', changed_at_ms: 1_000_000, server_now_ms: 1_000_500, lag: 0, progress: null, ...more,
    });
    return [kind, title, detail];
  };
  check(line, [
    [{}, ['live', 'Live', 'updated just now']],
    [{ server_now_ms: 1_005_000 }, ['live', 'Live', 'updated 5 s ago']],
    [{ server_now_ms: 1_190_000 }, ['quiet', 'Quiet', 'no change for 3 min']],
    [{ server_now_ms: 1_020_000, lag: 1200 }, ['quiet', 'Quiet', 'no change for 20 s, 1,200 messages waiting']],
    [{ changed_at_ms: null }, ['waiting', 'Connected', 'waiting for figures']],
    [{ phase: 'lost', changed_at_ms: null }, ['lost', 'Reconnecting', 'the server does not answer']],
    [{ phase: 'catching_up', progress: { share: null, seconds_left: null, waiting_for: 'the broker' } },
      ['waiting', 'Starting', 'the server waits for the broker']],
    [{ phase: 'catching_up', progress: { share: 0.425, seconds_left: null } },
      ['waiting', 'Catching up', 'the server reads its log, 42.5% done']],
    [{ phase: 'catching_up', progress: { share: 0.425, seconds_left: 12.3 } },
      ['waiting', 'Catching up', 'the server reads its log, 42.5% done, about 12 s left']],
  ]);
  assert.match(line({ phase: 'lost', server_now_ms: 1_020_000 })[2], /^figures of \d\d:\d\d:\d\d, 20 s old$/);
});

test('when to try again', () => {
  for (let failures = 1; failures < 2000; failures += 7) {
    const [soonest, latest] = [retryAfter(failures, 0), retryAfter(failures, 0.999)];
    assert.ok(soonest >= 500 && latest <= 15_000 && latest > soonest, `after ${failures} failures`);
  }
  check(retryAfterHeader, [[null, 1000], ['3', 3000], ['0', 500], ['900', 15_000], ['soon', 1000]]);
  check(progressOf, [
    [{ progress: { share: 0.4 } }, { share: 0.4, seconds_left: null, waiting_for: null }],
    [{ progress: { share: 7, seconds_left: 3 } }, { share: 1, seconds_left: 3, waiting_for: null }],
    [{ progress: { share: 0.4, seconds_left: -1 } }, { share: 0.4, seconds_left: null, waiting_for: null }],
    [{ progress: { share: null, waiting_for: 'the broker' } }, { share: null, seconds_left: null, waiting_for: 'the broker' }],
    [{ progress: { share: null } }, null],
    [{ progress: null }, null], [{ title: 'catching up' }, null], [null, null],
  ]);
});

test('the contest that is shown', () => {
  const contest = (contest_id, is_default = false) => ({ contest_id, is_default });
  const elections = [{ contests: [contest('a'), contest('b')] }, { contests: [contest('c', true)] }];
  check((asked) => choose(elections, asked).contest.contest_id, [['b', 'b'], [null, 'c'], ['gone', 'c']]);
  assert.equal(choose([{ contests: [contest('x')] }], null).contest.contest_id, 'x');
  assert.equal(choose([{ contests: [] }], 'x'), null);
});

test('the tree, the filter and the order of locations', () => {
  const row = (location, parent, accepted) => ({ location, name: `Place ${location}`, parent, accepted });
  const rows = [row('1', null, 5), row('10', '1', 2), row('2', '1', 2), row('21', '2', null), row('3', null, 9)];
  const tree = new Map(rows.map((each) => [each.location, each]));
  const codes = (some) => some.map((each) => each.location);
  assert.deepEqual(codes(rows.filter(levelOf(null))), ['1', '3']);
  assert.deepEqual(codes(rows.filter(levelOf('1'))), ['10', '2']);
  assert.deepEqual(codes(rows.filter(isUnder(tree, '1'))), ['10', '2', '21']);
  assert.deepEqual(codes(rows.filter(isUnder(tree, null))), codes(rows));
  assert.deepEqual(codes(trailOf(tree, '21')), ['1', '2', '21']);
  assert.deepEqual(trailOf(tree, null), []);
  const byName = { value: (each) => each.name };
  const byAccepted = { value: (each) => each.accepted };
  assert.deepEqual(codes(sorted(rows, byName, false)), ['1', '2', '3', '10', '21']);
  assert.deepEqual(codes(sorted(rows, byAccepted, true)), ['3', '1', '2', '10', '21']);
  assert.deepEqual(codes(sorted(rows, byAccepted, false)), ['2', '10', '1', '3', '21']);
  assert.ok(matches('11-sault-au-recollet\n11', 'recollet 11') && matches('x', '') && !matches('x', 'y'));
});

test('every language says everything, in the same shape', () => {
  const shape = (texts) => Object.fromEntries(Object.entries(texts)
    .map(([key, text]) => [key, typeof text === 'object' ? Object.keys(text) : `${typeof text} ${text.length > 0}`]));
  assert.deepEqual(shape(fr), shape(en));
  for (const texts of [en, fr]) {
    for (const [key, text] of Object.entries(texts)) {
      const said = typeof text === 'function' ? text(...'ABC'.slice(0, text.length)) : text;
      if (typeof said === 'string') assert.ok(said.trim().length > 0 && !said.includes('undefined'), key);
      // A text that is given is in what is said.
      if (typeof text === 'function') for (const part of 'ABC'.slice(0, text.length)) assert.ok(said.includes(part), key);
    }
  }
});

test('the language is the first that is asked for and known', () => {
  check(pick, [
    [['fr-CA', 'en'], { language: 'fr', locale: 'fr-CA' }], [['de', 'en-GB'], { language: 'en', locale: 'en-GB' }],
    [[null, 'FR'], { language: 'fr', locale: 'FR' }], [['de'], { language: 'en', locale: 'en' }], [[], { language: 'en', locale: 'en' }],
    [['fr-'], { language: 'fr', locale: 'fr' }], [['fry'], { language: 'en', locale: 'en' }],
  ]);
});

test('numbers, dates and words are those of the language', () => {
  try {
    setLanguage(['fr'], ['en-US', 'fr-CA']);
    check(count, [[1101001, '1\u00a0101\u00a0001']]);
    check(percent, [[0.38243, '38,2\u00a0%']]);
    check(longDate, [['2013-11-03', '3 novembre 2013']]);
    check(span, [[200 * 3_600_000, '8 jours']]);
    assert.equal(words().live, 'En direct');
  } finally {
    setLanguage(['en']);
  }
  check(count, [[1101001, '1,101,001']]);
});

test('the state of the count has every reason, and warns of what is wrong only', () => {
  const status = {
    messages: 9, duplicates: 1, voids: 2, refused: { bad_field: 2, of_later: 1 },
    partitions: [{ lag: 3 }, { lag: 4 }], log_error: null, register_error: 'the register',
    checkpoint: { tick_error: null, error: 'a disk' },
    sinks: [{ state: 'ok', last_error: 'old' }, { state: 'failing', last_error: 'a database' }],
  };
  assert.deepEqual(linesOf(status).map(([key, label, figure]) => [key, label, figure]), [
    ['messages', 'Messages', 9], ['duplicates', 'Copies', 1], ['voids', 'Voids', 2], ['refused', 'Refused', 3],
    ['refused/bad_field', 'a field is wrong', 2], ['refused/of_later', 'of later', 1], ['waiting', 'Waiting to be counted', 7],
    ['checkpoint', 'Last checkpoint', 'none yet'],
  ]);
  assert.deepEqual(warningsOf(status), ['a disk', 'the register', 'a database']);
  assert.deepEqual(warningsOf({}), []);
});
