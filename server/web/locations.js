//! The table of locations: sorted by any column, filtered by name or code, level by level.
//!
//! In come the location rows of the state; out goes which of them the table shows, and in which
//! order. Rows change places at most once a second, and not while the keyboard is in them. Never
//! asks the server: the stream brings every row.

import { candidateColumns, classOf, columnsFor, layoutOf } from './columns.js';
import { arrange, byId, el, nameEl, setAttribute, setStyle, setText } from './dom.js';
import { count, folded, named } from './format.js';
import { language, words } from './language.js';
import { isUnder, levelOf, matches, sorted, trailOf } from './level.js';
import { LocationRows } from './rows.js';

/** Rows of a page, unless the address or the reader says otherwise. */
const ROWS = '100';

/** With more rows than this, only those in sight are laid out. */
const MANY = 100;

const REORDER_MS = 1000;

/** Draws the locations of one contest. */
export class Locations {
  #section = byId('locations-section');
  #body = byId('locations-body');
  #head = byId('locations-head');
  #filter = byId('location-filter');
  #allLevels = byId('all-levels');
  #size = byId('page-size');
  #page = 0;
  #rows = new LocationRows(byId('locations-scroll'), (code) => this.#enter(code));
  #columns = [];
  #shape = '';
  #under = null;
  #sort = { key: 'name', descending: false };
  #drawn = null;
  #reordered_at = -Infinity;
  #later = 0;
  #scene = null;

  constructor() {
    this.#size.value = new URLSearchParams(location.search).get('rows') ?? ROWS;
    if (this.#size.selectedIndex < 0) this.#size.value = ROWS;
    this.#filter.addEventListener('input', () => this.#turnTo(0));
    this.#allLevels.addEventListener('change', () => this.#turnTo(0));
    this.#size.addEventListener('change', () => this.#turnTo(0));
    byId('page-previous').addEventListener('click', () => this.#turnTo(this.#page - 1));
    byId('page-next').addEventListener('click', () => this.#turnTo(this.#page + 1));
  }

  /** Forgets everything, for another contest. */
  clear() {
    this.#rows.clear([]);
    this.#body.replaceChildren();
    this.#drawn = null;
    this.#scene = null;
    this.#under = null;
    this.#shape = '';
    this.#filter.value = '';
    this.#page = 0;
    this.#sort = { key: 'name', descending: false };
  }

  /**
   * @param {Object} scene
   * @param {Map<string, import('./reducer.js').LocationRow>} scene.locations
   * @param {import('./reducer.js').CandidateRow[]} scene.ranked
   * @param {Map<string, number>} scene.places
   * @param {Map<string, string>} scene.colors
   * @param {Map<string, import('./reducer.js').CandidateRow>} scene.candidates
   */
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

  /** Makes the columns, and everything below them, anew if the shape of the table is another. */
  #reshape(scene) {
    const rows = [...scene.locations.values()];
    const shape = {
      parents: rows.some((row) => row.parent !== null),
      registered: rows.some((row) => row.registered !== null),
      candidates: candidateColumns(scene.ranked, scene.places),
    };
    const names = [...scene.candidates.values()].map((row) => row.candidate_name);
    const key = JSON.stringify([language(), shape, names.sort(), [...scene.colors]]);
    this.#scene = scene;
    if (key === this.#shape) return false;
    this.#shape = key;
    this.#columns = columnsFor(shape, {
      colors: scene.colors,
      nameOf: (id) => (id === null ? null : named(this.#scene.candidates.get(id)?.candidate_name, id)),
      locationName: (code) => (code === null ? '' : named(this.#scene.locations.get(code)?.name, code)),
    });
    byId('all-levels-label').hidden = !shape.parents;
    this.#rows.clear(this.#columns);
    this.#drawHead();
    this.#reordered_at = -Infinity;
    return true;
  }

  #drawHead() {
    if (!this.#columns.some((column) => column.key === this.#sort.key)) {
      this.#sort = { key: 'name', descending: false };
    }
    this.#head.replaceChildren(...this.#columns.map((column) => {
      const button = el('button', '', nameEl());
      button.type = 'button';
      setText(button.firstChild, column.label);
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

  #sortBy(column) {
    const again = this.#sort.key === column.key;
    this.#sort = { key: column.key, descending: again ? !this.#sort.descending : column.number };
    this.#markSort();
    this.#turnTo(0);
  }

  #turnTo(page) {
    this.#page = page;
    this.#arrange();
  }

  #markSort() {
    for (const head of this.#head.children) {
      const direction = this.#sort.descending ? 'descending' : 'ascending';
      setAttribute(head, 'aria-sort', head.dataset.key === this.#sort.key ? direction : null);
    }
  }

  #enter(code) {
    this.#under = code;
    this.#filter.value = '';
    this.#allLevels.checked = false;
    this.#turnTo(0);
    byId('trail').querySelector('button')?.focus({ preventScroll: true });
  }

  /** Puts off changing places, so that a reader can follow a line. */
  #arrangeSoon() {
    if (this.#later !== 0) return;
    const wait = Math.max(0, this.#reordered_at + REORDER_MS - performance.now());
    if (wait === 0) this.#arrange();
    else this.#later = setTimeout(() => this.#arrange({ keepFocus: true }), wait);
  }

  #arrange({ keepFocus = false } = {}) {
    clearTimeout(this.#later);
    this.#later = 0;
    if (this.#scene === null) return;
    this.#reordered_at = performance.now();
    const { locations } = this.#scene;
    if (this.#under !== null && !locations.has(this.#under)) this.#under = null;
    const wanted = folded(this.#filter.value.trim());
    const every = this.#allLevels.checked || wanted !== '';
    const column = this.#columns.find((other) => other.key === this.#sort.key);
    const level = every ? isUnder(locations, this.#under) : levelOf(this.#under);
    const found = [...locations.values()]
      .filter((row) => level(row) && matches(this.#rows.searchOf(row.location), wanted));
    const size = Number(this.#size.value);
    this.#page = Math.min(this.#page, Math.max(0, Math.ceil(found.length / size) - 1));
    const first = this.#page * size;
    const shown = sorted(found, column, this.#sort.descending).slice(first, first + size);
    const busy = keepFocus && this.#body.contains(document.activeElement);
    if (!busy) arrange(this.#body, shown.map((row) => this.#rows.nodeOf(row.location)));
    this.#drawLayout(!every, shown.length);
    this.#drawTrail(locations);
    this.#drawCount(found.length, first, shown.length);
  }

  /** On one level all rows are part of the same location, which the trail names already. */
  #drawLayout(oneLevel, rows) {
    const table = byId('locations');
    table.classList.toggle('many', rows > MANY);
    table.classList.toggle('one-level', oneLevel);
    const layout = layoutOf(this.#columns.filter((column) => !oneLevel || column.key !== 'parent'));
    setStyle(table, '--columns', layout.columns);
    setStyle(table, '--width', layout.width);
  }

  #drawCount(found, first, shown) {
    setText(byId('locations-count'), words().shown(count(found)));
    byId('pager').hidden = found <= Number(this.#size.options[0].value);
    setText(byId('page-place'), words().page_of(count(first + 1), count(first + shown), count(found)));
    byId('page-previous').disabled = first === 0;
    byId('page-next').disabled = first + shown >= found;
    byId('locations-empty').hidden = found > 0;
    setText(byId('locations-empty'), words().no_match(this.#filter.value.trim()));
  }

  /** Where the reader is in the tree, each step a way back up. */
  #drawTrail(locations) {
    const trail = byId('trail');
    trail.hidden = this.#under === null;
    const steps = [{ location: null, name: words().all }, ...trailOf(locations, this.#under)];
    const key = JSON.stringify(steps.map((step) => [step.location, step.name]));
    if (trail.dataset.key === key) return;
    trail.dataset.key = key;
    trail.replaceChildren(...steps.flatMap((step, at) => {
      const last = at === steps.length - 1;
      const node = el(last ? 'span' : 'button', '', nameEl());
      setText(node.firstChild, named(step.name, step.location));
      if (last) node.setAttribute('aria-current', 'location');
      else node.type = 'button';
      node.addEventListener('click', () => last || this.#enter(step.location));
      return at === 0 ? [node] : [' › ', node];
    }));
  }
}
