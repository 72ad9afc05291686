//! A chart's twin: the same figures as a table, for who cannot or will not see the chart.
//!
//! In come a caption, columns and a way to make the rows; out goes a table that is kept up to date
//! while it is open. Never made while nobody looks at it.

import { arrange, el, nameEl, setText } from './dom.js';
import { words } from './language.js';

/** How often an open table is written anew. */
const EVERY_MS = 1000;

/**
 * @typedef {Object} Sheet
 * @property {string} caption
 * @property {{label: string, number?: boolean}[]} columns The first one names the row.
 * @property {() => string[][]} rows
 * @property {(at: number) => void} [press] What pressing a row's name does.
 */

/** One table, in a `details` element of the page. */
export class Twin {
  #details;
  #caption = el('caption', 'unseen');
  #head = el('tr');
  #body = el('tbody');
  #scroll;
  /** @type {HTMLElement[]} */
  #lines = [];
  /** @type {?Sheet} */
  #sheet = null;
  /** The sheet that the lines are of. @type {?Sheet} */
  #shown = null;
  #later = 0;
  #drawn_at = -Infinity;

  /**
   * @param {HTMLElement} details
   * @param {boolean} [isOpen] whether it is open until the reader closes it; else it stays as the
   *   reader, who may have been quicker than this, left it
   */
  constructor(details, isOpen = false) {
    if (isOpen) details.setAttribute('open', '');
    this.#details = details;
    const table = el('table', 'grid', this.#caption, el('thead', '', this.#head), this.#body);
    this.#scroll = el('div', 'scroll', table);
    this.#scroll.tabIndex = 0;
    this.#scroll.setAttribute('role', 'region');
    details.append(this.#scroll);
    details.addEventListener('toggle', () => this.#soon());
  }

  /** Forgets everything, for another contest or language. */
  clear() {
    clearTimeout(this.#later);
    this.#later = 0;
    this.#drawn_at = -Infinity;
    this.#sheet = this.#shown = null;
    this.#lines = [];
    this.#body.replaceChildren();
  }

  /** @param {Sheet} sheet */
  draw(sheet) {
    this.#sheet = sheet;
    this.#soon();
  }

  #soon() {
    if (!this.#details.hasAttribute('open') || this.#later !== 0) return;
    const wait = Math.max(0, this.#drawn_at + EVERY_MS - performance.now());
    this.#later = window.setTimeout(() => this.#draw(), wait);
  }

  #draw() {
    this.#later = 0;
    this.#drawn_at = performance.now();
    if (this.#sheet === null) return;
    this.#shown = this.#sheet;
    const { caption, columns, rows } = this.#sheet;
    setText(this.#caption, caption);
    this.#scroll.setAttribute('aria-label', `${caption}: ${words().as_table}`);
    if ([...this.#head.children].map((cell) => cell.textContent).join('\n') !== columns.map(({ label }) => label).join('\n')) {
      this.#head.replaceChildren(...columns.map(({ label, number }) => {
        const cell = el('th', number ? 'number' : '', el('bdi', '', label));
        cell.setAttribute('scope', 'col');
        return cell;
      }));
      this.#lines = [];
    }
    const made = rows();
    while (this.#lines.length < made.length) this.#lines.push(this.#line(columns, this.#lines.length));
    arrange(this.#body, this.#lines.slice(0, made.length));
    made.forEach((texts, at) => texts.forEach((text, column) => {
      const cell = this.#lines[at].children[column].querySelector('.name');
      if (cell instanceof HTMLElement) setText(cell, text);
    }));
  }

  /** @param {Sheet['columns']} columns @param {number} place */
  #line(columns, place) {
    return el('tr', '', ...columns.map(({ number }, at) => {
      const name = nameEl('name');
      const cell = el(at === 0 ? 'th' : 'td', number ? 'number' : '', at === 0 && this.#sheet?.press ? this.#door(name, place) : name);
      if (at === 0) cell.setAttribute('scope', 'row');
      return cell;
    }));
  }

  /** @param {HTMLElement} name @param {number} place */
  #door(name, place) {
    const button = el('button', 'door', name);
    button.type = 'button';
    button.addEventListener('click', () => this.#shown?.press?.(place));
    return button;
  }
}
