//! The outlines of an election's locations: a GeoJSON file, checked, and cut to what a map shows.
//!
//! In comes the register's `geojson_url`; out go outlines by location, or why there are none. A
//! file is fetched once. Never trusts it: what is no outline is left out, and its other properties
//! are not looked at.

import { safeAddress } from './safe.js';

const WAIT_MS = 60_000;

/** How long a file that could not be had is left alone. */
const AGAIN_MS = 60_000;

/** @typedef {{type: string, coordinates: any}} Geometry */

/** @typedef {Map<string, Geometry>} Outlines by location */

const SHAPES = new Set(['Polygon', 'MultiPolygon']);

/**
 * @param {unknown} file parsed JSON
 * @returns {Outlines}
 */
export function outlinesOf(file) {
  const features = /** @type {any} */ (file)?.features;
  if (!Array.isArray(features)) throw new TypeError('no GeoJSON FeatureCollection');
  /** @type {Outlines} */
  const outlines = new Map();
  for (const feature of features) {
    const { id, geometry } = feature ?? {};
    const named = typeof id === 'string' || typeof id === 'number';
    if (named && SHAPES.has(geometry?.type) && Array.isArray(geometry.coordinates)) outlines.set(String(id), geometry);
  }
  return outlines;
}

/** The name of a location's region, which no object has by itself. @param {string} code */
export function regionOf(code) {
  return `@${code}`;
}

/** @param {string} region @returns {string} the location */
export function codeOf(region) {
  return region.slice(1);
}

/**
 * A map of some locations, each a feature that is named by its code.
 *
 * @param {Outlines} outlines
 * @param {readonly string[]} codes
 * @returns {{type: 'FeatureCollection', features: Object[]}}
 */
export function mapOf(outlines, codes) {
  return {
    type: 'FeatureCollection',
    features: codes.map((code) => ({ type: 'Feature', properties: { name: regionOf(code) }, geometry: outlines.get(code) })),
  };
}

/**
 * The points of an outline, each of two numbers and perhaps a height.
 *
 * @param {unknown} part
 * @returns {number[][]}
 */
function pointsOf(part) {
  if (!Array.isArray(part)) return [];
  return typeof part[0] === 'number' ? [part] : part.flatMap(pointsOf);
}

/**
 * Whether the outlines are in degrees, as GeoJSON asks, rather than in some plane's metres.
 *
 * @param {Outlines} outlines
 * @returns {boolean}
 */
export function isInDegrees(outlines) {
  for (const { coordinates } of outlines.values()) {
    for (const [x, y] of pointsOf(coordinates)) if (Math.abs(x) > 180 || Math.abs(y) > 90) return false;
  }
  return true;
}

/**
 * How wide and high each outline is on a map, and all of them together.
 *
 * @param {Outlines} outlines
 * @param {readonly string[]} codes
 * @param {(point: [number, number]) => number[]} project
 * @returns {{sizes: Map<string, [number, number]>, whole: [number, number]}}
 */
export function extentsOf(outlines, codes, project) {
  const all = [Infinity, Infinity, -Infinity, -Infinity];
  /** @type {Map<string, [number, number]>} */
  const sizes = new Map();
  for (const code of codes) {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [east, north] of pointsOf(outlines.get(code)?.coordinates)) {
      const [x, y] = project([east, north]);
      for (const each of [box, all]) {
        each[0] = Math.min(each[0], x);
        each[1] = Math.min(each[1], y);
        each[2] = Math.max(each[2], x);
        each[3] = Math.max(each[3], y);
      }
    }
    sizes.set(code, [box[2] - box[0], box[3] - box[1]]);
  }
  return { sizes, whole: [all[2] - all[0], all[3] - all[1]] };
}

/** The projection that web maps have: north is up, and angles stay. */
export const mercator = {
  /** @param {[number, number]} degrees */
  project: ([east, north]) => [east, -Math.log(Math.tan(Math.PI / 4 + (Math.min(85, Math.max(-85, north)) * Math.PI) / 360)) * (180 / Math.PI)],
  /** @param {[number, number]} point */
  unproject: ([x, y]) => [x, (Math.atan(Math.exp((-y * Math.PI) / 180)) * 360) / Math.PI - 90],
};

/** Fetches the outlines of the election that is shown. */
export class OutlineSource {
  #changed;
  /** @type {?string} */
  #url = null;
  /** @type {?Outlines} */
  #outlines = null;
  #failed = false;
  #again = 0;

  /** @param {() => void} changed called when there are outlines, or there will be none for now */
  constructor(changed) {
    this.#changed = changed;
  }

  /** The outlines; null while there are none. */
  get outlines() {
    return this.#outlines;
  }

  /** Whether there should be outlines that could not be had. */
  get failed() {
    return this.#failed;
  }

  /** Whether they are on their way. */
  get isComing() {
    return this.#url !== null && this.#outlines === null && !this.#failed;
  }

  /** @param {?string} address what the register says */
  take(address) {
    const url = safeAddress(address);
    if (url === this.#url) return;
    this.#url = url;
    this.#outlines = null;
    this.#failed = false;
    clearTimeout(this.#again);
    if (url !== null) this.#fetch(url);
    else if (address) this.#failed = true;
  }

  /** @param {string} url */
  async #fetch(url) {
    let outlines = null;
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(WAIT_MS) });
      outlines = answer.ok ? outlinesOf(await answer.json()) : null;
    } catch {
      // The page says that there is no map, and shows tiles.
    }
    if (url !== this.#url) return;
    this.#outlines = outlines;
    this.#failed = outlines === null;
    if (this.#failed) this.#again = window.setTimeout(() => this.#fetch(url), AGAIN_MS);
    this.#changed();
  }
}
