//! Numbers, spans of time and words as the page writes them.
//!
//! In come counts, fractions, spans and the API's words; out goes text in the page's language. Pure,
//! but for that. Instants are `times.js`'s to write. Never makes HTML.

import { localeOf, words } from './language.js';

/** The formats of a locale, made once. */
const kept = new Map();

function formats() {
  const locale = localeOf();
  let made = kept.get(locale);
  if (made === undefined) {
    /** @type {Intl.NumberFormatOptions} */
    const percents = { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 };
    // Where nobody says which English it is, the day comes before the month.
    const dated = locale === 'en' ? 'en-GB' : locale;
    made = {
      counts: new Intl.NumberFormat(locale),
      percents: new Intl.NumberFormat(locale, percents),
      plurals: new Intl.PluralRules(locale),
      // A date without a time belongs to no time zone; it must not slip to the day before.
      dates: new Intl.DateTimeFormat(dated, { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' }),
    };
    kept.set(locale, made);
  }
  return made;
}

/** What is written where there is nothing to say. */
export const NONE = '–';

/** @param {?number} value a count @returns {string} */
export function count(value) {
  return value === null || value === undefined ? NONE : formats().counts.format(value);
}

/** @param {?number} value a fraction of 1 @returns {string} */
export function percent(value) {
  return value === null || value === undefined ? NONE : formats().percents.format(value);
}

/**
 * A number with its word, in the form that the language has for so many.
 *
 * @param {import('./words/en.js').Forms} forms
 * @param {number} number
 * @returns {string}
 */
export function counted(forms, number) {
  const category = /** @type {keyof typeof forms} */ (formats().plurals.select(number));
  return (forms[category] ?? forms.other)(count(number));
}

/** @param {?string} date `YYYY-MM-DD` @returns {string} */
export function longDate(date) {
  const at = new Date(`${date ?? ''}T00:00:00Z`);
  return Number.isNaN(at.getTime()) ? (date ?? '') : formats().dates.format(at);
}

/** @param {number} ms a span of time @returns {string} rounded to its largest unit */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const texts = words();
  if (seconds < 60) return texts.seconds(count(seconds));
  if (seconds < 3600) return texts.minutes(count(Math.floor(seconds / 60)));
  if (seconds < 48 * 3600) return texts.hours(count(Math.floor(seconds / 3600)));
  return counted(texts.days, Math.floor(seconds / 86400));
}

/** @param {number} ms @returns {string} a span without rounding, for the length of a window */
export function exactSpan(ms) {
  const texts = words();
  if (ms % 3_600_000 === 0) return texts.hours(count(ms / 3_600_000));
  if (ms % 60_000 === 0) return texts.minutes(count(ms / 60_000));
  return texts.seconds(count(ms / 1000));
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

/** @param {?string|undefined} name @param {string} id @returns {string} the name, or the id of who has none to be seen */
export function named(name, id) {
  return name?.trim() ? name : id;
}

/**
 * A candidate's name where there is little room.
 *
 * @param {{candidate_id: string, candidate_name: string, short_name?: ?string}} row
 * @returns {string}
 */
export function shortName({ candidate_id, candidate_name, short_name }) {
  return named(short_name ?? candidate_name, named(candidate_name, candidate_id));
}

/** Up to two initials of a name, for the disc of one who has no portrait. @param {string} name */
export function initials(name) {
  /** @type {string[]} */
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? [];
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words.slice(0, 1);
  return ends.map((word) => String.fromCodePoint(word.codePointAt(0) ?? 0).toUpperCase()).join('');
}

/** @param {string} reason why a vote is set aside @returns {string} */
export function reason(reason) {
  return words().reasons[reason] ?? reason.replaceAll('_', ' ');
}

/** @param {string} why a correction's cause @returns {string} */
export function cause(why) {
  return words().causes[why] ?? why.replaceAll('_', ' ');
}
