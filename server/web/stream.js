//! The line to the server: opens the stream, notices when it is dead and opens it again.
//!
//! In come the stream's events; out go parsed events to the page's handlers, and the phase of the
//! line. A reconnect names the last tick that the page holds (`after`, as `Last-Event-ID` would), so
//! the server sends only what changed since. Never reads what the figures say.

import { SILENCE_MS_MAX, progressOf, retryAfter, retryAfterHeader } from './connection.js';

/** At most ten changes a second: more than an eye can read. */
const INTERVAL_MS = 100;

/**
 * @typedef {import('./connection.js').Progress} Progress
 * @typedef {import('./connection.js').Line['phase']} Phase
 *
 * @typedef {Object} Handlers
 * @property {() => ?number} tick The last tick that the page holds, to resume after.
 * @property {(event: import('./reducer.js').StreamSnapshot) => void} snapshot
 * @property {(event: import('./reducer.js').StreamChange) => void} change
 * @property {(event: {tick: number, reason: string}) => void} reset
 * @property {(event: {tick: number, now: string, lag: number}) => void} alive
 * @property {() => Promise<void>} ready Called before a lost line is opened again.
 * @property {(phase: Phase, progress: ?Progress) => void} phase
 *
 * @typedef {Pick<Stream, 'check'|'close'>} Line
 */

/** The events of a stream that have handlers. */
const KINDS = /** @type {const} */ (['snapshot', 'change', 'reset', 'alive']);

/** One contest's stream, until it is closed. */
export class Stream {
  #contest;
  #handlers;
  #base;
  /** @type {?EventSource} */
  #source = null;
  #failures = 0;
  #heard_at = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setInterval>} */
  #watch;

  /**
   * @param {string} contest
   * @param {Handlers} handlers
   * @param {string} [base] the page's address
   */
  constructor(contest, handlers, base = document.baseURI) {
    this.#contest = contest;
    this.#handlers = handlers;
    this.#base = base;
    this.#watch = setInterval(() => this.check(), 1000);
    this.#open();
  }

  /** Ends the line for good. */
  close() {
    clearInterval(this.#watch);
    this.#hangUp();
  }

  /** Hangs up a line that has been silent for too long; also when a sleeping page wakes. */
  check() {
    const silent = performance.now() - this.#heard_at > SILENCE_MS_MAX;
    if (this.#source !== null && silent) this.#lost();
  }

  #open() {
    const url = new URL('api/v1/stream', this.#base);
    url.searchParams.set('contest', this.#contest);
    url.searchParams.set('interval_ms', String(INTERVAL_MS));
    const tick = this.#handlers.tick();
    if (tick !== null) url.searchParams.set('after', String(tick));
    const source = new EventSource(url);
    this.#source = source;
    this.#heard_at = performance.now();
    source.addEventListener('open', () => this.#heard());
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        this.#failures = 0;
        this.#heard();
        this.#handlers[kind](JSON.parse(event.data));
      });
    }
    source.addEventListener('error', () => this.#lost());
  }

  #heard() {
    this.#heard_at = performance.now();
    this.#handlers.phase('open', null);
  }

  /** The browser's own reconnect waits the same for everybody and gives up at a 503; ours does not. */
  #lost() {
    this.#hangUp();
    this.#failures += 1;
    this.#handlers.phase('lost', null);
    this.#retryIn(retryAfter(this.#failures, Math.random()));
  }

  #hangUp() {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#source?.close();
    this.#source = null;
  }

  /** @param {number} wait_ms */
  #retryIn(wait_ms) {
    this.#retry = setTimeout(() => this.#probe(), wait_ms);
  }

  /** Asks whether the server is ready, since a refused stream does not tell why. */
  async #probe() {
    const asked = this.#retry;
    const wait = await readiness(this.#base);
    if (wait?.ready) await this.#handlers.ready();
    if (asked !== this.#retry || this.#source !== null) return;
    if (wait === null) {
      this.#lost();
    } else if (wait.ready) {
      this.#open();
    } else {
      this.#handlers.phase('catching_up', wait.progress);
      this.#retryIn(wait.retry_ms);
    }
  }
}

/**
 * Whether the server has caught up; null where nobody answers.
 *
 * @param {string} [base] the page's address
 * @returns {Promise<?{ready: boolean, progress: ?import('./connection.js').Progress, retry_ms: number}>}
 */
export async function readiness(base = document.baseURI) {
  try {
    const response = await fetch(new URL('readyz', base), {
      cache: 'no-store', signal: AbortSignal.timeout(SILENCE_MS_MAX),
    });
    if (response.ok) return { ready: true, progress: null, retry_ms: 0 };
    if (response.status !== 503) return null;
    const answer = await response.json().catch(() => null);
    return {
      ready: false,
      progress: progressOf(answer),
      retry_ms: retryAfterHeader(response.headers.get('Retry-After')),
    };
  } catch {
    return null;
  }
}
