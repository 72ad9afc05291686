//! One location looked at closely: its figures, every candidate's votes, and the way up and down.

import { arrange, byId, el, nameEl, setStyle, setText } from './dom.js';
import { count, named, percent } from './format.js';
import { words } from './language.js';
import { trailOf } from './level.js';
import { leaderText, marginOf, shareOf } from './measure.js';
import { votesFor } from './reducer.js';

/** With more candidates, those without a vote in this place are not listed. */
const ALL_MAX = 8;

/** The panel beside the map. */
export class Place {
  #box = byId('place');
  #title = byId('place-title');
  #above = byId('place-above');
  #figures = byId('place-figures');
  #list = byId('place-candidates');
  #open = byId('place-open');
  /** @type {Map<string, {node: HTMLElement, name: HTMLElement, figure: HTMLElement}>} */
  #lines = new Map();
  #where;

  /**
   * @param {import('./where.js').Where} where
   * @param {(code: ?string) => void} enter called to look inside of a location
   */
  constructor(where, enter) {
    this.#where = where;
    this.#open.addEventListener('click', () => enter(where.place));
    byId('place-close').addEventListener('click', () => {
      where.look(null);
      byId('measure').focus({ preventScroll: true });
    });
  }

  /** Forgets everything, for another contest or language. */
  clear() {
    this.#lines.clear();
    this.#list.replaceChildren();
  }

  /** @param {import('./scene.js').Scene} scene */
  draw({ locations, ranked, colors, candidates, isClosed }) {
    const row = this.#where.place === null ? undefined : locations.get(this.#where.place);
    this.#box.hidden = row === undefined;
    if (row === undefined) return;
    const nameOf = (/** @type {string} */ id) => named(candidates.get(id)?.candidate_name ?? null, id);
    setText(this.#title, named(row.name, row.location));
    setText(this.#above, trailOf(locations, row.parent).map((step) => named(step.name, step.location)).join(' › '));
    const margin = marginOf(row);
    const texts = words();
    /** @type {[string, string][]} */
    const figures = [
      [texts.leader, leaderText(row, nameOf)],
      [texts.margin, percent(margin)],
      [texts.accepted, row.suppressed ? texts.withheld : count(row.accepted)],
      ...(row.suppressed ? [] : /** @type {[string, string][]} */ ([[texts.blank, count(row.blank)]])),
      ...(row.registered === null ? [] : /** @type {[string, string][]} */ ([[isClosed ? texts.turnout : texts.turnout_so_far, `${percent(row.turnout)} ${texts.of_registered(count(row.registered))}`]])),
    ];
    this.#figures.replaceChildren(...figures.map(([label, value]) => el('div', '', el('dt', '', label), el('dd', '', el('bdi', '', value)))));
    const listed = row.suppressed ? [] : ranked.filter((candidate) => ranked.length <= ALL_MAX || votesFor(row, candidate.candidate_id) > 0)
      .sort((a, b) => votesFor(row, b.candidate_id) - votesFor(row, a.candidate_id));
    arrange(this.#list, listed.map(({ candidate_id: id }) => {
      const line = this.#line(id);
      const share = shareOf(row, id);
      setText(line.name, nameOf(id));
      setText(line.figure, `${percent(share)} · ${count(votesFor(row, id))}`);
      setStyle(line.node, '--color', colors.get(id) ?? 'transparent');
      setStyle(line.node, '--length', String(share ?? 0));
      return line.node;
    }));
    this.#open.hidden = row.leaf || this.#where.under === row.location;
  }

  /** @param {string} id */
  #line(id) {
    let line = this.#lines.get(id);
    if (line === undefined) {
      const [name, figure, bar] = [nameEl('name'), el('span', 'figure'), el('span', 'bar')];
      bar.setAttribute('aria-hidden', 'true');
      line = { node: el('li', '', name, figure, bar), name, figure };
      this.#lines.set(id, line);
    }
    return line;
  }
}
