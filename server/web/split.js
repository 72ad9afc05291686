//! A bar that shows how the votes of a row divide between the candidates.
//!
//! In come votes by candidate and the candidates' colours in a fixed order; out goes a gradient, so
//! that one element is enough for any number of candidates. Colours come checked from `safe.js`.

import { setStyle } from './dom.js';
import { votesFor } from './reducer.js';

/**
 * Paints an element with the shares of a row, in the order of the colours.
 *
 * @param {HTMLElement} node
 * @param {{votes: Object.<string, number>}} row
 * @param {Map<string, string>} colors by candidate id, in the order of the ballot paper
 */
export function paintSplit(node, row, colors) {
  const parts = [...colors]
    .map(([id, color]) => ({ color, votes: votesFor(row, id) }))
    .filter((part) => part.votes > 0);
  const total = parts.reduce((sum, part) => sum + part.votes, 0);
  let at = 0;
  const stops = parts.map((part) => {
    const from = at;
    at += (part.votes / total) * 100;
    return `${part.color} ${from.toFixed(2)}% ${at.toFixed(2)}%`;
  });
  setStyle(node, 'background-image', total > 0 ? `linear-gradient(90deg, ${stops.join(', ')})` : 'none');
}
