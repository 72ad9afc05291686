//! The worker that all pages of a browser share: it holds their one stream.

import { Hub } from './hub.js';
import { Stream } from './stream.js';

const SWEEP_MS = 30_000;

const hub = new Hub((contest, base, handlers) => new Stream(contest, handlers, base), () => performance.now());
setInterval(() => hub.sweep(), SWEEP_MS);
addEventListener('connect', (event) => hub.connect(/** @type {MessageEvent} */ (event).ports[0]));
