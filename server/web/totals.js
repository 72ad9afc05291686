//! The key figures, the counts by outcome and the recent corrections.
//!
//! In comes the state; out go texts in places that the page holds ready. Never adds up: every
//! figure stands as the server published it.

import { arrange, byId, el, nameEl, setText } from './dom.js';
import { cause, count, named, percent, reason } from './format.js';
import { Lines } from './lines.js';
import { words } from './language.js';
import { recent } from './times.js';

/** Shown at once; more would push the outcomes off a phone's screen. */
const CORRECTIONS_SHOWN = 6;

/**
 * @param {import('./reducer.js').Results} results
 * @param {Map<string, import('./reducer.js').CandidateRow>} candidates
 * @param {boolean} isClosed whether all polls are closed
 */
export function drawHeadline(results, candidates, isClosed) {
  setText(byId('accepted'), count(results.counts.accepted));
  const hasVotes = results.counts.accepted > results.blank;
  setText(byId('end'), isClosed ? words().polls_closed : results.counts.accepted === 0 ? words().no_ballots : '');
  setText(byId('turnout'), percent(results.turnout));
  setText(byId('turnout-label'), isClosed ? words().turnout : words().turnout_so_far);
  setText(byId('registered'), results.registered === null ? '' : words().of_registered(count(results.registered)));
  // A card says something, or is not there.
  byId('turnout-card').hidden = results.turnout === null;
  byId('registered-card').hidden = results.registered === null;
  byId('lead-card').hidden = !hasVotes;
  setText(byId('lead'), count(results.margin));
  const leader = results.leader === null
    ? (hasVotes ? words().tie_for_first : words().no_votes)
    : named(candidates.get(results.leader)?.candidate_name, results.leader);
  setText(byId('leader'), leader);
  setText(byId('registered-count'), count(results.registered));
  setText(byId('candidates-count'), count(candidates.size));
  setText(byId('set-aside'), count(results.counts.set_aside));
}

/** Draws received = accepted + superseded + voided + set aside, with what is in them. */
export class Outcomes {
  #lines = new Lines(byId('outcomes'), 'figure', (key) => HINTS.get(key)?.());

  /** Forgets every line, for another language. */
  clear() {
    this.#lines.clear();
  }

  /** @param {import('./reducer.js').Results} results */
  draw(results) {
    const { counts } = results;
    const texts = words();
    /** @type {[string, number][]} */
    const reasons = Object.entries(results.set_aside_by).sort(([a], [b]) => (a < b ? -1 : 1));
    this.#lines.draw([
      ['received', texts.received, counts.received, 'sum'],
      ['accepted', texts.accepted, counts.accepted, 'part'],
      ['blank', texts.blank_detail, results.blank, 'detail'],
      ['superseded', texts.superseded, counts.superseded, 'part'],
      ['voided', texts.voided, counts.voided, 'part'],
      ['set_aside', texts.set_aside, counts.set_aside, 'part'],
      ...reasons.map(([why, votes]) => /** @type {import('./lines.js').Line} */ ([`set_aside_by/${why}`, reason(why), votes, 'detail'])),
      ['conflicts', texts.conflicts, results.conflicts, 'apart'],
    ]);
  }
}

/** What some of the lines mean. @type {Map<string, () => string>} */
const HINTS = new Map([
  ['superseded', () => words().superseded_hint], ['voided', () => words().voided_hint],
  ['set_aside', () => words().set_aside_hint], ['conflicts', () => words().conflicts_hint],
]);

/** Draws the newest corrections; an item is kept for as long as its correction is shown. */
export class Corrections {
  #list = byId('corrections');
  #empty = byId('corrections-empty');
  /** @type {?import('./reducer.js').SeenCorrection[]} */
  #drawn = null;
  /** @type {WeakMap<import('./reducer.js').SeenCorrection, HTMLElement>} */
  #items = new WeakMap();

  /** Forgets every item, for another language. */
  clear() {
    this.#drawn = null;
    this.#items = new WeakMap();
    this.#list.replaceChildren();
  }

  /**
   * @param {import('./reducer.js').SeenCorrection[]} corrections newest first
   * @param {Map<string, import('./reducer.js').CandidateRow>} candidates
   */
  draw(corrections, candidates) {
    if (corrections === this.#drawn) return;
    this.#drawn = corrections;
    this.#empty.hidden = corrections.length > 0;
    const shown = corrections.slice(0, CORRECTIONS_SHOWN);
    arrange(this.#list, shown.map((correction) => this.#item(correction, candidates)));
  }

  /**
   * @param {import('./reducer.js').SeenCorrection} correction
   * @param {Map<string, import('./reducer.js').CandidateRow>} candidates
   */
  #item(correction, candidates) {
    const kept = this.#items.get(correction);
    if (kept !== undefined) return kept;
    const { candidate_id: id, minus, why, tick } = correction;
    const name = nameEl('name');
    setText(name, id === null ? words().blank_ballots : named(candidates.get(id)?.candidate_name, id));
    const time = el('time', '', recent(tick, Date.now()));
    time.dateTime = new Date(tick).toISOString();
    const node = el('li', '', el('b', 'minus', `−${count(minus)}`), name, el('span', 'why', cause(why)), time);
    this.#items.set(correction, node);
    return node;
  }
}
