// When examples/client/latchkey.mjs refreshes, and what it does if a refresh fails.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LatchkeyError, NoAnswerError } from '../../examples/client/latchkey.mjs';
import { is, presented, proxy, signedIn, unavailable } from './harness.mjs';

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

test('if the next token is refused too, the answer is given as it is', async () => {
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
    ada.clock.answers.at(-1)();
  };
  await ada.profile();
  assert.equal(proxy.count('/refresh'), 2);
  assert.deepEqual(ada.ends, []);
});

test('a call repeats a refresh for ten seconds, and a later one goes on with the same token', async () => {
  const ada = await signedIn();
  ada.clock.millis += 120_000;
  proxy.meddle = async (_, { pass, drop }) => {
    await pass();
    ada.clock.millis += 4_000;
    drop();
  };
  await assert.rejects(ada.profile(), NoAnswerError);
  assert.equal(proxy.count('/refresh'), 3, 'at 0, 4.5 and 9 seconds');
  assert.deepEqual(ada.ends, []);
  proxy.meddle = null;
  ada.clock.millis += 86_400_000;
  await ada.profile();
  assert.equal(proxy.count('/refresh'), 4);
  assert.equal(new Set(presented('/refresh')).size, 1);
});

test('a refresh that fails at once is tried five times by each call', async () => {
  const ada = await signedIn();
  ada.clock.millis += 120_000;
  proxy.meddle = async (_, { drop }) => drop();
  for (const tries of [5, 10]) {
    await assert.rejects(ada.profile(), NoAnswerError);
    assert.equal(proxy.count('/refresh'), tries);
  }
  assert.equal(new Set(presented('/refresh')).size, 1);
  assert.deepEqual(ada.ends, []);
});

test('ten calls share a refresh that fails', async () => {
  const ada = await signedIn();
  ada.clock.millis += 120_000;
  proxy.meddle = async (_, { reply }) => reply({ status: 400, headers: {}, body: '' });
  const calls = Array.from({ length: 10 }, () => ada.profile());
  for (const call of await Promise.allSettled(calls)) assert.equal(call.reason.status, 400);
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

  ada.clock.millis += 120_000;
  proxy.seen = [];
  const tomorrow = { ...unavailable, headers: { ...unavailable.headers, 'retry-after': '86400' } };
  proxy.meddle = async (_, { reply }) => reply(tomorrow);
  await assert.rejects(ada.profile(), is(503, 'unavailable'));
  assert.equal(proxy.count('/refresh'), 1, 'no call waits until tomorrow');
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
