//! The tree of locations as lists: one level, all below one, the way up, and in which order.
//!
//! In come location rows; out go predicates and lists. Pure.

/** @typedef {import('./reducer.js').LocationRow} LocationRow */

const names = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** @param {?string} parent @returns {(row: LocationRow) => boolean} whether it is a child of it */
export function levelOf(parent) {
  return (row) => row.parent === parent;
}

/**
 * Whether a row is anywhere below a location; everything is below null.
 *
 * @param {Map<string, LocationRow>} locations
 * @param {?string} above
 * @returns {(row: LocationRow) => boolean}
 */
export function isUnder(locations, above) {
  if (above === null) return () => true;
  return (row) => trailOf(locations, row.parent).some((step) => step.location === above);
}

/**
 * The locations from a root down to one. A register with a cycle is refused by the server; the
 * length is held all the same, so that nothing here can run for ever.
 *
 * @param {Map<string, LocationRow>} locations
 * @param {?string} code
 * @returns {LocationRow[]}
 */
export function trailOf(locations, code) {
  const steps = [];
  const at = (/** @type {?string} */ place) => (place === null ? undefined : locations.get(place));
  for (let row = at(code); row && steps.length < locations.size; row = at(row.parent)) {
    steps.unshift(row);
  }
  return steps;
}

/** @param {string} search a row's folded text @param {string} wanted folded words, all to be found */
export function matches(search, wanted) {
  return wanted.split(/\s+/).every((word) => search.includes(word));
}

/**
 * Rows by a column; those with nothing there come last either way, and equal ones by name.
 *
 * @param {LocationRow[]} rows
 * @param {{value: (row: LocationRow) => string|number|null}} column
 * @param {boolean} descending
 * @returns {LocationRow[]}
 */
export function sorted(rows, column, descending) {
  const sign = descending ? -1 : 1;
  return rows
    .map((row) => ({ row, value: column.value(row) }))
    .sort((a, b) => {
      const empty = isEmpty(a.value) - isEmpty(b.value);
      if (empty !== 0) return empty;
      return sign * compare(a.value, b.value)
        || names.compare(a.row.name, b.row.name)
        || compare(a.row.location, b.row.location);
    })
    .map(({ row }) => row);
}

/** @param {string|number|null} value */
function isEmpty(value) {
  return Number(value === null || value === '');
}

/** @param {string|number|null} a @param {string|number|null} b */
function compare(a, b) {
  if (typeof a === 'string' && typeof b === 'string') return names.compare(a, b);
  if (a === b) return 0;
  return (a ?? 0) < (b ?? 0) ? -1 : 1;
}

/**
 * The parts of every location; the roots are the parts of null.
 *
 * @param {Map<string, LocationRow>} locations
 * @returns {Map<?string, LocationRow[]>}
 */
export function partsOf(locations) {
  /** @type {Map<?string, LocationRow[]>} */
  const parts = new Map();
  for (const row of locations.values()) {
    const list = parts.get(row.parent);
    if (list === undefined) parts.set(row.parent, [row]);
    else list.push(row);
  }
  for (const list of parts.values()) list.sort((a, b) => names.compare(a.name, b.name) || compare(a.location, b.location));
  return parts;
}

/**
 * The places below one as a map has them: the nearest ones that are drawn, and the leaves that are
 * neither drawn nor in a place that is.
 *
 * @param {Map<?string, LocationRow[]>} parts
 * @param {?string} under
 * @param {(row: LocationRow) => boolean} isDrawn
 * @returns {{drawn: LocationRow[], others: LocationRow[]}}
 */
export function coverOf(parts, under, isDrawn) {
  const all = nearest(parts, under, (row) => row.leaf || isDrawn(row));
  return { drawn: all.filter(isDrawn), others: all.filter((row) => !isDrawn(row)) };
}

/**
 * The nearest locations below one that have something, such as an outline; in the tree's order.
 *
 * @param {Map<?string, LocationRow[]>} parts
 * @param {?string} under
 * @param {(row: LocationRow) => boolean} has
 * @returns {LocationRow[]}
 */
export function nearest(parts, under, has) {
  const found = [];
  const waiting = [...parts.get(under) ?? []].reverse();
  for (let row = waiting.pop(); row; row = waiting.pop()) {
    if (has(row)) found.push(row);
    else waiting.push(...[...parts.get(row.location) ?? []].reverse());
  }
  return found;
}
