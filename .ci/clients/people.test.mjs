// A call of examples/client/latchkey.mjs that has begun as one person never runs as another.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { SignedOutError, inMemory } from '../../examples/client/latchkey.mjs';
import { client, gate, password, presented, proxy, signedIn, somebody } from './harness.mjs';

/** Every call that needs a session. */
const calls = {
  profile: (client) => client.profile(),
  exportProfile: (client) => client.exportProfile(),
  changeProfile: (client) => client.changeProfile({ first_name: 'Augusta' }),
  changePassword: (client) => client.changePassword(password, `${password} on Sunday`),
  changeEmail: (client) => client.changeEmail('ada@example.org', password),
  deleteAccount: (client) => client.deleteAccount(password),
  sessions: (client) => client.sessions(),
  endSession: (client) => client.endSession(randomUUID()),
  endOtherSessions: (client) => client.endOtherSessions(),
  logoutEverywhere: (client) => client.logoutEverywhere(),
  activity: (client) => client.activity(),
  fetch: (client) => client.fetch('/notes', { method: 'POST', body: 'a note of Ada' }),
  accessToken: (client) => client.accessToken(),
};

const beginAll = (client) => Object.values(calls).map((call) => call(client));

async function assertAllRefused(begun) {
  for (const [n, call] of (await Promise.allSettled(begun)).entries()) {
    const name = Object.keys(calls)[n];
    assert.ok(call.reason instanceof SignedOutError, `${name}: ${call.reason ?? 'done'}`);
  }
}

/** What was sent, apart from the login. */
const sent = () => proxy.seen.filter(({ path }) => path !== '/login');

async function registered() {
  const person = somebody();
  await client().register(person);
  proxy.reset();
  return person;
}

const emailOf = async (client) => (await client.profile()).account.email;

test('calls that wait while somebody else logs in here are refused, and nothing is sent', async () => {
  const { lock, close, asked, open } = gate();
  const tab = await signedIn({ lock });
  const grace = await registered();
  tab.clock.millis += 120_000;
  close();
  const hasAsked = asked();
  const login = tab.login(grace.email, password);
  await hasAsked;
  const begun = beginAll(tab);
  open();
  await assertAllRefused(begun);
  await login;
  assert.deepEqual(sent(), []);
  assert.deepEqual([tab.ends, await emailOf(tab)], [[], grace.email]);
});

test('calls of a tab that has made none yet belong to whom they began as', async () => {
  const storage = inMemory();
  const { lock, close, asked, open } = gate();
  await signedIn({ storage });
  const grace = await registered();
  close();
  const other = client({ storage, lock });
  const hasAsked = asked();
  const login = other.login(grace.email, password);
  await hasAsked;
  const tab = client({ storage, lock });
  const begun = beginAll(tab);
  open();
  await assertAllRefused(begun);
  await login;
  assert.deepEqual(sent(), []);
  assert.deepEqual([tab.ends, await tab.isSignedIn()], [['elsewhere'], false]);
  assert.equal(await emailOf(other), grace.email);
});

test('a tab that was asked whether somebody is signed in stays theirs', async () => {
  const storage = inMemory();
  await signedIn({ storage });
  const tab = client({ storage });
  assert.equal(await tab.isSignedIn(), true);
  await signedIn({ storage });
  await assertAllRefused(beginAll(tab));
  assert.deepEqual(sent(), []);
  assert.deepEqual(tab.ends, ['elsewhere']);
});

test('a call of the next person does not share the refresh of the one before', async () => {
  const { lock, close, asked, open } = gate();
  const tab = await signedIn({ lock });
  const grace = await registered();
  close();
  const hasAsked = asked();
  const login = tab.login(grace.email, password);
  await hasAsked;
  tab.clock.millis += 120_000;
  const before = tab.profile();
  const after = login.then(() => emailOf(tab));
  open();
  await assert.rejects(before, SignedOutError);
  assert.equal(await after, grace.email);
  assert.equal(proxy.count('/refresh'), 1);
});

test('a call whose token is refused is not repeated as who has logged in meanwhile', async () => {
  for (const [name, path] of [
    ['changeProfile', '/profile'],
    ['changePassword', '/password/change'],
    ['deleteAccount', '/profile'],
    ['fetch', '/notes'],
  ]) {
    for (const isHere of [true, false]) {
      // The change holds the turn of its tab, so nobody else can log in there.
      if (isHere && name === 'changePassword') continue;
      const storage = inMemory();
      const tab = await signedIn({ storage });
      const grace = await registered();
      const next = isHere ? tab : client({ storage });
      proxy.meddle = async (request, { pass, reply }) => {
        if (request.path !== path) return reply(await pass());
        proxy.meddle = null;
        await next.login(grace.email, password);
        reply({ status: 403, headers: {}, body: '{"message":"Forbidden"}' });
      };
      await assert.rejects(calls[name](tab), SignedOutError, name);
      assert.equal(sent().length, 1, name);
      assert.equal(await emailOf(next), grace.email);
    }
  }
});

test('a list is not continued as somebody else', async () => {
  const tab = await signedIn();
  const grace = await registered();
  proxy.meddle = async ({ path }, { pass, reply }) => {
    const answer = await pass();
    if (path === '/sessions') {
      await tab.login(grace.email, password);
      const { sessions } = JSON.parse(answer.body);
      answer.body = JSON.stringify({ sessions, next_cursor: sessions[0].id });
      delete answer.headers['content-length'];
    }
    reply(answer);
  };
  await assert.rejects(tab.sessions(), SignedOutError);
  assert.equal(sent().length, 1);
});

test('an end that is answered late does not end the session of the next person', async () => {
  for (const name of ['deleteAccount', 'logoutEverywhere']) {
    const tab = await signedIn();
    const grace = await registered();
    proxy.meddle = async ({ path }, { pass, reply }) => {
      const answer = await pass();
      if (path !== '/login') {
        proxy.meddle = null;
        await tab.login(grace.email, password);
      }
      reply(answer);
    };
    await calls[name](tab);
    assert.deepEqual([tab.ends, await tab.isSignedIn()], [[], true], name);
    assert.equal(await emailOf(tab), grace.email);
  }
});

test('a logout that waits while somebody else logs in does not log them out', async () => {
  const { lock, close, asked, open } = gate();
  const tab = await signedIn({ lock });
  const grace = await registered();
  close();
  const hasAsked = asked();
  const login = tab.login(grace.email, password);
  await hasAsked;
  const logout = tab.logout();
  open();
  await Promise.all([login, logout]);
  assert.deepEqual(presented('/logout'), []);
  assert.deepEqual([tab.ends, await tab.isSignedIn()], [[], true]);
  assert.equal(await emailOf(tab), grace.email);
});
