//! How fresh the figures are: what the server's clock shows, how far behind it the page is, and when
//! the figures last changed.
//!
//! In come the instants that the stream's events name and when they were heard; out go spans. Words
//! of life wait in the same queue as figures on a slow line, so how late they come is how far the
//! page is behind. Pure: the page's own clock is an argument.

/** The server says `alive` every 5 s; where it is overdue by more than this, figures may wait, too. */
const OVERDUE_MS = 7500;

/** For so long a late frame says something about those that may follow it. */
const RECENT_MS = 6000;

/** Clocks of machines differ in their pace, by a ten-thousandth at most. */
const DRIFT = 1e-4;

/** A clock that is further off than this was set. */
const SET_MS = 60_000;

/** @typedef {import('./reducer.js').State} State */

/** Of one contest's stream. */
export class Freshness {
  /** @type {?number} */
  #ahead_ms = null;
  #ahead_at = 0;
  /** @type {?number} */
  #changed_at = null;
  /** @type {?number} */
  #shown_at = null;
  #frame = { late_ms: 0, at: -Infinity };
  #alive_late_ms = 0;
  /** @type {?number} */
  #heard_at = null;

  /** Begins with another contest; the server's clock stays. */
  clear() {
    this.#changed_at = this.#shown_at = this.#heard_at = null;
    this.#frame = { late_ms: 0, at: -Infinity };
    this.#alive_late_ms = 0;
  }

  /**
   * Takes what the server's clock showed when it spoke. The word that came soonest tells best, since
   * nothing comes before it was sent.
   *
   * @param {number} server_ms
   * @param {number} now_ms
   */
  setClock(server_ms, now_ms) {
    if (!Number.isFinite(server_ms)) return;
    const ahead_ms = server_ms - now_ms;
    const least = this.#ahead_ms === null ? -Infinity : this.#ahead_ms - Math.max(0, now_ms - this.#ahead_at) * DRIFT;
    this.#ahead_ms = least - ahead_ms > SET_MS ? ahead_ms : Math.max(ahead_ms, least);
    this.#ahead_at = now_ms;
  }

  /** @param {number} now_ms @returns {number} what the server's clock shows now, as well as the page knows */
  serverNow(now_ms) {
    return now_ms + (this.#ahead_ms ?? 0);
  }

  /** A frame of figures came. @param {number} tick @param {number} now_ms */
  tookFrame(tick, now_ms) {
    this.#heard_at = now_ms;
    this.#frame = { late_ms: this.serverNow(now_ms) - tick, at: now_ms };
  }

  /** All figures came: they may be as old as they like, so they only say that the line is well. @param {number} now_ms */
  tookAll(now_ms) {
    this.#heard_at = now_ms;
    this.#frame.at = -Infinity;
    this.#alive_late_ms = 0;
  }

  /**
   * The server said that it is alive.
   *
   * @param {{tick: number, now: string}} event
   * @param {?number} tick the newest one that the page holds
   * @param {number} now_ms
   */
  tookAlive(event, tick, now_ms) {
    const at = new Date(event.now).getTime();
    this.setClock(at, now_ms);
    this.#heard_at = now_ms;
    this.#alive_late_ms = Number.isFinite(at) ? this.serverNow(now_ms) - at : 0;
    // Nothing is newer than what the page holds, so nothing can be on its way.
    if (tick !== null && event.tick <= tick) this.#frame.at = -Infinity;
  }

  /**
   * Other figures are on the page. A snapshot after a restart of the service has a new tick and may
   * have the same figures: that is no update.
   *
   * @param {?State} before
   * @param {State} after
   * @param {number} now_ms
   */
  showed(before, after, now_ms) {
    this.#shown_at ??= now_ms;
    if (before !== null && !hasSameFigures(before, after)) this.#changed_at = Math.min(after.tick, this.serverNow(now_ms));
  }

  /** How far what is shown is behind the server. @param {number} now_ms @returns {number} */
  behind(now_ms) {
    if (this.#heard_at === null) return 0;
    const silent_ms = now_ms - this.#heard_at;
    const frame_ms = now_ms - this.#frame.at < RECENT_MS ? this.#frame.late_ms : 0;
    return Math.max(0, frame_ms, this.#alive_late_ms, silent_ms > OVERDUE_MS ? silent_ms : 0);
  }

  /**
   * Since when the figures stand as they do; null for as long as the page shows them, if it has not
   * seen them change.
   */
  get changed_at() {
    return this.#changed_at;
  }

  /** How long the page has shown figures. @param {number} now_ms @returns {?number} */
  shownFor(now_ms) {
    return this.#shown_at === null ? null : now_ms - this.#shown_at;
  }
}

/**
 * Whether two states say the same to their reader, whatever their ticks are.
 *
 * @param {State} before
 * @param {State} after
 * @returns {boolean}
 */
export function hasSameFigures(before, after) {
  return before === after || (figuresOf(before) === figuresOf(after) && hasSameRows(before.candidates, after.candidates));
}

/** @param {State} state */
function figuresOf({ results }) {
  const { tick, as_of, register_version, offsets, ...figures } = results;
  return JSON.stringify(figures);
}

/** @param {State['candidates']} before @param {State['candidates']} after */
function hasSameRows(before, after) {
  return before === after || (before.size === after.size
    && [...after].every(([id, row]) => before.get(id)?.votes === row.votes));
}
