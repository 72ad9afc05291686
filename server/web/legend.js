//! A legend: what the colours of a chart mean, in words.

import { arrange, el, setAttribute, setStyle, setText } from './dom.js';

/**
 * @typedef {Object} Entry
 * @property {string} color
 * @property {string} text
 * @property {string} [figure]
 * @property {number} [dash] For a line, which of its patterns it has.
 */

/** How lines differ by more than their colour; the style sheet has the same, as `data-dash`. */
export const DASHES = ['solid', [8, 4], [3, 3], [10, 3, 2, 3]];

/** @param {HTMLElement} list @param {readonly Entry[]} entries */
export function drawLegend(list, entries) {
  while (list.children.length < entries.length) {
    list.append(el('li', '', el('span'), el('bdi'), el('span', 'figure')));
  }
  const items = [...list.children].slice(0, entries.length);
  arrange(list, items);
  entries.forEach(({ color, text, figure = '', dash }, at) => {
    const [mark, name, number] = /** @type {HTMLElement[]} */ ([...items[at].children]);
    mark.className = dash === undefined ? 'dot' : 'stroke';
    setAttribute(mark, 'data-dash', dash === undefined ? null : String(dash % DASHES.length));
    setStyle(mark, '--color', color);
    setText(name, text);
    setText(number, figure);
  });
}
