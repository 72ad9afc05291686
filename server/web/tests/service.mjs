//! A service for a test: its own register and directory, a free port, ended by the test.
//!
//! `TALLYFLOW_TEST_BINARY` is its path.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

import { until } from './browser.mjs';

const TOKEN = 'the-token-of-the-tests';

/** Starts a service on a register, with more flags, and waits until it counts. */
export async function startService(register, more = []) {
  assert.ok(process.env.TALLYFLOW_TEST_BINARY, 'set TALLYFLOW_TEST_BINARY to the path of the service');
  const directory = await mkdtemp(path.join(os.tmpdir(), 'tallyflow-page-'));
  await writeFile(path.join(directory, 'register.json'), JSON.stringify(register));
  const flags = ['--register', 'register.json', '--listen', '127.0.0.1:0', '--data', 'data', ...more];
  const env = { ...process.env, TALLYFLOW_TOKEN: TOKEN };
  const options = { cwd: directory, env, stdio: ['ignore', 'pipe', 'inherit'] };
  const service = spawn(path.resolve(process.env.TALLYFLOW_TEST_BINARY), flags, options);
  const stop = async () => {
    if (service.exitCode === null) {
      service.kill();
      await new Promise((resolve) => { service.once('exit', resolve); });
    }
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const address = await addressOf(service);
    await until('the service is ready', async () => (await fetch(new URL('readyz', address))).ok);
    const api = async (route) => {
      const answer = await fetch(new URL(route, address));
      assert.equal(answer.status, 200, route);
      return answer.json();
    };
    const vote = async (events) => {
      const headers = { 'content-type': 'application/x-ndjson', authorization: `Bearer ${TOKEN}` };
      const body = events.map((event) => JSON.stringify(event)).join('\n');
      const answer = await fetch(new URL('api/v1/votes', address), { method: 'POST', headers, body });
      assert.equal(answer.status, 202, await answer.text());
    };
    return { address, api, vote, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function addressOf(service) {
  for await (const line of readline.createInterface({ input: service.stdout })) {
    const [, said] = line.match(/^tallyflow listens on (.*)$/) ?? [];
    if (said) return new URL(said);
  }
  return assert.fail('the service does not say where it listens');
}
