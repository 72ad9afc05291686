//! The keyboard on the outlined map: arrow keys go from place to place, Enter looks at one closely.
//!
//! In come keys and where the places lie; out go the place that is pointed at, and the one that is
//! pressed. What lies where is told by the map.

/** @typedef {[x: number, y: number]} Point to the right, and down */

/** @type {Map<string, Point>} */
const WAYS = new Map([['ArrowLeft', [-1, 0]], ['ArrowRight', [1, 0]], ['ArrowUp', [0, -1]], ['ArrowDown', [0, 1]]]);

/** How much further away something is that lies aside. */
const ASIDE = 2;

/**
 * The next place in a direction.
 *
 * @param {Map<string, Point>} centers
 * @param {string} from
 * @param {Point} way
 * @returns {?string} null where there is none
 */
export function nextPlace(centers, from, [wayX, wayY]) {
  const start = centers.get(from);
  if (start === undefined) return null;
  let best = null;
  let least = Infinity;
  for (const [code, [x, y]] of centers) {
    const [dx, dy] = [x - start[0], y - start[1]];
    const along = dx * wayX + dy * wayY;
    const aside = Math.abs(dx * wayY) + Math.abs(dy * wayX);
    if (code === from || along <= 0 || aside > along * ASIDE) continue;
    if (along + ASIDE * aside < least) [best, least] = [code, along + ASIDE * aside];
  }
  return best;
}

/** The place on the map that the keyboard points at. */
export class Cursor {
  #centers;
  #point;
  /** @type {?string} */
  #at = null;

  /**
   * @param {HTMLElement} box which has the keyboard's focus
   * @param {() => Map<string, Point>} centers of the places that are drawn
   * @param {(code: ?string, before: ?string) => void} point called with the place that is pointed at
   * @param {(code: string) => void} press
   */
  constructor(box, centers, point, press) {
    this.#centers = centers;
    this.#point = point;
    box.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') {
        if (this.#at === null) return;
        press(this.#at);
      } else if (!this.#step(event.key)) {
        return;
      }
      event.preventDefault();
    });
    // By the keyboard: a pointer has a place of its own.
    const begin = () => box.matches(':focus-visible') && this.#go(this.#at ?? this.#first());
    box.addEventListener('focus', begin);
    begin();
    box.addEventListener('blur', () => this.#point(null, this.#at));
  }

  /** Forgets where it is, on another map. */
  clear() {
    this.#at = null;
  }

  /** @param {string} key @returns {boolean} whether it is one that moves */
  #step(key) {
    const way = WAYS.get(key);
    if (way === undefined) return false;
    this.#go(this.#at === null ? this.#first() : nextPlace(this.#centers(), this.#at, way));
    return true;
  }

  #first() {
    return this.#centers().keys().next().value ?? null;
  }

  /** @param {?string} code */
  #go(code) {
    if (code === null || !this.#centers().has(code)) return;
    const before = this.#at;
    this.#at = code;
    this.#point(code, before);
  }
}
