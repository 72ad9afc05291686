//! A page's share of its browser's one stream, or a stream of its own where workers cannot be had.
//!
//! In come a contest and the page's handlers; out goes what `stream.js` would bring. A browser opens
//! six connections to a server at most, so a wall of tabs and frames could not have one each.

import { SILENCE_MS_MAX } from './connection.js';
import { Stream } from './stream.js';

const HERE_MS = 5000;

/** Whether this page has found that it must do without the worker. */
let isAlone = typeof SharedWorker === 'undefined';

/** One contest's events, until it is closed. */
export class Feed {
  #contest;
  #handlers;
  /** @type {?MessagePort} */
  #port = null;
  /** @type {?Stream} */
  #stream = null;
  #timer = 0;
  /** When the worker was asked something that it has not answered; 0 if it has. */
  #asked_at = 0;

  /** @param {string} contest @param {import('./stream.js').Handlers} handlers */
  constructor(contest, handlers) {
    this.#contest = contest;
    this.#handlers = handlers;
    this.#join();
  }

  /** Ends it for good. */
  close() {
    this.#port?.postMessage({ kind: 'leave' });
    this.#hangUp();
    this.#stream?.close();
    this.#stream = null;
  }

  /** Looks after a line that may be dead; also when a sleeping page wakes. */
  check() {
    this.#stream?.check();
    this.#port?.postMessage({ kind: 'check' });
    this.#ask();
  }

  #join() {
    if (isAlone) {
      this.#stream = new Stream(this.#contest, this.#handlers);
      return;
    }
    const port = this.#worker();
    if (port === null) {
      isAlone = true;
      this.#join();
      return;
    }
    this.#port = port;
    port.onmessage = (event) => this.#port === port && this.#hear(event.data);
    port.postMessage({ kind: 'join', contest: this.#contest, base: new URL('.', document.baseURI).href });
    this.#asked_at = 0;
    this.#ask();
    this.#timer = window.setInterval(() => this.#ask(), HERE_MS);
  }

  /** @returns {?MessagePort} null where the browser refuses, as some do while they keep nothing */
  #worker() {
    try {
      const worker = new SharedWorker(new URL('./shared.js', import.meta.url), { type: 'module', name: 'tallyflow' });
      worker.addEventListener('error', () => this.#goAlone());
      return worker.port;
    } catch {
      return null;
    }
  }

  /** Says that the page is here, and notices a worker that is not. */
  #ask() {
    if (this.#port === null) return;
    if (this.#asked_at !== 0 && performance.now() - this.#asked_at > SILENCE_MS_MAX) {
      this.#goAlone();
      return;
    }
    if (this.#asked_at === 0) this.#asked_at = performance.now();
    this.#port.postMessage({ kind: 'here' });
  }

  /** @param {any} message */
  #hear(message) {
    this.#asked_at = 0;
    switch (message.kind) {
      case 'snapshot':
        this.#handlers.snapshot(message.event);
        this.#port?.postMessage({ kind: 'took' });
        break;
      case 'change':
        this.#handlers.change(message.event);
        this.#port?.postMessage({ kind: 'took' });
        break;
      case 'reset':
        this.#handlers.reset(message.event);
        break;
      case 'alive':
        this.#handlers.alive(message.event);
        break;
      case 'ready':
        this.#handlers.ready();
        break;
      case 'phase':
        this.#handlers.phase(message.phase, message.progress);
        break;
      case 'dropped':
        // The page slept for so long that it was taken for gone.
        this.#hangUp();
        this.#join();
        break;
      default:
    }
  }

  #goAlone() {
    if (this.#port === null) return;
    isAlone = true;
    this.#hangUp();
    this.#join();
  }

  #hangUp() {
    clearInterval(this.#timer);
    if (this.#port !== null) this.#port.onmessage = null;
    this.#port?.close();
    this.#port = null;
  }
}
