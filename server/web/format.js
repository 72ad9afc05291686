//! Numbers, times and words as the page writes them.
//!
//! In come counts, fractions, instants and the API's words; out goes text. Pure, but for the
//! viewer's time zone. Never makes HTML.

const counts = new Intl.NumberFormat('en');
const percents = new Intl.NumberFormat('en', {
  style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1,
});
const clocks = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
});
const days = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
// A date without a time belongs to no time zone; it must not slip to the day before.
const dates = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC',
});

/** What is written where there is nothing to say. */
export const NONE = '–';

/** @param {?number} value a count @returns {string} */
export function count(value) {
  return value === null || value === undefined ? NONE : counts.format(value);
}

/** @param {?number} value a fraction of 1 @returns {string} */
export function percent(value) {
  return value === null || value === undefined ? NONE : percents.format(value);
}

/** @param {string|number} instant RFC 3339 or milliseconds @returns {string} the viewer's time */
export function clock(instant) {
  const at = new Date(instant);
  return Number.isNaN(at.getTime()) ? String(instant) : clocks.format(at);
}

/** @param {string|number} instant @returns {string} the viewer's day */
export function day(instant) {
  const at = new Date(instant);
  return Number.isNaN(at.getTime()) ? '' : days.format(at);
}

/** @param {?string} date `YYYY-MM-DD` @returns {string} */
export function longDate(date) {
  const at = new Date(`${date ?? ''}T00:00:00Z`);
  return Number.isNaN(at.getTime()) ? (date ?? '') : dates.format(at);
}

/** @param {number} ms a span of time @returns {string} rounded to its largest unit */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

/** @param {number} ms @returns {string} a span without rounding, for the length of a window */
export function exactSpan(ms) {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000} h`;
  if (ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${ms / 1000} s`;
}

/**
 * Text as a search compares it: without case and accents, so that `recollet` finds `Récollet`.
 *
 * @param {string} text
 * @returns {string}
 */
export function folded(text) {
  return text.normalize('NFD').replace(/\p{Mn}/gu, '').toLowerCase();
}

/** Up to two initials of a name, for the disc of one who has no portrait. */
export function initials(name) {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? [];
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words.slice(0, 1);
  return ends.map((word) => String.fromCodePoint(word.codePointAt(0)).toUpperCase()).join('');
}

const reasons = new Map([
  ['unknown_contest', 'unknown contest'],
  ['unknown_candidate', 'unknown candidate'],
  ['unknown_location', 'unknown location'],
  ['unknown_voter', 'not on the roll'],
  ['outside_hours', 'outside voting hours'],
]);

/** @param {string} reason why a vote is set aside @returns {string} */
export function reason(reason) {
  return reasons.get(reason) ?? reason.replaceAll('_', ' ');
}

const causes = new Map([
  ['voided', 'voided'],
  ['superseded', 'superseded by the voter’s other vote'],
  ['moved', 'moved to another place or time'],
  ['register', 'the register changed'],
]);

/** @param {string} why a correction's cause @returns {string} */
export function cause(why) {
  return causes.get(why) ?? why.replaceAll('_', ' ');
}
