//! Measures, their classes, the tree as a map needs it, outlines and sums over time, case by case.

import assert from 'node:assert/strict';
import test from 'node:test';

import { nearest, partsOf } from '../level.js';
import { CLASSES, classOf, marginOf, measureOf, rangesOf, scaleOf, shareOf, valueOf } from '../measure.js';

// The page's own address and media, which modules that draw look at when they are loaded.
globalThis.document = { baseURI: 'http://localhost/', documentElement: { dataset: {} } };
globalThis.matchMedia = () => ({ addEventListener() {} });
const { codeOf, extentsOf, isInDegrees, mapOf, mercator, outlinesOf, regionOf } = await import('../outlines.js');
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

test('outlines are checked, and named so that no name means anything else', () => {
  const square = { type: 'Polygon', coordinates: [[[0, 0], [1, 0], [1, 1], [0, 0]]] };
  const outlines = outlinesOf({ features: [
    { id: 'a', geometry: square }, { id: 7, geometry: square }, { id: '__proto__', geometry: square },
    { geometry: square }, { id: 'point', geometry: { type: 'Point', coordinates: [0, 0] } }, null, { id: 'none', geometry: null },
  ] });
  assert.deepEqual([...outlines.keys()], ['a', '7', '__proto__']);
  assert.deepEqual(mapOf(outlines, ['7']).features, [{ type: 'Feature', properties: { name: '@7' }, geometry: square }]);
  assert.equal(codeOf(regionOf('__proto__')), '__proto__');
  for (const wrong of [null, [], {}, { features: {} }, 'text']) assert.throws(() => outlinesOf(wrong), /FeatureCollection/);
  assert.ok(isInDegrees(outlines));
  const high = new Map([['a', { type: 'Polygon', coordinates: [[[-73, 45, 230], [-72, 45, 0], [-72, 47, 0], [-73, 45, 230]]] }]]);
  assert.ok(isInDegrees(high), 'a height is no degree');
  assert.deepEqual(extentsOf(high, ['a'], (point) => point), { sizes: new Map([['a', [1, 2]]]), whole: [1, 2] });
  assert.ok(!isInDegrees(new Map([['a', { type: 'Polygon', coordinates: [[[530000, 180000], [0, 0], [1, 1], [530000, 180000]]] }]])));
  for (const point of [[0, 0], [-73.6, 45.5], [179, -60]]) {
    mercator.unproject(mercator.project(point)).forEach((value, at) => assert.ok(Math.abs(value - point[at]) < 1e-9));
  }
  assert.ok(mercator.project([0, 50])[1] < mercator.project([0, 40])[1], 'north is up');
});

test('sums over time begin with what came earlier', () => {
  const point = (accepted) => ({ at: '', accepted, blank: 0, votes: { a: accepted } });
  const series = { step_ms: 1, earlier: point(10), points: [1, 2, 3].map(point) };
  assert.deepEqual(sums(series, (part) => part.accepted), [11, 13, 16]);
  assert.deepEqual(sums({ ...series, points: [] }, (part) => part.accepted), []);
});
