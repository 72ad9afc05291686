//! The table of locations: sorted by any column, filtered by name or code, level by level.
//!
//! In come the location rows of the state; out goes which of them the table shows, and in which
//! order. Rows change places at most once a second, and not while the keyboard is in them. Never
//! asks the server: the stream brings every row.

import { candidateColumns, classOf, columnsFor, isNarrow, layoutOf } from './columns.js';
import { arrange, byId, el, nameEl, setAttribute, setStyle, setText } from './dom.js';
import { count, folded, named, shortName } from './format.js';
import { language, words } from './language.js';
import { isUnder, levelOf, matches, sorted } from './level.js';
import { LocationRows } from './rows.js';
import { drawTrail } from './trail.js';
import { keepChoice } from './where.js';

/** Rows of a page, unless the address or the reader says otherwise; on a phone a row is several lines. */
const ROWS = isNarrow() ? '25' : '100';

/** With more rows than this, only those in sight are laid out. */
const MANY = 100;

const REORDER_MS = 1000;

/** @typedef {import('./scene.js').Scene} Scene */

/** Draws the locations of one contest. */
export class Locations {
  #section = byId('locations-section');
  #body = byId('locations-body');
  #head = byId('locations-head');
  #filter = byId('location-filter', HTMLInputElement);
  #allLevels = byId('all-levels', HTMLInputElement);
  #size = byId('page-size', HTMLSelectElement);
  #page = 0;
  #isPrinting = false;
  #where;
  /** The location whose parts are shown. @type {?string} */
  #at = null;
  #rows = new LocationRows(byId('locations-scroll'), (code) => this.#enter(code));
  /** @type {import('./columns.js').Column[]} */
  #columns = [];
  #shape = '';
  #sort = { key: 'name', descending: false };
  /** @type {?Map<string, import('./reducer.js').LocationRow>} */
  #drawn = null;
  #reordered_at = -Infinity;
  #later = 0;
  /** @type {?Scene} */
  #scene = null;

  /** @param {import('./where.js').Where} where */
  constructor(where) {
    this.#where = where;
    where.follow(() => this.#follow());
    this.#filter.addEventListener('input', () => this.#turnTo(0));
    this.#allLevels.addEventListener('change', () => this.#turnTo(0));
    keepChoice(this.#size, 'rows', ROWS, () => this.#turnTo(0));
    byId('page-previous').addEventListener('click', () => this.#turnTo(this.#page - 1));
    byId('page-next').addEventListener('click', () => this.#turnTo(this.#page + 1));
    // Paper has no pager: all rows are on it.
    addEventListener('beforeprint', () => this.#print(true));
    addEventListener('afterprint', () => this.#print(false));
  }

  /** @param {boolean} isPrinting */
  #print(isPrinting) {
    this.#isPrinting = isPrinting;
    this.#arrange();
    this.#rows.paintAll();
  }

  /** Forgets everything, for another contest. */
  clear() {
    this.#rows.clear([]);
    this.#body.replaceChildren();
    this.#drawn = null;
    this.#scene = null;
    this.#shape = '';
    this.#filter.value = '';
    this.#page = 0;
    this.#sort = { key: 'name', descending: false };
  }

  /** @param {Scene} scene */
  draw(scene) {
    this.#section.hidden = scene.locations.size === 0;
    const reshaped = this.#reshape(scene);
    const { locations } = scene;
    if (locations === this.#drawn && !reshaped) return;
    this.#scene = scene;
    this.#drawn = locations;
    this.#rows.take(locations);
    this.#arrangeSoon();
  }

  /** Makes the columns, and everything below them, anew if the shape of the table is another. @param {Scene} scene */
  #reshape(scene) {
    const rows = [...scene.locations.values()];
    const shape = {
      parents: rows.some((row) => row.parent !== null),
      registered: rows.some((row) => row.registered !== null),
      candidates: candidateColumns(scene.ranked, scene.places),
    };
    const names = [...scene.candidates.values()].map((row) => `${row.candidate_name}\n${row.short_name ?? ''}`);
    const key = JSON.stringify([language(), scene.isClosed, shape, names.sort(), [...scene.colors]]);
    this.#scene = scene;
    if (key === this.#shape) return false;
    this.#shape = key;
    const { candidates, locations } = scene;
    this.#columns = columnsFor(shape, {
      colors: scene.colors,
      nameOf: (id) => (id === null ? null : named((this.#scene?.candidates ?? candidates).get(id)?.candidate_name, id)),
      shortOf: (id) => {
        const row = candidates.get(id);
        return row === undefined ? id : shortName(row);
      },
      isClosed: scene.isClosed,
      locationName: (code) => (code === null ? '' : named((this.#scene?.locations ?? locations).get(code)?.name, code)),
    });
    byId('all-levels-label').hidden = !shape.parents;
    this.#rows.clear(this.#columns);
    // Nobody is in rows that are gone, so the new ones come at once.
    this.#body.replaceChildren();
    this.#drawHead();
    clearTimeout(this.#later);
    this.#later = 0;
    this.#reordered_at = -Infinity;
    return true;
  }

  #drawHead() {
    if (!this.#columns.some((column) => column.key === this.#sort.key)) {
      this.#sort = { key: 'name', descending: false };
    }
    this.#head.replaceChildren(...this.#columns.map((column) => {
      const label = nameEl();
      const button = el('button', '', label);
      button.type = 'button';
      setText(label, column.label);
      button.addEventListener('click', () => this.#sortBy(column));
      const head = el('th', classOf(column), button);
      head.scope = 'col';
      head.setAttribute('role', 'columnheader');
      head.dataset.key = column.key;
      if (column.color) setStyle(head, '--color', column.color);
      head.classList.toggle('candidate-column', column.color !== undefined);
      return head;
    }));
    this.#markSort();
  }

  /** @param {import('./columns.js').Column} column */
  #sortBy(column) {
    const again = this.#sort.key === column.key;
    this.#sort = { key: column.key, descending: again ? !this.#sort.descending : column.number };
    this.#markSort();
    this.#turnTo(0);
  }

  /** @param {number} page */
  #turnTo(page) {
    this.#page = page;
    this.#arrange();
  }

  #markSort() {
    for (const head of this.#head.children) {
      const direction = this.#sort.descending ? 'descending' : 'ascending';
      setAttribute(head, 'aria-sort', head.getAttribute('data-key') === this.#sort.key ? direction : null);
    }
  }

  /** @param {?string} code */
  #enter(code) {
    this.#where.enter(code);
    byId('trail').querySelector('button')?.focus({ preventScroll: true });
  }

  /** The reader went elsewhere in the tree, here or on the map. */
  #follow() {
    if (this.#at === this.#where.under) return;
    this.#at = this.#where.under;
    this.#filter.value = '';
    this.#allLevels.checked = false;
    this.#turnTo(0);
  }

  /** Puts off changing places, so that a reader can follow a line. */
  #arrangeSoon() {
    if (this.#later !== 0) return;
    const wait = Math.max(0, this.#reordered_at + REORDER_MS - performance.now());
    if (wait === 0) this.#arrange({ keepFocus: true });
    else this.#later = window.setTimeout(() => this.#arrange({ keepFocus: true }), wait);
  }

  #arrange({ keepFocus = false } = {}) {
    clearTimeout(this.#later);
    this.#later = 0;
    if (this.#scene === null) return;
    this.#reordered_at = performance.now();
    const { locations } = this.#scene;
    this.#where.stayIn(locations);
    this.#at = this.#where.under;
    const wanted = folded(this.#filter.value.trim());
    const every = this.#allLevels.checked || wanted !== '';
    const column = this.#columns.find((other) => other.key === this.#sort.key) ?? this.#columns[0];
    const level = every ? isUnder(locations, this.#at) : levelOf(this.#at);
    const found = [...locations.values()]
      .filter((row) => level(row) && matches(this.#rows.searchOf(row.location), wanted));
    const size = this.#isPrinting ? Math.max(1, found.length) : Number(this.#size.value);
    if (!this.#isPrinting) this.#page = Math.min(this.#page, Math.max(0, Math.ceil(found.length / size) - 1));
    const first = this.#isPrinting ? 0 : this.#page * size;
    const shown = sorted(found, column, this.#sort.descending).slice(first, first + size);
    const busy = keepFocus && this.#body.contains(document.activeElement);
    if (!busy) arrange(this.#body, shown.map((row) => this.#rows.nodeOf(row.location)));
    this.#drawLayout(!every, shown.length);
    drawTrail(byId('trail'), locations, this.#at, (code) => this.#enter(code));
    this.#drawCount(found.length, first, shown.length);
  }

  /** On one level all rows are part of the same location, which the trail names already. */
  #drawLayout(/** @type {boolean} */ oneLevel, /** @type {number} */ rows) {
    const table = byId('locations');
    table.classList.toggle('many', rows > MANY);
    table.classList.toggle('one-level', oneLevel);
    const layout = layoutOf(this.#columns.filter((column) => !oneLevel || column.key !== 'parent'));
    setStyle(table, '--columns', layout.columns);
    setStyle(table, '--width', layout.width);
  }

  #drawCount(/** @type {number} */ found, /** @type {number} */ first, /** @type {number} */ shown) {
    setText(byId('locations-count'), words().shown(count(found)));
    byId('pager').hidden = found <= Number(this.#size.options[0].value);
    setText(byId('page-place'), words().page_of(count(first + 1), count(first + shown), count(found)));
    byId('page-previous', HTMLButtonElement).disabled = first === 0;
    byId('page-next', HTMLButtonElement).disabled = first + shown >= found;
    byId('locations-empty').hidden = found > 0;
    setText(byId('locations-empty'), words().no_match(this.#filter.value.trim()));
  }
}
