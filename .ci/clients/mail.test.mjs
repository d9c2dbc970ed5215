// The calls of examples/client/latchkey.mjs that have to do with mail: what they send, and what they make
// of answers. mails.test.mjs makes them with real links.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NoAnswerError, SignedOutError } from '../../examples/client/latchkey.mjs';
import { client, is, password, proxy, signedIn, somebody } from './harness.mjs';

const secret = 'lkm_AbC-1_';
const json = { 'content-type': 'application/json' };
const account = {
  id: '01a209aa-250d-7c04-a99b-29d1c32af3e2',
  email: 'ada@example.com',
  email_verified: true,
  first_name: 'Ada',
  last_name: 'Lovelace',
  locale: null,
  date_joined: '2026-11-23T18:27:55Z',
  last_login: null,
  roles: [],
};

/** Answers requests to this path by the test's answers in turn, and passes others on. */
function answer(path, ...answers) {
  proxy.meddle = async (seen, { pass, reply }) =>
    reply(seen.path.split('?')[0] === path ? answers.shift() : await pass());
}

const sent = (path) => {
  const found = proxy.seen.filter((seen) => seen.path === path);
  return found.map(({ method, body }) => [method, body && JSON.parse(body)]);
};

test('links are asked for and used without a session', async () => {
  const nobody = client();
  for (const [call, path, body, status] of [
    [() => nobody.forgot('ada@example.com'), '/password/forgot', { email: 'ada@example.com' }, 202],
    [
      () => nobody.reset(secret, password),
      '/password/reset',
      { token: secret, new_password: password },
      204,
    ],
    [
      () => nobody.resendVerification('ada@example.com'),
      '/email/verify/resend',
      { email: 'ada@example.com' },
      202,
    ],
    [() => nobody.verifyEmail(secret, password), '/email/verify', { token: secret, password }, 204],
    [
      () => nobody.confirmEmailChange(secret, password),
      '/email/change/confirm',
      { token: secret, password },
      204,
    ],
  ]) {
    proxy.reset();
    answer(path, { status });
    assert.equal(await call(), undefined, path);
    assert.deepEqual(sent(path), [['POST', body]]);
    const refusal = JSON.stringify({ code: 'invalid-link', title: 'The link is refused' });
    answer(path, { status: 400, headers: json, body: refusal });
    await assert.rejects(call(), (error) => {
      assert.equal(error.message, 'The link was used already or has expired.');
      return is(400, 'invalid-link')(error);
    });
    answer(path, { status: 200, body: '<h1>Welcome to our network</h1>' });
    await assert.rejects(call(), NoAnswerError);
  }
  assert.equal(await nobody.isSignedIn(), false);
});

test('a registration that a mail must confirm is null, and its confirmation the account', async () => {
  const ada = client();
  answer('/register', { status: 202 });
  assert.equal(await ada.register(somebody()), null);
  answer('/register/confirm', { status: 201, headers: json, body: JSON.stringify(account) });
  assert.deepEqual(await ada.confirmRegistration(secret, password), account);
  assert.deepEqual(sent('/register/confirm'), [['POST', { token: secret, password }]]);
  assert.equal(await ada.isSignedIn(), false);
});

test('an address is changed with a session and the password', async () => {
  await assert.rejects(client().changeEmail('ada@example.org', password), SignedOutError);
  const ada = await signedIn();
  answer('/email/change', { status: 202 });
  await ada.changeEmail('ada@example.org', password);
  assert.deepEqual(sent('/email/change'), [['POST', { email: 'ada@example.org', password }]]);
  const refusal = JSON.stringify({ code: 'wrong-password', title: 'The password is wrong' });
  answer('/email/change', { status: 403, headers: json, body: refusal });
  await assert.rejects(ada.changeEmail('ada@example.org', 'x'), is(403, 'wrong-password'));
  assert.equal(proxy.count('/refresh'), 0, 'another token would not help');
  answer('/email/change/confirm', { status: 204 });
  await ada.confirmEmailChange(secret, password);
  assert.deepEqual(ada.ends, []);
  await ada.profile();
});

test('an export is one document', async () => {
  await assert.rejects(client().exportProfile(), SignedOutError);
  const ada = await signedIn();
  const document = { exported_at: '2026-11-23T18:27:55Z', account, activity: [], truncated: false };
  const problem = { status: 403, code: 'reauthentication-required', title: 'Log in again' };
  answer(
    '/profile/export',
    { status: 200, headers: json, body: JSON.stringify(document) },
    {
      status: 403,
      headers: { 'content-type': 'application/problem+json' },
      body: JSON.stringify(problem),
    },
  );
  assert.deepEqual(await ada.exportProfile(), document);
  await assert.rejects(ada.exportProfile(), { code: 'reauthentication-required' });
});

test('activity comes in parts', async () => {
  await assert.rejects(client().activity(), SignedOutError);
  const ada = await signedIn();
  const events = [{ id: account.id, event: 'logged_in', at: '2026-11-23T18:27:55Z' }];
  const parts = [{ events, next_cursor: account.id }, { events: [] }];
  const answers = parts.map((part) => ({ status: 200, headers: json, body: JSON.stringify(part) }));
  answer('/activity', ...answers);
  const first = await ada.activity();
  assert.deepEqual(first, parts[0]);
  assert.deepEqual(await ada.activity(first.next_cursor), parts[1]);
  const paths = proxy.seen.map(({ path }) => path);
  assert.deepEqual(paths, ['/activity', `/activity?cursor=${account.id}`]);
});
