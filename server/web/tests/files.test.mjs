//! What the page weighs before its figures stand, and that all of it is asked for at once.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const folder = fileURLToPath(new URL('..', import.meta.url));
const read = (name) => readFileSync(path.join(folder, name), 'utf8');

/** A module and all that it imports before it runs. */
function closure(entry, found = new Set()) {
  if (found.has(entry)) return found;
  found.add(entry);
  for (const [, name] of read(entry).matchAll(/^(?:import|export)[^;]*? from '(\.[^']+)';/gm)) {
    closure(path.join(path.dirname(entry), name), found);
  }
  return found;
}

test('the page lists every module that its figures need, and no other', () => {
  const listed = [...read('index.html').matchAll(/<link rel="modulepreload" href="page\/([^"]+)">/g)].map(([, name]) => name);
  assert.deepEqual(listed.sort(), [...closure('app.js')].sort());
});

test('figures stand after less than 60 kB, compressed', () => {
  const names = ['index.html', 'styles.css', 'alone.css', 'icon.svg', ...closure('app.js')];
  const sizes = names.map((name) => [name, gzipSync(read(name), { level: 9 }).length]);
  const sum = sizes.reduce((total, [, size]) => total + size, 0);
  assert.ok(sum < 60_000, `${sum} B: ${JSON.stringify(sizes)}`);
});
