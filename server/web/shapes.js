//! The shapes of a GeoJSON file: which place each feature is of, and its polygons as a map draws them.
//!
//! In come parsed features; out go outlines by location: closed rings, turned as RFC 7946 has them,
//! the parts of a place together, and in one piece across the 180th meridian. Never trusts a file:
//! what is no outline is left out, and its other properties are not looked at. Pure.

/** @typedef {number[][]} Ring points of two numbers and perhaps a height */
/** @typedef {Ring[]} Polygon its outer ring, then its holes */
/** @typedef {{type: 'MultiPolygon', coordinates: Polygon[]}} Geometry */
/** @typedef {Map<string, Geometry>} Outlines by location */

/** A ring has three corners, and ends where it begins. */
const POINTS_MIN = 4;

/** Collections in collections, no deeper than this. */
const DEPTH_MAX = 8;

const TURN = 360;

/**
 * The outlines of the places that are known. A feature's place is its `id`, else what the property
 * says; several features of one place are its parts.
 *
 * @param {readonly unknown[]} features
 * @param {(code: string) => boolean} isKnown
 * @param {?string} [property] the one that the register names
 * @returns {Outlines}
 */
export function outlinesOf(features, isKnown, property = null) {
  /** @type {Map<string, Polygon[]>} */
  const found = new Map();
  for (const feature of features) {
    const { id, properties, geometry } = /** @type {any} */ (feature ?? {});
    const named = property !== null && properties && Object.hasOwn(properties, property) ? properties[property] : undefined;
    const code = [id, named].map(codeText).find((text) => text !== null && isKnown(text));
    const polygons = polygonsOf(geometry);
    if (code === undefined || code === null || polygons.length === 0) continue;
    found.set(code, [...found.get(code) ?? [], ...polygons]);
  }
  /** @type {Outlines} */
  const outlines = new Map([...found].map(([code, coordinates]) => [code, { type: 'MultiPolygon', coordinates }]));
  return isInDegrees(outlines) ? inOnePiece(outlines) : outlines;
}

/** @param {unknown} id @returns {?string} */
function codeText(id) {
  return typeof id === 'string' || typeof id === 'number' ? String(id) : null;
}

/** @param {any} geometry @param {number} [depth] @returns {Polygon[]} */
function polygonsOf(geometry, depth = 0) {
  const { type, coordinates, geometries } = geometry ?? {};
  if (type === 'GeometryCollection' && Array.isArray(geometries) && depth < DEPTH_MAX) {
    return geometries.flatMap((part) => polygonsOf(part, depth + 1));
  }
  if (!Array.isArray(coordinates)) return [];
  const polygons = type === 'Polygon' ? [coordinates] : type === 'MultiPolygon' ? coordinates : [];
  return polygons.flatMap((/** @type {unknown} */ rings) => {
    const [outer, ...holes] = Array.isArray(rings) ? rings : [];
    if (!isRing(outer)) return [];
    // A map fills what lies between rings of opposite turns.
    return [[turned(outer, true), ...holes.filter(isRing).map((hole) => turned(hole, false))]];
  });
}

/** @param {unknown} ring @returns {ring is Ring} */
function isRing(ring) {
  return Array.isArray(ring) && ring.length >= POINTS_MIN
    && ring.every((point) => Array.isArray(point) && Number.isFinite(point[0]) && Number.isFinite(point[1]));
}

/** A ring that turns the way it should, counterclockwise or not. @param {Ring} ring @param {boolean} isLeft @returns {Ring} */
function turned(ring, isLeft) {
  const points = unwound(ring);
  let area = 0;
  for (let at = 1; at < points.length; at += 1) {
    area += (points[at][0] - points[at - 1][0]) * (points[at][1] + points[at - 1][1]);
  }
  return area < 0 === isLeft ? points : [...points].reverse();
}

/**
 * A ring without the jump from one side of a world map to the other.
 *
 * @param {Ring} ring
 * @returns {Ring}
 */
function unwound(ring) {
  // Coordinates that are no degrees have jumps of any size.
  if (ring.some(([x, y]) => Math.abs(x) > TURN / 2 || Math.abs(y) > TURN / 4)) return ring;
  let turns = 0;
  return ring.map((point, at) => {
    const step = at === 0 ? 0 : point[0] - ring[at - 1][0];
    if (Math.abs(step) > TURN / 2) turns -= Math.sign(step) * TURN;
    return turns === 0 ? point : [point[0] + turns, ...point.slice(1)];
  });
}

/**
 * Moves what lies beyond the widest gap between all outlines by a turn, so that places on both
 * sides of the 180th meridian lie side by side.
 *
 * @param {Outlines} outlines
 * @returns {Outlines}
 */
function inOnePiece(outlines) {
  const spans = [...outlines.values()].flatMap(({ coordinates }) => coordinates.map(([outer]) => spanOf(outer)))
    .map(([from, to]) => [from - TURN * Math.floor((from + TURN / 2) / TURN), to - from])
    .map(([from, width]) => [from, from + width]).sort(([a], [b]) => a - b);
  if (spans.length === 0) return outlines;
  // The gap across the meridian itself is the first candidate, the others have to be wider.
  const ends = spans.map(([, to]) => to);
  let reach = ends[0];
  let [widest, cut] = [spans[0][0] + TURN - Math.max(...ends), -TURN / 2];
  for (const [from, to] of spans) {
    if (from - reach > widest) [widest, cut] = [from - reach, from];
    reach = Math.max(reach, to);
  }
  return new Map([...outlines].map(([code, { type, coordinates }]) => [code, { type, coordinates: coordinates.map((polygon) => {
    const [from] = spanOf(polygon[0]);
    const turns = -Math.floor((from - cut) / TURN) * TURN;
    return turns === 0 ? polygon : polygon.map((ring) => ring.map(([x, ...rest]) => [x + turns, ...rest]));
  }) }]));
}

/** @param {Ring} ring @returns {[number, number]} its west and east */
function spanOf(ring) {
  let [west, east] = [Infinity, -Infinity];
  for (const [x] of ring) [west, east] = [Math.min(west, x), Math.max(east, x)];
  return [west, east];
}

/** The points of an outline. @param {Geometry} geometry */
function* pointsOf({ coordinates }) {
  for (const polygon of coordinates) for (const ring of polygon) yield* ring;
}

/**
 * Whether the outlines are in degrees, as GeoJSON asks, rather than in some plane's metres.
 *
 * @param {Outlines} outlines
 * @returns {boolean}
 */
export function isInDegrees(outlines) {
  for (const geometry of outlines.values()) {
    // An outline across the 180th meridian reaches into the next turn.
    for (const [x, y] of pointsOf(geometry)) if (Math.abs(x) > 2 * TURN || Math.abs(y) > TURN / 4) return false;
  }
  return true;
}

/**
 * Where each outline is on a map, how wide and high it is, and all of them together.
 *
 * @param {Outlines} outlines
 * @param {readonly string[]} codes
 * @param {(point: [number, number]) => number[]} project
 * @returns {{sizes: Map<string, [number, number]>, centers: Map<string, [number, number]>, whole: [number, number]}}
 */
export function extentsOf(outlines, codes, project) {
  const all = [Infinity, Infinity, -Infinity, -Infinity];
  /** @type {Map<string, [number, number]>[]} */
  const [sizes, centers] = [new Map(), new Map()];
  for (const code of codes) {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    const geometry = outlines.get(code);
    for (const [east, north] of geometry === undefined ? [] : pointsOf(geometry)) {
      const [x, y] = project([east, north]);
      for (const each of [box, all]) {
        each[0] = Math.min(each[0], x);
        each[1] = Math.min(each[1], y);
        each[2] = Math.max(each[2], x);
        each[3] = Math.max(each[3], y);
      }
    }
    sizes.set(code, [box[2] - box[0], box[3] - box[1]]);
    centers.set(code, [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]);
  }
  return { sizes, centers, whole: [all[2] - all[0], all[3] - all[1]] };
}

/** The projection that web maps have: north is up, and angles stay. */
export const mercator = {
  /** @param {[number, number]} degrees */
  project: ([east, north]) => [east, -Math.log(Math.tan(Math.PI / 4 + (Math.min(85, Math.max(-85, north)) * Math.PI) / 360)) * (180 / Math.PI)],
  /** @param {[number, number]} point */
  unproject: ([x, y]) => [x, (Math.atan(Math.exp((-y * Math.PI) / 180)) * 360) / Math.PI - 90],
};
