//! The windows that are held as a chart: ballots by candidate, which windows are still open, and
//! which had late votes.
//!
//! In comes the state; out goes a chart. The table below it shows the newest ones, and the chart's
//! own table all of them.

import { Chart, card, hasCharts, ink, letters, muted, tooltip } from './chart.js';
import { byId } from './dom.js';
import { count, named } from './format.js';
import { words } from './language.js';
import { drawLegend } from './legend.js';
import { css, mix, rgb } from './palette.js';
import { votesFor } from './reducer.js';
import { clock, moment } from './times.js';
import { Twin } from './twin.js';
import { detailOf, windowText } from './windows.js';

/** How much of its colour a window has that may still change. */
const OPEN_SHADE = 0.45;

/** Draws the windows of one contest. */
export class WindowChart {
  #chart = new Chart(byId('windows-canvas'));
  #twin = new Twin(byId('windows-table'), !hasCharts());

  /** Forgets everything, for another contest. */
  clear() {
    this.#chart.clear();
    this.#twin.clear();
  }

  /** @param {import('./scene.js').Scene} scene */
  draw({ windows, ranked, places, colors }) {
    const rows = windows.windows;
    if (rows.length === 0) return;
    const place = (/** @type {string} */ id) => places.get(id) ?? ranked.length;
    const listed = ranked.map((row) => ({ id: row.candidate_id, name: named(row.candidate_name, row.candidate_id) }))
      .sort((a, b) => place(a.id) - place(b.id));
    const texts = words();
    const detail = detailOf(windows, rows);
    this.#twin.draw({
      caption: texts.windows_caption,
      columns: [
        { label: texts.cast }, { label: texts.state },
        ...[texts.accepted, texts.blank, texts.late, ...listed.map(({ name }) => name)].map((label) => ({ label, number: true })),
      ],
      rows: () => rows.map((row) => [
        windowText(row, detail), row.final ? texts.final : texts.open, count(row.accepted), count(row.blank),
        count(row.late), ...listed.map(({ id }) => count(votesFor(row, id))),
      ]),
    });
    const timeOf = (/** @type {string} */ start) => (detail.hasDays ? moment : clock)(start, detail.hasSeconds);
    drawLegend(byId('windows-legend'), listed.filter(({ id }) => rows.some((row) => votesFor(row, id) > 0)).map(({ id, name }) => ({ color: colors.get(id) ?? 'var(--muted)', text: name })));
    this.#chart.draw(texts.windows_chart, () => {
      const held = [...rows].reverse();
      const paper = rgb('var(--card)');
      const hasBlank = held.some((row) => row.blank > 0);
      const parts = [
        ...listed.map(({ id, name }) => ({ id, name, color: rgb(colors.get(id) ?? 'var(--muted)'), value: (/** @type {import('./reducer.js').WindowRow} */ row) => votesFor(row, id) })),
        ...(hasBlank ? [{ id: '', name: texts.blank, color: rgb('var(--muted)'), value: (/** @type {import('./reducer.js').WindowRow} */ row) => row.blank }] : []),
      ];
      return {
        grid: { left: 8, right: 12, top: 22, bottom: 4, containLabel: true },
        tooltip: {
          trigger: 'axis', axisPointer: { type: 'shadow' }, ...tooltip((events) => {
            const row = held[events[0]?.dataIndex];
            if (row === undefined) return null;
            return card(windowText(row, { ...detail, hasDays: true }), [
              ...parts.filter((part) => part.value(row) > 0).map(({ name, color, value }) => ({ name, color: css(color), figure: count(value(row)) })),
              { name: texts.accepted, figure: count(row.accepted) },
              { name: texts.late, figure: count(row.late) },
              { name: texts.state, figure: row.final ? texts.final : texts.open },
            ]);
          }),
        },
        xAxis: {
          type: 'category', data: held.map((row) => row.start), axisTick: { show: false }, axisLine: { lineStyle: { color: muted() } },
          axisLabel: { color: muted(), fontSize: letters(12), hideOverlap: true, formatter: timeOf },
        },
        yAxis: {
          type: 'value', min: 0, minInterval: 1, splitLine: { lineStyle: { color: css(rgb('var(--rule)')) } },
          axisLabel: { color: muted(), fontSize: letters(12), formatter: (/** @type {number} */ value) => count(value) },
        },
        series: [
          ...parts.map(({ id, color, value }) => ({
            id: `votes ${id}`, type: 'bar', stack: 'all', silent: true, barCategoryGap: '15%', barMaxWidth: 40,
            data: held.map((row) => ({ value: value(row), itemStyle: { color: css(row.final ? color : mix(paper, color, OPEN_SHADE)) } })),
          })),
          {
            id: 'late', type: 'line', silent: true, symbol: 'triangle', symbolSize: 9, symbolOffset: [0, -9], lineStyle: { width: 0, opacity: 0 },
            itemStyle: { color: ink() }, data: held.map((row) => (row.late > 0 ? row.accepted : null)),
          },
        ],
      };
    });
  }
}
