//! What the page's address asks for, and what of it there is not: said in words, with a way on.
//!
//! In come the address and what the page has; out go sentences with links. Never shows another
//! contest, view or place than the one that was asked for.

import { byId, el, setText } from './dom.js';
import { isLanguage, words } from './language.js';

/** @param {...string} values */
const oneOf = (...values) => (/** @type {string} */ value) => values.includes(value);
const anything = () => true;

/**
 * The parameters that the page knows, and which values of them. Contest, view, place and candidate
 * are looked up where they are known.
 *
 * @type {Map<string, (value: string) => boolean>}
 */
const KNOWN = new Map([
  ...['contest', 'embed', 'at', 'place', 'location', 'of'].map((name) => /** @type {const} */ ([name, anything])),
  ['lang', (value) => isLanguage(value.toLowerCase().split('-')[0])],
  ['refresh', oneOf('live', '5', '10', '30', '60', 'paused')],
  ['measure', oneOf('leader', 'margin', 'turnout', 'share')],
  ['shares', oneOf('donut', 'bars')],
  ['over', oneOf('sums', 'steps')],
  ['rows', oneOf('10', '25', '50', '100', '1000')],
  ['screen', oneOf('', '1')],
  ['header', oneOf('', '0', '1')],
  ['theme', oneOf('light', 'dark')],
]);

/** What others write into every address that they pass on. */
const FOREIGN = /^(?:utm_.*|[a-z]*clid|igshid|mc_[ce]id|_ga|_gl|ref|source)$/i;

/** So many links are a list that somebody reads. */
const LINKS_MAX = 50;

/**
 * The parameters that the page does not understand.
 *
 * @param {URLSearchParams} asked
 * @returns {[name: string, value: string][]}
 */
export function strangers(asked) {
  return [...asked].filter(([name, value]) => !FOREIGN.test(name) && !(KNOWN.get(name)?.(value) ?? false));
}

/**
 * The page's address with other choices; null takes one out.
 *
 * @param {Object<string, ?string>} choices
 * @returns {string}
 */
export function addressWith(choices) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(choices)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url.href;
}

/** @typedef {{text: string, href: string}} Way A link to what exists. */

/**
 * The contests that exist, as links.
 *
 * @param {readonly import('./contests.js').Election[]} elections
 * @returns {Way[]}
 */
export function waysToContests(elections) {
  return elections.flatMap(({ contests }) => contests)
    .map(({ contest_id, name }) => ({ text: name.trim() || contest_id, href: addressWith({ contest: contest_id, at: null, place: null, location: null }) }));
}

/** The views that exist, as links; they are called as their headings are. @returns {Way[]} */
export function waysToViews() {
  const nodes = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[data-view]')]);
  return nodes.map((node) => ({
    text: node.querySelector('h2')?.textContent ?? node.getAttribute('aria-label') ?? node.dataset.view ?? '',
    href: addressWith({ embed: node.dataset.view ?? '' }),
  }));
}

/** @param {Element} list @param {readonly Way[]} ways */
export function drawWays(list, ways) {
  list.replaceChildren(...ways.slice(0, LINKS_MAX).map(({ text, href }) => {
    const link = el('a', '', el('bdi', '', text));
    link.href = href;
    return el('li', '', link);
  }));
}

/**
 * Says above the figures what the page could not find of what the address asks for.
 *
 * @param {readonly string[]} places that the contest has not
 * @param {(candidateId: string) => boolean} hasCandidate
 */
export function drawAddressNote(places, hasCandidate) {
  const asked = new URLSearchParams(location.search);
  const of = asked.get('of');
  const unknown = [...strangers(asked), ...(of !== null && !hasCandidate(of) ? [['of', of]] : [])];
  const said = [
    ...places.map((place) => words().no_place_called(place)),
    ...unknown.map(([name, value]) => words().not_understood(value === '' ? name : `${name}=${value}`)),
  ];
  byId('address-note').hidden = said.length === 0;
  setText(byId('address-note-text'), said.join(' '));
  const link = byId('address-note-link', HTMLAnchorElement);
  setText(link, words().without_it);
  const without = Object.fromEntries([...unknown.map(([name]) => name), ...(places.length > 0 ? ['at', 'place', 'location'] : [])].map((name) => [name, null]));
  link.href = addressWith(without);
}
