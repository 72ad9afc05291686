//! A table of figures by name, one a line, whose lines are kept.

import { arrange, el, setText } from './dom.js';
import { count } from './format.js';

/** @typedef {[key: string, label: string, figure: number|string, kind: string]} Line */

/** Draws lines into the body of a table. */
export class Lines {
  #body;
  #dataset;
  #hintOf;
  /** @type {Map<string, {node: HTMLElement, cell: HTMLElement}>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} body
   * @param {string} dataset the attribute by which a figure is found, without its `data-`
   * @param {(key: string) => string|undefined} [hintOf] what a line means
   */
  constructor(body, dataset, hintOf = () => undefined) {
    this.#body = body;
    this.#dataset = dataset;
    this.#hintOf = hintOf;
  }

  /** Forgets every line, for another language. */
  clear() {
    this.#rows.clear();
    this.#body.replaceChildren();
  }

  /** @param {Line[]} lines */
  draw(lines) {
    arrange(this.#body, lines.map((line) => this.#row(line)));
  }

  /** @param {Line} line */
  #row([key, label, figure, kind]) {
    let row = this.#rows.get(key);
    if (row === undefined) {
      const head = el('th', '', label);
      head.scope = 'row';
      const hint = this.#hintOf(key);
      if (hint !== undefined) head.append(el('small', '', hint));
      const cell = el('td', 'number');
      cell.dataset[this.#dataset] = key;
      row = { node: el('tr', kind, head, cell), cell };
      this.#rows.set(key, row);
    }
    setText(row.cell, typeof figure === 'number' ? count(figure) : figure);
    return row.node;
  }
}
