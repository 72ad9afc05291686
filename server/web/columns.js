//! The columns of the location table: what each shows, and what it sorts by.
//!
//! In come the contest's candidates and whether the election knows parents and registered voters;
//! out goes a list of columns. A column makes a cell once and then changes it in place.

import { el, nameEl, setStyle, setText } from './dom.js';
import { NONE, count, named, percent } from './format.js';
import { words } from './language.js';
import { votesFor } from './reducer.js';
import { paintSplit } from './split.js';

/** More candidates than this would make the table wider than it is useful. */
const CANDIDATES_MAX = 6;

const NAME_REM = 11;

const narrow = matchMedia('(max-width: 34rem)');

/** Whether the page is as narrow as a phone, where a row is several lines. */
export function isNarrow() {
  return narrow.matches;
}

/**
 * @typedef {import('./reducer.js').LocationRow} LocationRow
 *
 * @typedef {Object} Column
 * @property {string} key
 * @property {string} label
 * @property {number} width_rem Its least width.
 * @property {boolean} number Whether it is aligned and first sorted as a number.
 * @property {(row: LocationRow) => string|number|null} value What it sorts by.
 * @property {(cell: HTMLElement) => Parts} make Fills a new cell.
 * @property {string} [color] The candidate's.
 *
 * @typedef {Object} Parts What a cell holds.
 * @property {(row: LocationRow) => void} draw
 * @property {HTMLElement} [name] The name that the cell shows.
 *
 * @typedef {Object} Context What the columns look up when they draw.
 * @property {Map<string, string>} colors By candidate id, in the order of the ballot paper.
 * @property {(candidateId: ?string) => ?string} nameOf A candidate's name.
 * @property {(candidateId: string) => string} shortOf A candidate's name where there is little room.
 * @property {(location: ?string) => string} locationName
 * @property {boolean} isClosed Whether all polls are closed.
 */

/**
 * The candidates that get a column of their own: all, or the first by votes where they are many;
 * in the order of the ballot paper, so that columns do not change places while votes come in.
 *
 * @param {import('./reducer.js').CandidateRow[]} ranked
 * @param {Map<string, number>} places
 * @returns {string[]}
 */
export function candidateColumns(ranked, places) {
  const place = (/** @type {string} */ id) => places.get(id) ?? Number.MAX_SAFE_INTEGER;
  return ranked.slice(0, CANDIDATES_MAX).map((row) => row.candidate_id)
    .sort((a, b) => place(a) - place(b));
}

/**
 * The columns as CSS lays them out: numbers keep their width, names take what is left.
 *
 * @param {Column[]} columns
 * @returns {{columns: string, width: string}}
 */
export function layoutOf(columns) {
  const tracks = columns.map(({ number: fixed, width_rem }) =>
    `minmax(${width_rem}rem, ${fixed ? width_rem : width_rem * 1.6}fr)`);
  const sum = columns.reduce((rem, column) => rem + column.width_rem, 0);
  return { columns: tracks.join(' '), width: `${sum}rem` };
}

/** @param {Column} column @returns {string} the class of its cells */
export function classOf(column) {
  return `column-${column.key.split('/')[0]}${column.number ? ' number' : ''}`;
}

/**
 * @param {{parents: boolean, registered: boolean, candidates: string[]}} shape
 * @param {Context} context
 * @returns {Column[]}
 */
export function columnsFor(shape, context) {
  const known = shape.registered;
  const texts = words();
  return [
    text('name', texts.location, NAME_REM, (row) => named(row.name, row.location)),
    ...(shape.parents ? [text('parent', texts.part_of, 8.5, (row) => context.locationName(row.parent))] : []),
    leader(context),
    share(context),
    number('accepted', texts.accepted, 5.7, (row) => row.accepted, count),
    ...shape.candidates.map((id) => candidate(id, context)),
    number('blank', texts.blank, 4.7, (row) => row.blank, count),
    ...(known ? [number('registered', texts.registered, 6.2, (row) => row.registered, count)] : []),
    ...(known ? [number('turnout', context.isClosed ? texts.turnout : texts.turnout_so_far, 4.9, (row) => row.turnout, percent)] : []),
    text('code', texts.code, 5.2, (row) => row.location),
  ];
}

/**
 * @param {string} key
 * @param {string} label
 * @param {number} width_rem
 * @param {(row: LocationRow) => string} value
 * @returns {Column}
 */
function text(key, label, width_rem, value) {
  return {
    key, label, width_rem, number: false, value,
    make(cell) {
      const name = nameEl('name');
      cell.append(name);
      return { name, draw: (row) => setText(name, value(row)) };
    },
  };
}

/**
 * @template {?number} Value
 * @param {string} key
 * @param {string} label
 * @param {number} width_rem
 * @param {(row: LocationRow) => Value} value
 * @param {(value: Value) => string} write
 * @returns {Column}
 */
function number(key, label, width_rem, value, write) {
  const isFigure = key !== 'registered';
  const without = key === 'accepted' ? words().withheld : NONE;
  return {
    key, label, width_rem, number: true, value: (row) => (isFigure && row.suppressed ? null : value(row)),
    make: (cell) => ({ draw: (row) => setText(cell, isFigure && row.suppressed ? without : write(value(row))) }),
  };
}

/** @param {Context} context @returns {Column} */
function leader(context) {
  const value = (/** @type {LocationRow} */ row) => context.nameOf(row.leader);
  return {
    key: 'leader', label: words().leader, width_rem: 9, number: false, value,
    make(cell) {
      const dot = el('span', 'dot');
      const name = nameEl('name');
      cell.append(el('span', 'leader', dot, name));
      return {
        draw(row) {
          dot.hidden = row.leader === null;
          setStyle(dot, '--color', context.colors.get(row.leader ?? '') ?? 'transparent');
          setText(name, row.suppressed ? words().withheld : value(row) ?? (row.accepted > row.blank ? words().tie : NONE));
        },
      };
    },
  };
}

/** @param {Context} context @returns {Column} */
function share(context) {
  const value = (/** @type {LocationRow} */ row) => {
    const votes = row.accepted - row.blank;
    return votes > 0 ? Math.max(...Object.values(row.votes)) / votes : null;
  };
  return {
    key: 'share', label: words().leaders_share, width_rem: 9.8, number: true, value,
    make(cell) {
      const bar = el('span', 'split');
      bar.setAttribute('aria-hidden', 'true');
      const figure = el('span');
      cell.append(el('span', 'share-line', bar, figure));
      return {
        draw(row) {
          setText(figure, percent(value(row)));
          paintSplit(bar, row, context.colors);
        },
      };
    },
  };
}

/** @param {string} id @param {Context} context @returns {Column} */
function candidate(id, context) {
  const column = number(`votes/${id}`, context.shortOf(id), 5.7, (row) => votesFor(row, id), count);
  return { ...column, color: context.colors.get(id) };
}
