//! The page's state: snapshot + change → state, as pure functions.
//!
//! In come the stream's `snapshot` and `change` events as parsed JSON, field for field as the API
//! names them; out goes a new state for the views. Rows that did not change keep their identity,
//! so a view compares with `===` what to draw again. Never touches the page, the network or a
//! clock, and never changes what it is given.

/**
 * @typedef {Object.<string, number>} VotesByCandidate
 *
 * @typedef {{candidate_id: string, candidate_name: string, short_name?: ?string, party: ?string, color: ?string,
 *   photo_url: ?string, votes: number, share: ?number, rank: number, withdrawn: boolean}} CandidateRow
 *
 * @typedef {{received: number, accepted: number, superseded: number, voided: number,
 *   set_aside: number}} Counts
 *
 * @typedef {{tick: number, as_of: string, register_version: string, contest_id: string,
 *   offsets: Object.<string, number>, counts: Counts, set_aside_by: Object.<string, number>,
 *   conflicts: number, blank: number, registered: ?number, turnout: ?number, leader: ?string,
 *   margin: ?number, candidates: CandidateRow[]}} Results
 *
 * @typedef {{location: string, name: string, parent: ?string, leaf: boolean, registered: ?number,
 *   accepted: number, blank: number, turnout: ?number, leader: ?string,
 *   votes: VotesByCandidate, suppressed?: boolean}} LocationRow A suppressed one has no figures in
 *   the API; here they are zeros, and whoever shows them looks at `suppressed` first.
 *
 * @typedef {{start: string, end: string, final: boolean, accepted: number, blank: number,
 *   late: number, votes: VotesByCandidate}} WindowRow
 *
 * @typedef {{watermark: ?string, window_ms: number, slide_ms: number,
 *   earlier: {accepted: number, blank: number, votes: VotesByCandidate},
 *   windows: WindowRow[]}} Windows
 *
 * @typedef {{tick: number, as_of: string, register_version: string, contest_id: string,
 *   results: Results, locations: LocationRow[], windows: Windows}} StreamSnapshot
 *
 * @typedef {{candidate_id: ?string, minus: number, why: string}} Correction
 *
 * @typedef {{candidates: string[], locations: string[], windows: string[]}} Removed
 *
 * @typedef {StreamSnapshot & {removed: Removed, corrections: Correction[]}} StreamChange
 *
 * @typedef {Correction & {tick: number}} SeenCorrection A correction and the tick that showed it.
 *
 * @typedef {Object} State
 * @property {number} tick
 * @property {string} as_of
 * @property {string} register_version
 * @property {string} contest_id
 * @property {Results} results The head; its `candidates` is empty, the next field has them.
 * @property {Map<string, CandidateRow>} candidates By candidate id.
 * @property {Map<string, LocationRow>} locations By location code.
 * @property {Windows} windows The head, with all windows that are held, newest first.
 * @property {string} windows_floor Windows that start before it are not held.
 * @property {SeenCorrection[]} corrections Newest first.
 */

/** As many windows as a snapshot holds; older ones that change are not kept. */
export const WINDOWS_MAX = 120;

/** The corrections that are remembered; a page left open all night must not grow. */
export const CORRECTIONS_MAX = 50;

/** Corrections of one candidate and cause that come within this time are shown as one. */
const CORRECTIONS_TOGETHER_MS = 1000;

/**
 * A state from a snapshot. Snapshots hold no corrections, so those seen before are kept if they
 * are of the same contest.
 *
 * @param {StreamSnapshot} snapshot
 * @param {?State} [before]
 * @returns {State}
 */
export function fromSnapshot(snapshot, before = null) {
  const { windows, floor } = newest(snapshot.windows.windows, '');
  return {
    ...head(snapshot),
    candidates: byKey(snapshot.results.candidates, candidateKey),
    locations: byKey(snapshot.locations.map(withFigures), locationKey),
    windows: { ...snapshot.windows, windows },
    windows_floor: floor,
    corrections: before?.contest_id === snapshot.contest_id ? before.corrections : [],
  };
}

/**
 * The state after a change. A change of another contest, or one that is not newer than the state,
 * leaves it as it is: a reconnect may send again what was already seen.
 *
 * @param {State} state
 * @param {StreamChange} change
 * @returns {State}
 */
export function apply(state, change) {
  if (change.contest_id !== state.contest_id || change.tick <= state.tick) return state;
  const { removed } = change;
  const held = byKey(state.windows.windows, windowKey);
  const rows = replaced(held, removed.windows, change.windows.windows, windowKey);
  const { windows, floor } = newest([...rows.values()], state.windows_floor);
  return {
    ...head(change),
    candidates: replaced(
      state.candidates, removed.candidates, change.results.candidates, candidateKey,
    ),
    locations: replaced(state.locations, removed.locations, change.locations.map(withFigures), locationKey),
    windows: { ...change.windows, windows },
    windows_floor: floor,
    corrections: change.corrections.reduce(
      (seen, correction) => withCorrection(seen, correction, change.tick), state.corrections,
    ),
  };
}

/**
 * Two changes as one: `apply(apply(s, older), newer)` equals `apply(s, merge(older, newer))`. A page
 * in the background merges instead of drawing.
 *
 * Non-guarantee: the older one's corrections take the newer tick, and of windows beyond the newest
 * 120 more may be held.
 *
 * @param {StreamChange} older
 * @param {StreamChange} newer
 * @returns {StreamChange}
 */
export function merge(older, newer) {
  const candidates = mergedRows(
    older.results.candidates, older.removed.candidates,
    newer.results.candidates, newer.removed.candidates, candidateKey,
  );
  const locations = mergedRows(
    older.locations, older.removed.locations, newer.locations, newer.removed.locations, locationKey,
  );
  const windows = mergedRows(
    older.windows.windows, older.removed.windows,
    newer.windows.windows, newer.removed.windows, windowKey,
  );
  return {
    ...newer,
    results: { ...newer.results, candidates: candidates.rows },
    locations: locations.rows,
    windows: { ...newer.windows, windows: windows.rows },
    removed: {
      candidates: candidates.removed, locations: locations.removed, windows: windows.removed,
    },
    corrections: mergedCorrections(older.corrections, newer.corrections),
  };
}

/**
 * The candidates as the results rank them: by rank, then place on the ballot paper, then id.
 *
 * @param {State} state
 * @param {Map<string, number>} places Where each candidate stands on the ballot paper.
 * @returns {CandidateRow[]}
 */
export function ranked(state, places) {
  const place = (/** @type {CandidateRow} */ row) => places.get(row.candidate_id) ?? Number.MAX_SAFE_INTEGER;
  return [...state.candidates.values()].sort((a, b) =>
    a.rank - b.rank || place(a) - place(b) || order(a.candidate_id, b.candidate_id));
}

/**
 * The votes of a location or a window for a candidate. A plain look-up would find what every object
 * inherits for a candidate whose id is `constructor`.
 *
 * @param {{votes: VotesByCandidate}} row
 * @param {string} candidateId
 * @returns {number}
 */
export function votesFor(row, candidateId) {
  return Object.hasOwn(row.votes, candidateId) ? row.votes[candidateId] : 0;
}

/** @param {StreamSnapshot} event @returns {Pick<State, 'tick'|'as_of'|'register_version'|'contest_id'|'results'>} */
function head({ tick, as_of, register_version, contest_id, results }) {
  return { tick, as_of, register_version, contest_id, results: { ...results, candidates: [] } };
}

/** @param {LocationRow} row @returns {LocationRow} */
function withFigures(row) {
  return row.suppressed ? { ...row, accepted: 0, blank: 0, turnout: null, leader: null, votes: {} } : row;
}

const candidateKey = (/** @type {CandidateRow} */ row) => row.candidate_id;
const locationKey = (/** @type {LocationRow} */ row) => row.location;
const windowKey = (/** @type {WindowRow} */ row) => row.start;

/**
 * @template Row
 * @param {readonly Row[]} rows
 * @param {(row: Row) => string} keyOf
 * @returns {Map<string, Row>}
 */
function byKey(rows, keyOf) {
  return new Map(rows.map((row) => [keyOf(row), row]));
}

/**
 * @template Row
 * @param {Map<string, Row>} held
 * @param {readonly string[]} removed
 * @param {readonly Row[]} rows
 * @param {(row: Row) => string} keyOf
 * @returns {Map<string, Row>}
 */
function replaced(held, removed, rows, keyOf) {
  if (removed.length === 0 && rows.length === 0) return held;
  const after = new Map(held);
  for (const key of removed) after.delete(key);
  for (const row of rows) after.set(keyOf(row), row);
  return after;
}

/**
 * @template Row
 * @param {readonly Row[]} olderRows
 * @param {readonly string[]} olderRemoved
 * @param {readonly Row[]} newerRows
 * @param {readonly string[]} newerRemoved
 * @param {(row: Row) => string} keyOf
 * @returns {{rows: Row[], removed: string[]}}
 */
function mergedRows(olderRows, olderRemoved, newerRows, newerRemoved, keyOf) {
  const rows = replaced(byKey(olderRows, keyOf), newerRemoved, newerRows, keyOf);
  const removed = new Set([...olderRemoved, ...newerRemoved]);
  return {
    rows: [...rows.values()],
    removed: [...removed].filter((key) => !rows.has(key)),
  };
}

/**
 * Sums by candidate and cause, so that merging for hours stays small.
 *
 * @param {readonly Correction[]} older
 * @param {readonly Correction[]} newer
 * @returns {Correction[]}
 */
function mergedCorrections(older, newer) {
  const sums = new Map();
  for (const correction of [...older, ...newer]) {
    const key = JSON.stringify([correction.candidate_id, correction.why]);
    const minus = (sums.get(key)?.minus ?? 0) + correction.minus;
    sums.set(key, { ...correction, minus });
  }
  return [...sums.values()];
}

/**
 * @param {SeenCorrection[]} seen
 * @param {Correction} correction
 * @param {number} tick
 * @returns {SeenCorrection[]}
 */
function withCorrection(seen, correction, tick) {
  const same = seen.findIndex((other) => other.candidate_id === correction.candidate_id
    && other.why === correction.why && tick - other.tick < CORRECTIONS_TOGETHER_MS);
  if (same < 0) return [{ ...correction, tick }, ...seen].slice(0, CORRECTIONS_MAX);
  const summed = { ...seen[same], minus: seen[same].minus + correction.minus };
  return seen.map((row, at) => (at === same ? summed : row));
}

/**
 * The newest windows, and the floor below which none is held. Without the floor, an old window
 * that changes could stand beside the newest as if nothing had been between them.
 *
 * @param {readonly WindowRow[]} rows
 * @param {string} floorBefore
 * @returns {{windows: WindowRow[], floor: string}}
 */
function newest(rows, floorBefore) {
  const windows = rows
    .filter((row) => row.start >= floorBefore)
    .sort((a, b) => order(b.start, a.start))
    .slice(0, WINDOWS_MAX);
  const full = windows.length === WINDOWS_MAX;
  return { windows, floor: full ? windows[WINDOWS_MAX - 1].start : floorBefore };
}

/** @param {string} a @param {string} b */
function order(a, b) {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
