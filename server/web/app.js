//! The dashboard: joins the stream, the state and the views.
//!
//! In come the elections and the stream of one contest; out goes what is on the page, drawn at most
//! once a frame and only where something changed. Never counts, and never loads the page anew.

import { Announcer } from './announcer.js';
import { Candidates } from './candidates.js';
import { describe, retryAfter } from './connection.js';
import { askedContest, choose, drawContest, keepInAddress, placesOf, readElections, textsOf } from './contests.js';
import { byId, setText } from './dom.js';
import { clock, named, percent } from './format.js';
import { Health } from './health.js';
import { choose as chooseLanguage, language, setFromBrowser, words } from './language.js';
import { Locations } from './locations.js';
import { Pace } from './pace.js';
import { Podium } from './podium.js';
import { apply, fromSnapshot, merge, ranked } from './reducer.js';
import { paint } from './safe.js';
import { Stream, readiness } from './stream.js';
import { Corrections, Outcomes, drawHeadline } from './totals.js';
import { Windows } from './windows.js';

/** The elections are read again at most this often, whatever versions the stream names. */
const REGISTER_MS = 2000;

/** How often a register without a contest is looked at again. */
const EMPTY_MS = 5000;

const views = {
  podium: new Podium(),
  candidates: new Candidates(),
  outcomes: new Outcomes(),
  corrections: new Corrections(),
  locations: new Locations(),
  windows: new Windows(),
  announcer: new Announcer(),
  health: new Health(),
};

/** The register as the page knows it. */
let elections = [];
let registerVersion = null;
let chosen = null;
let places = new Map();
let texts = new Map();
let reading = false;
let read_at = -Infinity;

/** The figures: what is held, the merged change that waits for the next frame, and what is shown. */
let state = null;
let pending = null;
let shown = null;
/** Whether to draw though nothing has changed, and whether to draw what the pace would hold back. */
let again = false;
let taking = false;
let colors = new Map();
let frame = 0;

/** The line, and how far the server's clock is ahead of this page's. */
let stream = null;
let phase = 'connecting';
let progress = null;
let lag = 0;
let ahead_ms = null;

const handlers = {
  tick: () => pending?.tick ?? state?.tick ?? null,
  snapshot(event) {
    pending = null;
    state = fromSnapshot(event, state);
    soon();
  },
  change(event) {
    if (state === null) return;
    if (pace.isLive) pending = pending === null ? event : merge(pending, event);
    else settle(event);
    soon();
  },
  reset() {
    // A snapshot follows at once; until then the old figures stay on the page.
    pending = null;
  },
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

function setClock(server_ms) {
  if (Number.isFinite(server_ms)) ahead_ms = server_ms - Date.now();
}

const pace = new Pace(() => {
  taking = true;
  soon();
});

/** Takes what waits, and another change, into what is held. */
function settle(change = null) {
  if (pending !== null) state = apply(state, pending);
  if (change !== null) state = apply(state, change);
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
  views.locations.draw({ ...shown, ranked: rows, places, colors });
  views.windows.draw(shown.windows, colors);
  announce(rows);
  drawFooter();
  drawLine();
}

/** New colours are a new map, so that views see by identity whether they must paint again. */
function recolor(rows) {
  const place = (row) => places.get(row.candidate_id) ?? rows.length;
  const next = new Map([...rows].sort((a, b) => place(a) - place(b))
    .map((row) => [row.candidate_id, paint(row.color, place(row))]));
  const same = next.size === colors.size
    && [...next].every(([id, color]) => colors.get(id) === color);
  if (!same) colors = next;
}

/** The candidates whose count went down between two states. */
function fallen(before, after) {
  return new Set([...after.candidates.values()]
    .filter((row) => row.votes < (before.candidates.get(row.candidate_id)?.votes ?? 0))
    .map((row) => row.candidate_id));
}

function announce(rows) {
  const leader = shown.candidates.get(shown.results.leader) ?? null;
  const lead = leader === null ? '' : `${percent(leader.share)} ${named(leader.candidate_name, leader.candidate_id)} · `;
  if (rows.length > 0) {
    document.title = `${chosen.election.test ? `${words().test} – ` : ''}${lead}${chosen.contest.name}`;
  }
  views.announcer.standing(
    shown.results, leader && named(leader.candidate_name, leader.candidate_id), leader?.share ?? null, performance.now(),
  );
}

function drawFooter() {
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
  setText(byId('line-tick'), shown === null ? '' : words().tick(String(shown.tick)));
  views.announcer.line(line.kind, performance.now());
  if (phase === 'catching_up' && state === null) notice(words().notice_catching_up, progress);
}

/** Says something in the place of the figures, or with null takes it back; and how far that is. */
function notice(text, done = null) {
  byId('notice').hidden = text === null;
  setText(byId('notice-text'), text ?? '');
  const bar = byId('notice-progress');
  bar.hidden = done === null;
  if (done !== null) bar.value = done.share;
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

function takeRegister(answer) {
  elections = answer.elections;
  registerVersion = answer.register_version;
  // `Date` counts whole seconds: good enough until the first `alive`.
  if (ahead_ms === null && answer.served_at_ms !== null) setClock(answer.served_at_ms);
}

function rename(contest) {
  chosen = contest;
  if (contest === null) return;
  places = placesOf(contest.contest);
  texts = textsOf(contest.contest);
  drawContest(elections, contest);
  again = true;
  soon();
}

/** Shows another contest: everything of the one before goes, then its stream is opened. */
function show(contest) {
  stream?.close();
  stream = null;
  state = pending = shown = null;
  lag = 0;
  phase = 'connecting';
  byId('figures').hidden = true;
  for (const view of [views.podium, views.candidates, views.locations, views.windows]) view.clear();
  rename(contest);
  drawLine();
  if (contest === null) {
    notice(words().notice_no_contest);
    return;
  }
  stream = new Stream(contest.contest.contest_id, handlers);
}

/** The first load: waits for the server, however long it takes, and says why. */
async function start(failures = 0) {
  try {
    takeRegister(await readElections());
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

byId('contest-select').addEventListener('change', (event) => {
  keepInAddress(event.target.value);
  show(choose(elections, event.target.value));
});
byId('language-select').addEventListener('change', (event) => {
  chooseLanguage(event.target.value);
  // Rows keep their words; those of the tables are drawn anew by themselves.
  for (const view of [views.podium, views.candidates, views.outcomes, views.corrections, views.windows, views.health]) view.clear();
  pace.translate();
  rename(chosen);
  drawLine();
});
addEventListener('popstate', () => show(choose(elections, askedContest())));
document.addEventListener('visibilitychange', () => document.hidden || stream?.check());
addEventListener('pagehide', () => stream?.close());
addEventListener('pageshow', (event) => {
  if (event.persisted && chosen !== null) stream = new Stream(chosen.contest.contest_id, handlers);
});
/** One view alone, or all of them large: the address says so, for as long as the page is open. */
function frameFromAddress() {
  const asked = new URLSearchParams(location.search);
  const root = document.documentElement;
  const views = [...document.querySelectorAll('[data-view]')].map((node) => node.dataset.view);
  if (views.includes(asked.get('embed'))) root.dataset.embed = asked.get('embed');
  root.classList.toggle('is-screen', asked.has('screen'));
}

frameFromAddress();
setFromBrowser();
byId('language-select').value = language();
pace.begin();
views.health.begin();
setInterval(drawLine, 1000);
start();
