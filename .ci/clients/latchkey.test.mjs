// examples/client/latchkey.mjs against `cargo run`: real answers over real sockets, with a proxy between
// that can count requests and lose answers. The client's clock and timers are the tests'.

import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';

import * as module from '../../examples/client/latchkey.mjs';
import {
  Latchkey,
  LatchkeyError,
  NoAnswerError,
  SignedOutError,
  exclusive,
  inMemory,
  messageFor,
} from '../../examples/client/latchkey.mjs';
import { otherPort, port, start } from './server.mjs';

const baseUrl = `http://127.0.0.1:${otherPort}`;
const password = 'correct horse battery staple';

let latchkey;
let proxy;

before(async () => {
  proxy = await startProxy();
  latchkey = await start('AccessTokenSeconds=60', 'LoginAttempts=3', 'AuthorizerCacheSeconds=0');
});

after(() => {
  proxy.close();
  latchkey?.stop();
});

beforeEach(() => proxy.reset());

/** Passes requests on, and notes them; `meddle` may do something else with one. */
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
    const noted = { method: request.method, path: request.url, body: body.toString() };
    state.seen.push(noted);
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
    if (state.meddle) await state.meddle(noted, { pass, reply, drop });
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

/** A clock and timers that the test moves. Pauses are over at once; waits for answers never. */
function time() {
  const state = {
    millis: 1_000_000,
    pauses: [],
    waits: [],
    now: () => state.millis,
    timer(milliseconds, callback) {
      if (milliseconds === 4000) {
        state.waits.push(callback);
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
function client(options = {}) {
  const clock = options.clock ?? time();
  const made = new Latchkey({ baseUrl, now: clock.now, timer: clock.timer, ...options });
  const ends = [];
  made.onSignedOut((reason) => ends.push(reason));
  return Object.assign(made, { clock, ends });
}

/** In memory, and out of order as often as the test says. */
function flaky() {
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

/** The refresh tokens that were presented to a path. */
const presented = (path) =>
  proxy.seen.filter((seen) => seen.path === path).map(({ body }) => JSON.parse(body).refresh_token);

let people = 0;

function somebody() {
  people += 1;
  const email = `ada${people}@example.com`;
  return { email, password, first_name: 'Ada', last_name: 'Lovelace' };
}

/** A client that is signed in. */
async function signedIn(options) {
  const made = client(options);
  const account = somebody();
  await made.register(account);
  await made.login(account.email, password);
  proxy.reset();
  return Object.assign(made, { email: account.email });
}

const is = (status, code) => (error) => {
  assert.ok(error instanceof LatchkeyError, inspect(error));
  assert.deepEqual([error.status, error.code], [status, code]);
  return true;
};

/** Answers as a function does where DynamoDB is away. */
const unavailable = {
  status: 503,
  headers: { 'content-type': 'application/problem+json', 'retry-after': '2' },
  body: '{"title":"The service cannot answer now","status":503,"code":"unavailable"}',
};

test('an account is opened, logged into, shown, changed, listed and deleted', async () => {
  const ada = client();
  const account = somebody();
  const opened = await ada.register(account);
  assert.equal(opened.email, account.email);
  assert.equal(await ada.isSignedIn(), false);
  await ada.login(account.email, password);
  assert.equal(await ada.isSignedIn(), true);

  const shown = await ada.profile();
  assert.equal(shown.account.id, opened.id);
  const changed = await ada.changeProfile({ first_name: 'Augusta' }, shown.etag);
  assert.equal(changed.account.first_name, 'Augusta');
  await assert.rejects(
    ada.changeProfile({ first_name: 'A' }, shown.etag),
    is(412, 'precondition-failed'),
  );

  const elsewhere = client();
  await elsewhere.login(account.email, password);
  const sessions = await ada.sessions();
  assert.deepEqual(
    sessions.map((session) => session.current),
    [false, true],
  );
  await ada.endSession(sessions[0].id);
  assert.equal((await ada.sessions()).length, 1);

  const longer = `${password} on Sunday`;
  await ada.changePassword(password, longer);
  await ada.profile();
  await ada.deleteAccount(longer);
  assert.deepEqual(ada.ends, ['logout']);
  await assert.rejects(ada.profile(), SignedOutError);
  await assert.rejects(ada.login(account.email, longer), is(401, 'invalid-credentials'));
});

test('what is wrong with a form is told field by field', async () => {
  const mistaken = { email: 'ada', password: 'short', first_name: 'Ada', last_name: '', age: 36 };
  await assert.rejects(client().register(mistaken), (error) => {
    is(422, 'invalid-fields')(error);
    assert.equal(error.fieldError('email').code, 'invalid-email');
    assert.equal(error.fieldError('password').code, 'too-short');
    assert.equal(error.fieldError('last_name').code, 'blank');
    assert.equal(error.fieldError('first_name'), null);
    assert.deepEqual(error.fieldErrors.map(({ pointer }) => pointer).sort(), [
      '/age',
      '/email',
      '/last_name',
      '/password',
    ]);
    assert.match(error.requestId, /./);
    return true;
  });
});

test('the message of a refusal is for a person', async () => {
  const ada = client();
  const account = somebody();
  await ada.register(account);
  const messageOf = (call) => call.then(assert.fail, (error) => error.message);
  assert.equal(
    await messageOf(ada.register({ ...account, password: 'short', first_name: ' ' })),
    'First name is blank. Password has fewer than 15 characters.',
  );
  assert.equal(
    await messageOf(ada.register(account)),
    'This e-mail address has an account already.',
  );
  const guess = () => messageOf(ada.login(account.email, 'not this one, surely'));
  for (let guesses = 0; guesses < 3; guesses += 1) {
    assert.equal(await guess(), 'The e-mail address or the password is wrong.');
  }
  assert.match(
    await guess(),
    /^Too many passwords were tried\. Try again in \d+ (seconds|minutes)\.$/,
  );
  assert.equal(await messageOf(ada.profile()), 'You are signed out. Log in again.');

  const refusal = (status, document, headers = {}) =>
    new LatchkeyError(status, document, new Headers(headers)).message;
  const unavailable = {
    code: 'unavailable',
    title: 'The service cannot answer now',
    detail: 'Try.',
  };
  for (const [said, expected] of [
    [refusal(403, { message: 'Forbidden' }), 'You may not do this.'],
    [refusal(429, { message: 'Too Many Requests' }), 'The service is busy. Try again in a moment.'],
    [
      refusal(503, unavailable, { 'retry-after': '1' }),
      'The service is not available now. Try again in a second.',
    ],
    [refusal(500, { message: 'Internal Server Error' }), 'Something went wrong (status 500).'],
    [
      refusal(429, { code: 'too-many-attempts' }, { 'retry-after': '900' }),
      'Too many passwords were tried. Try again in 15 minutes.',
    ],
    // A route of one's own: its words, or those of its status.
    [refusal(403, { title: 'no more notes', code: 'full', detail: 'Pay!' }), 'No more notes. Pay!'],
    [refusal(404, { code: 'constructor' }), 'It is not there.'],
    [
      refusal(422, { errors: ['email', null, { pointer: 1 }] }),
      'Something went wrong (status 422).',
    ],
    [
      refusal(422, { errors: [{ pointer: '', detail: 'is no JSON' }] }),
      'What was sent is no JSON.',
    ],
  ]) {
    assert.equal(said, expected);
  }
});

test('of anything else than a refusal a person is told that the page is broken', (t) => {
  const reported = [];
  const { reportError } = globalThis;
  globalThis.reportError = (error) => reported.push(error);
  t.after(() => (globalThis.reportError = reportError));
  for (const error of [new NoAnswerError(), new SignedOutError()]) {
    assert.equal(messageFor(error), error.message);
    assert.match(error.message, /^[A-Z].*\.$/);
  }
  assert.deepEqual(reported, []);
  const mistake = new TypeError('x is not a function');
  assert.equal(messageFor(mistake), 'Something went wrong on this page. Load it again.');
  assert.deepEqual(reported, [mistake]);
});

test('docs/clients.md lists what the client has, and nothing else', () => {
  const manual = readFileSync('docs/clients.md', 'utf8');
  const [, section] = /^### What it has$(.*?)^##/ms.exec(manual);
  const column = [...section.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name);
  const methods = Object.getOwnPropertyNames(Latchkey.prototype).filter((n) => n !== 'constructor');
  const errors = Object.keys(module).filter((name) => name.endsWith('Error'));
  assert.deepEqual(column.sort(), [...methods, ...errors].sort());
  for (const name of Object.keys(module)) assert.match(section, new RegExp(`\\b${name}\\b`));
});

test('ten calls with an expired token make one refresh, and all succeed', async () => {
  const ada = await signedIn();
  proxy.expired.add(await ada.accessToken());
  const answers = await Promise.all(Array.from({ length: 10 }, () => ada.fetch('/profile')));
  assert.deepEqual(
    answers.map((answer) => answer.status),
    Array(10).fill(200),
  );
  assert.equal(proxy.count('/refresh'), 1);
  assert.equal(proxy.count('/profile'), 20, 'ten were refused and repeated');
});

test('a token near its end is replaced ahead of time, by one refresh for all calls', async () => {
  const ada = await signedIn();
  await ada.profile();
  ada.clock.millis += 25_000;
  await ada.profile();
  assert.equal(proxy.count('/refresh'), 0, 'more than half of a minute is left');
  ada.clock.millis += 8_000;
  await Promise.all(Array.from({ length: 10 }, () => ada.profile()));
  assert.equal(proxy.count('/refresh'), 1);
  assert.equal(proxy.count('/profile'), 12, 'none was refused');
});

test('a refresh ahead of time that fails fails no call', async () => {
  const ada = await signedIn();
  ada.clock.millis += 33_000;
  proxy.meddle = async ({ path }, { pass, reply }) =>
    reply(path === '/refresh' ? unavailable : await pass());
  await ada.profile();
  const tried = proxy.count('/refresh');
  assert.ok(tried > 1);
  await ada.profile();
  assert.equal(proxy.count('/refresh'), tried, 'and is not tried again at each');
});

test('where the next token is refused too, the answer is given as it is', async () => {
  const ada = await signedIn();
  proxy.meddle = async ({ path }, { pass, reply }) =>
    reply(
      path === '/profile'
        ? { status: 403, headers: {}, body: '{"message":"Forbidden"}' }
        : await pass(),
    );
  assert.equal((await ada.fetch('/profile')).status, 403);
  assert.equal(proxy.count('/refresh'), 1);
  assert.equal(proxy.count('/profile'), 2);
});

test('tabs that share storage and lock use one session, each with the token of the other', async () => {
  const shared = { storage: inMemory(), lock: exclusive() };
  const one = await signedIn(shared);
  const two = client(shared);
  for (let round = 0; round < 4; round += 1) {
    await Promise.all([one.profile(), two.profile()]);
    one.clock.millis += 120_000;
    two.clock.millis += 120_000;
  }
  assert.deepEqual([one.ends, two.ends], [[], []]);
  const presented = proxy.seen.filter(({ path }) => path === '/refresh').map(({ body }) => body);
  assert.equal(presented.length, 7, 'the second at its first call, then each three times');
  assert.equal(new Set(presented).size, 7, 'each by the successor of the one before');
  assert.equal((await one.sessions()).length, 1);
});

test('a long list of sessions is read to its end', async () => {
  const ada = await signedIn();
  const phone = client();
  await phone.login(ada.email, password);
  // As if a part had room for one.
  proxy.meddle = async ({ path }, { pass, reply }) => {
    const answer = await pass();
    if (path === '/sessions') {
      const [latest] = JSON.parse(answer.body).sessions;
      answer.body = JSON.stringify({ sessions: [latest], next_cursor: latest.id });
      delete answer.headers['content-length'];
    }
    reply(answer);
  };
  const sessions = await ada.sessions();
  assert.deepEqual(
    sessions.map((session) => session.current),
    [false, true],
  );
});

test('a tab tells the others of its refresh and of the end', async () => {
  const name = `latchkey-${people}`;
  const channels = [new BroadcastChannel(name), new BroadcastChannel(name)];
  try {
    const shared = { storage: inMemory(), lock: exclusive(), clock: time() };
    const one = await signedIn({ ...shared, channel: channels[0] });
    const two = client({ ...shared, channel: channels[1] });
    await two.profile();
    const before = proxy.count('/refresh');
    shared.clock.millis += 120_000;
    const heard = new Promise((resolve) => channels[1].addEventListener('message', resolve));
    await one.profile();
    await heard;
    await two.profile();
    assert.equal(await two.accessToken(), await one.accessToken());
    assert.equal(proxy.count('/refresh'), before + 1);

    const over = new Promise((resolve) => two.onSignedOut(resolve));
    await one.logout();
    assert.equal(await over, 'elsewhere');
    assert.deepEqual(one.ends, ['logout']);
    await assert.rejects(two.profile(), SignedOutError);

    await two.login(one.email, password);
    const replaced = new Promise((resolve) => two.onSignedOut(resolve));
    await one.login(one.email, password);
    assert.equal(await replaced, 'elsewhere');
  } finally {
    for (const channel of channels) channel.close();
  }
});

test("what another session's tabs tell one another is not heard", async () => {
  const name = `latchkey-${people}-other`;
  const channels = [new BroadcastChannel(name), new BroadcastChannel(name)];
  try {
    const ada = await signedIn({ channel: channels[0] });
    const token = await ada.accessToken();
    const other = { session: 'another', token: 'a.b.c', renewAt: Infinity, until: Infinity };
    const heard = new Promise((resolve) => {
      channels[0].addEventListener('message', ({ data }) => {
        if (data.type === 'signed-out') resolve();
      });
    });
    channels[1].postMessage({ type: 'renewed', ...other });
    channels[1].postMessage({ type: 'signed-out', ...other });
    await heard;
    assert.equal(await ada.accessToken(), token);
    assert.deepEqual(ada.ends, []);
  } finally {
    for (const channel of channels) channel.close();
  }
});

test('tabs without a lock that present one token at once converge', async () => {
  const storage = inMemory();
  const one = await signedIn({ storage });
  const two = client({ storage });
  one.clock.millis += 120_000;
  // Neither goes on before the other has come.
  const waiting = [];
  proxy.meddle = async ({ path }, { pass, reply }) => {
    if (path === '/refresh') {
      await new Promise((resolve) => {
        waiting.push(resolve);
        if (waiting.length === 2) for (const go of waiting) go();
      });
    }
    reply(await pass());
  };
  await Promise.all([one.profile(), two.profile()]);
  const [first, second] = proxy.seen.filter(({ path }) => path === '/refresh');
  assert.equal(first.body, second.body);
  proxy.reset();
  for (const tab of [one, two]) {
    tab.clock.millis += 120_000;
    await tab.profile();
  }
  assert.deepEqual([one.ends, two.ends], [[], []]);
});

test('a slow tab without a lock does not put an old token in the place of a later one', async () => {
  const storage = inMemory();
  const slow = await signedIn({ storage });
  const quick = client({ storage });
  slow.clock.millis += 120_000;
  let arrived;
  let release;
  const carriedOut = new Promise((resolve) => (arrived = resolve));
  const released = new Promise((resolve) => (release = resolve));
  proxy.meddle = async ({ path }, { pass, reply }) => {
    const isFirst = path === '/refresh' && proxy.count('/refresh') === 1;
    const answer = await pass();
    if (isFirst) {
      arrived();
      await released;
    }
    reply(answer);
  };
  const call = slow.profile();
  await carriedOut;
  await quick.profile();
  quick.clock.millis += 120_000;
  await quick.profile();
  const stored = await storage.load();
  release();
  await call;
  assert.equal(await storage.load(), stored);
});

test('a refresh whose answer is lost is repeated with the same token, and the session lives', async () => {
  const ada = await signedIn();
  ada.clock.millis += 120_000;
  proxy.meddle = async ({ path }, { pass, reply, drop }) => {
    const answer = await pass();
    if (path === '/refresh' && proxy.count('/refresh') === 1) drop();
    else reply(answer);
  };
  await ada.profile();
  const [first, second, ...more] = proxy.seen.filter(({ path }) => path === '/refresh');
  assert.equal(first.body, second.body);
  assert.deepEqual(more, []);
  assert.deepEqual(ada.clock.pauses, [500]);
  ada.clock.millis += 120_000;
  await ada.profile();
  assert.deepEqual(ada.ends, []);
});

test('a refresh that stays without an answer is given up after four seconds and repeated', async () => {
  const ada = await signedIn();
  ada.clock.millis += 120_000;
  proxy.meddle = async ({ path }, { pass, reply }) => {
    const answer = await pass();
    if (path !== '/refresh' || proxy.count('/refresh') > 1) return reply(answer);
    ada.clock.millis += 4_000;
    ada.clock.waits.at(-1)();
  };
  await ada.profile();
  assert.equal(proxy.count('/refresh'), 2);
  assert.deepEqual(ada.ends, []);
});

test('a refresh is repeated within the grace time only, and the token is stored', async () => {
  const ada = await signedIn();
  ada.clock.millis += 120_000;
  proxy.meddle = async (_, { drop }) => {
    ada.clock.millis += 4_000;
    drop();
  };
  await assert.rejects(ada.profile(), NoAnswerError);
  assert.equal(proxy.count('/refresh'), 3, 'at 0, 4.5 and 9 seconds');
  assert.deepEqual(ada.ends, []);
  proxy.reset();
  await ada.profile();
});

test('ten calls share a refresh that fails', async () => {
  const ada = await signedIn();
  ada.clock.millis += 120_000;
  proxy.meddle = async (_, { reply }) => reply({ status: 400, headers: {}, body: '' });
  const calls = Array.from({ length: 10 }, () => ada.profile());
  for (const call of await Promise.allSettled(calls)) assert.equal(call.reason.status, 400);
  assert.equal(proxy.count('/refresh'), 1);
});

test('without a grace time a refresh is not repeated', async () => {
  const ada = await signedIn({ graceSeconds: 0 });
  ada.clock.millis += 120_000;
  proxy.meddle = async (_, { drop }) => drop();
  await assert.rejects(ada.profile(), NoAnswerError);
  assert.equal(proxy.count('/refresh'), 1);
});

test('a 503 says after how long to try again, and a refresh does', async () => {
  const ada = await signedIn();
  proxy.meddle = async (_, { reply }) => reply(unavailable);
  await assert.rejects(
    ada.profile(),
    (error) => is(503, 'unavailable')(error) && error.retryAfter === 2,
  );

  ada.clock.millis += 120_000;
  proxy.seen = [];
  proxy.meddle = async ({ path }, { pass, reply }) =>
    reply(path === '/refresh' && proxy.count('/refresh') === 1 ? unavailable : await pass());
  await ada.profile();
  assert.deepEqual(ada.clock.pauses, [2000]);
});

test("a page that is none of Latchkey's signs nobody out", async () => {
  const ada = await signedIn();
  for (const status of [200, 401, 403]) {
    for (const body of ['<h1>Pay for Wi-Fi</h1>', '{"pay":"for Wi-Fi"}', '[]', '']) {
      ada.clock.millis += 120_000;
      proxy.meddle = async (_, { reply }) => reply({ status, headers: {}, body });
      const isKind = status === 200 ? NoAnswerError : LatchkeyError;
      await assert.rejects(ada.profile(), (error) => error instanceof isKind);
    }
  }
  proxy.reset();
  await ada.accessToken();
  proxy.meddle = async (_, { reply }) => reply({ status: 200, headers: {}, body: '<h1>' });
  await assert.rejects(ada.profile(), NoAnswerError);
  assert.deepEqual(ada.ends, []);
  proxy.reset();
  await ada.profile();
});

test('a refreshed token that cannot be saved is used, and saved at the next call', async () => {
  const storage = flaky();
  const ada = await signedIn({ storage });
  const first = storage.token();
  ada.clock.millis += 120_000;
  storage.saves = 1;
  await ada.profile();
  assert.equal(storage.token(), first);
  await ada.profile();
  const second = storage.token();
  assert.notEqual(second, first);
  assert.deepEqual(presented('/refresh'), [first], 'to save takes no other refresh');
  ada.clock.millis += 120_000;
  await ada.profile();
  assert.deepEqual(presented('/refresh'), [first, second]);
  assert.deepEqual(ada.ends, []);
});

test('a storage that cannot be read after a refresh loses no token', async () => {
  const storage = flaky();
  const ada = await signedIn({ storage });
  const first = storage.token();
  ada.clock.millis += 120_000;
  proxy.meddle = async ({ path }, { pass, reply }) => {
    const answer = await pass();
    if (path === '/refresh') storage.loads = 1;
    reply(answer);
  };
  await ada.profile();
  assert.equal(storage.loads, 0);
  assert.equal(storage.token(), first);
  proxy.meddle = null;
  await ada.profile();
  assert.notEqual(storage.token(), first);
  assert.deepEqual(presented('/refresh'), [first]);
});

test('however often saving fails, no token is presented twice', async () => {
  const storage = flaky();
  const ada = await signedIn({ storage });
  storage.saves = Infinity;
  for (let round = 0; round < 3; round += 1) {
    ada.clock.millis += 120_000;
    await ada.profile();
  }
  assert.equal(new Set(presented('/refresh')).size, 3);
  assert.equal(storage.token(), presented('/refresh')[0]);
  assert.equal(await ada.isSignedIn(), true);
  await ada.logout();
  assert.ok(!presented('/refresh').includes(presented('/logout')[0]), 'the last one ends it');
  assert.deepEqual(ada.ends, ['logout']);
  assert.equal(storage.token(), undefined);
});

test('a token that another tab has saved meanwhile stays', async () => {
  const shared = { storage: flaky(), lock: exclusive() };
  const one = await signedIn(shared);
  const two = client(shared);
  one.clock.millis += 120_000;
  shared.storage.saves = 1;
  await one.profile();
  for (let round = 0; round < 2; round += 1) {
    await two.profile();
    two.clock.millis += 120_000;
  }
  const later = shared.storage.token();
  await one.profile();
  assert.equal(shared.storage.token(), later);
  one.clock.millis += 120_000;
  await one.profile();
  assert.equal(presented('/refresh').at(-1), later);
  assert.deepEqual([one.ends, two.ends], [[], []]);
});

test('a token that was not saved does not outlive the next login in another tab', async () => {
  const shared = { storage: flaky(), lock: exclusive() };
  const ada = await signedIn(shared);
  ada.clock.millis += 120_000;
  shared.storage.saves = 1;
  await ada.profile();
  const grace = await signedIn(shared);
  const stored = shared.storage.token();
  await assert.rejects(ada.profile(), SignedOutError);
  assert.deepEqual(ada.ends, ['elsewhere']);
  assert.equal(shared.storage.token(), stored);
  assert.equal((await grace.profile()).account.email, grace.email);
});

test('a login that cannot be stored is ended at the server, and the one before goes on', async () => {
  for (const fails of ['loads', 'saves']) {
    const storage = flaky();
    const ada = await signedIn({ storage });
    const before = storage.token();
    storage[fails] = 1;
    await assert.rejects(ada.login(ada.email, password), /the keychain is locked/);
    const [ended, ...more] = presented('/logout');
    assert.deepEqual(more, []);
    assert.notEqual(ended, before);
    assert.equal(storage.token(), before);
    assert.equal((await ada.sessions()).length, 1);
    assert.deepEqual(ada.ends, []);

    const nobody = client({ storage: Object.assign(flaky(), { [fails]: 1 }) });
    proxy.meddle = async ({ path }, { pass, reply, drop }) =>
      path === '/logout' ? drop() : reply(await pass());
    await assert.rejects(nobody.login(ada.email, password), /the keychain is locked/);
    assert.equal(await nobody.isSignedIn(), false);
    await assert.rejects(nobody.profile(), SignedOutError);
    proxy.reset();
  }
});

test('a refused refresh signs out, in every tab', async () => {
  const shared = { storage: inMemory(), lock: exclusive() };
  const ada = await signedIn(shared);
  const tab = client(shared);
  await tab.profile();
  const phone = client();
  await phone.login(ada.email, password);
  await phone.logoutEverywhere();
  assert.deepEqual(phone.ends, ['logout']);

  ada.clock.millis += 120_000;
  tab.clock.millis += 120_000;
  await assert.rejects(ada.profile(), SignedOutError);
  assert.deepEqual(ada.ends, ['refused']);
  assert.equal(await shared.storage.load(), null);
  await assert.rejects(tab.profile(), SignedOutError);
  assert.deepEqual(tab.ends, ['elsewhere']);

  await ada.login(ada.email, password);
  await ada.profile();
});

test('a wrong password is not taken for a refused token', async () => {
  const ada = await signedIn();
  const wrong = is(403, 'wrong-password');
  await assert.rejects(ada.changePassword('not this one, surely', `${password}!`), wrong);
  await assert.rejects(ada.deleteAccount('not this one either'), wrong);
  assert.equal(proxy.count('/refresh'), 0);
  assert.equal(proxy.count('/password/change'), 1);
  assert.deepEqual(ada.ends, []);
});

test('too many passwords: the refusal says when the next may be tried', async () => {
  const ada = client();
  const { email } = somebody();
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await assert.rejects(ada.login(email, 'not the one, surely'), is(401, 'invalid-credentials'));
  }
  await assert.rejects(ada.login(email, 'not the one, surely'), (error) => {
    is(429, 'too-many-attempts')(error);
    assert.ok(error.retryAfter > 0 && error.retryAfter <= 30, `${error.retryAfter}`);
    return true;
  });
});

test('a logout ends the session at the server, and here whatever the server does', async () => {
  const ada = await signedIn();
  await ada.profile();
  const phone = client();
  await phone.login(ada.email, password);
  await phone.logout();
  assert.equal((await ada.sessions()).length, 1);

  proxy.meddle = async (_, { drop }) => drop();
  await assert.rejects(ada.logout(), NoAnswerError);
  assert.equal(await ada.isSignedIn(), false);
  assert.deepEqual(ada.ends, ['logout']);
});

test('a logout is one here, whatever the storage does', async () => {
  for (const fails of ['loads', 'clears']) {
    const storage = flaky();
    const ada = await signedIn({ storage });
    storage[fails] = 1;
    await assert.rejects(ada.logout(), /the keychain is locked/);
    assert.deepEqual(ada.ends, ['logout']);
    assert.equal(await ada.isSignedIn(), false);
    await assert.rejects(ada.accessToken(), SignedOutError);
  }
});

test('a listener that throws keeps nobody from being told, and fails no logout', async (t) => {
  const mistake = new Error('a mistake of the page');
  const told = async () => {
    const ada = client();
    const account = somebody();
    ada.onSignedOut(() => {
      throw mistake;
    });
    let reason;
    ada.onSignedOut((given) => (reason = given));
    await ada.register(account);
    await ada.login(account.email, password);
    await ada.logout();
    return reason;
  };
  // Uncaught, it would end this test: fetch has microtasks too, so they all run.
  const uncaught = [];
  const queue = queueMicrotask;
  const mocked = t.mock.method(globalThis, 'queueMicrotask', (task) =>
    queue(() => {
      try {
        task();
      } catch (error) {
        uncaught.push(error);
      }
    }),
  );
  assert.equal(await told(), 'logout');
  mocked.mock.restore();
  assert.deepEqual(uncaught, [mistake]);

  const reported = [];
  const { reportError } = globalThis;
  globalThis.reportError = (error) => reported.push(error);
  t.after(() => (globalThis.reportError = reportError));
  assert.equal(await told(), 'logout');
  assert.deepEqual(reported, [mistake]);
});

test('a tab of one person does not go on as the next who logs in', async () => {
  const shared = { storage: inMemory(), lock: exclusive() };
  const ada = await signedIn(shared);
  await ada.profile();
  const grace = await signedIn(shared);
  ada.clock.millis += 120_000;
  for (let call = 0; call < 2; call += 1) await assert.rejects(ada.profile(), SignedOutError);
  assert.deepEqual(ada.ends, ['elsewhere']);
  assert.equal(await ada.isSignedIn(), false);
  grace.clock.millis += 120_000;
  assert.equal((await grace.profile()).account.email, grace.email);
});

test('a refused call is not repeated for the next who logs in', async () => {
  const made = await signedIn();
  const grace = somebody();
  await made.register(grace);
  proxy.meddle = async ({ path }, { pass, reply }) => {
    if (path !== '/profile') return reply(await pass());
    await made.login(grace.email, password);
    reply({ status: 401, headers: {}, body: '{"message":"Unauthorized"}' });
  };
  await assert.rejects(made.changeProfile({ first_name: 'Ada' }), SignedOutError);
  assert.equal(proxy.count('/profile'), 1);
  proxy.reset();
  assert.equal((await made.profile()).account.email, grace.email);
});

test('where nobody was signed in, nobody is signed out', async () => {
  const nobody = client();
  await assert.rejects(nobody.profile(), SignedOutError);
  await nobody.logout();
  assert.deepEqual(nobody.ends, []);
  assert.equal(proxy.seen.length, 0);
});

test("a stale tab that logs out leaves the next person's session", async () => {
  const shared = { storage: inMemory(), lock: exclusive() };
  const ada = await signedIn(shared);
  const grace = await signedIn(shared);
  await ada.logout();
  grace.clock.millis += 120_000;
  assert.equal((await grace.profile()).account.email, grace.email);
});

test('the token goes to this API only', async () => {
  const ada = await signedIn();
  for (const path of [
    'https://example.com/',
    '.example.com/',
    '@example.com/',
    ':80@example.com/',
  ]) {
    await assert.rejects(ada.fetch(path), TypeError);
  }
  assert.equal(proxy.seen.length, 0);
});

test('neither the client nor its errors nor the console show a token', async (t) => {
  const said = [];
  for (const name of ['debug', 'error', 'info', 'log', 'trace', 'warn']) {
    t.mock.method(console, name, (...texts) => said.push(texts));
  }
  const storage = inMemory();
  const ada = await signedIn({ storage });
  const access = await ada.accessToken();
  const refresh = JSON.parse(await storage.load()).refreshToken;
  const errors = [];
  const note = (error) => errors.push(error);
  ada.clock.millis += 120_000;
  proxy.meddle = async (_, { drop }) => drop();
  await ada.profile().catch(note);
  proxy.reset();
  await ada.changePassword('not this one, surely', 'short').catch(note);
  await ada.logout();
  await ada.profile().catch(note);
  assert.equal(errors.length, 3);
  const shown = inspect([ada, errors, said], { depth: 12, showHidden: true });
  for (const token of [access, refresh]) assert.ok(!shown.includes(token));
  assert.deepEqual(said, []);
});
