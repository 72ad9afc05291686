//! The map: locations by who leads, by margin, by turnout or by one candidate's share.
//!
//! In come the location rows and the election's outlines; out goes a map that can be zoomed, with
//! tiles for places that have no outline, or tiles alone; a legend, and a table that says the same of
//! every place. A location that is pressed is looked at closely beside it. Never adds up: what is
//! shown are rows as the server published them.

import { Chart, card, hasCharts, ink, letters, tooltip } from './chart.js';
import { byId, el, setText } from './dom.js';
import { NONE, count, counted, initials, named, percent } from './format.js';
import { language, words } from './language.js';
import { drawLegend } from './legend.js';
import { coverOf, nearest, partsOf } from './level.js';
import {
  CLASSES, MEASURES, classOf, leaderText, marginOf, measureOf, rangesOf, scaleOf, shareOf, valueOf, votesOf,
} from './measure.js';
import { OutlineSource, codeOf, mapOf, regionOf } from './outlines.js';
import { css, inkOn, mix, onRepaint, rgb, seam } from './palette.js';
import { votesFor } from './reducer.js';
import { extentsOf, isInDegrees, mercator } from './shapes.js';
import { drawTrail } from './trail.js';
import { Twin } from './twin.js';
import { keep } from './where.js';

/** @typedef {import('./reducer.js').LocationRow} LocationRow */
/** @typedef {import('./scene.js').Scene} Scene */
/** @typedef {{scale: number[], paintOf: (row: LocationRow) => import('./tiles.js').Paint, measure: import('./measure.js').Measure}} Painter */

/** More tiles than this could not be told apart; the level's own parts are shown instead. */
const TILES_MAX = 1500;

const DRAW_MS = 500;

const ZOOM_STEP = 1.6;
const ZOOM_MAX = 40;

/** Which way the map goes by a key, so that what lies there comes into sight, and how far. */
const WAYS = new Map([['ArrowLeft', [1, 0]], ['ArrowRight', [-1, 0]], ['ArrowUp', [0, 1]], ['ArrowDown', [0, -1]]]);
const MOVE_PX = 60;

/** How much of a colour each class has. */
const SHADES = [0.2, 0.4, 0.6, 0.8, 1];

/** Draws the locations of one contest. */
export class MapView {
  #section = byId('map-section');
  #measure = byId('measure', HTMLSelectElement);
  #whose = byId('measure-candidate', HTMLSelectElement);
  #zooms = byId('zooms');
  #legend = byId('legend');
  #where;
  /** What not every map has comes when it is needed. @type {?import('./place.js').Place} */
  #place = null;
  /** @type {?import('./tiles.js').Tiles} */
  #tiles = null;
  #chart;
  #twin = new Twin(byId('map-table'));
  /** @type {?import('./cursor.js').Cursor} */
  #cursor = null;
  #outlines = new OutlineSource(() => this.#soon());
  /** @type {?Scene} */
  #scene = null;
  /** @type {Map<?string, LocationRow[]>} */
  #parts = new Map();
  /** The map that the library holds: which outlines, of which locations. */
  #map = { key: '', name: '', count: 0, isInDegrees: true, extents: extentsOf(new Map(), [], () => []) };
  /** @type {Painter['paintOf']} */
  #paintOf = () => ({ color: '', ink: '', text: '', label: '' });
  #zoom = 1;
  #choices = '';
  #inSight = false;
  #later = 0;
  #drawn_at = -Infinity;

  /** @param {import('./where.js').Where} where */
  constructor(where) {
    this.#where = where;
    this.#chart = new Chart(byId('map-canvas'), (drawing) => {
      drawing.on('click', (event) => event.name && where.look(codeOf(event.name)));
      drawing.on('georoam', () => {
        const { zoom } = drawing.getOption().series[0];
        if (zoom === this.#zoom) return;
        this.#roamed(zoom);
        this.#soon();
      });
    }, () => this.#now());
    byId('map-canvas').addEventListener('focus', () => this.#fetchCursor(), { once: true });
    this.#measure.addEventListener('change', () => this.#choose());
    this.#whose.addEventListener('change', () => this.#choose());
    byId('zoom-in').addEventListener('click', () => this.#zoomTo(this.#zoom * ZOOM_STEP));
    byId('zoom-out').addEventListener('click', () => this.#zoomTo(this.#zoom / ZOOM_STEP));
    byId('zoom-all').addEventListener('click', () => this.#zoomTo(1));
    this.#zooms.addEventListener('keydown', (event) => this.#move(event));
    where.follow(() => this.#now());
    onRepaint(() => this.#now());
    new IntersectionObserver((entries) => {
      this.#inSight = entries[entries.length - 1].isIntersecting;
      this.#soon();
    }, { rootMargin: '300px 0px' }).observe(this.#section);
    addEventListener('beforeprint', () => this.#now());
  }

  /** Forgets everything, for another contest or language. */
  clear() {
    this.#tiles?.clear();
    this.#place?.clear();
    this.#chart.clear();
    this.#twin.clear();
    this.#legend.replaceChildren();
    this.#map.key = '';
    this.#choices = '';
    this.#scene = null;
    this.#roamed(1);
    this.#drawn_at = -Infinity;
  }

  /** @param {Scene} scene */
  draw(scene) {
    this.#section.hidden = scene.locations.size === 0;
    if (this.#scene?.locations === scene.locations && this.#scene.colors === scene.colors && this.#scene.ranked === scene.ranked) return;
    this.#scene = scene;
    this.#outlines.take(scene.geojson_url, scene.geojson_property);
    this.#soon();
  }

  #soon() {
    if (this.#later !== 0 || this.#section.hidden || !this.#inSight || this.#scene === null) return;
    this.#later = window.setTimeout(() => this.#draw(), Math.max(0, this.#drawn_at + DRAW_MS - performance.now()));
  }

  /** Draws at once, after something that the reader did. */
  #now() {
    if (this.#scene === null || this.#section.hidden) return;
    this.#chart.now();
    this.#draw();
  }

  #draw() {
    clearTimeout(this.#later);
    this.#later = 0;
    this.#drawn_at = performance.now();
    const scene = this.#scene;
    if (scene === null) return;
    this.#where.stayIn(scene.locations);
    this.#parts = partsOf(scene.locations);
    this.#offer(scene);
    drawTrail(byId('map-trail'), scene.locations, this.#where.under, (code) => this.#enter(code));
    this.#drawPlace(scene);
    const { drawn, others } = this.#cover(scene);
    const isMap = drawn.length > 0;
    const rows = [...drawn, ...others];
    const painter = this.#painter(scene, rows);
    byId('map-canvas').hidden = !isMap;
    byId('tiles').hidden = others.length === 0 || this.#outlines.isComing;
    this.#zooms.hidden = !isMap;
    this.#explain(scene, drawn, others);
    setText(byId('map-title'), isMap || this.#outlines.isComing ? words().map : words().tiles);
    this.#drawLegend(scene, rows, painter.scale);
    if (isMap) this.#drawMap(scene, drawn, painter);
    if (!this.#outlines.isComing && (others.length > 0 || this.#tiles !== null)) this.#drawTiles(scene, others, painter);
    this.#drawTwin(scene, rows);
  }

  /** Goes elsewhere in the tree; what was pressed goes, so the keyboard goes on from the way back. @param {?string} code */
  #enter(code) {
    this.#where.enter(code);
    (byId('map-trail').querySelector('button') ?? this.#measure).focus({ preventScroll: true });
  }

  /** The places that are drawn, and those that are tiles: leaves, unless they are too many. @param {Scene} scene */
  #cover(scene) {
    const outlines = hasCharts() ? this.#outlines.of(scene) : null;
    const isDrawn = (/** @type {LocationRow} */ row) => outlines?.has(row.location) ?? false;
    const { drawn, others } = coverOf(this.#parts, this.#where.under, isDrawn);
    if (others.length <= TILES_MAX) return { drawn, others };
    const parts = this.#parts.get(this.#where.under) ?? [];
    return { drawn, others: parts.filter((row) => !isDrawn(row) && !nearest(this.#parts, row.location, isDrawn).length) };
  }

  /** Says why there is no map, or which part of it is missing. */
  #explain(/** @type {Scene} */ scene, /** @type {LocationRow[]} */ drawn, /** @type {LocationRow[]} */ others) {
    const texts = words();
    const hasNone = this.#outlines.of(scene)?.size === 0;
    const failure = scene.geojson_url && !hasCharts() ? 'no_library' : this.#outlines.failure ?? (hasNone ? 'no_match' : null);
    const why = typeof failure === 'number' ? texts.map_status(String(failure)) : texts.map_failures[failure ?? ''];
    const missing = drawn.length > 0 && others.length > 0;
    byId('map-failed').hidden = failure === null && !missing;
    setText(byId('map-failed'), failure !== null ? texts.map_failed(why) : missing ? counted(texts.without_outline, others.length) : '');
  }

  /** @returns {?string} the candidate whose shares are shown */
  get #candidate() {
    return this.#whose.value || (this.#scene?.ranked[0]?.candidate_id ?? null);
  }

  /** Measures that have figures, and candidates, in the page's language. */
  #offer(/** @type {Scene} */ { locations, candidates, places }) {
    const hasTurnout = [...locations.values()].some((row) => row.turnout !== null || row.registered !== null);
    const names = [...candidates.values()]
      .sort((a, b) => (places.get(a.candidate_id) ?? 1e9) - (places.get(b.candidate_id) ?? 1e9))
      .map((row) => [row.candidate_id, named(row.candidate_name, row.candidate_id)]);
    const choices = JSON.stringify([language(), hasTurnout, names]);
    if (choices === this.#choices) return;
    const asked = new URLSearchParams(location.search);
    const [measure, whose] = [this.#choices === '' ? asked.get('measure') : this.#measure.value, this.#whose.value || asked.get('of')];
    this.#choices = choices;
    this.#measure.replaceChildren(...MEASURES.filter((each) => each !== 'turnout' || hasTurnout)
      .map((each) => option(each, words().measures[each])));
    this.#measure.value = measureOf(measure);
    if (this.#measure.selectedIndex < 0) this.#measure.value = 'leader';
    this.#whose.replaceChildren(...names.map(([id, name]) => option(id, name)));
    this.#whose.value = names.some(([id]) => id === whose) ? whose ?? '' : this.#scene?.ranked[0]?.candidate_id ?? '';
    byId('measure-candidate-label').hidden = this.#measure.value !== 'share';
  }

  #choose() {
    const measure = measureOf(this.#measure.value);
    keep({ measure: measure === 'leader' ? null : measure, of: measure === 'share' ? this.#whose.value : null });
    byId('measure-candidate-label').hidden = measure !== 'share';
    this.#now();
  }

  /** How a location is painted, and the classes that its value may have. */
  #painter(/** @type {Scene} */ scene, /** @type {LocationRow[]} */ rows) {
    const measure = measureOf(this.#measure.value);
    const candidate = this.#candidate;
    const nameOf = nameIn(scene);
    const shortOf = (/** @type {string} */ id) => scene.candidates.get(id)?.short_name?.trim() || initials(nameOf(id)) || id.slice(0, 2);
    const scale = measure === 'leader' ? [] : scaleOf(rows.map((row) => valueOf(measure, row, candidate)));
    const paper = rgb('var(--card)');
    const colorOf = (/** @type {?string} */ id) => rgb((id === null ? undefined : scene.colors.get(id)) ?? 'var(--muted)');
    const fill = (/** @type {LocationRow} */ row) => {
      const value = valueOf(measure, row, candidate);
      if (value === null) return rgb('var(--track)');
      if (measure === 'leader') return row.leader === null ? rgb('var(--muted)') : colorOf(row.leader);
      const shade = SHADES[(classOf(value, scale) ?? 0) + CLASSES + 1 - scale.length];
      return mix(paper, measure === 'turnout' ? rgb('var(--accent)') : colorOf(measure === 'share' ? candidate : row.leader), shade);
    };
    const byLeader = measure === 'leader' || measure === 'margin';
    const paintOf = (/** @type {LocationRow} */ row) => {
      const color = fill(row);
      const value = valueOf(measure, row, candidate);
      const short = row.leader === null ? (votesOf(row) > 0 ? '=' : '') : shortOf(row.leader);
      return {
        color: css(color),
        ink: inkOn(color),
        text: byLeader ? short : value === null ? '' : percent(value),
        label: words().place_is(named(row.name, row.location), leaderText(row, nameOf), percent(value)),
      };
    };
    return { scale, paintOf, measure };
  }

  /** The place that is looked at closely. */
  async #drawPlace(/** @type {Scene} */ scene) {
    if (this.#place === null && this.#where.place === null) return;
    if (this.#place !== null) {
      this.#place.draw(scene);
      return;
    }
    const module = await import('./place.js').catch(() => null);
    if (module === null) return;
    this.#place ??= new module.Place(this.#where, (code) => this.#enter(code));
    // Meanwhile there may be other figures.
    if (this.#scene !== null) this.#place.draw(this.#scene);
  }

  /** Lets the keyboard into the map, once it comes. */
  async #fetchCursor() {
    const module = await import('./cursor.js').catch(() => null);
    if (module === null) return;
    const point = (/** @type {?string} */ code, /** @type {?string} */ before) => this.#pointAt(code, before);
    this.#cursor = new module.Cursor(byId('map-canvas'), () => this.#map.extents.centers, point, (code) => this.#where.look(code));
  }

  async #fetchTiles() {
    const module = await import('./tiles.js').catch(() => null);
    if (module === null) return;
    this.#tiles ??= new module.Tiles(byId('tiles'), (code) => this.#enter(code), (code) => this.#where.look(code));
    this.#now();
  }

  #drawTiles(/** @type {Scene} */ scene, /** @type {LocationRow[]} */ rows, /** @type {Painter} */ { paintOf }) {
    if (this.#tiles === null) {
      this.#fetchTiles();
      return;
    }
    const under = this.#where.under;
    const parts = this.#parts.get(under) ?? [];
    const wanted = new Set(rows);
    const own = parts.filter((row) => wanted.has(row));
    const groups = [
      ...(own.length === 0 ? [] : [{ code: null, name: '', rows: own }]),
      ...parts.filter((row) => !wanted.has(row)).map((row) => ({
        code: row.location,
        name: named(row.name, row.location),
        rows: nearest(this.#parts, row.location, (leaf) => wanted.has(leaf)),
      })).filter((group) => group.rows.length > 0),
    ];
    this.#tiles.draw(groups, (code) => {
      const row = scene.locations.get(code);
      return row === undefined ? { color: '', ink: '', text: '', label: code } : paintOf(row);
    }, this.#where.place);
  }

  #drawMap(/** @type {Scene} */ scene, /** @type {LocationRow[]} */ rows, /** @type {Painter} */ { paintOf, measure }) {
    const label = words().map_of(words().measures[measure], this.#where.under === null ? words().all : named(scene.locations.get(this.#where.under)?.name ?? null, this.#where.under));
    this.#paintOf = paintOf;
    this.#chart.draw(`${label}; ${words().map_keys}`, () => {
      const outlines = this.#outlines.of(scene);
      const { library } = this.#chart;
      if (outlines === null || library === null) return null;
      const key = JSON.stringify([this.#where.under, rows.map((row) => row.location)]);
      const isNew = key !== this.#map.key;
      if (isNew) {
        // A name of its own for each, since the library keeps what it made of a name.
        const number = this.#map.count + 1;
        const codes = rows.map((row) => row.location);
        const degrees = isInDegrees(outlines);
        const extents = extentsOf(outlines, codes, degrees ? mercator.project : ([x, y]) => [x, -y]);
        this.#map = { key, name: `outlines ${number}`, count: number, isInDegrees: degrees, extents };
        library.registerMap(this.#map.name, { geoJSON: mapOf(outlines, codes) });
        this.#cursor?.clear();
        this.#roamed(1);
      }
      const border = seam();
      const place = this.#where.place;
      return {
        tooltip: { trigger: 'item', ...tooltip((event) => this.#tip(codeOf(event.name))) },
        series: [{
          id: 'map', type: 'map', map: this.#map.name, roam: this.#zoom > 1, selectedMode: false,
          ...(this.#map.isInDegrees ? { projection: mercator } : { aspectScale: 1 }),
          ...(isNew ? { zoom: 1, center: null } : {}),
          scaleLimit: { min: 1, max: ZOOM_MAX },
          left: 4, right: 4, top: 4, bottom: 4, preserveAspect: 'contain',
          label: { show: true, fontSize: letters(11), formatter: (/** @type {any} */ event) => event.data?.text ?? '' },
          data: rows.map((row) => {
            const { color, ink: on, text } = paintOf(row);
            const isPlace = row.location === place;
            const itemStyle = { areaColor: color, borderColor: isPlace ? ink() : border, borderWidth: isPlace ? 3 : 0.7 };
            const lit = { areaColor: color, borderColor: ink(), borderWidth: 2 };
            return { name: regionOf(row.location), value: votesOf(row), text, itemStyle, label: { show: this.#hasRoom(row.location, text), color: on }, emphasis: { itemStyle: lit, label: { color: on } } };
          }),
        }],
      };
    });
  }

  /** Shows which place the keyboard points at, and says it. @param {?string} code @param {?string} before */
  #pointAt(code, before) {
    const series = { seriesId: 'map' };
    if (before !== null) this.#chart.act({ type: 'downplay', ...series, name: regionOf(before) });
    const row = code === null ? undefined : this.#scene?.locations.get(code);
    if (code === null || row === undefined) {
      this.#chart.act({ type: 'hideTip' });
      return;
    }
    this.#chart.act({ type: 'highlight', ...series, name: regionOf(code) });
    this.#chart.act({ type: 'showTip', seriesIndex: 0, name: regionOf(code) });
    setText(byId('map-cursor'), this.#paintOf(row).label);
  }

  /** Whether a location is large enough on the map, as it is zoomed, for a text. @param {string} code @param {string} text */
  #hasRoom(code, text) {
    const { sizes, whole } = this.#map.extents;
    const { clientWidth, clientHeight } = byId('map-canvas');
    const scale = Math.min(clientWidth / whole[0], clientHeight / whole[1]) * this.#zoom;
    const [width, height] = sizes.get(code) ?? [0, 0];
    return width * scale > letters(8 + 8 * text.length) && height * scale > letters(18);
  }

  #tip(/** @type {string} */ code) {
    const scene = this.#scene;
    const row = scene?.locations.get(code);
    if (!scene || !row) return null;
    const lines = scene.ranked.map(({ candidate_id: id }) => ({ id, votes: votesFor(row, id) }))
      .filter(({ votes }) => votes > 0).sort((a, b) => b.votes - a.votes).slice(0, 5)
      .map(({ id, votes }) => ({
        color: scene.colors.get(id), name: nameIn(scene)(id), figure: `${percent(shareOf(row, id))} · ${count(votes)}`,
      }));
    const turnout = row.turnout === null ? [] : [{ name: words().turnout, figure: percent(row.turnout) }];
    return card(named(row.name, row.location), [...lines, { name: words().accepted, figure: row.suppressed ? words().withheld : count(row.accepted) }, ...turnout]);
  }

  /** Zooms to the middle; what is not zoomed neither moves nor takes the wheel from the page. */
  #zoomTo(/** @type {number} */ zoom) {
    this.#zoom = Math.min(ZOOM_MAX, Math.max(1, zoom));
    this.#chart.change({ series: [{ id: 'map', zoom: this.#zoom, roam: this.#zoom > 1, ...(this.#zoom === 1 ? { center: null } : {}) }] });
    this.#roamed(this.#zoom);
    this.#now();
  }

  /** Arrow keys move a map that is zoomed. @param {KeyboardEvent} event */
  #move(event) {
    const way = WAYS.get(event.key);
    if (way === undefined || this.#zoom <= 1) return;
    event.preventDefault();
    const [dx, dy] = way.map((part) => part * MOVE_PX);
    this.#chart.act({ type: 'geoRoam', componentType: 'series', seriesId: 'map', dx, dy });
  }

  #roamed(/** @type {number} */ zoom) {
    this.#zoom = zoom;
    const [nearer, farther, all] = ['zoom-in', 'zoom-out', 'zoom-all'].map((id) => byId(id, HTMLButtonElement));
    nearer.disabled = zoom >= ZOOM_MAX;
    farther.disabled = all.disabled = zoom <= 1;
  }

  #drawLegend(/** @type {Scene} */ scene, /** @type {LocationRow[]} */ rows, /** @type {number[]} */ scale) {
    const measure = measureOf(this.#measure.value);
    const nameOf = nameIn(scene);
    /** @type {{color: string, text: string, figure: string}[]} */
    let entries;
    if (measure === 'leader') {
      /** @type {Map<?string, number>} */
      const led = new Map();
      let none = 0;
      for (const row of rows) {
        if (votesOf(row) <= 0) none += 1;
        else led.set(row.leader, (led.get(row.leader) ?? 0) + 1);
      }
      entries = [...led].sort((a, b) => b[1] - a[1]).map(([id, places]) => ({
        color: id === null ? 'var(--muted)' : scene.colors.get(id) ?? 'var(--muted)',
        text: id === null ? words().tie : nameOf(id), figure: count(places),
      }));
      if (none > 0) entries.push({ color: 'var(--track)', text: words().no_votes, figure: count(none) });
    } else {
      const paper = rgb('var(--card)');
      const full = measure === 'turnout' ? rgb('var(--accent)')
        : measure === 'share' ? rgb(scene.colors.get(this.#candidate ?? '') ?? 'var(--muted)') : rgb('var(--muted)');
      const counts = scale.slice(1).map((_, at) => rows.filter((row) => classOf(valueOf(measure, row, this.#candidate), scale) === at).length);
      entries = rangesOf(scale).map((text, at) => ({
        color: css(mix(paper, full, SHADES[at + CLASSES + 1 - scale.length])), text, figure: count(counts[at]),
      }));
    }
    drawLegend(this.#legend, entries);
  }

  #drawTwin(/** @type {Scene} */ scene, /** @type {LocationRow[]} */ rows) {
    const candidate = this.#candidate;
    const nameOf = nameIn(scene);
    const texts = words();
    const hasTurnout = rows.some((row) => row.turnout !== null);
    const turnout = scene.isClosed ? texts.turnout : texts.turnout_so_far;
    this.#twin.draw({
      caption: byId('map-title').textContent ?? '',
      columns: [
        { label: texts.location }, { label: texts.leader },
        ...[texts.leaders_share, texts.margin, ...(hasTurnout ? [turnout] : []), ...(candidate === null ? [] : [texts.share_of(nameOf(candidate))])]
          .map((label) => ({ label, number: true })),
      ],
      press: (at) => this.#where.look(rows[at].location),
      rows: () => rows.map((row) => [
        named(row.name, row.location), votesOf(row) > 0 ? leaderText(row, nameOf) : NONE,
        percent(votesOf(row) > 0 ? Math.max(...Object.values(row.votes)) / votesOf(row) : null), percent(marginOf(row)),
        ...(hasTurnout ? [percent(row.turnout)] : []), ...(candidate === null ? [] : [percent(shareOf(row, candidate))]),
      ]),
    });
  }
}

/** @param {Scene} scene @returns {(candidateId: string) => string} */
function nameIn(scene) {
  return (id) => named(scene.candidates.get(id)?.candidate_name ?? null, id);
}

/** @param {string} value @param {string} text */
function option(value, text) {
  const node = /** @type {HTMLOptionElement} */ (el('option', '', text));
  node.value = value;
  return node;
}
