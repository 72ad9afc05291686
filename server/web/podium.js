//! The podium: the first three, with their faces, on steps as high as their votes.
//!
//! In come the ranked candidate rows; out go places. Candidates with as many votes as one another
//! stand on one step, and the step says so. The list of all candidates says the same, and more.

import { drawFace } from './candidates.js';
import { byId, el, nameEl, setStyle, setText } from './dom.js';
import { counted, percent, shortName } from './format.js';
import { GlidingList } from './gliding.js';
import { words } from './language.js';

/** Ranks that have a step. */
const RANKS = 3;

/** So many faces fit beside one another; of a larger tie the others are counted. */
const FACES_MAX = 5;

/** @typedef {import('./reducer.js').CandidateRow} CandidateRow */

/**
 * Who stands on the podium: whoever has votes and one of the first three ranks, a tie as a whole if
 * it fits.
 *
 * @param {readonly CandidateRow[]} rows by rank
 * @returns {{first: CandidateRow[], others: number}} and how many more have as many votes as the last of them
 */
export function onPodium(rows) {
  const given = rows.filter((row) => row.votes > 0 && row.rank <= RANKS);
  const first = given.slice(0, FACES_MAX);
  const last = first[first.length - 1];
  return { first, others: given.slice(FACES_MAX).filter((row) => row.rank === last.rank).length };
}

/** Draws the first three of one contest. */
export class Podium {
  #section = byId('podium-section');
  #others = byId('podium-others');
  #items = new GlidingList(byId('podium'), newItem);

  /** Forgets everything, for another contest or language. */
  clear() {
    this.#items.clear();
  }

  /**
   * @param {CandidateRow[]} rows by rank
   * @param {Map<string, string>} colors by candidate id
   */
  draw(rows, colors) {
    const { first, others } = onPodium(rows);
    // With one candidate there is nothing to compare.
    this.#section.hidden = rows.length < 2 || first.length === 0;
    byId('podium').classList.toggle('is-crowded', first.length > RANKS);
    this.#others.hidden = others === 0;
    setText(this.#others, others === 0 ? '' : counted(words().podium_others, others));
    this.#items.draw(first, (item, row) => drawItem(item, row, colors.get(row.candidate_id)), ({ node, tie }, row, at) => {
      node.dataset.place = String(row.rank);
      setStyle(node, '--height', String(row.votes / first[0].votes));
      const equals = first.filter((other) => other.rank === row.rank).length;
      const isTied = equals > 1 || (others > 0 && at === first.length - 1);
      node.classList.toggle('is-tied', isTied);
      node.classList.toggle('joins', first[at - 1]?.rank === row.rank);
      setText(tie, isTied ? words().tied : '');
    });
  }
}

function newItem() {
  const parts = {
    rank: el('span', 'podium-rank'), tie: el('span', 'podium-tie'), face: el('span', 'face'), name: nameEl('name'), party: nameEl('party'),
    share: el('span', 'share'), votes: el('span', 'votes'), photo: /** @type {string|undefined} */ (undefined),
  };
  parts.face.setAttribute('aria-hidden', 'true');
  const place = el('span', 'podium-place', parts.rank, ' ', parts.tie);
  const node = el('li', '', parts.face, place, ' ', parts.name, ' ', parts.party, ' ', parts.share, ' ', parts.votes, el('span', 'step'));
  return { ...parts, node };
}

/**
 * @param {ReturnType<typeof newItem>} item
 * @param {CandidateRow} row
 * @param {string|undefined} color
 */
function drawItem(item, row, color) {
  setStyle(item.node, '--color', color ?? 'transparent');
  setText(item.rank, String(row.rank));
  setText(item.name, shortName(row));
  setText(item.party, row.party ?? '');
  setText(item.share, percent(row.share));
  setText(item.votes, counted(words().votes, row.votes));
  drawFace(item, row);
}
