//! The dashboard: joins the stream, the state and the views.
//!
//! In come the elections and the stream of one contest; out goes what is on the page, drawn at most
//! once a frame and only where something changed. Never counts, and never loads the page anew.

import { drawAddressNote, drawWays, waysToContests, waysToViews } from './address.js';
import { Announcer } from './announcer.js';
import { Candidates } from './candidates.js';
import { retryAfter } from './connection.js';
import { askedContest, choose, drawChooser, drawContest, keepInAddress, placesOf, readElections, textsOf } from './contests.js';
import { byId, setText } from './dom.js';
import { Feed } from './feed.js';
import { named, percent } from './format.js';
import { frameFromAddress } from './frame.js';
import { choose as chooseLanguage, language, setFromBrowser, words } from './language.js';
import { LineView } from './line.js';
import { linkViews } from './links.js';
import { Pace } from './pace.js';
import { Podium } from './podium.js';
import { apply, fromSnapshot, merge, ranked } from './reducer.js';
import { paint, wantsAnotherPolicy } from './safe.js';
import { readiness } from './stream.js';
import { fullMoment, setTimeZone, zoneName } from './times.js';
import { Corrections, Outcomes, drawHeadline } from './totals.js';
import { Where } from './where.js';

/** The elections are read again at most this often, whatever versions the stream names. */
const REGISTER_MS = 2000;

/** The sections that come after the figures. */
const LATER = ['map-section', 'shares-section', 'series-section', 'windows-section', 'health-section', 'locations-section'];

/** How often a register without a contest is looked at again. */
const EMPTY_MS = 5000;

/**
 * @typedef {import('./connection.js').Progress} Progress
 * @typedef {import('./contests.js').Chosen} Chosen
 * @typedef {import('./contests.js').Election} Election
 * @typedef {import('./reducer.js').CandidateRow} CandidateRow
 * @typedef {import('./reducer.js').State} State
 * @typedef {import('./reducer.js').StreamChange} StreamChange
 */

const contestSelect = byId('contest-select', HTMLSelectElement);
const languageSelect = byId('language-select', HTMLSelectElement);
const where = new Where();

const views = {
  podium: new Podium(),
  candidates: new Candidates(),
  outcomes: new Outcomes(),
  corrections: new Corrections(),
  announcer: new Announcer(),
};

/** Tables, map and charts, once they are fetched. @type {?import('./pictures.js').Pictures} */
let pictures = null;
/** @type {'not yet'|'begun'|'failed'} */
let fetching = 'not yet';

/** The register as the page knows it. */
/** @type {Election[]} */
let elections = [];
/** @type {?string} */
let registerVersion = null;
/** @type {?Chosen} */
let chosen = null;
/** @type {Map<string, number>} */
let places = new Map();
/** @type {ReturnType<typeof textsOf>} */
let texts = new Map();
let reading = false;
let read_at = -Infinity;

/** The figures: what is held, the merged change that waits for the next frame, and what is shown. */
/** @type {?State} */
let state = null;
/** @type {?StreamChange} */
let pending = null;
/** @type {?State} */
let shown = null;
/** Whether to draw though nothing has changed, and whether to draw what the pace would hold back. */
let again = false;
/** Whether the service replays a past election. */
let isReplay = false;
let taking = false;
/** @type {Map<string, string>} */
let colors = new Map();
let frame = 0;

/** @type {?Feed} */
let feed = null;
const line = new LineView();
let wasClosed = false;
/** A view that the address asks for and that there is not. */
const unknownView = frameFromAddress();

/** @type {import('./stream.js').Handlers} */
const handlers = {
  tick: () => pending?.tick ?? state?.tick ?? null,
  snapshot(event) {
    // What waits has corrections, which a snapshot has not.
    settle();
    state = fromSnapshot(event, state);
    line.tookAll();
    soon();
  },
  change(event) {
    if (state === null) return;
    line.tookChange(event);
    if (pace.isLive) pending = pending === null ? event : merge(pending, event);
    else settle(event);
    soon();
  },
  // A snapshot follows at once; until then the old figures stay on the page.
  reset() {},
  alive(event) {
    line.tookAlive(event, handlers.tick());
    drawLine();
  },
  ready: readRegister,
  phase(now, done) {
    line.take(now, done);
    drawLine();
  },
};

const pace = new Pace(() => {
  taking = true;
  soon();
});

/** Takes what waits, and another change, into what is held. @param {?StreamChange} change */
function settle(change = null) {
  for (const next of [pending, change]) if (state !== null && next !== null) state = apply(state, next);
  pending = null;
}

function soon() {
  if (frame === 0) frame = requestAnimationFrame(draw);
}

function draw() {
  frame = 0;
  if (state === null || chosen === null) return;
  settle();
  const before = shown ?? state;
  const next = shown === null || taking || pace.isLive ? state : shown;
  taking = false;
  if (next === shown && !again) return;
  again = false;
  line.showed(shown, next);
  shown = next;
  const stale = shown.register_version !== registerVersion;
  if (stale && performance.now() - read_at > REGISTER_MS) readRegister();
  const rows = ranked(shown, places);
  recolor(rows);
  if (unknownView !== null) return;
  byId('figures').hidden = false;
  notice(null);
  drawHeadline(shown.results, shown.candidates, line.isClosed);
  views.podium.draw(rows, colors);
  views.candidates.draw(rows, colors, fallen(before, shown), texts);
  views.outcomes.draw(shown.results);
  views.corrections.draw(shown.corrections, shown.candidates);
  const { geojson_url = null, geojson_property = null } = chosen.election;
  const scene = { ...shown, ranked: rows, places, colors, geojson_url, geojson_property, isClosed: line.isClosed };
  if (pictures === null) fetchPictures(shown);
  else pictures.draw(scene);
  drawFooter(shown);
  drawLine();
  where.stayIn(shown.locations);
  const { candidates } = shown;
  drawAddressNote(where.missing, (id) => candidates.has(id));
}

/**
 * Tables, map and charts come after the figures; their places are there before, so that nothing moves.
 *
 * @param {State} state
 */
async function fetchPictures({ results, locations }) {
  if (fetching === 'failed') return;
  const hasVotes = results.counts.accepted > 0;
  for (const [id, isUsed] of /** @type {[string, boolean][]} */ ([
    ['map-section', locations.size > 0], ['shares-section', hasVotes], ['series-section', hasVotes],
  ])) byId(id).hidden = !isUsed;
  byId('windows-section').classList.toggle('is-empty', !hasVotes);
  byId('windows-empty').hidden = hasVotes;
  if (fetching === 'begun') return;
  fetching = 'begun';
  try {
    const { Pictures } = await import('./pictures.js');
    pictures = new Pictures(where, tookStatus);
    again = true;
    soon();
  } catch {
    fetching = 'failed';
    // A server that was renewed has other files than this page; the figures are all there.
    for (const id of LATER) byId(id).hidden = true;
  }
}

/** New colours are a new map, so that views see by identity whether they must paint again. @param {CandidateRow[]} rows */
function recolor(rows) {
  const place = (/** @type {CandidateRow} */ row) => places.get(row.candidate_id) ?? rows.length;
  const next = new Map([...rows].sort((a, b) => place(a) - place(b))
    .map((row) => [row.candidate_id, paint(row.color, place(row))]));
  const same = next.size === colors.size
    && [...next].every(([id, color]) => colors.get(id) === color);
  if (!same) colors = next;
}

/** The candidates whose count went down between two states. @param {State} before @param {State} after */
function fallen(before, after) {
  return new Set([...after.candidates.values()]
    .filter((row) => row.votes < (before.candidates.get(row.candidate_id)?.votes ?? 0))
    .map((row) => row.candidate_id));
}

/** @param {State} shown @param {Chosen} chosen */
function announce(shown, chosen) {
  const { leader: leaderId } = shown.results;
  const leader = leaderId === null ? null : shown.candidates.get(leaderId) ?? null;
  const lead = leader === null ? '' : `${percent(leader.share)} ${named(leader.candidate_name, leader.candidate_id)} · `;
  if (shown.candidates.size > 0) {
    document.title = `${chosen.election.test ? `${words().test} – ` : ''}${lead}${chosen.contest.name}`;
  }
  views.announcer.standing(
    shown.results, leader && named(leader.candidate_name, leader.candidate_id), leader?.share ?? null, performance.now(),
  );
}

/** What the service says about itself. @param {import('./health.js').Status} status */
function tookStatus({ publishing, demo }) {
  line.publishing = publishing ?? null;
  isReplay = Boolean(demo);
  drawMarks();
  drawLine();
}

/** That this is a test, or a replay, and no election. */
function drawMarks() {
  const isTest = chosen?.election.test ?? false;
  byId('test-mark').hidden = !isTest;
  byId('replay-mark').hidden = !isReplay;
  byId('test-warning').hidden = !isTest && !isReplay;
  setText(byId('test-warning'), isTest ? words().test_warning : words().replay_warning);
  document.documentElement.classList.toggle('is-test', isTest);
}

/** @param {State} shown */
function drawFooter(shown) {
  setText(byId('footer-as-of'), words().as_of(fullMoment(shown.as_of), shown.register_version));
  setText(byId('footer-zone'), words().times_in(zoneName()));
}

function drawLine() {
  const said = line.draw(shown, pace.text);
  // Turnout is "so far" only until then.
  if (line.isClosed !== wasClosed) {
    wasClosed = line.isClosed;
    again = true;
    soon();
  }
  pictures?.rest(line.isQuiet);
  // Not only after changes: what was held back is said when its time comes.
  if (shown !== null && chosen !== null) announce(shown, chosen);
  views.announcer.line(said.kind, performance.now());
  const { phase, progress } = line;
  if (phase === 'catching_up' && state === null) notice(progress?.waiting_for ? said.detail : words().notice_catching_up, progress);
}

/**
 * Says something in the place of the figures, or with null takes it back; and how far that is.
 *
 * @param {?string} text
 * @param {?Progress} [done]
 * @param {import('./address.js').Way[]} [ways] to what there is instead
 */
function notice(text, done = null, ways = []) {
  byId('notice').hidden = text === null;
  setText(byId('notice-text'), text ?? '');
  const bar = byId('notice-progress', HTMLProgressElement);
  const share = done?.share ?? null;
  bar.hidden = share === null;
  if (share !== null) bar.value = share;
  drawWays(byId('notice-ways'), ways);
}

/** Reads names and places again after the register changed; figures go on meanwhile. */
async function readRegister() {
  if (reading) return;
  reading = true;
  read_at = performance.now();
  try {
    const answer = await readElections();
    takeRegister(answer);
    const contest = choose(elections, chosen?.contest.contest_id ?? askedContest());
    if (contest?.contest.contest_id !== chosen?.contest.contest_id) show(contest);
    else rename(contest);
  } catch {
    // The figures do not wait for names: the next change or the next open line asks again.
  } finally {
    reading = false;
    if (chosen === null) setTimeout(readRegister, EMPTY_MS);
  }
}

/** @param {Awaited<ReturnType<typeof readElections>>} answer */
function takeRegister(answer) {
  elections = answer.elections;
  registerVersion = answer.register_version;
  // `Date` counts whole seconds: good enough until the first `alive`.
  if (answer.served_at_ms !== null) line.setClock(answer.served_at_ms);
}

/** @param {?Chosen} contest */
function rename(contest) {
  chosen = contest;
  if (contest === null) return;
  setTimeZone(contest.election.time_zone);
  line.closes_at = contest.contest.closes_at;
  places = placesOf(contest.contest);
  texts = textsOf(contest.contest);
  drawContest(elections, contest);
  drawMarks();
  again = true;
  soon();
}

/**
 * Shows another contest: everything of the one before goes, then its stream is opened.
 *
 * @param {?Chosen} contest
 * @param {boolean} isStep whether the reader came by the browser's history
 */
function show(contest, isStep = false) {
  const before = chosen?.contest.contest_id ?? null;
  feed?.close();
  feed = null;
  state = pending = shown = null;
  line.clear();
  byId('figures').hidden = true;
  for (const view of [views.podium, views.candidates]) view.clear();
  pictures?.clear();
  if (chosen !== null && contest !== null) where.takeAddress(isStep);
  rename(contest);
  drawLine();
  if (contest === null) {
    sayWhatThereIs(askedContest() ?? before);
    return;
  }
  if (unknownView !== null) notice(words().no_view_called(unknownView), null, waysToViews());
  feed = new Feed(contest.contest.contest_id, handlers);
}

/** In the place of a contest that there is not. @param {?string} asked */
function sayWhatThereIs(asked) {
  const ways = waysToContests(elections);
  if (asked === null || ways.length === 0) {
    notice(words().notice_no_contest);
    return;
  }
  notice(`${words().no_contest_called(asked)} ${words().there_is}`, null, ways);
  drawChooser(elections, '');
}

/** The first load: waits for the server, however long it takes, and says why. */
async function start(failures = 0) {
  try {
    takeRegister(await readElections());
    // The page came before its register was known, so its policy lets in nothing that it names.
    if (failures > 0 && wantsAnotherPolicy(elections)) location.reload();
    show(choose(elections, askedContest()));
    if (chosen === null) setTimeout(readRegister, EMPTY_MS);
  } catch {
    const answer = await readiness();
    const busy = answer !== null && !answer.ready;
    handlers.phase(busy ? 'catching_up' : 'lost', answer?.progress ?? null);
    if (!busy) notice(words().notice_no_answer);
    setTimeout(start, busy ? answer.retry_ms : retryAfter(failures + 1, Math.random()), failures + 1);
  }
}

contestSelect.addEventListener('change', () => {
  keepInAddress(contestSelect.value);
  show(choose(elections, contestSelect.value));
});
languageSelect.addEventListener('change', async () => {
  await chooseLanguage(languageSelect.value);
  // Rows keep their words.
  for (const view of [views.podium, views.candidates, views.outcomes, views.corrections]) view.clear();
  pictures?.translate();
  pace.translate();
  linkViews();
  rename(chosen);
  if (chosen === null && elections.length > 0) show(null);
  drawLine();
});
addEventListener('popstate', () => {
  const asked = choose(elections, askedContest());
  // A link to a place in the page is a step, too.
  if (asked?.contest.contest_id !== chosen?.contest.contest_id) show(asked, true);
});
document.addEventListener('visibilitychange', () => document.hidden || feed?.check());
addEventListener('pagehide', () => feed?.close());
addEventListener('pageshow', (event) => {
  if (event.persisted && chosen !== null) feed = new Feed(chosen.contest.contest_id, handlers);
});

await setFromBrowser();
languageSelect.value = language();
pace.begin();
linkViews();
setInterval(drawLine, 1000);
start();
