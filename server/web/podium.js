//! The podium: the first three, with their faces, as soon as somebody has votes.
//!
//! In come the ranked candidate rows; out go at most three places. The list of all candidates says
//! the same, and more.

import { drawFace } from './candidates.js';
import { byId, el, nameEl, setStyle, setText } from './dom.js';
import { count, named, percent } from './format.js';
import { GlidingList } from './gliding.js';
import { words } from './language.js';

const PLACES = 3;

/** Draws the first three of one contest. */
export class Podium {
  #section = byId('podium-section');
  #items = new GlidingList(byId('podium'), newItem);

  /** Forgets everything, for another contest or language. */
  clear() {
    this.#items.clear();
  }

  /**
   * @param {import('./reducer.js').CandidateRow[]} rows by rank
   * @param {Map<string, string>} colors by candidate id
   */
  draw(rows, colors) {
    const first = rows.filter((row) => row.votes > 0).slice(0, PLACES);
    // With one candidate there is nothing to compare.
    this.#section.hidden = rows.length < 2 || first.length === 0;
    this.#items.draw(first, (item, row) => drawItem(item, row, colors.get(row.candidate_id)), (node, at) => {
      node.dataset.place = String(at + 1);
    });
  }
}

function newItem() {
  const parts = {
    rank: el('span', 'podium-rank'), face: el('span', 'face'), name: nameEl('name'), party: nameEl('party'),
    share: el('span', 'share'), votes: el('span', 'votes'), photo: /** @type {string|undefined} */ (undefined),
  };
  parts.face.setAttribute('aria-hidden', 'true');
  const step = el('span', 'step', parts.rank, ' ', parts.share, ' ', parts.votes);
  return { ...parts, node: el('li', '', parts.face, parts.name, parts.party, step) };
}

/**
 * @param {ReturnType<typeof newItem>} item
 * @param {import('./reducer.js').CandidateRow} row
 * @param {string|undefined} color
 */
function drawItem(item, row, color) {
  setStyle(item.node, '--color', color ?? 'transparent');
  setText(item.rank, String(row.rank));
  setText(item.name, named(row.candidate_name, row.candidate_id));
  setText(item.party, row.party ?? '');
  setText(item.share, percent(row.share));
  setText(item.votes, (row.votes === 1 ? words().one_vote : words().votes)(count(row.votes)));
  drawFace(item, row);
}
