//! What is written, what is let through, how rows are sorted and when the line tries again: the pure
//! modules beside the reducer, case by case.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { describe, progressOf, retryAfter, retryAfterHeader } from '../connection.js';
import { choose } from '../contests.js';
import { count, counted, exactSpan, folded, initials, longDate, percent, span } from '../format.js';
import { linesOf, warningsOf } from '../health.js';
import { fetchWords, pick, setLanguage, words } from '../language.js';
import { isUnder, levelOf, matches, sorted, trailOf } from '../level.js';
import { safeAddress, safeColor } from '../safe.js';
import { en } from '../words/en.js';
import { fr } from '../words/fr.js';

await fetchWords('fr');

/** Runs one function over many cases. */
function check(run, cases) {
  for (const [input, expected] of cases) assert.deepEqual(run(input), expected, `of ${JSON.stringify(input)}`);
}

test('numbers and spans', () => {
  check(count, [[0, '0'], [1101001, '1,101,001'], [null, '–'], [undefined, '–']]);
  check(percent, [[0, '0.0%'], [0.38243, '38.2%'], [1, '100.0%'], [null, '–']]);
  check(span, [[-5, '0\u00a0s'], [59_999, '59\u00a0s'], [60_000, '1\u00a0min'], [7_200_000, '2\u00a0h'], [200 * 3_600_000, '8 days']]);
  check(exactSpan, [[10_000, '10\u00a0s'], [90_000, '90\u00a0s'], [60_000, '1\u00a0min'], [7_200_000, '2\u00a0h'], [1500, '1.5\u00a0s']]);
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
      phase: 'open', as_of_ms: 1_000_000, changed_at_ms: 1_000_000, shown_ms: 100_000, behind_ms: 0, server_now_ms: 1_000_500, lag: 0, progress: null, ...more,
    });
    return [kind, title, detail.replaceAll('\u00a0', ' ')];
  };
  check(line, [
    [{}, ['live', 'Live', 'updated just now']],
    [{ server_now_ms: 1_005_000 }, ['live', 'Live', 'updated 5 s ago']],
    [{ server_now_ms: 1_190_000 }, ['quiet', 'Quiet', 'no change for 3 min']],
    [{ server_now_ms: 1_020_000, lag: 1200 }, ['quiet', 'Quiet', 'no change for 20 s, 1,200 messages waiting']],
    [{ server_now_ms: 1_020_000, lag: 1 }, ['quiet', 'Quiet', 'no change for 20 s, 1 message waiting']],
    [{ as_of_ms: null, changed_at_ms: null }, ['waiting', 'Connected', 'waiting for figures']],
    // What the page has not seen change was not updated just now, whatever its tick is.
    [{ changed_at_ms: null, shown_ms: 500 }, ['live', 'Live', 'figures of 00:16:40']],
    [{ changed_at_ms: null, shown_ms: 50_000 }, ['quiet', 'Quiet', 'no change for 50 s']],
    [{ behind_ms: 2000 }, ['live', 'Live', 'updated just now']],
    [{ behind_ms: 16_400 }, ['waiting', 'Live', '16 s behind']],
    [{ behind_ms: 16_400, isClosed: true, lag: 2 }, ['waiting', 'Live', '16 s behind, 2 messages waiting']],
    [{ isClosed: true }, ['live', 'Live', 'all polls closed, updated just now']],
    [{ isClosed: true, server_now_ms: 1_190_000 }, ['final', 'Final', 'all polls closed, no change for 3 min']],
    [{ isClosed: true, server_now_ms: 1_190_000, lag: 9 }, ['quiet', 'Quiet', 'all polls closed, no change for 3 min, 9 messages waiting']],
    [{ stalled_since: '1970-01-01T00:10:00Z', server_now_ms: 1_190_000 }, ['lost', 'Stalled', 'no new results since 00:10:00']],
    [{ stalled_since: '1970-01-01T00:10:00Z', isClosed: true }, ['lost', 'Stalled', 'no new results since 00:10:00']],
    [{ phase: 'lost', as_of_ms: null, changed_at_ms: null }, ['lost', 'Reconnecting', 'the server does not answer']],
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
  check((asked) => choose(elections, asked).contest.contest_id, [['b', 'b'], [null, 'c']]);
  // Another race is never shown in the place of the one that was asked for.
  assert.equal(choose(elections, 'gone'), null);
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
  const isForms = (text) => typeof text.other === 'function';
  const shape = (texts) => Object.fromEntries(Object.entries(texts)
    .map(([key, text]) => [key, isForms(text) ? 'forms' : typeof text === 'object' ? Object.keys(text) : `${typeof text} ${text.length > 0}`]));
  assert.deepEqual(shape(fr), shape(en));
  for (const [language, texts] of Object.entries({ en, fr })) {
    for (const [key, text] of Object.entries(texts)) {
      for (const said of saidBy(text)) assert.ok(said.trim().length > 0 && !said.includes('undefined'), key);
      // A text that is given is in what is said.
      if (typeof text === 'function') for (const part of 'ABC'.slice(0, text.length)) assert.ok(saidBy(text)[0].includes(part), key);
      if (isForms(text)) {
        const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
        assert.deepEqual(Object.keys(text).filter((form) => !pluralCategories.includes(form)), [], `forms of ${key} that ${language} has not`);
      }
    }
  }
});

/** Everything that one of the words says, of texts that are given. */
function saidBy(text) {
  if (typeof text === 'string') return [text];
  if (typeof text === 'function') return [text(...'ABC'.slice(0, text.length))];
  return Object.values(text).flatMap(saidBy);
}

test('the page\u2019s frame names texts that there are', () => {
  const page = readFileSync(fileURLToPath(new URL('../index.html', import.meta.url)), 'utf8');
  const keys = [...page.matchAll(/ data-t(?:-[a-z-]+)?="([^"]+)"/g)].map(([, key]) => key);
  assert.ok(keys.length > 40);
  for (const texts of [en, fr]) assert.deepEqual(keys.filter((key) => typeof texts[key] !== 'string'), []);
});

test('French is written as the French write it', () => {
  for (const [key, text] of Object.entries(fr)) {
    for (const said of saidBy(text)) {
      assert.doesNotMatch(said, /[^\u00a0\u202f][:;!?»]|«[^\u00a0\u202f]|[\d ][:;!?»]/, `${key}: ${said}`);
      assert.doesNotMatch(said, /'|\.\.\./, `${key}: ${said}`);
    }
  }
  setLanguage(['fr']);
  try {
    const say = (key) => (number) => counted(fr[key], number);
    check(say('messages_waiting'), [[0, ', 0 message en attente'], [1, ', 1 message en attente'], [2, ', 2 messages en attente']]);
    check(say('ballots_accepted'), [[0, '0 bulletin accepté'], [1, '1 bulletin accepté'], [1_000_000, '1\u00a0000\u00a0000 de bulletins acceptés'.replaceAll('\u00a0000', '\u202f000')], [3, '3 bulletins acceptés']]);
    check(say('without_outline'), [[1, '1 lieu n’a pas de contour et devient une tuile.'], [2, '2 lieux n’ont pas de contour et deviennent des tuiles.']]);
    check(say('days'), [[1, '1\u00a0jour'], [2, '2\u00a0jours']]);
  } finally {
    setLanguage(['en']);
  }
  const terms = [fr.leaders_share, fr.series_sums, fr.series_steps, fr.zoom_in, fr.zoom_out, fr.duplicates, fr.refusals.future_timestamp];
  assert.deepEqual(terms, ['Part du premier', 'Cumul', 'Par intervalle', 'Zoom avant', 'Zoom arrière', 'Doublons', 'horodatage dans le futur']);
});

test('numbers take their words in the form that the language has for so many', () => {
  check((number) => counted(en.votes, number), [[0, '0 votes'], [1, '1 vote'], [2, '2 votes'], [1234, '1,234 votes']]);
  check((number) => counted(en.messages_waiting, number), [[1, ', 1 message waiting'], [21, ', 21 messages waiting']]);
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
    check(span, [[50 * 3_600_000, '2\u00a0jours'], [200 * 3_600_000, '8\u00a0jours']]);
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
    ['messages', 'Messages', 9], ['duplicates', 'Duplicates', 1], ['voids', 'Voids', 2], ['refused', 'Refused', 3],
    ['refused/bad_field', 'a field is wrong', 2], ['refused/of_later', 'of later', 1], ['waiting', 'Waiting to be counted', 7],
    ['checkpoint', 'Last checkpoint', 'none yet'],
  ]);
  assert.deepEqual(warningsOf(status), ['a disk', 'the register', 'a database']);
  assert.deepEqual(warningsOf({}), []);
});
