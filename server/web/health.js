//! How the counting is: messages, refused ones by reason, what waits, and what is wrong.
//!
//! In comes `GET /api/v1/status`, asked every few seconds while the page is looked at; out go
//! figures and warnings. These are of all contests together and of the moment of asking, so they
//! never stand among the results.

import { byId, el, setText } from './dom.js';
import { clock } from './format.js';
import { Lines } from './lines.js';
import { words } from './language.js';

const EVERY_MS = 5000;
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
    ['checkpoint', texts.checkpoint, newest === null ? texts.no_checkpoint : clock(newest.written_at), 'part'],
  ];
}

/** Asks and draws. */
export class Health {
  #lines = new Lines(byId('health'), 'health');
  #timer = 0;
  #inSight = false;

  /** Asks whenever it is looked at: thousands of pages ask for nothing that nobody sees. */
  constructor() {
    document.addEventListener('visibilitychange', () => this.#ask());
    new IntersectionObserver((entries) => {
      this.#inSight = entries[entries.length - 1].isIntersecting;
      this.#ask();
    }, { rootMargin: '200px 0px' }).observe(byId('health-title'));
  }

  /** Forgets every row, for another language, and asks anew. */
  clear() {
    this.#lines.clear();
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (document.hidden || !this.#inSight) return;
    try {
      const url = new URL('api/v1/status', document.baseURI);
      const answer = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(WAIT_MS) });
      if (answer.ok) this.#draw(await answer.json());
    } catch {
      // The line says that the server does not answer.
    }
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#ask(), EVERY_MS);
  }

  /** @param {Status} status */
  #draw(status) {
    this.#lines.draw(linesOf(status));
    setText(byId('health-time'), words().asked_at(clock(Date.now())));
    const warnings = warningsOf(status).map((text) => el('li', '', el('bdi', '', text)));
    byId('warnings').hidden = warnings.length === 0;
    byId('warnings').replaceChildren(...warnings);
  }
}
