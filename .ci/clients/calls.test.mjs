// The calls and the errors of examples/client/latchkey.mjs.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';

import * as module from '../../examples/client/latchkey.mjs';
import {
  Latchkey,
  LatchkeyError,
  NoAnswerError,
  SignedOutError,
  inMemory,
  messageFor,
} from '../../examples/client/latchkey.mjs';
import { client, is, password, proxy, signedIn, somebody } from './harness.mjs';

test('an account is opened, logged into, shown, changed, listed and deleted', async () => {
  const ada = client();
  const account = somebody();
  const opened = await ada.register({ ...account, locale: 'DE-ch' });
  assert.equal(opened.email, account.email);
  assert.equal(opened.locale, 'de-CH');
  assert.equal(await ada.isSignedIn(), false);
  await ada.login(account.email, password);
  assert.equal(await ada.isSignedIn(), true);

  const shown = await ada.profile();
  assert.equal(shown.account.id, opened.id);
  const changes = { first_name: 'Augusta', locale: null };
  const changed = await ada.changeProfile(changes, shown.etag);
  assert.equal(changed.account.first_name, 'Augusta');
  assert.equal(changed.account.locale, null);
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
  const mistaken = { email: 'ada', password: 'short', first_name: ' ', last_name: '', age: 36 };
  await assert.rejects(client().register(mistaken), (error) => {
    is(422, 'invalid-fields')(error);
    assert.equal(error.fieldError('email').code, 'invalid-email');
    assert.equal(error.fieldError('password').code, 'too-short');
    assert.equal(error.fieldError('first_name').code, 'blank');
    assert.equal(error.fieldError('last_name'), null);
    assert.deepEqual(error.fieldErrors.map(({ pointer }) => pointer).sort(), [
      '/age',
      '/email',
      '/first_name',
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
  assert.match(await guess(), /^Too many attempts\. Try again in \d+ (seconds|minutes)\.$/);
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
      'Too many attempts. Try again in 15 minutes.',
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
  const [, section] = /^### Methods and errors$(.*?)^##/ms.exec(manual);
  const column = [...section.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name);
  const methods = Object.getOwnPropertyNames(Latchkey.prototype).filter((n) => n !== 'constructor');
  const errors = Object.keys(module).filter((name) => name.endsWith('Error'));
  assert.deepEqual(column.sort(), [...methods, ...errors].sort());
  for (const name of Object.keys(module)) assert.match(section, new RegExp(`\\b${name}\\b`));
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

test('all other sessions end, and this one goes on', async () => {
  const ada = await signedIn();
  const phone = client();
  await phone.login(ada.email, password);
  assert.equal((await ada.sessions()).length, 2);
  await ada.endOtherSessions();
  assert.equal((await ada.sessions()).length, 1);
  phone.clock.millis += 120_000;
  await assert.rejects(phone.profile(), SignedOutError);
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

test('if nobody was signed in, nobody is signed out', async () => {
  const nobody = client();
  await assert.rejects(nobody.profile(), SignedOutError);
  await nobody.logout();
  assert.deepEqual(nobody.ends, []);
  assert.equal(proxy.seen.length, 0);
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
