//! A chart's place on the page: when the library comes, when it draws, and in which colours.
//!
//! In come options of Apache ECharts; out goes a canvas in its box. The library is fetched when the
//! first box comes near the window, so that figures never wait for it; a build without it, or a
//! fetch that fails, leaves the boxes empty, and the tables beside them say the same. Draws at most
//! twice a second and only what is in sight. Never moves anything by itself.

import { el, setAttribute } from './dom.js';
import { css, onRepaint, rgb } from './palette.js';

/**
 * @typedef {Object} Drawing A chart of the library.
 * @property {(option: Object, how?: Object) => void} setOption
 * @property {(size?: Object) => void} resize
 * @property {(action: Object) => void} dispatchAction
 * @property {(event: string, handler: (event: any) => void) => void} on
 * @property {() => any} getOption
 * @property {() => void} dispose
 *
 * @typedef {Object} Library
 * @property {(box: HTMLElement, theme: ?string, how: Object) => Drawing} init
 * @property {(name: string, map: {geoJSON: Object}) => void} registerMap
 * @property {(topology: any, object: any) => any} feature reads an object of TopoJSON
 */

const EVERY_MS = 500;

/** Who prints a page has not always scrolled through it, so what draws comes by itself after this. */
const WARM_MS = 4000;

/** @type {?Promise<?Library>} */
let coming = null;
/** @type {?Library} */
let come = null;

/** Whether the page is being put on paper, which shows what was not looked at, too. */
let isPrinting = false;
globalThis.addEventListener?.('beforeprint', () => { isPrinting = true; }, { capture: true });
globalThis.addEventListener?.('afterprint', () => { isPrinting = false; });

/** Whether this build has the library. */
export function hasCharts() {
  return document.documentElement.hasAttribute('data-charts');
}

/** @returns {Promise<?Library>} null where it cannot be had */
export function library() {
  if (!hasCharts()) return Promise.resolve(null);
  const bundle = './echarts.js';
  coming ??= import(bundle).then((module) => {
    come = module;
    return module;
  }).catch(() => {
    // A server that was renewed has other files; the tables say the same.
    document.documentElement.removeAttribute('data-charts');
    return null;
  });
  return coming;
}

/** One chart. */
export class Chart {
  #box;
  /** @type {?Library} */
  #library = null;
  /** @type {?Drawing} */
  #drawing = null;
  /** @type {?(() => ?Object)} */
  #option = null;
  /** @type {(drawing: Drawing) => void} */
  #made;
  #lost;
  #inSight = false;
  #later = 0;
  #drawn_at = -Infinity;

  /**
   * @param {HTMLElement} box
   * @param {(drawing: Drawing) => void} [made] called once, with the chart that is new
   * @param {() => void} [lost] called when the library cannot be had
   */
  constructor(box, made = () => {}, lost = () => {}) {
    this.#box = box;
    this.#made = made;
    this.#lost = lost;
    new IntersectionObserver((entries) => this.#look(entries), { rootMargin: '300px 0px' }).observe(box);
    new ResizeObserver(() => this.#drawing?.resize()).observe(box);
    onRepaint(() => this.#draw());
    addEventListener('beforeprint', () => this.#draw());
  }

  /** The library, once it is there. */
  get library() {
    return this.#library;
  }

  /**
   * @param {string} label what the chart shows, in words
   * @param {() => ?Object} option made when it is drawn; null for nothing to show
   */
  draw(label, option) {
    setAttribute(this.#box, 'role', this.#box.dataset.role ?? 'img');
    setAttribute(this.#box, 'aria-label', label);
    if (this.#option === null) setTimeout(() => this.#warm(), WARM_MS);
    this.#option = option;
    if (isPrinting) this.#draw();
    else this.#soon();
  }

  /** Draws at once, after something that the reader did. */
  now() {
    this.#drawn_at = -Infinity;
    if (isPrinting) this.#draw();
    else this.#soon();
  }

  /** Changes a part of what is drawn already. */
  change(/** @type {Object} */ option) {
    this.#drawing?.setOption(option);
  }

  /** Does what a pointer could. @param {Object} action */
  act(action) {
    this.#drawing?.dispatchAction(action);
  }

  /** Forgets what it drew, for another contest. */
  clear() {
    this.#option = null;
    this.#drawing?.dispose();
    this.#drawing = null;
    this.#box.replaceChildren();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #look(entries) {
    this.#inSight = entries[entries.length - 1].isIntersecting;
    if (this.#inSight) this.#soon();
  }

  #soon() {
    if (!hasCharts() || !this.#inSight || this.#option === null || this.#later !== 0) return;
    if (this.#library === null) {
      this.#fetch();
      return;
    }
    const wait = Math.max(0, this.#drawn_at + EVERY_MS - performance.now());
    this.#later = window.setTimeout(() => {
      this.#later = 0;
      this.#draw();
    }, wait);
  }

  /** Fetches the library for paper, unless nobody will see this chart. */
  async #warm() {
    if (this.#box.clientWidth > 0) this.#library ??= await library();
  }

  async #fetch() {
    this.#library = await library();
    if (this.#library === null) this.#lost();
    else this.#soon();
  }

  #draw() {
    this.#library ??= come;
    const option = this.#library === null ? null : this.#option?.() ?? null;
    if (option === null || this.#library === null || this.#box.clientWidth === 0) return;
    this.#drawn_at = performance.now();
    if (this.#drawing === null) {
      const inner = el('div', 'canvas');
      this.#box.replaceChildren(inner);
      this.#drawing = this.#library.init(inner, null, { renderer: 'canvas' });
      this.#made(this.#drawing);
    }
    this.#drawing.setOption({ ...base(), ...option }, { notMerge: false, lazyUpdate: false, replaceMerge: ['series'] });
  }
}

/**
 * A text that somebody wrote, as it goes into a canvas: its direction stays its own, and it is no
 * name that every object has, such as `__proto__`, which the library's caches would stumble over.
 *
 * @param {string} text
 * @returns {string}
 */
export function isolated(text) {
  return `\u2068${text}\u2069`;
}

/** What all charts have alike: the page's letters, and no motion. */
function base() {
  const style = getComputedStyle(document.body);
  return {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { fontFamily: style.fontFamily, fontSize: letters(13), color: ink() },
  };
}

/** A size of letters, larger where all of the page is. @param {number} pixels @returns {number} */
export function letters(pixels) {
  return (pixels * parseFloat(getComputedStyle(document.documentElement).fontSize)) / 16;
}

/** @returns {string} the colour of text */
export function ink() {
  return css(rgb('var(--ink)'));
}

/** @returns {string} the colour of text that explains */
export function muted() {
  return css(rgb('var(--muted)'));
}

/**
 * A tooltip that follows the pointer; what is in it are elements, never markup.
 *
 * @param {(event: any) => ?Node} content
 * @returns {Object}
 */
export function tooltip(content) {
  return {
    confine: true,
    transitionDuration: 0,
    backgroundColor: css(rgb('var(--card)')),
    borderColor: css(rgb('var(--rule)')),
    textStyle: { color: ink(), fontSize: letters(13) },
    formatter: (/** @type {any} */ event) => content(event) ?? '',
  };
}

/**
 * The lines of a tooltip: a title, and names with figures.
 *
 * @param {string} title
 * @param {{color?: string, name: string, figure: string}[]} lines
 * @returns {HTMLElement}
 */
export function card(title, lines) {
  return el('div', 'tip', el('b', '', el('bdi', '', title)), ...lines.map(({ color, name, figure }) => {
    const dot = el('span', 'dot');
    if (color) dot.style.setProperty('--color', color);
    else dot.hidden = true;
    return el('div', 'tip-line', dot, el('bdi', '', name), el('span', 'figure', figure));
  }));
}
