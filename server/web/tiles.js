//! A grid of tiles, one a location: the map of an election that has no outlines, or no map library.
//!
//! In come groups of locations and how each is painted; out go buttons that are kept, and painted
//! again only where something changed. One of them takes the keyboard's focus, and arrow keys move
//! it, so that hundreds of tiles are one stop.

import { arrange, el, nameEl, setAttribute, setStyle, setText } from './dom.js';

/**
 * @typedef {Object} Paint
 * @property {string} color
 * @property {string} ink The colour of text on it.
 * @property {string} text A few letters.
 * @property {string} label The whole, in words.
 *
 * @typedef {Object} Group
 * @property {?string} code Its location; null where there is one group for all.
 * @property {string} name
 * @property {{location: string}[]} rows
 */

/** A tile's width by its height, and a heading's height, as the style sheet has them. */
const ASPECT = 1.35;
const HEADING_REM = 1.7;

/** How much of the room lines leave that are not full, and what is between tiles. */
const FILLED = 0.68;

const STEPS = new Map([['ArrowLeft', -1], ['ArrowRight', 1]]);

/** The tiles of one contest. */
export class Tiles {
  #box;
  #enter;
  #look;
  /** @type {Map<string, {node: HTMLElement, paint: string}>} */
  #tiles = new Map();
  /** @type {Map<string, {node: HTMLElement, name: HTMLElement, list: HTMLElement}>} */
  #groups = new Map();

  /**
   * @param {HTMLElement} box
   * @param {(code: string) => void} enter called when a group's heading is pressed
   * @param {(code: string) => void} look called when a tile is pressed
   */
  constructor(box, enter, look) {
    this.#box = box;
    this.#enter = enter;
    this.#look = look;
    box.addEventListener('click', (event) => {
      const tile = tileOf(event.target);
      if (tile !== null) this.#press(tile);
    });
    box.addEventListener('keydown', (event) => this.#step(event));
  }

  /** Forgets everything, for another contest. */
  clear() {
    this.#tiles.clear();
    this.#groups.clear();
    this.#box.replaceChildren();
  }

  /**
   * @param {Group[]} groups
   * @param {(code: string) => Paint} paintOf
   * @param {?string} place the one that is looked at closely
   */
  draw(groups, paintOf, place) {
    const wanted = new Set(groups.flatMap(({ rows }) => rows.map((row) => row.location)));
    for (const code of this.#tiles.keys()) if (!wanted.has(code)) this.#tiles.delete(code);
    this.#fit(wanted.size, groups.length);
    arrange(this.#box, groups.map((group) => this.#group(group)));
    for (const code of wanted) this.#paint(code, paintOf(code), code === place);
    if (this.#box.querySelector('[tabindex="0"]') === null) this.#box.querySelector('.tile')?.setAttribute('tabindex', '0');
  }

  /** On a wall nobody scrolls: there all tiles fit into the box. @param {number} tiles @param {number} groups */
  #fit(tiles, groups) {
    if (!document.documentElement.classList.contains('is-screen') || tiles === 0) return;
    const letters = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const height = this.#box.clientHeight - groups * HEADING_REM * letters;
    const width = Math.floor(Math.sqrt((Math.max(0, this.#box.clientWidth * height) * FILLED * ASPECT) / tiles));
    setStyle(this.#box, '--tile', `${Math.min(width, this.#box.clientWidth / 6)}px`);
  }

  /** @param {Group} group */
  #group({ code, name, rows }) {
    const key = code ?? '';
    let group = this.#groups.get(key);
    if (group === undefined) {
      const label = nameEl('name');
      const head = el('h3', '', label);
      if (code !== null) {
        const button = el('button', 'door', label);
        button.setAttribute('type', 'button');
        button.addEventListener('click', () => this.#enter(code));
        head.replaceChildren(button);
      }
      head.hidden = code === null;
      const list = el('div', 'tile-list');
      list.setAttribute('role', 'group');
      group = { node: el('div', 'tile-group', head, list), name: label, list };
      this.#groups.set(key, group);
    }
    setText(group.name, name);
    setAttribute(group.list, 'aria-label', name || null);
    arrange(group.list, rows.map(({ location }) => this.#tile(location)));
    return group.node;
  }

  /** @param {string} code */
  #tile(code) {
    let tile = this.#tiles.get(code);
    if (tile === undefined) {
      const node = el('button', 'tile');
      node.setAttribute('type', 'button');
      node.tabIndex = -1;
      node.dataset.location = code;
      tile = { node, paint: '' };
      this.#tiles.set(code, tile);
    }
    return tile.node;
  }

  /** @param {string} code @param {Paint} paint @param {boolean} isPlace */
  #paint(code, { color, ink, text, label }, isPlace) {
    const tile = this.#tiles.get(code);
    if (tile === undefined) return;
    setAttribute(tile.node, 'aria-pressed', String(isPlace));
    const paint = `${color}\n${ink}\n${text}\n${label}`;
    if (tile.paint === paint) return;
    tile.paint = paint;
    setStyle(tile.node, '--color', color);
    setStyle(tile.node, '--on', ink);
    setAttribute(tile.node, 'data-text', text);
    setAttribute(tile.node, 'aria-label', label);
    setAttribute(tile.node, 'title', label);
  }

  /** @param {HTMLElement} tile */
  #press(tile) {
    this.#focus(tile);
    this.#look(tile.dataset.location ?? '');
  }

  /** @param {HTMLElement} tile */
  #focus(tile) {
    for (const other of this.#box.querySelectorAll('.tile[tabindex="0"]')) other.setAttribute('tabindex', '-1');
    tile.tabIndex = 0;
    tile.focus({ preventScroll: false });
  }

  /** Arrow keys go to the tile beside, or to the nearest one in the line above or below. */
  #step(/** @type {KeyboardEvent} */ event) {
    const from = tileOf(event.target);
    if (from === null) return;
    const tiles = /** @type {HTMLElement[]} */ ([...this.#box.querySelectorAll('.tile')]);
    const step = STEPS.get(event.key);
    let to = null;
    if (step !== undefined) to = tiles[tiles.indexOf(from) + step];
    else if (event.key === 'Home') to = tiles[0];
    else if (event.key === 'End') to = tiles[tiles.length - 1];
    else if (event.key === 'ArrowUp' || event.key === 'ArrowDown') to = beside(tiles, from, event.key === 'ArrowDown');
    if (!to) return;
    event.preventDefault();
    this.#focus(to);
  }
}

/** @param {?EventTarget} target @returns {?HTMLElement} */
function tileOf(target) {
  const tile = target instanceof Element ? target.closest('.tile') : null;
  return tile instanceof HTMLElement ? tile : null;
}

/** @param {HTMLElement[]} tiles @param {HTMLElement} from @param {boolean} isDown */
function beside(tiles, from, isDown) {
  const { offsetTop: top, offsetLeft: left } = from;
  const lines = tiles.filter((tile) => (isDown ? tile.offsetTop > top : tile.offsetTop < top));
  if (lines.length === 0) return null;
  const line = isDown ? lines[0].offsetTop : lines[lines.length - 1].offsetTop;
  return lines.filter((tile) => tile.offsetTop === line)
    .reduce((best, tile) => (Math.abs(tile.offsetLeft - left) < Math.abs(best.offsetLeft - left) ? tile : best));
}
