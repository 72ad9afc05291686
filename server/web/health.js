//! How the counting is: messages, refused ones by reason, what waits, and what is wrong.
//!
//! In comes `GET /api/v1/status`, asked every few seconds while its figures are looked at, and now
//! and then while nothing changes, since that may be calm or a fault; out go figures and warnings. These are of all contests together and of the moment of asking, so they
//! never stand among the results.

import { byId, el, setText } from './dom.js';
import { Lines } from './lines.js';
import { words } from './language.js';
import { recent } from './times.js';

const EVERY_MS = 5000;

/** Where nothing changes: rarely, and not all pages at once. */
const RESTING_MS = 20_000;

const WAIT_MS = 12_500;

/**
 * @typedef {Object} Status What is used of the answer.
 * @property {number} messages
 * @property {number} duplicates
 * @property {number} voids
 * @property {Object<string, number>} [refused]
 * @property {{lag: number}[]} [partitions]
 * @property {{state: string, last_error: ?string}[]} [sinks]
 * @property {?string} [log_error]
 * @property {?string} [register_error]
 * @property {?{stalled_since: ?string, reason: ?string}} [publishing]
 * @property {?Object} [demo] Of a service that replays a past election.
 * @property {?{tick_error?: ?string, error?: ?string, newest?: ?{written_at: string}}} [checkpoint]
 */

/**
 * What a status has to warn of, most important first.
 *
 * @param {Status} status
 * @returns {string[]}
 */
export function warningsOf(status) {
  const sinks = (status.sinks ?? []).filter((sink) => sink.state === 'failing');
  return [
    status.log_error, status.checkpoint?.tick_error, status.checkpoint?.error, status.register_error,
    ...sinks.map((sink) => sink.last_error),
  ].flatMap((text) => (text ? [text] : []));
}

/**
 * The lines of the table.
 *
 * @param {Status} status
 * @returns {import('./lines.js').Line[]}
 */
export function linesOf(status) {
  const texts = words();
  const refusals = /** @type {Object<string, string>} */ (texts.refusals);
  const refused = Object.entries(status.refused ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const newest = status.checkpoint?.newest ?? null;
  const waiting = (status.partitions ?? []).reduce((sum, partition) => sum + partition.lag, 0);
  return [
    ['messages', texts.messages, status.messages, 'sum'],
    ['duplicates', texts.duplicates, status.duplicates, 'part'],
    ['voids', texts.voids, status.voids, 'part'],
    ['refused', texts.refused, refused.reduce((sum, [, number]) => sum + number, 0), 'part'],
    ...refused.map(([why, number]) => /** @type {import('./lines.js').Line} */ ([`refused/${why}`, refusals[why] ?? why.replaceAll('_', ' '), number, 'detail'])),
    ['waiting', texts.waiting, waiting, 'apart'],
    ['checkpoint', texts.checkpoint, newest === null ? texts.no_checkpoint : recent(newest.written_at, Date.now()), 'part'],
  ];
}

/** Asks and draws. */
export class Health {
  #lines = new Lines(byId('health'), 'health');
  #timer = 0;
  #inSight = false;
  #isQuiet = false;
  #isStalled = false;
  #told;

  /**
   * Asks once, and whenever it is looked at: thousands of pages ask for nothing that nobody sees.
   *
   * @param {(status: Status) => void} told called with every answer
   */
  constructor(told) {
    this.#told = told;
    document.addEventListener('visibilitychange', () => this.#ask());
    new IntersectionObserver((entries) => {
      this.#inSight = entries[entries.length - 1].isIntersecting;
      this.#ask();
    }, { rootMargin: '200px 0px' }).observe(byId('health-title'));
    this.#fetch();
  }

  /** @param {boolean} isQuiet whether nothing has changed for long */
  rest(isQuiet) {
    if (isQuiet === this.#isQuiet) return;
    this.#isQuiet = isQuiet;
    // The first change after a fault says that it is over, and so does the service.
    this.#askIn(isQuiet ? Math.random() * EVERY_MS : 0);
  }

  /** Forgets every row, for another language, and asks anew. */
  clear() {
    this.#lines.clear();
    this.#ask();
  }

  /** @param {number} wait_ms */
  #askIn(wait_ms) {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#ask(), wait_ms);
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (document.hidden || !(this.#inSight || this.#isQuiet || this.#isStalled)) return;
    await this.#fetch();
    this.#askIn(this.#inSight || this.#isStalled ? EVERY_MS : RESTING_MS * (1 + Math.random()));
  }

  async #fetch() {
    try {
      const url = new URL('api/v1/status', document.baseURI);
      const answer = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(WAIT_MS) });
      if (!answer.ok) return;
      const status = await answer.json();
      this.#isStalled = Boolean(status.publishing?.stalled_since);
      this.#told(status);
      this.#draw(status);
    } catch {
      // The line says that the server does not answer.
    }
  }

  /** @param {Status} status */
  #draw(status) {
    this.#lines.draw(linesOf(status));
    setText(byId('health-time'), words().asked_at(recent(Date.now(), Date.now())));
    const warnings = warningsOf(status).map((text) => el('li', '', el('bdi', '', text)));
    byId('warnings').hidden = warnings.length === 0;
    byId('warnings').replaceChildren(...warnings);
  }
}
