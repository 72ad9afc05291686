//! The reducer against a naive retelling: random registers of rows, changed at random.
//!
//! A world of rows is changed step by step; each step's change is the difference of two worlds, made
//! here by comparing whole rows. What the page holds after all changes, however they were merged,
//! must be the last world. Touches no page and no network.

import assert from 'node:assert/strict';
import test from 'node:test';

import { CORRECTIONS_MAX, WINDOWS_MAX, apply, fromSnapshot, merge, ranked, votesFor } from '../reducer.js';

/** mulberry32: a seeded generator, so that a failure can be told by its seed. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const candidateRow = (id, votes) => ({
  candidate_id: id, candidate_name: `name ${id}`, party: null, color: null, photo_url: null,
  votes, share: null, rank: 1, withdrawn: false,
});
const locationRow = (code, accepted) => ({
  location: code, name: code, parent: null, leaf: true, registered: null, accepted, blank: 0,
  turnout: null, leader: null, votes: { a: accepted },
});
const windowRow = (minute, accepted) => ({
  start: start(minute), end: start(minute + 1), final: false, accepted, blank: 0, late: 0,
  votes: { a: accepted },
});
const start = (minute) => new Date(Date.UTC(2013, 10, 3, 12, minute)).toISOString();

const world = (tick = 1) => ({ tick, candidates: new Map(), locations: new Map(), windows: new Map() });

function envelope({ tick }, accepted = tick) {
  return {
    tick, as_of: new Date(tick).toISOString(), register_version: 'r', contest_id: 'mayor',
    results: { tick, contest_id: 'mayor', counts: { accepted }, candidates: [] },
    windows: { watermark: null, window_ms: 60000, slide_ms: 60000, windows: [] },
    locations: [],
  };
}

const newestFirst = (rows) => [...rows].sort((a, b) => (a.start < b.start ? 1 : -1));

function snapshotOf(of) {
  const event = envelope(of);
  event.results.candidates = [...of.candidates.values()];
  event.locations = [...of.locations.values()];
  event.windows.windows = newestFirst(of.windows.values()).slice(0, WINDOWS_MAX);
  return event;
}

/** The change between two worlds, by comparing every row. */
function changeOf(before, after, corrections = []) {
  const event = { ...envelope(after), removed: {}, corrections };
  const differing = (kind) => [...after[kind]]
    .filter(([key, row]) => JSON.stringify(before[kind].get(key)) !== JSON.stringify(row))
    .map(([, row]) => row);
  event.results.candidates = differing('candidates');
  event.locations = differing('locations');
  event.windows.windows = newestFirst(differing('windows'));
  for (const kind of ['candidates', 'locations', 'windows']) {
    event.removed[kind] = [...before[kind].keys()].filter((key) => !after[kind].has(key));
  }
  return event;
}

/** The next world: some rows come, change and go; ids are chosen to be awkward as object keys. */
function stepped(before, random) {
  const after = {
    tick: before.tick + 1 + Math.floor(random() * 5000),
    candidates: new Map(before.candidates),
    locations: new Map(before.locations),
    windows: new Map(before.windows),
  };
  const keys = ['a', 'b', 'constructor', '__proto__', '5', 'é'];
  for (let turn = 0; turn < 4; turn += 1) {
    const key = keys[Math.floor(random() * keys.length)];
    const minute = Math.floor(random() * 40);
    const votes = Math.floor(random() * 10);
    const edits = [
      () => after.candidates.set(key, candidateRow(key, votes)),
      () => after.candidates.delete(key),
      () => after.locations.set(key, locationRow(key, votes)),
      () => after.locations.delete(key),
      () => after.windows.set(start(minute), windowRow(minute, votes)),
      () => after.windows.delete(start(minute)),
    ];
    edits[Math.floor(random() * edits.length)]();
  }
  return after;
}

function holds(state, expected) {
  const sortedRows = (rows) => [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  assert.equal(state.tick, expected.tick);
  assert.equal(state.results.counts.accepted, expected.tick);
  assert.deepEqual(sortedRows(state.candidates), sortedRows(expected.candidates));
  assert.deepEqual(sortedRows(state.locations), sortedRows(expected.locations));
  assert.deepEqual(state.windows.windows, newestFirst(expected.windows.values()));
}

test('changes, merged in any way, end at the last world', () => {
  for (let seed = 0; seed < 500; seed += 1) {
    const random = generator(seed);
    let now = stepped(world(), random);
    let state = fromSnapshot(snapshotOf(now));
    let waiting = null;
    for (let step = 0; step < 20; step += 1) {
      const next = stepped(now, random);
      const change = changeOf(now, next, random() < 0.3 ? [{ candidate_id: 'a', minus: 1, why: 'voided' }] : []);
      waiting = waiting === null ? change : merge(waiting, change);
      if (random() < 0.5) {
        state = apply(state, waiting);
        waiting = null;
        holds(state, next);
      }
      now = next;
    }
    if (waiting !== null) state = apply(state, waiting);
    holds(state, now);
  }
});

test('merging is associative and loses no correction', () => {
  for (let seed = 0; seed < 300; seed += 1) {
    const random = generator(seed);
    const worlds = [stepped(world(), random)];
    for (let step = 0; step < 3; step += 1) worlds.push(stepped(worlds[step], random));
    const corrections = () => [
      { candidate_id: random() < 0.3 ? null : 'a', minus: 1 + Math.floor(random() * 3), why: 'voided' },
    ];
    const [a, b, c] = [0, 1, 2].map((at) => changeOf(worlds[at], worlds[at + 1], corrections()));
    const left = merge(merge(a, b), c);
    const right = merge(a, merge(b, c));
    const state = fromSnapshot(snapshotOf(worlds[0]));
    assert.deepEqual(apply(state, left), apply(state, right));
    const minus = (event) => event.corrections.reduce((sum, row) => sum + row.minus, 0);
    assert.equal(minus(left), minus(a) + minus(b) + minus(c));
    for (const row of left.locations) assert.ok(!left.removed.locations.includes(row.location));
  }
});

test('nothing that is given is changed, and rows that did not change keep their identity', () => {
  const before = stepped(world(), generator(7));
  before.locations.set('x', locationRow('x', 1)).set('y', locationRow('y', 1));
  const state = deepFrozen(fromSnapshot(snapshotOf(before)));
  const after = { ...before, tick: before.tick + 1, locations: new Map(before.locations) };
  after.locations.set('y', locationRow('y', 2));
  const changed = apply(state, deepFrozen(changeOf(before, after)));
  assert.equal(changed.locations.get('x'), state.locations.get('x'));
  assert.equal(changed.locations.get('y').accepted, 2);
  assert.equal(state.locations.get('y').accepted, 1);
  assert.equal(changed.candidates, state.candidates);
});

test('a change that is not newer, or of another contest, is not applied', () => {
  const before = world(10);
  const state = fromSnapshot(snapshotOf(before));
  assert.equal(apply(state, changeOf(before, world(10))), state);
  assert.equal(apply(state, changeOf(before, world(9))), state);
  assert.equal(apply(state, { ...changeOf(before, world(11)), contest_id: 'council' }), state);
  assert.equal(apply(state, changeOf(before, world(11))).tick, 11);
});

test('the newest windows are held, and an old one that changes does not stand beside them', () => {
  const full = world();
  for (let minute = 0; minute < WINDOWS_MAX + 30; minute += 1) full.windows.set(start(minute), windowRow(minute, 1));
  const state = fromSnapshot(snapshotOf(full));
  assert.equal(state.windows.windows.length, WINDOWS_MAX);
  const after = { ...full, tick: 2, windows: new Map(full.windows) };
  after.windows.set(start(3), windowRow(3, 9)).delete(start(140));
  after.windows.set(start(200), windowRow(200, 1)).delete(start(100));
  const shown = apply(state, changeOf(full, after)).windows.windows.map((row) => row.start);
  assert.equal(shown[0], start(200));
  assert.ok(!shown.includes(start(3)));
  assert.ok(!shown.includes(start(140)));
  assert.ok(shown.every((row) => row >= start(30)));
});

test('corrections of one moment are one line, newest first, and do not grow for ever', () => {
  let state = fromSnapshot(snapshotOf(world(1000)));
  const correct = (tick, ...corrections) => {
    state = apply(state, changeOf(world(state.tick), world(tick), corrections));
  };
  correct(1100, { candidate_id: 'a', minus: 2, why: 'voided' }, { candidate_id: null, minus: 1, why: 'moved' });
  correct(1200, { candidate_id: 'a', minus: 3, why: 'voided' });
  correct(2200, { candidate_id: 'a', minus: 4, why: 'voided' });
  assert.deepEqual(state.corrections, [
    { candidate_id: 'a', minus: 4, why: 'voided', tick: 2200 },
    { candidate_id: null, minus: 1, why: 'moved', tick: 1100 },
    { candidate_id: 'a', minus: 5, why: 'voided', tick: 1100 },
  ]);
  const kept = fromSnapshot(snapshotOf(world(2300)), state);
  assert.equal(kept.corrections, state.corrections);
  assert.deepEqual(fromSnapshot({ ...snapshotOf(world(2400)), contest_id: 'council' }, state).corrections, []);
  for (let at = 0; at < 200; at += 1) correct(5000 + at * 1000, { candidate_id: 'b', minus: 1, why: 'voided' });
  assert.equal(state.corrections.length, CORRECTIONS_MAX);
});

test('candidates stand by rank, then place on the ballot paper, then id', () => {
  const rows = [['d', 2], ['c', 1], ['b', 1], ['a', 1], ['e', 1]];
  const of = world();
  for (const [id, rank] of rows) of.candidates.set(id, { ...candidateRow(id, 0), rank });
  const places = new Map([['b', 1], ['c', 0], ['d', 2]]);
  const ids = ranked(fromSnapshot(snapshotOf(of)), places).map((row) => row.candidate_id);
  assert.deepEqual(ids, ['c', 'b', 'a', 'e', 'd']);
});

test('a candidate called like an inherited property has no votes but its own', () => {
  const row = { votes: JSON.parse('{"__proto__": 3, "a": 1}') };
  assert.equal(votesFor(row, '__proto__'), 3);
  assert.equal(votesFor(row, 'constructor'), 0);
  assert.equal(votesFor(row, 'a'), 1);
});

function deepFrozen(value) {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    const parts = value instanceof Map ? value.values() : Object.values(value);
    for (const part of parts) deepFrozen(part);
  }
  return value;
}

test('a suppressed location has no figures, and comes back with them', () => {
  const suppressed = {
    location: 'n1', name: 'n1', parent: null, leaf: true, registered: 7, suppressed: true,
  };
  const snapshot = { ...envelope(world(1)), locations: [suppressed, locationRow('n2', 9)] };
  const state = fromSnapshot(snapshot);
  const row = state.locations.get('n1');
  assert.equal(row.suppressed, true);
  assert.deepEqual([row.accepted, row.blank, row.turnout, row.leader, row.votes], [0, 0, null, null, {}]);
  assert.equal(votesFor(row, 'a'), 0);
  const none = { candidates: [], locations: [], windows: [] };
  const later = { ...envelope(world(2)), removed: none, corrections: [], locations: [locationRow('n1', 8)] };
  const shown = apply(state, later);
  assert.equal(shown.locations.get('n1').suppressed, undefined);
  assert.equal(shown.locations.get('n1').accepted, 8);
  const hidden = apply(shown, { ...later, ...envelope(world(3)), locations: [suppressed] });
  assert.equal(votesFor(hidden.locations.get('n1'), 'a'), 0);
});
