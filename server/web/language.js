//! The page's language: chosen by the address, by the reader, or by the browser.
//!
//! In come language tags; out go words, and the locale for numbers and dates. Words of another
//! language than English are fetched for those who read it. Holds the one choice of the page; who
//! shows words asks for them each time, or draws anew when the choice changes.

import { en } from './words/en.js';
/** The languages, by tag, and where their words are. */
const ALL = { en: async () => en, fr: async () => (await import('./words/fr.js')).fr };

/** @typedef {keyof typeof ALL} Language */

/** Those that are here. @type {Partial<Record<Language, typeof en>>} */
const here = { en };

/** Where the reader's choice is kept between visits. */
const KEPT = 'tallyflow-language';

/** @type {Language} */
let chosen = 'en';
let locale = 'en';

/** The words of the language. */
export function words() {
  return here[chosen] ?? en;
}

/** @returns {string} the locale that numbers and dates are written in */
export function localeOf() {
  return locale;
}

/** @returns {Language} */
export function language() {
  return chosen;
}

/**
 * The first of some language tags that the page has, and the locale it stands for.
 *
 * @param {readonly (?string)[]} asked tags such as `fr-CA`, the most wanted first
 * @returns {{language: Language, locale: string}}
 */
export function pick(asked) {
  for (const tag of asked) {
    const base = (tag ?? '').toLowerCase().split('-')[0];
    if (isLanguage(base)) return { language: base, locale: tag !== null && valid(tag) ? tag : base };
  }
  return { language: 'en', locale: 'en' };
}

/** @param {string} base @returns {base is Language} */
export function isLanguage(base) {
  return Object.hasOwn(ALL, base);
}

/** Fetches the words of a language; without them the page speaks English. @param {Language} language */
export async function fetchWords(language) {
  try {
    here[language] ??= await ALL[language]();
  } catch {
    // A server that was renewed has other files than this page.
  }
}

/** @param {string} tag */
function valid(tag) {
  try {
    return Intl.NumberFormat.supportedLocalesOf(tag).length > 0;
  } catch {
    return false;
  }
}

/**
 * Takes a language whose words are here; its locale is the browser's own form of it, if it has one.
 *
 * @param {readonly (?string)[]} asked
 * @param {readonly string[]} browsers the browser's tags
 */
export function setLanguage(asked, browsers = []) {
  const wanted = here[pick(asked).language] === undefined ? 'en' : pick(asked).language;
  const own = browsers.find((tag) => pick([tag]).language === wanted && tag.toLowerCase().startsWith(wanted));
  ({ language: chosen, locale } = pick([own ?? wanted]));
}

/** Takes what the address, an earlier visit or the browser asks for, in this order. */
export async function setFromBrowser() {
  const asked = new URLSearchParams(location.search).get('lang');
  const tags = [asked, kept(), ...navigator.languages];
  await fetchWords(pick(tags).language);
  setLanguage(tags, navigator.languages);
  translate();
}

/**
 * Takes the reader's choice, and keeps it in the address and for later visits.
 *
 * @param {string} tag
 */
export async function choose(tag) {
  await fetchWords(pick([tag]).language);
  setLanguage([tag], navigator.languages);
  const url = new URL(location.href);
  url.searchParams.set('lang', chosen);
  history.replaceState(history.state, '', url);
  try {
    localStorage.setItem(KEPT, chosen);
  } catch {
    // A browser that keeps nothing asks again.
  }
  translate();
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

/** Writes the words of the page's frame: of elements with `data-t`, and `data-t-…` attributes. */
function translate() {
  document.documentElement.lang = chosen;
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = text(node.getAttribute('data-t'));
  for (const attribute of ['aria-label', 'placeholder']) {
    for (const node of document.querySelectorAll(`[data-t-${attribute}]`)) {
      node.setAttribute(attribute, text(node.getAttribute(`data-t-${attribute}`)));
    }
  }
}

/** A text of the language; a page that names another is a bug. @param {?string} key */
function text(key) {
  const found = /** @type {Object<string, unknown>} */ (words())[key ?? ''];
  if (typeof found !== 'string') throw new Error(`the words have no text '${key}'`);
  return found;
}
