//! The dashboard: joins the stream, the state and the views.
//!
//! In come the elections and the stream of one contest; out goes what is on the page, drawn at most
//! once a frame and only where something changed. Never counts, and never loads the page anew.

import { Announcer } from './announcer.js';
import { Candidates } from './candidates.js';
import { describe, retryAfter } from './connection.js';
import { askedContest, choose, drawContest, keepInAddress, placesOf, readElections, textsOf } from './contests.js';
import { byId, setText } from './dom.js';
import { Feed } from './feed.js';
import { clock, named, percent } from './format.js';
import { choose as chooseLanguage, language, setFromBrowser, words } from './language.js';
import { linkViews } from './links.js';
import { Locations } from './locations.js';
import { Pace } from './pace.js';
import { Podium } from './podium.js';
import { apply, fromSnapshot, merge, ranked } from './reducer.js';
import { paint, wantsAnotherPolicy } from './safe.js';
import { readiness } from './stream.js';
import { Corrections, Outcomes, drawHeadline } from './totals.js';
import { Where } from './where.js';
import { Windows } from './windows.js';

/** The elections are read again at most this often, whatever versions the stream names. */
const REGISTER_MS = 2000;

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
  locations: new Locations(where),
  windows: new Windows(),
  announcer: new Announcer(),
};

/** Map and charts, once they are fetched. @type {?import('./pictures.js').Pictures} */
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
let taking = false;
/** @type {Map<string, string>} */
let colors = new Map();
let frame = 0;

/** The line, and how far the server's clock is ahead of this page's. */
/** @type {?Feed} */
let feed = null;
/** @type {import('./stream.js').Phase} */
let phase = 'connecting';
/** @type {?Progress} */
let progress = null;
let lag = 0;
/** @type {?number} */
let ahead_ms = null;

/** @type {import('./stream.js').Handlers} */
const handlers = {
  tick: () => pending?.tick ?? state?.tick ?? null,
  snapshot(event) {
    // What waits has corrections, which a snapshot has not.
    settle();
    state = fromSnapshot(event, state);
    soon();
  },
  change(event) {
    if (state === null) return;
    if (pace.isLive) pending = pending === null ? event : merge(pending, event);
    else settle(event);
    soon();
  },
  // A snapshot follows at once; until then the old figures stay on the page.
  reset() {},
  alive(event) {
    lag = typeof event.lag === 'number' ? event.lag : 0;
    setClock(new Date(event.now).getTime());
    drawLine();
  },
  ready: readRegister,
  phase(now, done) {
    phase = now;
    progress = done;
    drawLine();
  },
};

/** @param {number} server_ms */
function setClock(server_ms) {
  if (Number.isFinite(server_ms)) ahead_ms = server_ms - Date.now();
}

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
  shown = next;
  const stale = shown.register_version !== registerVersion;
  if (stale && performance.now() - read_at > REGISTER_MS) readRegister();
  const rows = ranked(shown, places);
  recolor(rows);
  byId('figures').hidden = false;
  notice(null);
  drawHeadline(shown.results, shown.candidates);
  views.podium.draw(rows, colors);
  views.candidates.draw(rows, colors, fallen(before, shown), texts);
  views.outcomes.draw(shown.results);
  views.corrections.draw(shown.corrections, shown.candidates);
  const scene = { ...shown, ranked: rows, places, colors, geojson_url: chosen.election.geojson_url ?? null };
  views.locations.draw(scene);
  views.windows.draw(shown.windows, colors);
  if (pictures === null) fetchPictures(shown);
  else pictures.draw(scene);
  drawFooter(shown);
  drawLine();
}

/**
 * Map and charts come after the figures; their places are there before, so that nothing moves.
 *
 * @param {State} state
 */
async function fetchPictures({ results, locations }) {
  if (fetching === 'failed') return;
  const hasVotes = results.counts.accepted > 0;
  for (const [id, isUsed] of /** @type {[string, boolean][]} */ ([
    ['map-section', locations.size > 0], ['shares-section', hasVotes], ['series-section', hasVotes],
  ])) byId(id).hidden = !isUsed;
  if (fetching === 'begun') return;
  fetching = 'begun';
  try {
    const { Pictures } = await import('./pictures.js');
    pictures = new Pictures(where);
    again = true;
    soon();
  } catch {
    fetching = 'failed';
    // A server that was renewed has other files than this page; figures, tables and bars are all there.
    for (const id of ['map-section', 'shares-section', 'series-section', 'health-section']) byId(id).hidden = true;
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

/** @param {State} shown */
function drawFooter(shown) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  setText(byId('footer-tick'), words().as_of(clock(shown.as_of), shown.register_version));
  setText(byId('footer-zone'), words().times_in(zone));
}

function drawLine() {
  const line = describe({
    phase, progress, lag,
    pace: pace.text,
    changed_at_ms: shown?.tick ?? null,
    server_now_ms: Date.now() + (ahead_ms ?? 0),
  });
  byId('line').dataset.kind = line.kind;
  setText(byId('line-title'), line.title);
  setText(byId('line-detail'), line.detail);
  // Not only after changes: what was held back is said when its time comes.
  if (shown !== null && chosen !== null) announce(shown, chosen);
  setText(byId('line-tick'), shown === null ? '' : words().tick(String(shown.tick)));
  views.announcer.line(line.kind, performance.now());
  if (phase === 'catching_up' && state === null) notice(progress?.waiting_for ? line.detail : words().notice_catching_up, progress);
}

/**
 * Says something in the place of the figures, or with null takes it back; and how far that is.
 *
 * @param {?string} text
 * @param {?Progress} done
 */
function notice(text, done = null) {
  byId('notice').hidden = text === null;
  setText(byId('notice-text'), text ?? '');
  const bar = byId('notice-progress', HTMLProgressElement);
  const share = done?.share ?? null;
  bar.hidden = share === null;
  if (share !== null) bar.value = share;
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
  if (ahead_ms === null && answer.served_at_ms !== null) setClock(answer.served_at_ms);
}

/** @param {?Chosen} contest */
function rename(contest) {
  chosen = contest;
  if (contest === null) return;
  places = placesOf(contest.contest);
  texts = textsOf(contest.contest);
  drawContest(elections, contest);
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
  feed?.close();
  feed = null;
  state = pending = shown = null;
  lag = 0;
  phase = 'connecting';
  byId('figures').hidden = true;
  for (const view of [views.podium, views.candidates, views.locations, views.windows]) view.clear();
  pictures?.clear();
  if (chosen !== null && contest !== null) where.takeAddress(isStep);
  rename(contest);
  drawLine();
  if (contest === null) {
    notice(words().notice_no_contest);
    return;
  }
  feed = new Feed(contest.contest.contest_id, handlers);
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
languageSelect.addEventListener('change', () => {
  chooseLanguage(languageSelect.value);
  // Rows keep their words; those of the tables are drawn anew by themselves.
  for (const view of [views.podium, views.candidates, views.outcomes, views.corrections, views.windows]) view.clear();
  pictures?.translate();
  pace.translate();
  linkViews();
  rename(chosen);
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

/** One view alone, or all of them large: the address says so, for as long as the page is open. */
function frameFromAddress() {
  const asked = new URLSearchParams(location.search);
  const root = document.documentElement;
  const nodes = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[data-view]')]);
  const alone = asked.get('embed');
  if (alone !== null && nodes.some((node) => node.dataset.view === alone)) {
    root.dataset.embed = alone;
    for (const node of nodes) node.classList.toggle('not-asked', node.dataset.view !== alone);
  }
  root.classList.toggle('is-screen', asked.has('screen'));
}

frameFromAddress();
setFromBrowser();
languageSelect.value = language();
pace.begin();
linkViews();
setInterval(drawLine, 1000);
start();
