// What the tests of examples/client/latchkey.mjs share: a `cargo run` with real answers over real
// sockets, and a proxy in front of it that counts requests and loses answers. The client's clock and
// timers are the tests'.

import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, beforeEach } from 'node:test';
import { inspect } from 'node:util';

import { Latchkey, LatchkeyError, exclusive, inMemory } from '../../examples/client/latchkey.mjs';
import { otherPort, port, start } from './server.mjs';

const baseUrl = `http://127.0.0.1:${otherPort}`;
export const password = 'correct horse battery staple';

let latchkey;
export let proxy;

before(async () => {
  proxy = await startProxy();
  latchkey = await start('AccessTokenSeconds=60', 'LoginAttempts=3', 'AuthorizerCacheSeconds=0');
});

after(() => {
  proxy.close();
  latchkey?.stop();
});

beforeEach(() => proxy.reset());

/** Passes requests on, and records them; `meddle` may do something else with one. */
async function startProxy() {
  const state = {
    seen: [],
    meddle: null,
    expired: new Set(),
    reset() {
      Object.assign(state, { seen: [], meddle: null, expired: new Set() });
    },
    count: (path) => state.seen.filter((request) => request.path === path).length,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const recorded = { method: request.method, path: request.url, body: body.toString() };
    state.seen.push(recorded);
    const headers = { ...request.headers };
    const token = headers.authorization?.replace('Bearer ', '');
    if (state.expired.has(token)) headers.authorization = `Bearer ${aged(token)}`;
    const pass = () =>
      new Promise((resolve, reject) => {
        const options = { port, method: request.method, path: request.url, headers, agent: false };
        const onward = http.request({ ...options, host: '127.0.0.1' }, async (answer) => {
          const parts = [];
          for await (const part of answer) parts.push(part);
          resolve({
            status: answer.statusCode,
            headers: answer.headers,
            body: Buffer.concat(parts),
          });
        });
        onward.on('error', reject);
        onward.end(body);
      });
    const reply = (answer) => response.writeHead(answer.status, answer.headers).end(answer.body);
    const drop = () => request.socket.destroy();
    if (state.meddle) await state.meddle(recorded, { pass, reply, drop });
    else reply(await pass());
  });
  await new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(otherPort, '127.0.0.1', resolve);
  });
  return state;
}

/** The same token as if an hour had passed: by Latchkey's key, and expired. */
function aged(token) {
  const [header, payload] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  const before = { ...claims, iat: claims.iat - 3600, exp: claims.exp - 3600 };
  const message = `${header}.${Buffer.from(JSON.stringify(before)).toString('base64url')}`;
  const key = createPrivateKey(readFileSync(join(latchkey.data, 'signing-key.pem')));
  return `${message}.${sign('sha256', Buffer.from(message), key).toString('base64url')}`;
}

/** What a wait of this many milliseconds is for. Any other is a pause before the next try. */
const WAITS = { 4000: 'answers', 5000: 'locks', 30000: 'changes' };

/** A clock and timers that the test moves. Pauses are over at once; waits only if the test says so. */
export function time() {
  const state = {
    millis: 1_000_000,
    pauses: [],
    answers: [],
    locks: [],
    changes: [],
    now: () => state.millis,
    timer(milliseconds, callback) {
      const waits = WAITS[milliseconds];
      if (waits) {
        state[waits].push(callback);
      } else {
        state.pauses.push(milliseconds);
        state.millis += milliseconds;
        queueMicrotask(callback);
      }
      return () => {};
    },
  };
  return state;
}

/** A client with what tests look at. */
export function client(options = {}) {
  const clock = options.clock ?? time();
  const made = new Latchkey({ baseUrl, now: clock.now, timer: clock.timer, ...options });
  const ends = [];
  made.onSignedOut((reason) => ends.push(reason));
  return Object.assign(made, { clock, ends });
}

/** A storage in memory that fails as often as the test says. */
export function flaky() {
  const stored = inMemory();
  const state = { loads: 0, saves: 0, clears: 0 };
  const fallible =
    (verb, count) =>
    (...given) => {
      if (state[count] === 0) return stored[verb](...given);
      state[count] -= 1;
      throw new Error(`${verb}: the keychain is locked`);
    };
  return Object.assign(state, {
    load: fallible('load', 'loads'),
    save: fallible('save', 'saves'),
    clear: fallible('clear', 'clears'),
    token: () => JSON.parse(stored.load() ?? 'null')?.refreshToken,
  });
}

/**
 * A lock that another tab has from `close` to `open`. `asked` returns when the next task has asked for
 * it.
 */
export function gate() {
  const lock = exclusive();
  let release;
  let tell;
  return {
    close: () => void lock(() => new Promise((resolve) => (release = resolve))),
    open: () => release(),
    asked: () => new Promise((resolve) => (tell = resolve)),
    lock(task) {
      tell?.();
      return lock(task);
    },
  };
}

/** The refresh tokens that were presented to a path. */
export const presented = (path) =>
  proxy.seen.filter((seen) => seen.path === path).map(({ body }) => JSON.parse(body).refresh_token);

let people = 0;

export function somebody() {
  people += 1;
  const email = `ada${people}@example.com`;
  return { email, password, first_name: 'Ada', last_name: 'Lovelace' };
}

/** A client that is signed in. */
export async function signedIn(options) {
  const made = client(options);
  const account = somebody();
  await made.register(account);
  await made.login(account.email, password);
  proxy.reset();
  return Object.assign(made, { email: account.email });
}

export const is = (status, code) => (error) => {
  assert.ok(error instanceof LatchkeyError, inspect(error));
  assert.deepEqual([error.status, error.code], [status, code]);
  return true;
};

/** Answers as a function does if DynamoDB does not answer. */
export const unavailable = {
  status: 503,
  headers: { 'content-type': 'application/problem+json', 'retry-after': '2' },
  body: '{"title":"The service cannot answer now","status":503,"code":"unavailable"}',
};
