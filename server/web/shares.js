//! The candidates' shares as a donut or as bars, the reader's choice.
//!
//! In come the ranked candidate rows; out goes a chart, with the table that says the same. Many
//! candidates are the first ones and all others together, which the table lists one by one.

import { Chart, card, ink, isolated, letters, muted, tooltip } from './chart.js';
import { byId } from './dom.js';
import { count, counted, named, percent, shortName } from './format.js';
import { words } from './language.js';
import { css, rgb, seam } from './palette.js';
import { Twin } from './twin.js';
import { keepChoice } from './where.js';

/** More slices than this are too thin to be seen. */
const DONUT_MAX = 9;
const BARS_MAX = 20;

/** The ring's outer radius as a part of what fits, and the inner as a part of the outer. */
const OUTER = 0.7;
const INNER = 0.6;

/** The room for the words beside the ring, which is smaller where there is less. */
const WORDS = 130;
const WORDS_LEAST = 76;

/** Slices of a smaller share have no words beside them; the table has them all. */
const LABELLED = 0.03;

/** Draws the shares of one contest. */
export class Shares {
  #section = byId('shares-section');
  #chart = new Chart(byId('shares-canvas'));
  #twin = new Twin(byId('shares-table'));
  #shape = byId('shares-shape', HTMLSelectElement);
  /** @type {?import('./scene.js').Scene} */
  #scene = null;

  constructor() {
    keepChoice(this.#shape, 'shares', 'donut', () => {
      this.#chart.clear();
      this.#chart.now();
      if (this.#scene !== null) this.draw(this.#scene);
    });
  }

  /** Forgets everything, for another contest. */
  clear() {
    this.#chart.clear();
    this.#twin.clear();
    this.#scene = null;
  }

  /** @param {import('./scene.js').Scene} scene */
  draw(scene) {
    this.#scene = scene;
    this.#section.hidden = scene.ranked.every((row) => row.votes === 0);
    const { ranked } = scene;
    const nameOf = (/** @type {import('./reducer.js').CandidateRow} */ row) => named(row.candidate_name, row.candidate_id);
    this.#twin.draw({
      caption: words().shares,
      columns: [{ label: words().candidate }, { label: words().share, number: true }, { label: words().votes_column, number: true }],
      rows: () => ranked.map((row) => [nameOf(row), percent(row.share), count(row.votes)]),
    });
    this.#chart.draw(words().shares, () => (this.#shape.value === 'bars' ? this.#bars() : this.#donut()));
  }

  /** The first candidates, and the others as one. */
  #parts(/** @type {number} */ most) {
    const { ranked, colors } = /** @type {import('./scene.js').Scene} */ (this.#scene);
    const given = ranked.filter((row) => row.votes > 0);
    const alone = given.length <= most ? given : given.slice(0, most - 1);
    const parts = alone.map((row) => ({
      name: shortName(row), votes: row.votes, share: row.share,
      color: css(rgb(colors.get(row.candidate_id) ?? 'var(--muted)')),
    }));
    const others = given.slice(alone.length);
    if (others.length === 0) return parts;
    const sum = (/** @type {(row: import('./reducer.js').CandidateRow) => number} */ of) => others.reduce((total, row) => total + of(row), 0);
    return [...parts, {
      name: counted(words().others, others.length), votes: sum((row) => row.votes), share: sum((row) => row.share ?? 0),
      color: css(rgb('var(--muted)')),
    }];
  }

  #donut() {
    const parts = this.#parts(DONUT_MAX);
    const { clientWidth: width, clientHeight: height } = byId('shares-canvas');
    const fits = (Math.min(width, height) / 2) * OUTER;
    const radius = Math.min(fits, Math.max(fits / 2, width / 2 - letters(WORDS_LEAST)));
    const beside = width / 2 - radius;
    // Words of two lines each, most of them on one side.
    const room = Math.floor(height / letters(34)) - 1;
    return {
      tooltip: { trigger: 'item', ...tip(parts) },
      series: [{
        id: 'donut', type: 'pie', radius: [radius * INNER, radius], center: ['50%', '50%'], startAngle: 90,
        label: {
          color: ink(), fontSize: letters(12), alignTo: 'edge', edgeDistance: Math.max(2, beside - letters(WORDS)), minMargin: 4, lineHeight: letters(15), overflow: 'truncate',
          width: Math.max(letters(40), Math.min(beside, letters(WORDS)) - letters(14)),
          formatter: (/** @type {any} */ event) => `${isolated(parts[event.dataIndex].name)}\n${percent(parts[event.dataIndex].share)}`,
        },
        labelLine: { length: 8, length2: 0, maxSurfaceAngle: 80, lineStyle: { color: muted() } },
        itemStyle: { borderColor: seam(), borderWidth: 2 },
        emphasis: { scale: false },
        data: parts.map(({ votes, share, color }, at) => {
          const show = (share ?? 0) >= LABELLED && (at < room || at === parts.length - 1);
          return { value: votes, itemStyle: { color }, label: { show }, labelLine: { show } };
        }),
      }],
    };
  }

  #bars() {
    const parts = this.#parts(BARS_MAX);
    return {
      tooltip: { trigger: 'item', ...tip(parts) },
      grid: { left: 8, right: letters(64), top: 4, bottom: 4, containLabel: true },
      xAxis: { type: 'value', show: false, min: 0 },
      yAxis: {
        type: 'category', inverse: true, data: parts.map((_, at) => at), axisTick: { show: false }, axisLine: { lineStyle: { color: muted() } },
        axisLabel: { color: ink(), fontSize: letters(12), width: letters(120), overflow: 'truncate', formatter: (/** @type {string} */ at) => isolated(parts[Number(at)]?.name ?? '') },
      },
      series: [{
        id: 'bars', type: 'bar', barMaxWidth: 28, emphasis: { disabled: true },
        label: { show: true, position: 'right', color: ink(), formatter: (/** @type {any} */ event) => percent(parts[event.dataIndex].share) },
        data: parts.map(({ votes, color }) => ({ value: votes, itemStyle: { color } })),
      }],
    };
  }
}

/** @param {{name: string, votes: number, share: ?number, color: string}[]} parts */
function tip(parts) {
  return tooltip((event) => {
    const part = parts[event.dataIndex];
    return part ? card(part.name, [{ color: part.color, name: percent(part.share), figure: count(part.votes) }]) : null;
  });
}
