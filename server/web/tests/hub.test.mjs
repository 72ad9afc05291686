//! The hub that shares one stream between pages: with ports, a stream and a clock made here.

import assert from 'node:assert/strict';
import test from 'node:test';

import { GONE_AFTER_MS, Hub } from '../hub.js';
import { apply, fromSnapshot } from '../reducer.js';

const event = (tick, votes) => ({
  tick, as_of: new Date(tick).toISOString(), register_version: 'r', contest_id: 'mayor',
  results: {
    tick, contest_id: 'mayor', counts: { accepted: votes }, candidates: [{ candidate_id: 'a', votes }],
  },
  locations: [{ location: 'x', parent: null, accepted: votes, votes: { a: votes } }],
  windows: { watermark: null, window_ms: 1, slide_ms: 1, windows: [] },
});
const change = (tick, votes) => ({
  ...event(tick, votes), removed: { candidates: [], locations: [], windows: [] },
  corrections: [{ candidate_id: 'a', minus: 1, why: 'voided' }],
});

/** A hub with streams that say what a test wants, and a clock that stands. */
function world() {
  const made = { now: 0, streams: [] };
  const hub = new Hub((contest, base, handlers) => {
    const stream = { contest, base, handlers, closed: false, checks: 0, close() { this.closed = true; }, check() { this.checks += 1; } };
    made.streams.push(stream);
    return stream;
  }, () => made.now);
  const page = (takes = true) => {
    const port = {
      heard: [], closed: false, onmessage: null, state: null,
      postMessage(message) {
        this.heard.push(message);
        if (message.kind === 'snapshot') this.state = fromSnapshot(message.event);
        if (message.kind === 'change') this.state = apply(this.state, message.event);
        if (takes && (message.kind === 'snapshot' || message.kind === 'change')) queueMicrotask(() => this.say({ kind: 'took' }));
      },
      close() { this.closed = true; },
      say(message) { this.onmessage({ data: message }); },
      kinds() { return this.heard.map(({ kind }) => kind); },
      votes() { return this.state?.candidates.get('a').votes ?? null; },
    };
    hub.connect(port);
    return port;
  };
  const join = (port, contest = 'mayor') => port.say({ kind: 'join', contest, base: 'http://localhost/' });
  return { made, hub, page, join };
}

const settled = () => new Promise((resolve) => { setImmediate(resolve); });

test('many pages have one stream, and each of them all figures', async () => {
  const { made, page, join } = world();
  const first = page();
  join(first);
  made.streams[0].handlers.phase('open', null);
  made.streams[0].handlers.snapshot(event(1, 10));
  await settled();
  const second = page();
  join(second);
  await settled();
  assert.equal(made.streams.length, 1);
  assert.deepEqual(second.kinds(), ['phase', 'snapshot']);
  assert.equal(second.heard[0].phase, 'open');
  for (const [tick, votes] of [[2, 12], [3, 15]]) {
    made.streams[0].handlers.change(change(tick, votes));
    await settled();
  }
  assert.deepEqual([first.votes(), second.votes()], [15, 15]);
  assert.deepEqual([...first.state.locations], [...second.state.locations]);
  assert.equal(made.streams[0].handlers.tick(), 3, 'a lost line is resumed after the newest tick');
});

test('a page that is slow gets what it missed as one change, and one that sleeps grows nothing', async () => {
  const { made, page, join } = world();
  const [slow, prompt] = [page(false), page()];
  join(slow);
  join(prompt);
  made.streams[0].handlers.snapshot(event(1, 1));
  for (let tick = 2; tick <= 100; tick += 1) {
    made.streams[0].handlers.change(change(tick, tick));
    await settled();
  }
  assert.deepEqual(slow.kinds(), ['phase', 'snapshot']);
  assert.equal(prompt.kinds().filter((kind) => kind === 'change').length, 99);
  slow.say({ kind: 'took' });
  assert.deepEqual(slow.kinds(), ['phase', 'snapshot', 'change']);
  assert.equal(slow.votes(), 100);
  assert.deepEqual(slow.heard[2].event.corrections, [{ candidate_id: 'a', minus: 99, why: 'voided' }]);
  slow.say({ kind: 'took' });
  assert.equal(slow.heard.length, 3, 'there is nothing more to send');
});

test('a snapshot replaces what a slow page did not take', async () => {
  const { made, page, join } = world();
  const slow = page(false);
  join(slow);
  made.streams[0].handlers.snapshot(event(1, 1));
  made.streams[0].handlers.change(change(2, 2));
  made.streams[0].handlers.reset({ tick: 9, reason: 'too_old' });
  made.streams[0].handlers.snapshot(event(10, 5));
  made.streams[0].handlers.change(change(11, 6));
  slow.say({ kind: 'took' });
  assert.deepEqual(slow.kinds(), ['phase', 'snapshot', 'reset', 'snapshot']);
  assert.equal(slow.votes(), 6, 'all figures hold the change that came after');
});

test('contests do not mix, and a stream ends with its last page', async () => {
  const { made, page, join } = world();
  const [first, second] = [page(), page()];
  join(first);
  join(second, 'council');
  assert.deepEqual(made.streams.map(({ contest }) => contest), ['mayor', 'council']);
  made.streams[0].handlers.snapshot(event(1, 1));
  assert.ok(!second.kinds().includes('snapshot'));
  join(first, 'council');
  assert.ok(made.streams[0].closed && !made.streams[1].closed);
  first.say({ kind: 'leave' });
  assert.ok(!made.streams[1].closed && first.closed);
  second.say({ kind: 'leave' });
  assert.ok(made.streams[1].closed);
});

test('a page that is silent for too long is let go, told so, and may come again', () => {
  const { made, hub, page, join } = world();
  const [gone, here] = [page(), page()];
  join(gone);
  join(here);
  made.now = GONE_AFTER_MS;
  here.say({ kind: 'here' });
  made.now += 1;
  hub.sweep();
  assert.deepEqual([gone.kinds().at(-1), gone.closed, here.closed], ['dropped', true, false]);
  assert.equal(here.kinds().at(-1), 'here');
  const again = page();
  join(again);
  assert.equal(made.streams.length, 1);
});

test('the line is told when it changes, and looked after when a page asks', () => {
  const { made, page, join } = world();
  const port = page();
  join(port);
  for (let times = 0; times < 3; times += 1) made.streams[0].handlers.phase('open', null);
  made.streams[0].handlers.phase('lost', null);
  made.streams[0].handlers.ready();
  made.streams[0].handlers.alive({ tick: 1, now: 'now', lag: 0 });
  assert.deepEqual(port.kinds(), ['phase', 'phase', 'phase', 'ready', 'alive']);
  port.say({ kind: 'check' });
  assert.equal(made.streams[0].checks, 1);
});
