//! The ranking: a line for each candidate, with a bar as long as the share of the votes.
//!
//! In come the ranked candidate rows; out go list items, and those that the podium has alike.

import { byId, el, nameEl, setAttribute, setStyle, setText } from './dom.js';
import { NONE, counted, initials, named, percent } from './format.js';
import { leaveOut } from './fit.js';
import { GlidingList, still } from './gliding.js';
import { words } from './language.js';
import { safeAddress } from './safe.js';

/** More candidates than this are shown in one tight line each. */
const MANY = 6;

/**
 * @typedef {import('./contests.js').Candidate} Candidate
 * @typedef {import('./reducer.js').CandidateRow} CandidateRow
 *
 * @typedef {{face: HTMLElement, photo: string|undefined}} Portrait What shows a face, and which.
 * @typedef {ReturnType<typeof newItem>} Item
 */

/** Draws the candidates of one contest. */
export class Candidates {
  #list = byId('candidates');
  #leftOut = byId('candidates-left-out');
  #items = new GlidingList(this.#list, newItem);

  constructor() {
    if (isScreen()) new ResizeObserver(() => requestAnimationFrame(() => this.#fit())).observe(this.#list);
  }

  /** Forgets everything, for another contest. */
  clear() {
    this.#items.clear();
  }

  /** On a wall nobody scrolls: the page says how many there are besides those that it shows. */
  #fit() {
    // The line that says so takes room, too.
    this.#leftOut.hidden = false;
    setText(this.#leftOut, NONE);
    const left = leaveOut(this.#list);
    this.#leftOut.hidden = left === 0;
    setText(this.#leftOut, left === 0 ? '' : counted(words().left_out, left));
  }

  /**
   * @param {import('./reducer.js').CandidateRow[]} rows by rank
   * @param {Map<string, string>} colors by candidate id
   * @param {Set<string>} corrected candidates whose count just went down
   * @param {Map<string, Candidate>} texts what candidates say and who they are, by candidate id
   */
  draw(rows, colors, corrected, texts) {
    this.#list.classList.toggle('many', rows.length > MANY);
    this.#items.draw(rows, (item, row) => {
      drawItem(item, row, colors.get(row.candidate_id));
      drawAbout(item, texts.get(row.candidate_id));
      if (corrected.has(row.candidate_id)) flash(item);
    });
    if (isScreen()) this.#fit();
  }
}

/** Whether the page is on a wall. */
function isScreen() {
  return document.documentElement.classList.contains('is-screen');
}

/** @param {string} candidateId */
function newItem(candidateId) {
  const parts = {
    rank: el('span', 'rank'),
    face: el('span', 'face'),
    name: nameEl('name'),
    withdrawn: el('span', 'withdrawn', words().withdrawn),
    party: nameEl('party'),
    share: el('span', 'share'),
    votes: el('span', 'votes'),
    bar: el('span', 'bar'),
    /** @type {string|undefined} */
    photo: undefined,
    /** @type {Candidate|undefined|null} */
    said: null,
    about: el('details', 'about'),
  };
  parts.about.hidden = true;
  parts.face.setAttribute('aria-hidden', 'true');
  parts.bar.setAttribute('aria-hidden', 'true');
  const who = el('span', 'who', el('span', 'who-line', parts.name, ' ', parts.withdrawn), parts.party);
  const figures = el('span', 'candidate-figures', parts.share, ' ', parts.votes);
  const node = el('li', 'candidate', parts.rank, parts.face, who, figures, parts.bar, parts.about);
  node.dataset.candidate = candidateId;
  return { node, ...parts };
}

/** @param {Item} item @param {CandidateRow} row @param {string|undefined} color */
function drawItem(item, row, color) {
  const { node, rank, name, withdrawn, party, share, votes, bar } = item;
  setStyle(node, '--color', color ?? 'transparent');
  setStyle(bar, '--length', String(row.share ?? 0));
  setText(rank, row.votes > 0 ? String(row.rank) : NONE);
  setAttribute(rank, 'aria-label', row.votes > 0 ? words().rank(String(row.rank)) : words().no_rank);
  setText(name, named(row.candidate_name, row.candidate_id));
  setText(party, row.party ?? '');
  setText(share, percent(row.share));
  setText(votes, counted(words().votes, row.votes));
  withdrawn.hidden = !row.withdrawn;
  node.classList.toggle('is-withdrawn', row.withdrawn);
  drawFace(item, row);
}

/**
 * A portrait where there is one, else the initials, also when the portrait does not load.
 *
 * @param {Portrait} item
 * @param {CandidateRow} row
 */
export function drawFace(item, row) {
  const photo = safeAddress(row.photo_url);
  const wanted = photo ?? `initials of ${row.candidate_name}`;
  if (item.photo === wanted) return;
  item.photo = wanted;
  setText(item.face, initials(row.candidate_name));
  if (photo === null) return;
  const image = document.createElement('img');
  image.alt = '';
  image.loading = 'lazy';
  image.referrerPolicy = 'no-referrer';
  image.addEventListener('error', () => image.remove());
  image.src = photo;
  item.face.append(image);
}

/** Promises and biography on demand; nothing where the register has neither. @param {Item} item @param {Candidate|undefined} candidate */
function drawAbout(item, candidate) {
  if (item.said === candidate) return;
  item.said = candidate;
  /** @type {[string, string|null|undefined][]} */
  const said = [[words().promises, candidate?.campaign_promises], [words().biography, candidate?.biography]];
  const parts = said.flatMap(([head, text]) => (text ? [[head, text]] : []));
  item.about.hidden = parts.length === 0;
  const summary = el('summary', '', words().about, ' ', el('bdi', 'unseen', named(candidate?.candidate_name, candidate?.candidate_id ?? '')));
  item.about.replaceChildren(summary, ...parts.flatMap(([head, text]) => [
    el('h3', '', head), el('p', 'said', el('bdi', '', text)),
  ]));
}

/** Marks a count that went down, long enough to be seen. @param {Item} item */
function flash(item) {
  if (still.matches) return;
  item.votes.animate(
    [{ color: 'var(--down)' }, { color: 'var(--down)', offset: 0.6 }, {}], { duration: 1200 },
  );
}
