//! The tables, the map, the charts and the state of the count together: what comes after the figures, and is not needed to read them.
//!
//! In comes what the other views draw from, too; the state of the count asks by itself. app.js fetches this module, and with it all that
//! draws pictures, once the first figures stand.

import { Health } from './health.js';
import { Locations } from './locations.js';
import { MapView } from './map.js';
import { Series } from './series.js';
import { Shares } from './shares.js';
import { WindowChart } from './window_chart.js';
import { Windows } from './windows.js';

/** Draws the pictures of one contest. */
export class Pictures {
  #health;
  #map;
  #windows = new Windows();
  #views;

  /**
   * @param {import('./where.js').Where} where
   * @param {(status: import('./health.js').Status) => void} told called with what the service says about itself
   */
  constructor(where, told) {
    this.#health = new Health(told);
    this.#map = new MapView(where);
    this.#views = [new Locations(where), this.#windows, this.#map, new Shares(), new Series(), new WindowChart()];
  }

  /** @param {import('./scene.js').Scene} scene */
  draw(scene) {
    for (const view of this.#views) view.draw(scene);
  }

  /** @param {boolean} isQuiet whether nothing has changed for long */
  rest(isQuiet) {
    this.#health.rest(isQuiet);
  }

  /** Forgets everything, for another contest. */
  clear() {
    for (const view of this.#views) view.clear();
  }

  /** Forgets what is in the old language; the others write their words anew each time. */
  translate() {
    this.#map.clear();
    this.#windows.clear();
    this.#health.clear();
  }
}
