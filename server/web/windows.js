//! The latest windows of event time, newest first.
//!
//! In come the window rows; out go table rows that are kept by the window's start and drawn again
//! only when their window changed. Never shows more than fit a glance; the API has the rest.

import { arrange, byId, el, setStyle, setText } from './dom.js';
import { count, exactSpan } from './format.js';
import { words } from './language.js';
import { paintSplit } from './split.js';
import { clock, day, moment, spansDays, wantsSeconds, zoneName } from './times.js';

const SHOWN = 8;

/** @typedef {import('./reducer.js').WindowRow} WindowRow */
/** @typedef {ReturnType<typeof newRow>} Row */

/**
 * What tells the windows of a list apart: their seconds, and their days.
 *
 * @param {import('./reducer.js').Windows} windows
 * @param {readonly WindowRow[]} listed newest first
 * @returns {{hasSeconds: boolean, hasDays: boolean}}
 */
export function detailOf({ window_ms, slide_ms }, listed) {
  return {
    hasSeconds: wantsSeconds(window_ms) || wantsSeconds(slide_ms),
    hasDays: listed.length > 0 && spansDays(listed[listed.length - 1].start, Date.parse(listed[0].end) - 1),
  };
}

/** @param {WindowRow} window @param {ReturnType<typeof detailOf>} detail @returns {string} from when to when it is */
export function windowText({ start, end }, { hasSeconds, hasDays }) {
  const from = hasDays ? moment(start, hasSeconds) : clock(start, hasSeconds);
  return `${from} – ${hasDays && spansDays(start, end) ? moment(end, hasSeconds) : clock(end, hasSeconds)}`;
}

/** Draws the windows of one contest. */
export class Windows {
  #body = byId('windows');
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {?Map<string, string>} */
  #colors = null;
  #how = '';

  /** Forgets everything, for another contest. */
  clear() {
    this.#rows.clear();
    this.#body.replaceChildren();
  }

  /** @param {import('./scene.js').Scene} scene */
  draw({ windows, colors }) {
    const shown = windows.windows.slice(0, SHOWN);
    const most = shown.reduce((max, row) => Math.max(max, row.accepted), 0);
    const detail = detailOf(windows, shown);
    const how = JSON.stringify([detail, zoneName()]);
    const isOther = colors !== this.#colors || how !== this.#how;
    this.#colors = colors;
    this.#how = how;
    const kept = new Map();
    for (const window of shown) {
      const row = this.#rows.get(window.start) ?? newRow();
      if (row.window !== window || isOther) drawRow(row, window, colors, detail);
      setStyle(row.bar, '--length', String(most > 0 ? window.accepted / most : 0));
      kept.set(window.start, row);
    }
    this.#rows = kept;
    arrange(this.#body, [...kept.values()].map((row) => row.node));
    byId('windows-empty').hidden = shown.length > 0;
    byId('windows-section').classList.toggle('is-empty', shown.length === 0);
    setText(byId('windows-explain'), explain(windows, shown));
  }
}

/** @param {import('./reducer.js').Windows} windows @param {WindowRow[]} shown newest first */
function explain(windows, shown) {
  const every = words().windows_every(exactSpan(windows.window_ms), exactSpan(windows.slide_ms));
  if (shown.length === 0) return every;
  const [from, to] = [day(shown[shown.length - 1].start), day(Date.parse(shown[0].end) - 1)];
  return words().windows_day(every, zoneName(), from === to ? to : `${from} – ${to}`);
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

/** @param {Row} row @param {WindowRow} window @param {Map<string, string>} colors @param {ReturnType<typeof detailOf>} detail */
function drawRow(row, window, colors, detail) {
  row.window = window;
  setText(row.time, windowText(window, detail));
  row.badge.className = window.final ? 'badge final' : 'badge open';
  setText(row.badge, window.final ? words().final : words().open);
  setText(row.accepted, count(window.accepted));
  setText(row.blank, count(window.blank));
  setText(row.late, count(window.late));
  row.late.classList.toggle('some', window.late > 0);
  paintSplit(row.bar, window, colors);
}
