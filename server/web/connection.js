//! What the page says about its line to the server: a state in words, and when to try again.
//!
//! In come what the line last did and what time it is; out go words for the reader and waiting
//! times for the stream. Pure: the clock is an argument.

import { clock, count, percent, span } from './format.js';
import { words } from './language.js';

/** The server says `alive` every 5 s; after this long without a word the line is dead. */
export const SILENCE_MS_MAX = 12_500;

/** The line is well but nothing was counted for this long: quiet, not live. */
const QUIET_AFTER_MS = 10_000;

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 15_000;

/**
 * @typedef {Object} Progress
 * @property {?number} share The fraction that is done, where it is known.
 * @property {?string} waiting_for What it waits for before it can count, if anything.
 * @property {?number} seconds_left How long the rest takes at the rate of now, where it is known.
 */

/**
 * @typedef {Object} Line
 * @property {'connecting'|'open'|'lost'|'catching_up'} phase
 * @property {?number} changed_at_ms When the figures shown were published, by the server's clock.
 * @property {number} server_now_ms What the server's clock shows now, as well as the page knows.
 * @property {string} [pace] How often figures are drawn, in words; empty where they are live.
 * @property {number} lag Messages that the server has not counted yet.
 * @property {?Progress} progress While catching up: how far it is, where it is known.
 */

/** @typedef {{kind: 'waiting'|'live'|'quiet'|'lost', title: string, detail: string}} Said */

/** @param {Line} line @returns {Said} */
export function describe(line) {
  const age_ms = line.changed_at_ms === null ? null : line.server_now_ms - line.changed_at_ms;
  const texts = words();
  const held = line.changed_at_ms === null || age_ms === null ? '' : texts.held(clock(line.changed_at_ms), span(age_ms));
  switch (line.phase) {
    case 'connecting':
      return { kind: 'waiting', title: texts.connecting, detail: held };
    case 'lost':
      return { kind: 'lost', title: texts.reconnecting, detail: held || texts.no_answer };
    case 'catching_up': {
      const { share = null, waiting_for = null } = line.progress ?? {};
      if (waiting_for !== null) return { kind: 'waiting', title: texts.starting, detail: texts.waits_for(waiting_for) };
      const done = share === null ? '' : texts.done(percent(share));
      const left_s = line.progress?.seconds_left ?? null;
      const left = left_s === null ? '' : texts.time_left(span(left_s * 1000));
      return { kind: 'waiting', title: texts.catching_up, detail: texts.reads_log + done + left };
    }
    default:
      return line.pace && held ? { kind: 'quiet', title: line.pace, detail: held } : flowing(line, age_ms);
  }
}

/** @param {Line} line @param {?number} age_ms @returns {Said} */
function flowing(line, age_ms) {
  const texts = words();
  if (age_ms === null) return { kind: 'waiting', title: texts.connected, detail: texts.waiting_for_figures };
  const behind = line.lag > 0 ? texts.messages_waiting(count(line.lag)) : '';
  if (age_ms < QUIET_AFTER_MS) {
    const age = age_ms < 2000 ? texts.just_now : texts.updated_ago(span(age_ms));
    return { kind: 'live', title: texts.live, detail: age + behind };
  }
  return { kind: 'quiet', title: texts.quiet, detail: texts.no_change(span(age_ms)) + behind };
}

/**
 * How long to wait before the next try: twice as long after each failure, and spread out, so that
 * a thousand pages that lost one server do not all come back in the same instant.
 *
 * @param {number} failures in a row, from 1
 * @param {number} random in [0, 1)
 * @returns {number} milliseconds
 */
export function retryAfter(failures, random) {
  const longest = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures, 10));
  return Math.round(longest / 2 + (longest / 2) * random);
}

/**
 * Reads `Retry-After` in seconds, held within what a viewer waits for.
 *
 * @param {?string} header
 * @returns {number} milliseconds
 */
export function retryAfterHeader(header) {
  const seconds = /^\d+$/.test(header ?? '') ? Number(header) : 1;
  return Math.min(RETRY_MS_MAX, Math.max(RETRY_MS_MIN, seconds * 1000));
}

/**
 * How far a server has caught up, from what it answers while it does.
 *
 * @param {?{progress?: ?{share?: ?number, seconds_left?: ?number, waiting_for?: ?string}}} answer the parsed body
 * @returns {?Progress} null where it is not known yet
 */
export function progressOf(answer) {
  const { share, seconds_left: left_s, waiting_for } = answer?.progress ?? {};
  if (!isNumber(share) && !waiting_for) return null;
  return {
    share: isNumber(share) ? Math.min(1, Math.max(0, share)) : null,
    seconds_left: isNumber(left_s) && left_s >= 0 ? left_s : null,
    waiting_for: waiting_for || null,
  };
}

/** @param {unknown} value @returns {value is number} */
function isNumber(value) {
  return Number.isFinite(value);
}
