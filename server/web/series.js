//! Votes over time, by the time at which they were cast: in all until then, or in each step.
//!
//! In comes `GET /api/v1/series`, asked once, and every few seconds while it is looked at; out goes a chart,
//! with the table that says the same. Votes without a time, and those before the first step, are in
//! `earlier` and thus in every sum.

import { Chart, card, hasCharts, ink, isolated, letters, muted, tooltip } from './chart.js';
import { byId, setText } from './dom.js';
import { count, exactSpan, named } from './format.js';
import { language, words } from './language.js';
import { DASHES, drawLegend } from './legend.js';
import { css, rgb } from './palette.js';
import { votesFor } from './reducer.js';
import { clock, day, fullMoment, moment, spansDays, wantsSeconds, zoneName } from './times.js';
import { Twin } from './twin.js';
import { keepChoice } from './where.js';

const EVERY_MS = 5000;

/** More steps than this would be less than a pixel each; longer ones are asked for then. */
const STEPS_MAX = 500;

const WAIT_MS = 12_500;

/** The axis of a shorter time has seconds, and times further apart have their years. */
const SHORT_MS = 600_000;
const LONG_MS = 300 * 86_400_000;

/** More lines than this could not be told apart; the table has the same ones. */
const LINES_MAX = 8;

/**
 * @typedef {Object} Step
 * @property {string} at
 * @property {number} accepted
 * @property {number} blank
 * @property {Object<string, number>} votes
 *
 * @typedef {Object} SeriesAnswer
 * @property {number} step_ms
 * @property {Omit<Step, 'at'>} earlier
 * @property {Step[]} points
 */

/**
 * What there was in all at the end of each step.
 *
 * @param {SeriesAnswer} series
 * @param {(part: {accepted: number, votes: Object<string, number>}) => number} value
 * @returns {number[]}
 */
export function sums(series, value) {
  let total = value(series.earlier);
  return series.points.map((point) => {
    total += value(point);
    return total;
  });
}

/** Asks and draws. */
export class Series {
  #section = byId('series-section');
  #chart = new Chart(byId('series-canvas'));
  #twin = new Twin(byId('series-table'), !hasCharts());
  #kind = byId('series-kind', HTMLSelectElement);
  /** @type {?SeriesAnswer} */
  #series = null;
  /** @type {?import('./scene.js').Scene} */
  #scene = null;
  /** @type {?string} */
  #contest = null;
  #language = '';
  #tick = 0;
  /** @type {?number} */
  #step_ms = null;
  #inSight = false;
  #timer = 0;
  #asked_at = -Infinity;

  constructor() {
    keepChoice(this.#kind, 'over', 'sums', () => {
      this.#chart.clear();
      this.#chart.now();
      this.#draw();
    });
    document.addEventListener('visibilitychange', () => this.#soon());
    new IntersectionObserver((entries) => {
      this.#inSight = entries[entries.length - 1].isIntersecting;
      this.#soon();
    }, { rootMargin: '300px 0px' }).observe(this.#section);
  }

  /** Forgets everything, for another contest. */
  clear() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#chart.clear();
    this.#twin.clear();
    this.#series = this.#scene = this.#contest = null;
    this.#tick = 0;
    this.#step_ms = null;
    this.#asked_at = -Infinity;
  }

  /** @param {import('./scene.js').Scene} scene */
  draw(scene) {
    if (this.#series === null) this.#section.hidden = scene.results.counts.accepted === 0;
    const again = this.#scene?.colors !== scene.colors || this.#language !== language();
    this.#language = language();
    this.#scene = scene;
    this.#contest = scene.contest_id;
    if (again && this.#series !== null) this.#draw();
    this.#soon();
  }

  /** Asks when there is something newer than what is held, and not too often. */
  #soon() {
    // Without votes it is hidden, and what is hidden is never in sight.
    const isWanted = this.#inSight || !this.#series?.points.length;
    if (this.#timer !== 0 || document.hidden || !isWanted || this.#scene === null || this.#scene.tick <= this.#tick) return;
    const wait = Math.max(0, this.#asked_at + EVERY_MS - performance.now());
    this.#timer = window.setTimeout(() => this.#ask(), wait);
  }

  async #ask() {
    this.#asked_at = performance.now();
    const contest = this.#contest;
    if (contest === null) return;
    try {
      const url = new URL('api/v1/series', document.baseURI);
      url.searchParams.set('contest', contest);
      if (this.#step_ms !== null) url.searchParams.set('step', String(this.#step_ms));
      const answer = await fetch(url, { signal: AbortSignal.timeout(WAIT_MS) });
      // A register that changed may not have this step any more.
      if (!answer.ok) this.#step_ms = null;
      if (answer.ok && contest === this.#contest) {
        const series = await answer.json();
        if (contest === this.#contest) {
          this.#series = series;
          this.#tick = series.tick;
          const longer = Math.ceil(series.points.length / STEPS_MAX);
          if (longer > 1) this.#step_ms = series.step_ms * longer;
          this.#draw();
        }
      }
    } catch {
      // The line says that the server does not answer.
    }
    if (contest !== this.#contest) return;
    this.#timer = 0;
    this.#soon();
  }

  #draw() {
    const [series, scene] = [this.#series, this.#scene];
    if (series === null || scene === null) return;
    this.#section.hidden = series.points.length === 0;
    if (series.points.length === 0) return;
    const kind = this.#kind.value;
    const texts = words();
    setText(byId('series-explain'), texts.series_explain(exactSpan(series.step_ms), zoneName()));
    const listed = scene.ranked.slice(0, LINES_MAX).map(({ candidate_id: id, candidate_name: name }) => ({
      id, name: named(name, id), color: css(rgb(scene.colors.get(id) ?? 'var(--muted)')),
      values: kind === 'sums' ? sums(series, (part) => votesFor(part, id)) : series.points.map((point) => votesFor(point, id)),
    }));
    const accepted = kind === 'sums' ? sums(series, (part) => part.accepted) : series.points.map((point) => point.accepted);
    const hasSeconds = wantsSeconds(series.step_ms);
    drawLegend(byId('series-legend'), listed.map(({ name, color }, at) => ({ color, text: name, ...(kind === 'sums' ? { dash: at } : {}) })));
    const label = kind === 'sums' ? texts.series_sums : texts.series_steps;
    const starts = series.points.map((point) => Date.parse(point.at));
    // What stands in all stands at the end of its step.
    const times = starts.map((start) => start + (kind === 'sums' ? series.step_ms : 0));
    const span_ms = times[times.length - 1] - times[0];
    this.#twin.draw({
      caption: label,
      columns: [{ label: texts.time }, ...[texts.accepted, ...listed.map(({ name }) => name)].map((name) => ({ label: name, number: true }))],
      rows: () => times.map((time, at) => [span_ms > LONG_MS ? fullMoment(time) : moment(time, hasSeconds), count(accepted[at]), ...listed.map(({ values }) => count(values[at]))]).reverse(),
    });
    // A step without votes is no point: nothing is added from the end of the one before.
    const corners = starts.flatMap((start, at) => (kind === 'steps' || start === times[at - 1] ? [[times[at], at]] : [[start, at - 1], [times[at], at]]));
    const hasDays = spansDays(times[0], times[times.length - 1]);
    const timeOf = (/** @type {number} */ at) => {
      if (span_ms > LONG_MS) return day(at);
      const isShort = span_ms <= SHORT_MS;
      return hasDays ? moment(at, isShort) : clock(at, isShort);
    };
    this.#chart.draw(label, () => {
      const named = apart(listed.map(({ values }) => values[values.length - 1]), accepted[accepted.length - 1]);
      return {
        grid: { left: 8, right: kind === 'sums' ? letters(118) : 12, top: 14, bottom: 8, containLabel: true },
        tooltip: {
          trigger: 'axis', ...tooltip((events) => {
            const at = corners[events[0]?.dataIndex]?.[1];
            if (at === undefined || at < 0) return null;
            return card(moment(times[at], hasSeconds), [
              ...listed.map(({ name, color, values }) => ({ name, color, figure: count(values[at]) })),
              { name: texts.accepted, figure: count(accepted[at]) },
            ]);
          }),
        },
        xAxis: {
          type: 'time', axisLine: { lineStyle: { color: muted() } },
          axisLabel: { color: muted(), fontSize: letters(12), hideOverlap: true, formatter: timeOf },
        },
        yAxis: {
          type: 'value', min: 0, minInterval: 1, splitLine: { lineStyle: { color: css(rgb('var(--rule)')) } },
          axisLabel: { color: muted(), fontSize: letters(12), formatter: (/** @type {number} */ value) => count(value) },
        },
        series: listed.map(({ id, name, color, values }, at) => (kind === 'sums' ? {
          id: `sum ${id}`, type: 'line', showSymbol: false, silent: true, color, sampling: 'lttb',
          lineStyle: { width: 2.5, type: DASHES[at % DASHES.length] },
          endLabel: { show: named.has(at), color: ink(), fontSize: letters(12), width: letters(106), overflow: 'truncate', formatter: () => isolated(name) },
          data: corners.map(([time, step]) => [time, step < 0 ? votesFor(series.earlier, id) : values[step]]),
        } : {
          id: `step ${id}`, type: 'bar', stack: 'all', color, silent: true, barMinWidth: 1, barMaxWidth: 40, barCategoryGap: '12%',
          data: values.map((value, step) => [times[step] + series.step_ms / 2, value]),
        })),
      };
    });
  }
}

/**
 * Which of some lines can have their names beside their ends, one below the other.
 *
 * @param {readonly number[]} ends in the order of importance
 * @param {number} most at the top of the chart, about
 * @returns {Set<number>} their places
 */
function apart(ends, most) {
  const room = byId('series-canvas').clientHeight - letters(44);
  const least = (Math.max(...ends, most / 4) * letters(15)) / Math.max(1, room);
  /** @type {Set<number>} */
  const named = new Set();
  ends.forEach((end, at) => {
    if ([...named].every((other) => Math.abs(ends[other] - end) >= least)) named.add(at);
  });
  return named;
}
