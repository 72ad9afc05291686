//! What the views of locations and charts draw from: the state, and what the page made of it.

/**
 * @typedef {Object} Page What is added to a state.
 * @property {import('./reducer.js').CandidateRow[]} ranked By rank.
 * @property {Map<string, number>} places On the ballot paper, by candidate.
 * @property {Map<string, string>} colors CSS colours by candidate, in the ballot paper's order.
 * @property {boolean} isClosed Whether all polls are closed.
 * @property {?string} geojson_url Where the election's outlines are.
 * @property {?string} geojson_property A property of their features that names their place.
 *
 * @typedef {import('./reducer.js').State & Page} Scene
 */

export {};
