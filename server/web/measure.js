//! What a map shows of a location: who leads, by how much, the turnout, or the share of one.
//!
//! In come location rows; out go values, classes of values and words. Pure: colours are made
//! elsewhere, of a class and a candidate.

import { NONE, percent } from './format.js';
import { words } from './language.js';
import { votesFor } from './reducer.js';

/** @typedef {import('./reducer.js').LocationRow} LocationRow */

/** @typedef {'leader'|'margin'|'turnout'|'share'} Measure */

/** @type {readonly Measure[]} */
export const MEASURES = ['leader', 'margin', 'turnout', 'share'];

/** Classes of a value; more shades could not be told apart. */
export const CLASSES = 5;

/** The steps that a scale may have. */
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];

/**
 * @param {?string} asked what the address says
 * @returns {Measure}
 */
export function measureOf(asked) {
  return MEASURES.find((measure) => measure === asked) ?? 'leader';
}

/** @param {LocationRow} row @returns {number} its votes for candidates */
export function votesOf(row) {
  return row.accepted - row.blank;
}

/**
 * By how much of its votes a location's first is ahead of its second.
 *
 * @param {LocationRow} row
 * @returns {?number} null where nobody has a vote
 */
export function marginOf(row) {
  if (votesOf(row) <= 0) return null;
  let [first, second] = [0, 0];
  for (const votes of Object.values(row.votes)) {
    if (votes > first) [first, second] = [votes, first];
    else if (votes > second) second = votes;
  }
  return (first - second) / votesOf(row);
}

/**
 * @param {LocationRow} row
 * @param {string} candidateId
 * @returns {?number} the candidate's share of its votes
 */
export function shareOf(row, candidateId) {
  return votesOf(row) > 0 ? votesFor(row, candidateId) / votesOf(row) : null;
}

/**
 * @param {Measure} measure
 * @param {LocationRow} row
 * @param {?string} candidateId whose share it is
 * @returns {?number}
 */
export function valueOf(measure, row, candidateId) {
  switch (measure) {
    case 'turnout': return row.turnout;
    case 'share': return candidateId === null ? null : shareOf(row, candidateId);
    default: return marginOf(row);
  }
}

/**
 * The bounds of some values' classes: of at most five, and such that read well.
 *
 * @param {readonly (?number)[]} values
 * @returns {number[]} ascending, one more than there are classes; none without values
 */
export function scaleOf(values) {
  const given = values.filter((value) => value !== null);
  if (given.length === 0) return [];
  const [least, most] = [Math.min(...given), Math.max(...given)];
  const step = STEPS.find((size) => Math.floor(least / size) * size + CLASSES * size > most) ?? STEPS[STEPS.length - 1];
  const first = Math.floor(least / step);
  const classes = Math.min(CLASSES, Math.floor(most / step) - first + 1);
  return Array.from({ length: classes + 1 }, (_, at) => Number(((first + at) * step).toFixed(4)));
}

/**
 * @param {?number} value
 * @param {readonly number[]} scale
 * @returns {?number} its class, from 0; null for none
 */
export function classOf(value, scale) {
  if (value === null) return null;
  const above = scale.findIndex((begin) => value < begin);
  return above === -1 ? scale.length - 2 : Math.max(0, above - 1);
}

/**
 * The classes in words, for a legend.
 *
 * @param {readonly number[]} scale
 * @returns {string[]}
 */
export function rangesOf(scale) {
  return scale.slice(1).map((end, at) => words().range(percent(scale[at]), percent(end)));
}

/**
 * Who leads a location and how, in words.
 *
 * @param {LocationRow} row
 * @param {(candidateId: string) => string} nameOf
 * @returns {string}
 */
export function leaderText(row, nameOf) {
  if (row.suppressed) return words().withheld;
  if (votesOf(row) <= 0) return words().no_votes;
  return row.leader === null ? words().tie_for_first : nameOf(row.leader);
}

/**
 * @param {Measure} measure
 * @param {LocationRow} row
 * @param {?string} candidateId
 * @returns {string}
 */
export function valueText(measure, row, candidateId) {
  return percent(valueOf(measure, row, candidateId)) || NONE;
}
