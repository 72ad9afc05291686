//! The latest windows of event time, newest first.
//!
//! In come the window rows; out go table rows that are kept by the window's start and drawn again
//! only when their window changed. Never shows more than fit a glance; the API has the rest.

import { arrange, byId, el, setStyle, setText } from './dom.js';
import { clock, count, day, exactSpan } from './format.js';
import { words } from './language.js';
import { paintSplit } from './split.js';

const SHOWN = 8;

/** @typedef {import('./reducer.js').WindowRow} WindowRow */
/** @typedef {ReturnType<typeof newRow>} Row */

/** Draws the windows of one contest. */
export class Windows {
  #body = byId('windows');
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {?Map<string, string>} */
  #colors = null;

  /** Forgets everything, for another contest. */
  clear() {
    this.#rows.clear();
    this.#body.replaceChildren();
  }

  /**
   * @param {import('./reducer.js').Windows} windows
   * @param {Map<string, string>} colors by candidate id
   */
  draw(windows, colors) {
    const shown = windows.windows.slice(0, SHOWN);
    const most = shown.reduce((max, row) => Math.max(max, row.accepted), 0);
    const recolored = colors !== this.#colors;
    this.#colors = colors;
    const kept = new Map();
    for (const window of shown) {
      const row = this.#rows.get(window.start) ?? newRow();
      if (row.window !== window || recolored) drawRow(row, window, colors);
      setStyle(row.bar, '--length', String(most > 0 ? window.accepted / most : 0));
      kept.set(window.start, row);
    }
    this.#rows = kept;
    arrange(this.#body, [...kept.values()].map((row) => row.node));
    byId('windows-empty').hidden = shown.length > 0;
    byId('windows-section').classList.toggle('is-empty', shown.length === 0);
    setText(byId('windows-explain'), explain(windows, shown[0]));
  }
}

/** @param {import('./reducer.js').Windows} windows @param {WindowRow|undefined} newest */
function explain(windows, newest) {
  const every = words().windows_every(exactSpan(windows.window_ms), exactSpan(windows.slide_ms));
  return newest === undefined ? every : words().windows_day(every, day(newest.start));
}

function newRow() {
  const parts = {
    window: /** @type {?WindowRow} */ (null),
    time: el('th'),
    badge: el('span'),
    accepted: el('td', 'number'),
    blank: el('td', 'number'),
    late: el('td', 'number'),
    bar: el('span', 'split'),
  };
  parts.time.scope = 'row';
  parts.bar.setAttribute('aria-hidden', 'true');
  const node = el(
    'tr', '', parts.time, el('td', '', parts.badge), parts.accepted, parts.blank, parts.late,
    el('td', 'split-cell', parts.bar),
  );
  return { node, ...parts };
}

/** @param {Row} row @param {WindowRow} window @param {Map<string, string>} colors */
function drawRow(row, window, colors) {
  row.window = window;
  setText(row.time, `${clock(window.start)} – ${clock(window.end)}`);
  row.badge.className = window.final ? 'badge final' : 'badge open';
  setText(row.badge, window.final ? words().final : words().open);
  setText(row.accepted, count(window.accepted));
  setText(row.blank, count(window.blank));
  setText(row.late, count(window.late));
  row.late.classList.toggle('some', window.late > 0);
  paintSplit(row.bar, window, colors);
}
