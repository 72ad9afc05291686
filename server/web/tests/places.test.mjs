//! Measures, their classes, the tree as a map needs it, outlines and sums over time, case by case.

import assert from 'node:assert/strict';
import test from 'node:test';

import { coverOf, nearest, partsOf } from '../level.js';
import { CLASSES, classOf, marginOf, measureOf, rangesOf, scaleOf, shareOf, valueOf } from '../measure.js';

// The page's own address and media, which modules that draw look at when they are loaded.
globalThis.document = { baseURI: 'http://localhost/', documentElement: { dataset: {} } };
globalThis.matchMedia = () => ({ addEventListener() {} });
const { codeOf, featuresOf, mapOf, regionOf } = await import('../outlines.js');
const { extentsOf, isInDegrees, mercator, outlinesOf } = await import('../shapes.js');
const { nextPlace } = await import('../cursor.js');
const { onPodium } = await import('../podium.js');
const { standingOf } = await import('../announcer.js');
const { sums } = await import('../series.js');

const row = (votes, more = {}) => {
  const all = Object.values(votes).reduce((sum, each) => sum + each, 0);
  return { location: 'x', name: 'x', parent: null, leaf: true, registered: null, accepted: all, blank: 0, turnout: null, leader: null, votes, ...more };
};

test('margins and shares are of the votes for candidates', () => {
  assert.equal(marginOf(row({ a: 60, b: 30, c: 10 })), 0.3);
  assert.equal(marginOf(row({ b: 5, a: 5 })), 0);
  assert.equal(marginOf(row({ a: 4 })), 1);
  assert.equal(marginOf(row({})), null);
  assert.equal(marginOf(row({ a: 5 }, { accepted: 10, blank: 5 })), 1);
  assert.equal(marginOf(row({}, { accepted: 3, blank: 3 })), null);
  assert.equal(shareOf(row({ a: 1, b: 3 }), 'b'), 0.75);
  assert.equal(shareOf(row({ a: 1 }), 'constructor'), 0);
  assert.equal(shareOf(row({}), 'a'), null);
  assert.equal(valueOf('turnout', row({ a: 1 }, { turnout: 0.4 }), null), 0.4);
  assert.equal(valueOf('share', row({ a: 1 }), null), null);
  assert.deepEqual(['leader', 'share', 'nonsense', null].map(measureOf), ['leader', 'share', 'leader', 'leader']);
});

test('classes cover every value, in steps that read well', () => {
  assert.deepEqual(scaleOf([]), []);
  assert.deepEqual(scaleOf([null, null]), []);
  assert.deepEqual(scaleOf([0.5]), [0.5, 0.501]);
  assert.deepEqual(scaleOf([0.43, 0.61, null, 0.67]), [0.4, 0.5, 0.6, 0.7]);
  assert.deepEqual(scaleOf([0, 1]), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(rangesOf([0.4, 0.5, 0.6]), ['40.0% to 50.0%', '50.0% to 60.0%']);
  assert.deepEqual([0.4, 0.499, 0.5, 0.6, 0.99, null].map((value) => classOf(value, [0.4, 0.5, 0.6])), [0, 0, 1, 1, 1, null]);
  let state = 1;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  for (let round = 0; round < 2000; round += 1) {
    const spread = random() ** 4;
    const base = random() * (1 - spread);
    const values = Array.from({ length: 1 + Math.floor(random() * 9) }, () => base + spread * random());
    const scale = scaleOf(values);
    assert.ok(scale.length >= 2 && scale.length <= CLASSES + 1, `${values}: ${scale}`);
    for (const value of values) {
      const at = classOf(value, scale);
      const isLast = at === scale.length - 2;
      assert.ok(value >= scale[at] - 1e-4 && (value < scale[at + 1] + 1e-4 || isLast), `${value} in ${scale}`);
    }
  }
});

test('the nearest places that have something, in the order of the tree', () => {
  const places = [['b', null], ['a', null], ['a2', 'a'], ['a10', 'a'], ['b1', 'b'], ['a2x', 'a2']]
    .map(([location, parent]) => [location, { location, name: location, parent }]);
  const parts = partsOf(new Map(places));
  const of = (under, ...having) => nearest(parts, under, (each) => having.includes(each.location)).map((each) => each.location);
  assert.deepEqual(parts.get(null).map((each) => each.location), ['a', 'b']);
  assert.deepEqual(of(null, 'a', 'a2', 'b1'), ['a', 'b1']);
  assert.deepEqual(of(null, 'a2x', 'a10', 'b'), ['a2x', 'a10', 'b']);
  assert.deepEqual(of('a', 'a2', 'a10', 'a2x'), ['a2', 'a10']);
  assert.deepEqual(of('a2x', 'a'), []);
  assert.deepEqual(of('nowhere', 'a'), []);
});

test('every place is drawn, is in one that is, or is a tile', () => {
  const places = [['land', null], ['r1', 'land'], ['r2', 'land'], ['t1', 'r1'], ['t2', 'r1'], ['t3', 'r2'], ['abroad', null]]
    .map(([location, parent]) => [location, { location, name: location, parent, leaf: /^t|abroad/.test(location) }]);
  const parts = partsOf(new Map(places));
  const cover = (under, ...having) => {
    const { drawn, others } = coverOf(parts, under, (each) => having.includes(each.location));
    return [drawn, others].map((rows) => rows.map((each) => each.location).join(' '));
  };
  assert.deepEqual(cover(null, 't1', 't3'), ['t1 t3', 'abroad t2']);
  assert.deepEqual(cover(null, 'r1'), ['r1', 'abroad t3']);
  assert.deepEqual(cover(null), ['', 'abroad t1 t2 t3']);
  assert.deepEqual(cover('r1', 't1', 'abroad'), ['t1', 't2']);
  assert.deepEqual(cover(null, 'land', 'abroad'), ['abroad land', '']);
});

const ring = (west, south, size = 1) => [[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]];
const square = (west = 0, south = 0) => ({ type: 'Polygon', coordinates: [ring(west, south)] });
const any = () => true;

test('outlines are checked, and named so that no name means anything else', () => {
  const outlines = outlinesOf([
    { id: 'a', geometry: square() }, { id: 7, geometry: square() }, { id: '__proto__', geometry: square() }, { geometry: square() },
    { id: 'point', geometry: { type: 'Point', coordinates: [0, 0] } }, null, 5, { id: 'none', geometry: null }, { id: {}, geometry: square() },
    { id: 'open', geometry: { type: 'Polygon', coordinates: [[[0, 0], [1, 1]]] } }, { id: 'odd', geometry: { type: 'Polygon', coordinates: [[[0, 0], ['x', 1], [1, 1], [0, 0]]] } },
    { id: 'elsewhere', geometry: square() },
  ], (code) => code !== 'elsewhere');
  assert.deepEqual([...outlines.keys()], ['a', '7', '__proto__']);
  const drawn = { type: 'MultiPolygon', coordinates: [[ring(0, 0)]] };
  assert.deepEqual(mapOf(outlines, ['7']).features, [{ type: 'Feature', properties: { name: '@7' }, geometry: drawn }]);
  assert.equal(codeOf(regionOf('__proto__')), '__proto__');
  assert.ok(isInDegrees(outlines));
  const high = outlinesOf([{ id: 'a', geometry: { type: 'Polygon', coordinates: [[[-73, 45, 230], [-72, 45, 0], [-72, 47, 0], [-73, 45, 230]]] } }], any);
  assert.ok(isInDegrees(high), 'a height is no degree');
  assert.deepEqual(extentsOf(high, ['a'], (point) => point), { sizes: new Map([['a', [1, 2]]]), centers: new Map([['a', [-72.5, 46]]]), whole: [1, 2] });
  const plane = outlinesOf([{ id: 'a', geometry: { type: 'Polygon', coordinates: [[[530000, 180000], [530000, 180400], [530900, 180000], [530000, 180000]]] } }], any);
  assert.ok(!isInDegrees(plane));
  for (const point of [[0, 0], [-73.6, 45.5], [179, -60]]) {
    mercator.unproject(mercator.project(point)).forEach((value, at) => assert.ok(Math.abs(value - point[at]) < 1e-9));
  }
  assert.ok(mercator.project([0, 50])[1] < mercator.project([0, 40])[1], 'north is up');
});

test('a feature is of the place that its id names, else of the one that the register\u2019s property names', () => {
  const features = [
    { id: 1, properties: { code: '24066' }, geometry: square() }, { properties: { code: 24067 }, geometry: square(1) },
    { id: '24068', properties: { code: '24066' }, geometry: square(2) }, { properties: null, geometry: square(3) },
    { properties: { code: ['24066'] }, geometry: square(4) },
  ];
  const isKnown = (code) => ['24066', '24067', '24068', 'constructor'].includes(code);
  assert.deepEqual([...outlinesOf(features, isKnown, 'code').keys()], ['24066', '24067', '24068']);
  assert.deepEqual([...outlinesOf(features, isKnown).keys()], ['24068']);
  assert.deepEqual([...outlinesOf(features, any, 'constructor').keys()], ['1', '24068'], 'what every object has is no property');
});

test('several features of one place are its parts, and collections are drawn', () => {
  const outlines = outlinesOf([
    { id: 'a', geometry: square() }, { id: 'a', geometry: { type: 'MultiPolygon', coordinates: [[ring(2, 0)], [ring(4, 0)]] } },
    { id: 'b', geometry: { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [0, 0] }, square(6), { type: 'GeometryCollection', geometries: [square(8)] }] } },
  ], any);
  assert.deepEqual([...outlines].map(([code, { coordinates }]) => [code, coordinates.map(([outer]) => outer[0][0])]), [['a', [0, 2, 4]], ['b', [6, 8]]]);
});

test('outer rings are turned to the left, holes to the right', () => {
  const area = (points) => points.slice(1).reduce((sum, [x, y], at) => sum + points[at][0] * y - x * points[at][1], 0);
  const [outer, hole] = [ring(0, 0, 10), ring(2, 2)];
  for (const coordinates of [[outer, hole], [outer.toReversed(), hole], [outer, hole.toReversed()], [outer.toReversed(), hole.toReversed()]]) {
    const [made] = outlinesOf([{ id: 'a', geometry: { type: 'Polygon', coordinates } }], any).get('a').coordinates;
    assert.ok(area(made[0]) > 0 && area(made[1]) < 0, JSON.stringify(made));
  }
});

test('outlines across the 180th meridian are in one piece', () => {
  const spans = (...geometries) => {
    const outlines = outlinesOf(geometries.map((geometry, at) => ({ id: at, geometry })), any);
    assert.ok(isInDegrees(outlines));
    return extentsOf(outlines, [...outlines.keys()], (point) => point).whole[0];
  };
  const polygon = (...points) => ({ type: 'Polygon', coordinates: [points] });
  const cut = { type: 'MultiPolygon', coordinates: [[ring(179, -17)], [ring(-180, -17)]] };
  const uncut = polygon([179, -18], [-179, -18], [-179, -16], [179, -16], [179, -18]);
  const beyond = polygon([179, -18], [181, -18], [181, -16], [179, -16], [179, -18]);
  for (const geometry of [cut, uncut, beyond]) assert.equal(spans(geometry), 2, JSON.stringify(geometry));
  assert.equal(spans(cut, square(177, -17)), 4, 'with a neighbour in the west');
  assert.equal(spans(uncut, square(-178, -17)), 4, 'with a neighbour in the east');
  assert.equal(spans(square(-74, 45), square(-71, 45)), 4, 'places far from it stay where they are');
  const world = Array.from({ length: 36 }, (_, at) => polygon(...ring(-180 + at * 10, 0, 10)));
  assert.equal(spans(...world), 360);
  // The hole of an outline goes with it.
  const holed = outlinesOf([{ id: 'a', geometry: { type: 'MultiPolygon', coordinates: [[ring(170, 0, 9)], [ring(-180, 0, 9), ring(-178, 2)]] } }], any).get('a');
  assert.deepEqual(holed.coordinates[1].map((each) => Math.min(...each.map(([x]) => x))), [180, 182]);
});

test('arrow keys go to the next place in their direction', () => {
  const centers = new Map([['a', [0, 0]], ['b', [10, 1]], ['c', [4, 9]], ['d', [0, 12]], ['e', [30, 0]]]);
  const to = (from, ...way) => nextPlace(centers, from, way);
  assert.deepEqual([to('a', 1, 0), to('b', 1, 0), to('e', 1, 0), to('e', -1, 0)], ['b', 'e', null, 'b']);
  assert.deepEqual([to('a', 0, 1), to('c', 0, 1), to('d', 0, -1), to('a', 0, -1), to('gone', 0, 1)], ['d', 'd', 'c', null, null]);
});

test('files of outlines are read in every form, or refused with the reason', async () => {
  const reader = async () => ({ feature: (file, part) => ({ type: 'FeatureCollection', features: part.geometries }) });
  const topology = { type: 'Topology', objects: { towns: { geometries: [{ id: 'a' }, { id: 'b' }] }, lands: { geometries: [{ id: 'c' }] } } };
  assert.deepEqual((await featuresOf(topology, reader)).map(({ id }) => id), ['a', 'b', 'c']);
  assert.deepEqual(await featuresOf({ type: 'FeatureCollection', features: [1] }), [1]);
  assert.deepEqual(await featuresOf({ type: 'Feature', id: 'a' }), [{ type: 'Feature', id: 'a' }]);
  for (const wrong of [null, [], {}, { features: {} }, 'text', { type: 'Topology' }]) await assert.rejects(featuresOf(wrong, reader), { why: 'no_outlines' });
  await assert.rejects(featuresOf(topology, async () => null), { why: 'no_library' });
  const broken = async () => ({ feature() { throw new RangeError('arcs'); } });
  await assert.rejects(featuresOf(topology, broken), { why: 'no_outlines' });
});

test('on the podium stand the first three, a tie as a whole if it fits, and nobody without votes', () => {
  const of = (...votes) => {
    const rows = votes.map((each, at) => ({ candidate_id: String(at), votes: each, rank: 1 + votes.filter((other) => other > each).length }));
    const { first, others } = onPodium(rows);
    return [first.map((each) => each.rank).join(' '), others];
  };
  assert.deepEqual(of(9, 8, 7, 6), ['1 2 3', 0]);
  assert.deepEqual(of(9, 8, 7, 7, 6), ['1 2 3 3', 0]);
  assert.deepEqual(of(9, 9, 7, 7, 6), ['1 1 3 3', 0]);
  assert.deepEqual(of(9, 9, 9, 9, 6), ['1 1 1 1', 0]);
  assert.deepEqual(of(1, 1, 1, 1, 1, 1, 1), ['1 1 1 1 1', 2]);
  assert.deepEqual(of(9, 0, 0), ['1', 0]);
  assert.deepEqual(of(0, 0), ['', 0]);
});

test('no votes are no tie, and a tie is one', () => {
  const said = (accepted, blank, name = null, share = null) => standingOf({ counts: { accepted }, blank }, name, share);
  assert.equal(said(0, 0), 'No ballots yet.');
  assert.equal(said(1, 1), 'No votes yet, 1 ballot accepted.');
  assert.equal(said(4, 0), 'A tie for first, 4 ballots accepted.');
  assert.equal(said(5, 0, 'Ada', 0.6), 'Ada leads with 60.0%, 5 ballots accepted.');
});

test('sums over time begin with what came earlier', () => {
  const point = (accepted) => ({ at: '', accepted, blank: 0, votes: { a: accepted } });
  const series = { step_ms: 1, earlier: point(10), points: [1, 2, 3].map(point) };
  assert.deepEqual(sums(series, (part) => part.accepted), [11, 13, 16]);
  assert.deepEqual(sums({ ...series, points: [] }, (part) => part.accepted), []);
});
