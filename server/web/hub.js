//! One stream for many pages: hands a contest's events to every tab and frame of a browser.
//!
//! In come ports, each a page that names a contest; out go the stream's events, as the page would
//! have had them from a stream of its own: first all figures, then changes. A page gets the next
//! change once it took the one before, and what comes meanwhile is merged, so that a tab that
//! sleeps costs no memory. One that is silent for too long is let go. Knows nothing of workers: the
//! ports, the streams and the clock are given to it.

import { apply, fromSnapshot, merge } from './reducer.js';

/** Hidden pages may look at their clocks once a minute only. */
export const GONE_AFTER_MS = 150_000;

/**
 * @typedef {import('./reducer.js').State} State
 * @typedef {import('./reducer.js').StreamSnapshot} StreamSnapshot
 * @typedef {import('./reducer.js').StreamChange} StreamChange
 * @typedef {import('./stream.js').Handlers} Handlers
 * @typedef {import('./stream.js').Line} Line
 *
 * @typedef {{postMessage: (message: Object) => void, close: () => void, onmessage: ?((event: any) => void)}} Port
 *
 * @typedef {Object} Page
 * @property {Port} port
 * @property {?Contest} contest
 * @property {boolean} isBusy Whether it has not taken yet what it was sent last.
 * @property {?StreamChange} waiting What it gets next.
 * @property {boolean} wantsAll Whether it gets all figures next.
 * @property {number} heard_at
 *
 * @typedef {Object} Contest One contest that somebody looks at.
 * @property {string} key
 * @property {Set<Page>} pages
 * @property {?State} state
 * @property {?Line} line
 * @property {Object} phase The last word about the line.
 */

/** All pages of one browser. */
export class Hub {
  #open;
  #now;
  /** @type {Map<string, Contest>} */
  #contests = new Map();
  /** @type {Set<Page>} */
  #pages = new Set();

  /**
   * @param {(contest: string, base: string, handlers: Handlers) => Line} open opens a stream
   * @param {() => number} now milliseconds
   */
  constructor(open, now) {
    this.#open = open;
    this.#now = now;
  }

  /** Takes a page. @param {Port} port */
  connect(port) {
    /** @type {Page} */
    const page = { port, contest: null, isBusy: false, waiting: null, wantsAll: false, heard_at: this.#now() };
    this.#pages.add(page);
    port.onmessage = (event) => this.#hear(page, event.data);
  }

  /** Lets go of pages that have been silent for too long. */
  sweep() {
    for (const page of [...this.#pages]) if (this.#now() - page.heard_at > GONE_AFTER_MS) this.#drop(page);
  }

  /** @param {Page} page @param {any} message */
  #hear(page, message) {
    page.heard_at = this.#now();
    switch (message.kind) {
      case 'join': return this.#join(page, message.contest, message.base);
      case 'took':
        page.isBusy = false;
        return send(page);
      case 'here': return page.port.postMessage({ kind: 'here' });
      case 'check': return page.contest?.line?.check();
      case 'leave': return this.#drop(page);
      default: return undefined;
    }
  }

  /** @param {Page} page @param {string} contestId @param {string} base */
  #join(page, contestId, base) {
    this.#leave(page);
    const key = JSON.stringify([base, contestId]);
    const contest = this.#contests.get(key) ?? this.#begin(key, contestId, base);
    contest.pages.add(page);
    Object.assign(page, { contest, isBusy: false, waiting: null, wantsAll: contest.state !== null });
    page.port.postMessage(contest.phase);
    send(page);
  }

  /** @param {string} key @param {string} contestId @param {string} base @returns {Contest} */
  #begin(key, contestId, base) {
    /** @type {Contest} */
    const contest = { key, pages: new Set(), state: null, line: null, phase: { kind: 'phase', phase: 'connecting', progress: null } };
    this.#contests.set(key, contest);
    const tell = (/** @type {Object} */ message) => contest.pages.forEach(({ port }) => port.postMessage(message));
    contest.line = this.#open(contestId, base, {
      tick: () => contest.state?.tick ?? null,
      snapshot(event) {
        contest.state = fromSnapshot(event);
        for (const page of contest.pages) {
          Object.assign(page, { waiting: null, wantsAll: true });
          send(page);
        }
      },
      change(event) {
        if (contest.state === null) return;
        contest.state = apply(contest.state, event);
        for (const page of contest.pages) {
          // All figures hold this change, too.
          if (!page.wantsAll) page.waiting = page.waiting === null ? event : merge(page.waiting, event);
          send(page);
        }
      },
      reset: (event) => tell({ kind: 'reset', event }),
      alive: (event) => tell({ kind: 'alive', event }),
      ready: async () => tell({ kind: 'ready' }),
      phase(phase, progress) {
        const said = { kind: 'phase', phase, progress };
        if (JSON.stringify(said) === JSON.stringify(contest.phase)) return;
        contest.phase = said;
        tell(said);
      },
    });
    return contest;
  }

  /** @param {Page} page */
  #leave(page) {
    const { contest } = page;
    page.contest = null;
    contest?.pages.delete(page);
    if (!contest || contest.pages.size > 0) return;
    contest.line?.close();
    this.#contests.delete(contest.key);
  }

  /** @param {Page} page */
  #drop(page) {
    this.#leave(page);
    this.#pages.delete(page);
    // A page that only slept comes again when it reads this.
    page.port.postMessage({ kind: 'dropped' });
    page.port.close();
  }
}

/** Sends a page what waits for it, if it took what came before. @param {Page} page */
function send(page) {
  const state = page.contest?.state ?? null;
  if (page.isBusy || state === null) return;
  if (page.wantsAll) {
    page.port.postMessage({ kind: 'snapshot', event: snapshotOf(state) });
  } else if (page.waiting !== null) {
    page.port.postMessage({ kind: 'change', event: page.waiting });
  } else {
    return;
  }
  Object.assign(page, { isBusy: true, waiting: null, wantsAll: false });
}

/**
 * A state as the stream would send it to who connects now.
 *
 * @param {State} state
 * @returns {StreamSnapshot}
 */
export function snapshotOf({ tick, as_of, register_version, contest_id, results, candidates, locations, windows }) {
  return {
    tick, as_of, register_version, contest_id, results: { ...results, candidates: [...candidates.values()] },
    locations: [...locations.values()], windows,
  };
}
