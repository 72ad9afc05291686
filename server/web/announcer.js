//! What the page says to those who listen to it: rarely, and only what matters.
//!
//! In come the results and the connection's state; out go sentences in a polite live region. A new
//! leader or a lost line is said soon, the standing now and then, never every change.

import { byId, setText } from './dom.js';
import { counted, percent } from './format.js';
import { words } from './language.js';

const LEADER_MS = 15_000;
const STANDING_MS = 120_000;

/** Speaks through the live region. */
export class Announcer {
  #region = byId('announcer');
  #said_at = -Infinity;
  /** @type {?string|undefined} */
  #leader = undefined;
  /** @type {number|undefined} */
  #accepted = undefined;
  #lost = false;

  /**
   * @param {import('./reducer.js').Results} results
   * @param {?string} leaderName
   * @param {?number} share the leader's
   * @param {number} now_ms
   */
  standing(results, leaderName, share, now_ms) {
    const { accepted } = results.counts;
    const changed = results.leader !== this.#leader;
    if (accepted === this.#accepted && !changed) return;
    if (now_ms - this.#said_at < (changed ? LEADER_MS : STANDING_MS)) return;
    this.#leader = results.leader;
    this.#accepted = accepted;
    this.#say(standingOf(results, leaderName, share), now_ms);
  }

  /** @param {string} kind the connection's @param {number} now_ms */
  line(kind, now_ms) {
    const lost = kind === 'lost' ? true : kind === 'waiting' && this.#lost;
    if (lost === this.#lost) return;
    this.#lost = lost;
    this.#say(lost ? words().line_lost : words().line_again, now_ms);
  }

  /** @param {string} text @param {number} now_ms */
  #say(text, now_ms) {
    this.#said_at = now_ms;
    setText(this.#region, text);
  }
}

/**
 * Who leads, in a sentence. Where nobody has a vote nobody is level with anybody.
 *
 * @param {Pick<import('./reducer.js').Results, 'counts'|'blank'>} results
 * @param {?string} leaderName
 * @param {?number} share the leader's
 * @returns {string}
 */
export function standingOf({ counts: { accepted }, blank }, leaderName, share) {
  const texts = words();
  if (accepted === 0) return texts.no_ballots;
  const ballots = counted(texts.ballots_accepted, accepted);
  if (leaderName !== null) return texts.leads(leaderName, percent(share), ballots);
  return accepted > blank ? texts.nobody_leads(ballots) : texts.nobody_yet(ballots);
}
