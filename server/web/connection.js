//! What the page says about its line to the server: a state in words, and when to try again.
//!
//! In come what the line last did and what time it is; out go words for the reader and waiting
//! times for the stream. Pure: the clock is an argument.

import { counted, percent, span } from './format.js';
import { words } from './language.js';
import { recent } from './times.js';

/** The server says `alive` every 5 s; after this long without a word the line is dead. */
export const SILENCE_MS_MAX = 12_500;

/** The line is well but nothing was counted for this long: quiet, not live. */
export const QUIET_AFTER_MS = 10_000;

/** So far the page may be behind without saying so. */
const BEHIND_MS_MAX = 2000;

/** What came so recently is news. */
const NEWS_MS = 2000;

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
 * @property {?number} as_of_ms Of when the figures are that are shown, by the server's clock.
 * @property {?number} changed_at_ms When they changed last while the page looked on.
 * @property {number} shown_ms For how long the page has shown figures.
 * @property {number} behind_ms How far the page is behind the server.
 * @property {number} server_now_ms What the server's clock shows now, as well as the page knows.
 * @property {?string} [stalled_since] Since when the service has published nothing, where it should have.
 * @property {boolean} [isClosed] Whether all polls are closed.
 * @property {string} [pace] How often figures are drawn, in words; empty where they are live.
 * @property {number} lag Messages that the server has not counted yet.
 * @property {?Progress} progress While catching up: how far it is, where it is known.
 */

/** @typedef {{kind: 'waiting'|'live'|'quiet'|'final'|'lost', title: string, detail: string}} Said */

/** @param {Line} line @returns {Said} */
export function describe(line) {
  const texts = words();
  const { as_of_ms, server_now_ms } = line;
  const held = as_of_ms === null ? '' : texts.held(recent(as_of_ms, server_now_ms), span(server_now_ms - as_of_ms));
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
      if (line.stalled_since) {
        return { kind: 'lost', title: texts.stalled, detail: texts.stalled_since(recent(line.stalled_since, server_now_ms)) };
      }
      return line.pace && held ? { kind: 'quiet', title: line.pace, detail: held } : flowing(line);
  }
}

/** @param {Line} line @returns {Said} */
function flowing({ as_of_ms, changed_at_ms, shown_ms, behind_ms, server_now_ms, lag, isClosed }) {
  const texts = words();
  if (as_of_ms === null) return { kind: 'waiting', title: texts.connected, detail: texts.waiting_for_figures };
  const waiting = lag > 0 ? counted(texts.messages_waiting, lag) : '';
  if (behind_ms > BEHIND_MS_MAX) return { kind: 'waiting', title: texts.live, detail: texts.behind(span(behind_ms)) + waiting };
  const age_ms = changed_at_ms === null ? shown_ms : server_now_ms - changed_at_ms;
  const closed = isClosed ? `${texts.polls_closed}, ` : '';
  if (age_ms < QUIET_AFTER_MS) {
    return { kind: 'live', title: texts.live, detail: closed + updated(as_of_ms, changed_at_ms, server_now_ms) + waiting };
  }
  const calm = closed + texts.no_change(span(age_ms)) + waiting;
  return isClosed && lag <= 0 ? { kind: 'final', title: texts.final_title, detail: calm } : { kind: 'quiet', title: texts.quiet, detail: calm };
}

/** @param {number} as_of_ms @param {?number} changed_at_ms @param {number} now_ms */
function updated(as_of_ms, changed_at_ms, now_ms) {
  const texts = words();
  if (changed_at_ms === null) return texts.figures_of(recent(as_of_ms, now_ms));
  const age_ms = now_ms - changed_at_ms;
  return age_ms < NEWS_MS ? texts.just_now : texts.updated_ago(span(age_ms));
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
