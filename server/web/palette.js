//! Colours as numbers: what a canvas and a scale of shades need of the style sheet's colours.
//!
//! In come CSS colours, custom properties among them; out go red, green and blue as the browser
//! paints them on a card. Holds what it has looked up until the page turns light or dark.

import { byId } from './dom.js';

/** @typedef {readonly [number, number, number]} Rgb from 0 to 255 */

/** @type {Map<string, Rgb>} */
const known = new Map();

/** @type {(() => void)[]} */
const listeners = [];

const dark = matchMedia('(prefers-color-scheme: dark)');
const paper = matchMedia('print');
const forced = matchMedia('(forced-colors: active)');
for (const media of [dark, paper, forced]) {
  media.addEventListener('change', () => {
    known.clear();
    for (const listener of listeners) listener();
  });
}

/** @returns {string} the colour of lines between what is painted */
export function seam() {
  return css(rgb(forced.matches ? 'var(--ink)' : 'var(--card)'));
}

/** @param {() => void} listener called when every colour may be another */
export function onRepaint(listener) {
  listeners.push(listener);
}

/** @type {?CanvasRenderingContext2D} */
let pixel = null;

/**
 * @param {string} color any CSS colour
 * @returns {Rgb} as it looks on a card
 */
export function rgb(color) {
  const found = known.get(color);
  if (found !== undefined) return found;
  const looked = look(color);
  known.set(color, looked);
  return looked;
}

/** @param {string} color @returns {Rgb} */
function look(color) {
  if (pixel === null) {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    pixel = canvas.getContext('2d', { willReadFrequently: true });
  }
  if (pixel === null) return [128, 128, 128];
  const probe = byId('probe');
  for (const layer of ['var(--card)', color]) {
    probe.style.color = layer;
    pixel.fillStyle = getComputedStyle(probe).color;
    pixel.fillRect(0, 0, 1, 1);
  }
  const [red, green, blue] = pixel.getImageData(0, 0, 1, 1).data;
  return [red, green, blue];
}

/** @param {Rgb} color @returns {string} */
export function css([red, green, blue]) {
  return `rgb(${red}, ${green}, ${blue})`;
}

/**
 * @param {Rgb} from
 * @param {Rgb} to
 * @param {number} part 0 is all the one, 1 all the other
 * @returns {Rgb}
 */
export function mix(from, to, part) {
  const at = (/** @type {number} */ channel) => Math.round(from[channel] + (to[channel] - from[channel]) * part);
  return [at(0), at(1), at(2)];
}

/** @param {Rgb} color @returns {string} black or white, whichever is the easier to read on it */
export function inkOn(color) {
  const [red, green, blue] = color.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return (light + 0.05) / 0.05 > 1.05 / (light + 0.05) ? '#000' : '#fff';
}
