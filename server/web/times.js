//! Instants as the page writes them: in the election's time zone, with what tells them apart.
//!
//! In come instants, in RFC 3339 or milliseconds; out go days and times of day in the page's
//! language. An hour that comes twice, when clocks are put back, is written with its offset from
//! UTC. Holds the one time zone of the page. Pure but for that.

import { localeOf } from './language.js';

/** @typedef {string|number} Instant RFC 3339, or milliseconds since 1970 */

const MINUTE_MS = 60_000;

/** Offsets change at quarters of an hour, and never twice within three hours. */
const QUARTER_MS = 15 * MINUTE_MS;
const CHANGE_MS = 3 * 60 * MINUTE_MS;

/** Offsets that are kept; a page left open all night must not grow. */
const OFFSETS_MAX = 5000;

let zone = 'UTC';

/** The formats of a locale in the zone, and the zone's offsets by quarter of an hour. */
const formats = new Map();
/** @type {Map<number, number>} */
const offsets = new Map();

/** Takes the election's zone; one that the browser does not know is UTC. @param {?string|undefined} name of the IANA */
export function setTimeZone(name) {
  const wanted = isZone(name) ? name : 'UTC';
  if (wanted === zone) return;
  zone = wanted;
  formats.clear();
  offsets.clear();
}

/** @param {?string|undefined} name @returns {name is string} */
function isZone(name) {
  try {
    return Boolean(name) && new Intl.DateTimeFormat('en', { timeZone: name ?? '' }) !== null;
  } catch {
    return false;
  }
}

/** @returns {string} the zone's name, without the underscores of the database */
export function zoneName() {
  return zone.replaceAll('_', ' ');
}

/**
 * @param {string} key
 * @param {Intl.DateTimeFormatOptions} options
 * @param {string} [locale]
 * @returns {Intl.DateTimeFormat} made once
 */
function format(key, options, locale = localeOf()) {
  const name = `${locale} ${key}`;
  let made = formats.get(name);
  if (made === undefined) {
    // Where nobody says which English it is, the day comes before the month.
    made = new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : locale, { timeZone: zone, hourCycle: 'h23', ...options });
    formats.set(name, made);
  }
  return made;
}

/** @type {Intl.DateTimeFormatOptions} */
const MINUTES = { hour: '2-digit', minute: '2-digit' };
/** @type {Intl.DateTimeFormatOptions} */
const SECONDS = { ...MINUTES, second: '2-digit' };
/** @type {Intl.DateTimeFormatOptions} */
const DAY = { day: 'numeric', month: 'short' };

/**
 * @param {Instant} instant
 * @param {boolean} [hasSeconds]
 * @returns {string} the time of day
 */
export function clock(instant, hasSeconds = true) {
  return written(instant, hasSeconds ? format('seconds', SECONDS) : format('minutes', MINUTES));
}

/**
 * @param {Instant} instant
 * @param {boolean} [hasSeconds]
 * @returns {string} the day and the time of day
 */
export function moment(instant, hasSeconds = false) {
  return written(instant, hasSeconds ? format('day, seconds', { ...DAY, ...SECONDS }) : format('day, minutes', { ...DAY, ...MINUTES }));
}

/** @param {Instant} instant @returns {string} the day, with its year, and the time of day to the second */
export function fullMoment(instant) {
  return written(instant, format('year, seconds', { ...DAY, year: 'numeric', ...SECONDS }));
}

/**
 * @param {Instant} instant
 * @param {Instant} now
 * @returns {string} the time of day, with the day if that is not today's
 */
export function recent(instant, now) {
  return spansDays(instant, now) ? moment(instant, true) : clock(instant);
}

/** @param {Instant} instant @returns {string} the day, with its year */
export function day(instant) {
  const at = new Date(instant);
  return Number.isNaN(at.getTime()) ? '' : format('day', { ...DAY, year: 'numeric' }).format(at);
}

/** @param {Instant} from @param {Instant} to @returns {boolean} whether they are of different days */
export function spansDays(from, to) {
  return day(from) !== day(to);
}

/** @param {number} step_ms @returns {boolean} whether times in such steps want seconds to be told apart */
export function wantsSeconds(step_ms) {
  return step_ms % MINUTE_MS !== 0;
}

/** @param {Instant} instant @param {Intl.DateTimeFormat} by */
function written(instant, by) {
  const at = new Date(instant).getTime();
  if (Number.isNaN(at)) return String(instant);
  return isTwice(at) ? `${by.format(at)} ${offsetText(offsetAt(at))}` : by.format(at);
}

/**
 * How far the zone's clocks are ahead of UTC.
 *
 * @param {number} at
 * @returns {number} milliseconds
 */
function offsetAt(at) {
  const quarter = Math.floor(at / QUARTER_MS);
  let offset = offsets.get(quarter);
  if (offset === undefined) {
    if (offsets.size > OFFSETS_MAX) offsets.clear();
    const start = quarter * QUARTER_MS;
    /** @type {Object<string, string>} */
    const part = {};
    const parts = format('parts', {
      year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    }, 'en-u-ca-gregory-nu-latn').formatToParts(start);
    for (const { type, value } of parts) part[type] = value;
    offset = Date.UTC(+part.year, +part.month - 1, +part.day, +part.hour, +part.minute, +part.second) - start;
    offsets.set(quarter, offset);
  }
  return offset;
}

/** Whether another instant has the same day and time of day. @param {number} at */
function isTwice(at) {
  if (zone === 'UTC') return false;
  const offset = offsetAt(at);
  return [at - CHANGE_MS, at + CHANGE_MS].some((other) => {
    const there = offsetAt(other);
    return there !== offset && offsetAt(at + offset - there) === there;
  });
}

/** @param {number} offset_ms @returns {string} such as `UTC−4` or `UTC+5:30` */
function offsetText(offset_ms) {
  const minutes = Math.abs(Math.round(offset_ms / MINUTE_MS));
  const rest = minutes % 60 === 0 ? '' : `:${String(minutes % 60).padStart(2, '0')}`;
  return `UTC${offset_ms < 0 ? '−' : '+'}${Math.floor(minutes / 60)}${rest}`;
}
