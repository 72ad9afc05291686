//! The rows of the location table, kept by location and painted only where something changed.
//!
//! In come location rows and the columns; out go table rows. Few changes are painted at once, so
//! that all figures are of one tick. Where hundreds of rows change ten times a second, those in
//! sight go first and the others follow within seconds. Never decides which rows are shown.

import { classOf } from './columns.js';
import { el } from './dom.js';
import { folded } from './format.js';

/** So many changed rows are painted in the frame that brought them. */
const AT_ONCE_MAX = 100;

/** With more, a part of them is painted at these intervals: those in sight, and some others. */
const PART_MS = 250;
const PART_ROWS = 50;

/**
 * @typedef {import('./columns.js').Column} Column
 * @typedef {import('./reducer.js').LocationRow} LocationRow
 *
 * @typedef {Object} Row A row of the table.
 * @property {string} code
 * @property {HTMLElement} node
 * @property {{cell: HTMLElement, parts: import('./columns.js').Parts}[]} cells
 * @property {?LocationRow} data What it shows, or will soon.
 * @property {string} search What a filter looks through.
 * @property {?boolean} leaf
 */

/** All rows of one contest, shown or not. */
export class LocationRows {
  #enter;
  /** @type {Column[]} */
  #columns = [];
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Set<Row>} */
  #stale = new Set();
  /** @type {Set<Row>} */
  #seen = new Set();
  #sight;
  #painted_at = -Infinity;
  #later = 0;

  /**
   * @param {Element} scroll what the table scrolls in
   * @param {(code: string) => void} enter called when a location with children is opened
   */
  constructor(scroll, enter) {
    this.#enter = enter;
    this.#sight = new IntersectionObserver(
      (entries) => this.#look(entries), { root: scroll, rootMargin: '200px 0px' },
    );
  }

  /** Forgets every row, for other columns. @param {Column[]} columns */
  clear(columns) {
    clearTimeout(this.#later);
    this.#later = 0;
    this.#sight.disconnect();
    this.#columns = columns;
    for (const kept of [this.#rows, this.#stale, this.#seen]) kept.clear();
  }

  /** Takes the rows of a state: those with another object than before are painted soon. @param {Map<string, LocationRow>} locations */
  take(locations) {
    for (const [code, row] of this.#rows) if (!locations.has(code)) this.#drop(row);
    for (const [code, data] of locations) {
      const row = this.#row(code);
      if (row.data === data) continue;
      if (row.data?.name !== data.name) row.search = `${folded(data.name)}\n${folded(code)}`;
      row.data = data;
      this.#stale.add(row);
    }
    this.#paintSoon();
  }

  /** Paints all that waits, for paper. */
  paintAll() {
    for (const row of [...this.#stale]) this.#paint(row);
  }

  /** The table row of a location. @param {string} code */
  nodeOf(code) {
    return this.#row(code).node;
  }

  /** What a filter looks through. @param {string} code */
  searchOf(code) {
    return this.#row(code).search;
  }

  /** @param {string} code */
  #row(code) {
    return this.#rows.get(code) ?? this.#make(code);
  }

  /** @param {string} code @returns {Row} */
  #make(code) {
    const cells = this.#columns.map((column, at) => {
      const cell = el(at === 0 ? 'th' : 'td', classOf(column));
      if (at === 0) cell.setAttribute('scope', 'row');
      cell.setAttribute('role', at === 0 ? 'rowheader' : 'cell');
      cell.dataset.label = column.label;
      return { cell, parts: column.make(cell) };
    });
    const node = el('tr', '', ...cells.map(({ cell }) => cell));
    node.setAttribute('role', 'row');
    node.dataset.location = code;
    /** @type {Row} */
    const row = { code, node, cells, data: null, search: '', leaf: null };
    this.#rows.set(code, row);
    // A row that is new has nothing yet that could be shown while it waits.
    this.#seen.add(row);
    this.#sight.observe(node);
    return row;
  }

  /** @param {Row} row */
  #drop(row) {
    this.#sight.unobserve(row.node);
    this.#rows.delete(row.code);
    this.#stale.delete(row);
    this.#seen.delete(row);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #look(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = this.#rows.get(target.getAttribute('data-location') ?? '');
      if (row?.node !== target) continue;
      if (!isIntersecting) {
        this.#seen.delete(row);
      } else {
        this.#seen.add(row);
        if (this.#stale.has(row)) this.#paint(row);
      }
    }
  }

  #paintSoon() {
    if (this.#later !== 0 || this.#stale.size === 0) return;
    const wait = this.#painted_at + PART_MS - performance.now();
    if (this.#stale.size <= AT_ONCE_MAX || wait <= 0) this.#paintPart();
    else this.#later = window.setTimeout(() => this.#paintPart(), wait);
  }

  /** What became stale first is painted first, so that no row waits for ever. */
  #paintPart() {
    this.#later = 0;
    this.#painted_at = performance.now();
    let left = this.#stale.size <= AT_ONCE_MAX ? AT_ONCE_MAX : PART_ROWS;
    for (const row of [...this.#stale]) {
      if (this.#seen.has(row)) this.#paint(row);
      else if (left-- > 0) this.#paint(row);
    }
    if (this.#stale.size > 0) this.#later = window.setTimeout(() => this.#paintPart(), PART_MS);
  }

  /** @param {Row} row */
  #paint(row) {
    this.#stale.delete(row);
    const { data } = row;
    if (data === null) return;
    for (const { parts } of row.cells) parts.draw(data);
    if (row.leaf === data.leaf) return;
    row.leaf = data.leaf;
    const { cell, parts } = row.cells[0];
    if (parts.name) cell.replaceChildren(row.leaf ? parts.name : this.#door(row.code, parts.name));
  }

  /** The name of a location with children is a button that goes one level down. @param {string} code @param {HTMLElement} name */
  #door(code, name) {
    const button = el('button', 'door', name);
    button.type = 'button';
    button.addEventListener('click', () => this.#enter(code));
    return button;
  }
}
