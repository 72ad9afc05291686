//! A list of candidates whose items are kept, changed in place, and glide when ranks change.

import { arrange } from './dom.js';

/** Whether the reader wants no motion. */
export const still = matchMedia('(prefers-reduced-motion: reduce)');

/**
 * Items by candidate. Never makes one anew for a candidate that it already shows.
 *
 * @template {{node: HTMLElement}} Item
 */
export class GlidingList {
  #list;
  #make;
  /** @type {Map<string, Item>} */
  #items = new Map();
  #order = '';

  /**
   * @param {HTMLElement} list
   * @param {(candidateId: string) => Item} make
   */
  constructor(list, make) {
    this.#list = list;
    this.#make = make;
  }

  /** Forgets everything, for another contest or language. */
  clear() {
    this.#items.clear();
    this.#list.replaceChildren();
    this.#order = '';
  }

  /**
   * @param {readonly import('./reducer.js').CandidateRow[]} rows by rank
   * @param {(item: Item, row: import('./reducer.js').CandidateRow) => void} drawItem
   * @param {(item: Item, row: import('./reducer.js').CandidateRow, at: number) => void} [place] what else decides where an item stands
   */
  draw(rows, drawItem, place = () => {}) {
    const kept = new Map();
    for (const row of rows) {
      const item = this.#items.get(row.candidate_id) ?? this.#make(row.candidate_id);
      drawItem(item, row);
      kept.set(row.candidate_id, item);
    }
    this.#items = kept;
    const order = JSON.stringify([...kept.keys()]);
    const put = () => rows.forEach((row, at) => place(kept.get(row.candidate_id), row, at));
    if (order === this.#order) {
      put();
      return;
    }
    this.#order = order;
    glide(this.#list, [...kept.values()].map((item) => item.node), put);
  }
}

/**
 * Puts nodes in an order; those that change places glide there, unless the reader wants no motion.
 *
 * @param {HTMLElement} parent
 * @param {HTMLElement[]} nodes
 * @param {() => void} place does what else decides where they stand
 */
function glide(parent, nodes, place) {
  const before = new Map(nodes.map((node) => [node, node.isConnected ? [node.offsetLeft, node.offsetTop] : null]));
  arrange(parent, nodes);
  place();
  if (still.matches) return;
  for (const node of nodes) {
    const from = before.get(node);
    const [x, y] = !from ? [0, 0] : [from[0] - node.offsetLeft, from[1] - node.offsetTop];
    if (x === 0 && y === 0) continue;
    node.animate(
      [{ transform: `translate(${x}px, ${y}px)` }, { transform: 'none' }],
      { duration: 350, easing: 'cubic-bezier(.2,.7,.3,1)' },
    );
  }
}
