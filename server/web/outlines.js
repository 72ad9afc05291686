//! The file of an election's outlines: fetched, read, and why there is none.
//!
//! In comes the register's `geojson_url`; out go outlines by location, or the reason in a word that
//! the page has a sentence for. A file is fetched once, GeoJSON or TopoJSON.

import { library } from './chart.js';
import { safeAddress } from './safe.js';
import { outlinesOf } from './shapes.js';

const WAIT_MS = 60_000;

/** How long a file that could not be had is left alone. */
const AGAIN_MS = 60_000;

/** @typedef {import('./shapes.js').Outlines} Outlines */

/** @typedef {'insecure'|'refused'|'offline'|'no_answer'|'not_json'|'no_outlines'|'no_library'|number} Failure or the status of an answer */

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

/** A reason why there are no outlines, thrown where it is found. */
class Unreadable extends Error {
  /** @param {Failure} why */
  constructor(why) {
    super(String(why));
    this.why = why;
  }
}

/**
 * The features of a file.
 *
 * @param {unknown} file parsed JSON
 * @param {() => Promise<?Pick<import('./chart.js').Library, 'feature'>>} [reader] what reads TopoJSON
 * @returns {Promise<unknown[]>}
 */
export async function featuresOf(file, reader = library) {
  const { type, features, objects } = /** @type {any} */ (file ?? {});
  if (type === 'Feature') return [file];
  if (Array.isArray(features)) return features;
  if (type !== 'Topology' || objects === null || typeof objects !== 'object') throw new Unreadable('no_outlines');
  const topojson = await reader();
  if (topojson === null) throw new Unreadable('no_library');
  try {
    return Object.values(objects).map((part) => topojson.feature(file, part))
      .flatMap((/** @type {any} */ made) => (Array.isArray(made.features) ? made.features : [made]));
  } catch {
    throw new Unreadable('no_outlines');
  }
}

/** Why an address is not even asked. @param {string} address @returns {Failure} */
function refusalOf(address) {
  try {
    return new URL(address, document.baseURI).protocol === 'http:' ? 'insecure' : 'refused';
  } catch {
    return 'refused';
  }
}

/** @param {string} url @returns {Promise<unknown[]>} */
async function read(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(WAIT_MS) }).catch(() => {
    throw new Unreadable(navigator.onLine === false ? 'offline' : 'no_answer');
  });
  if (!answer.ok) throw new Unreadable(answer.status);
  return featuresOf(await answer.json().catch(() => {
    throw new Unreadable('not_json');
  }));
}

/** Fetches the outlines of the election that is shown. */
export class OutlineSource {
  #changed;
  /** @type {?string} */
  #address = null;
  /** @type {?string} */
  #property = null;
  /** @type {?unknown[]} */
  #features = null;
  /** @type {?Failure} */
  #failure = null;
  /** The outlines, and of which places. @type {?{outlines: Outlines, places: string}} */
  #made = null;
  #again = 0;

  /** @param {() => void} changed called when there are outlines, or there will be none for now */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Why there are none that there should be; null where all is well. */
  get failure() {
    return this.#failure;
  }

  /** Whether they are on their way. */
  get isComing() {
    return this.#address !== null && this.#features === null && this.#failure === null;
  }

  /**
   * The outlines of some places; null while there are none.
   *
   * @param {Pick<import('./reducer.js').State, 'locations'|'register_version'>} state
   * @returns {?Outlines}
   */
  of({ locations, register_version }) {
    if (this.#features === null) return null;
    const places = JSON.stringify([this.#property, register_version, locations.size]);
    if (this.#made?.places !== places) {
      this.#made = { places, outlines: outlinesOf(this.#features, (code) => locations.has(code), this.#property) };
    }
    return this.#made.outlines;
  }

  /** @param {?string} address what the register says @param {?string} property a feature's property that names its place */
  take(address, property) {
    this.#property = property;
    if (address === this.#address) return;
    this.#address = address;
    this.#features = this.#failure = this.#made = null;
    clearTimeout(this.#again);
    if (!address) return;
    const url = safeAddress(address);
    if (url === null) this.#failure = refusalOf(address);
    else this.#fetch(address, url);
  }

  /** @param {string} address @param {string} url */
  async #fetch(address, url) {
    /** @type {?unknown[]} */
    let features = null;
    /** @type {?Failure} */
    let failure = null;
    try {
      features = await read(url);
    } catch (error) {
      failure = error instanceof Unreadable ? error.why : 'no_outlines';
    }
    if (address !== this.#address) return;
    this.#features = features;
    this.#failure = failure;
    if (failure !== null) this.#again = window.setTimeout(() => this.#fetch(address, url), AGAIN_MS);
    this.#changed();
  }
}
