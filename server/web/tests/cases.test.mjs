//! The reducer against the cases of the Rust view: what the stream told in random worlds.
//!
//! In come the files that `cargo test -p dataflow --test laws` writes: of each contest and tick the
//! change and all figures beside it. Whoever applies the changes, one by one, merged, or after
//! connecting late, must hold those figures.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { apply, fromSnapshot, merge } from '../reducer.js';

const folder = process.env.TALLYFLOW_TEST_STREAM_CASES
  ?? fileURLToPath(new URL('../../../target/tmp/stream', import.meta.url));

/** What a page holds, in a form that can be compared; a tick without a change may go unsaid. */
function held({ results, candidates, locations, windows }, floor) {
  const { tick, as_of, offsets, register_version, ...figures } = results;
  const { windows: rows, tick: _, as_of: __, register_version: ___, ...head } = windows;
  const byKey = (map) => Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    figures, head, candidates: byKey(candidates), locations: byKey(locations), windows: rows.filter((row) => row.start >= floor),
  };
}

/** A page that applies what it noted every so many ticks. */
class Page {
  #every;
  #state = null;
  #noted = null;
  #ticks = 0;

  constructor(every) {
    this.#every = every;
  }

  follow(tick) {
    if (tick === null) {
      this.#state = this.#noted = null;
      return;
    }
    const { snapshot, change } = tick;
    if (this.#state === null) {
      this.#state = fromSnapshot(snapshot);
      return;
    }
    this.#ticks += 1;
    if (change !== null) this.#noted = this.#noted === null ? change : merge(this.#noted, change);
    if (this.#ticks % this.#every !== 0) return;
    if (this.#noted !== null) this.#state = apply(this.#state, this.#noted);
    this.#noted = null;
    const floor = this.#state.windows_floor;
    assert.deepEqual(held(this.#state, floor), held(fromSnapshot(snapshot), floor));
  }
}

for (const name of ['votes', 'few-voters', 'many-windows']) {
  test(`what the stream tells is what a page holds: ${name}`, () => {
    const file = path.join(folder, `${name}.ndjson`);
    assert.ok(readdirSync(folder).includes(`${name}.ndjson`), `${file}: cargo test -p dataflow --test laws writes it`);
    const contests = readFileSync(file, 'utf8').split('\n').map((line) => JSON.parse(line));
    let changes = 0;
    for (const { contest, ticks } of contests) {
      const pages = [new Page(1), new Page(2), new Page(3)];
      ticks.forEach((tick, at) => {
        changes += Number(Boolean(tick?.change));
        // Another one connects at every tick.
        pages.push(new Page(1 + (at % 2)));
        try {
          for (const page of pages) page.follow(tick);
        } catch (error) {
          error.message = `contest ${contest}, tick ${at}: ${error.message}`;
          throw error;
        }
      });
    }
    assert.ok(changes > contests.length / 2, `${changes} changes of ${contests.length} contests`);
  });
}
