//! Which contest the page shows: the list of elections, the chooser and the address.
//!
//! In comes `GET /api/v1/elections` and what the address asks for; out go the contest with its
//! election, and the candidates' places on the ballot paper. Never holds any figure.

import { byId, el, setText } from './dom.js';
import { longDate } from './format.js';
import { words } from './language.js';

/**
 * @typedef {{candidate_id: string, candidate_name: string, party: ?string, color: ?string,
 *   photo_url: ?string, biography: ?string, campaign_promises: ?string}} Candidate
 *
 * @typedef {{contest_id: string, name: string, is_default: boolean, closes_at?: ?string, candidates: Candidate[]}} Contest
 *
 * @typedef {{name: string, date: ?string, test: boolean, time_zone?: string, geojson_url: ?string,
 *   geojson_property?: ?string, contests: Contest[]}} Election
 *
 * @typedef {{election: Election, contest: Contest}} Chosen
 */

/**
 * Reads the elections; an answer that is no success is an error with its status.
 *
 * @returns {Promise<{elections: Election[], register_version: string, served_at_ms: ?number}>}
 */
export async function readElections() {
  const url = new URL('api/v1/elections', document.baseURI);
  const response = await fetch(url, { cache: 'no-cache', signal: AbortSignal.timeout(12_500) });
  if (!response.ok) throw new Error(`reading ${url.pathname} failed with status ${response.status}`);
  const served_at_ms = Date.parse(response.headers.get('Date') ?? '');
  const { elections, register_version } = await response.json();
  return {
    elections, register_version, served_at_ms: Number.isNaN(served_at_ms) ? null : served_at_ms,
  };
}

/**
 * The contest that is asked for, and no other; if none is, the default, else the first. Null where
 * there is none.
 *
 * @param {Election[]} elections
 * @param {?string} asked
 * @returns {?Chosen}
 */
export function choose(elections, asked) {
  const all = elections.flatMap((election) => election.contests.map((contest) => ({ election, contest })));
  if (asked !== null) return all.find(({ contest }) => contest.contest_id === asked) ?? null;
  return all.find(({ contest }) => contest.is_default) ?? all[0] ?? null;
}

/** @param {Contest} contest @returns {Map<string, number>} places on the ballot paper, by candidate */
export function placesOf(contest) {
  return new Map(contest.candidates.map((candidate, place) => [candidate.candidate_id, place]));
}

/** @param {Contest} contest @returns {Map<string, Candidate>} what candidates say and who they are, by candidate */
export function textsOf(contest) {
  return new Map(contest.candidates.map((candidate) => [candidate.candidate_id, candidate]));
}

/** @returns {?string} the contest that the address names */
export function askedContest() {
  return new URLSearchParams(location.search).get('contest');
}

/** Writes a contest into the address, as a step that the back button undoes. @param {string} contestId */
export function keepInAddress(contestId) {
  const url = new URL(location.href);
  url.searchParams.set('contest', contestId);
  history.pushState(null, '', url);
}

/**
 * Draws the names and the chooser.
 *
 * @param {Election[]} elections
 * @param {Chosen} chosen
 */
export function drawContest(elections, { election, contest }) {
  setText(byId('election-name'), election.name);
  setText(byId('election-date'), longDate(election.date));
  setText(byId('contest-name'), contest.name);
  setText(byId('alone-name'), contest.name);
  document.title = `${election.test ? `${words().test} – ` : ''}${words().title(contest.name)}`;
  const results = new URL('api/v1/results', document.baseURI);
  results.searchParams.set('contest', contest.contest_id);
  byId('footer-results', HTMLAnchorElement).href = results.href;
  drawChooser(elections, contest.contest_id);
}

/** @param {Election[]} elections @param {string} contestId the one that is shown; empty for none */
export function drawChooser(elections, contestId) {
  const select = byId('contest-select', HTMLSelectElement);
  const listed = elections.filter((election) => election.contests.length > 0);
  const options = (/** @type {Election} */ election) => election.contests.map((contest) => {
    const option = el('option', '', contest.name);
    option.value = contest.contest_id;
    return option;
  });
  select.replaceChildren(...listed.map((election) => {
    const group = el('optgroup', '', ...options(election));
    group.label = election.name;
    return group;
  }));
  select.value = contestId;
  byId('chooser').hidden = select.options.length < 2;
}
