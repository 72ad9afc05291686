//! The line to the server as the page shows it, and the alarm where the service publishes nothing.
//!
//! In come the stream's phases and words of life, and what the service says about itself; out go the
//! lamp with its words. Drawn again every second, since ages grow.

import { QUIET_AFTER_MS, describe } from './connection.js';
import { byId, setAttribute, setText } from './dom.js';
import { Freshness } from './freshness.js';
import { words } from './language.js';
import { recent } from './times.js';

/** @typedef {import('./connection.js').Progress} Progress */
/** @typedef {import('./connection.js').Said} Said */
/** @typedef {import('./reducer.js').State} State */

/** @typedef {{stalled_since: ?string, reason: ?string}} Publishing What the service says about its publishing. */

/** The line of the contest that is shown. */
export class LineView {
  #freshness = new Freshness();
  /** @type {import('./stream.js').Phase} */
  #phase = 'connecting';
  /** @type {?Progress} */
  #progress = null;
  #lag = 0;
  /** @type {?Publishing} */
  #publishing = null;
  /** @type {?number} */
  #closes_ms = null;

  /** Begins with another contest. */
  clear() {
    this.#freshness.clear();
    this.#phase = 'connecting';
    this.#lag = 0;
  }

  /** @param {?string|undefined} instant when the last poll of the contest closes */
  set closes_at(instant) {
    const at = Date.parse(instant ?? '');
    this.#closes_ms = Number.isNaN(at) ? null : at;
  }

  /** @param {?Publishing} publishing */
  set publishing(publishing) {
    this.#publishing = publishing;
  }

  /** @param {import('./stream.js').Phase} phase @param {?Progress} progress */
  take(phase, progress) {
    this.#phase = phase;
    this.#progress = progress;
  }

  get phase() {
    return this.#phase;
  }

  get progress() {
    return this.#progress;
  }

  /** Whether the last poll of the contest has closed; not where its register says no hour. */
  get isClosed() {
    return this.#closes_ms !== null && this.serverNow() >= this.#closes_ms;
  }

  /** Whether nothing has changed for long, and so something may be wrong. */
  get isQuiet() {
    const changed_at = this.#freshness.changed_at;
    const still_ms = changed_at === null ? this.#freshness.shownFor(Date.now()) : this.serverNow() - changed_at;
    return still_ms !== null && still_ms >= QUIET_AFTER_MS;
  }

  /** What the server's clock shows. */
  serverNow() {
    return this.#freshness.serverNow(Date.now());
  }

  /** @param {number} server_ms */
  setClock(server_ms) {
    this.#freshness.setClock(server_ms, Date.now());
  }

  /** All figures came. */
  tookAll() {
    this.#freshness.tookAll(Date.now());
  }

  /** @param {import('./reducer.js').StreamChange} event */
  tookChange(event) {
    this.#freshness.tookFrame(event.tick, Date.now());
  }

  /** @param {{tick: number, now: string, lag: number}} event @param {?number} tick the newest one that the page holds */
  tookAlive(event, tick) {
    this.#lag = typeof event.lag === 'number' ? event.lag : 0;
    this.#freshness.tookAlive(event, tick, Date.now());
  }

  /** Other figures are on the page. @param {?State} before @param {State} after */
  showed(before, after) {
    this.#freshness.showed(before, after, Date.now());
  }

  /**
   * @param {?State} shown
   * @param {string} pace how often figures are drawn, in words; empty where they are live
   * @returns {Said} what it says
   */
  draw(shown, pace) {
    const now_ms = Date.now();
    const stalled_since = this.#publishing?.stalled_since ?? null;
    const said = describe({
      phase: this.#phase, progress: this.#progress, lag: this.#lag, pace, stalled_since, isClosed: this.isClosed,
      as_of_ms: shown === null ? null : new Date(shown.as_of).getTime(),
      changed_at_ms: this.#freshness.changed_at,
      shown_ms: this.#freshness.shownFor(now_ms) ?? 0,
      behind_ms: this.#freshness.behind(now_ms),
      server_now_ms: this.serverNow(),
    });
    const line = byId('line');
    line.dataset.kind = said.kind;
    setAttribute(line, 'data-tick', shown === null ? null : String(shown.tick));
    setText(byId('line-title'), said.title);
    setText(byId('line-detail'), said.detail);
    byId('alarm').hidden = stalled_since === null;
    setText(byId('alarm-text'), stalled_since === null ? '' : words().stalled_alarm(recent(stalled_since, this.serverNow())));
    setText(byId('alarm-reason'), stalled_since === null ? '' : this.#publishing?.reason ?? '');
    return said;
  }
}
