// What examples/client/latchkey.mjs does if the lock that tabs share does not come, or comes late.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NoAnswerError, exclusive, inMemory } from '../../examples/client/latchkey.mjs';
import { client, password, presented, proxy, signedIn, somebody, time } from './harness.mjs';

/** A clock, and a lock that never comes: as soon as it is asked for, its time is over. */
function forsaken() {
  const clock = time();
  const lock = () => {
    queueMicrotask(() => clock.locks.at(-1)());
    return new Promise(() => {});
  };
  return { clock, lock };
}

const nextTurn = () => new Promise(setImmediate);

test('a lock that never comes is given up, and all goes on without it', async () => {
  const ada = client(forsaken());
  const account = somebody();
  await ada.register(account);
  await ada.login(account.email, password);
  ada.clock.millis += 120_000;
  await Promise.all(Array.from({ length: 10 }, () => ada.profile()));
  assert.equal(proxy.count('/refresh'), 1);
  await ada.changePassword(password, `${password} on Sunday`);
  ada.clock.millis += 120_000;
  await ada.profile();
  await ada.logout();
  assert.deepEqual(ada.ends, ['logout']);
});

test('a lock is waited for, but not longer than five seconds', async () => {
  let isLate = false;
  const lock = (task) => (isLate ? new Promise(() => {}) : task());
  const ada = await signedIn({ lock });
  ada.clock.millis += 120_000;
  isLate = true;
  const call = ada.profile();
  await nextTurn();
  assert.equal(proxy.seen.length, 0);
  ada.clock.locks.at(-1)();
  await call;
  assert.equal(proxy.count('/refresh'), 1);
});

test('a lock that comes late is released at once', async () => {
  let isLate = false;
  let grant;
  const lock = (task) => {
    if (!isLate) return task();
    return new Promise((resolve) => {
      grant = async () => resolve(await task());
    });
  };
  const ada = await signedIn({ lock });
  ada.clock.millis += 120_000;
  isLate = true;
  let release;
  const arrived = new Promise((resolve) => {
    proxy.meddle = async (_, { pass, reply }) => {
      const answer = await pass();
      proxy.meddle = null;
      resolve();
      await new Promise((go) => (release = go));
      reply(answer);
    };
  });
  const call = ada.profile();
  await nextTurn();
  ada.clock.locks.at(-1)();
  await arrived;
  await grant(); // while the refresh is under way
  release();
  await call;
  await grant();
  assert.equal(proxy.count('/refresh'), 1);
});

test('the time of a lock that has come ends nothing', async () => {
  const ada = await signedIn({ lock: exclusive() });
  ada.clock.millis += 120_000;
  await ada.profile();
  for (const over of ada.clock.locks) over();
  await nextTurn();
  assert.equal(proxy.count('/refresh'), 1);
});

test('a lock that fails is done without', async () => {
  const fails = {
    throws: () => {
      throw new TypeError("navigator.locks is undefined, as in a page that came by 'http:'");
    },
    rejects: async () => {
      throw new DOMException('The document is not fully active.', 'InvalidStateError');
    },
  };
  for (const lock of Object.values(fails)) {
    const ada = await signedIn({ lock });
    ada.clock.millis += 120_000;
    await Promise.all([ada.profile(), ada.profile()]);
    assert.equal(proxy.count('/refresh'), 1);
    await ada.logout();
    assert.deepEqual(ada.ends, ['logout']);
  }
});

test('without the lock, a tab still does one thing at a time', async () => {
  const ada = await signedIn(forsaken());
  ada.clock.millis += 120_000;
  let open = 0;
  let most = 0;
  proxy.meddle = async (_, { pass, reply }) => {
    open += 1;
    most = Math.max(most, open);
    const answer = await pass();
    await nextTurn();
    open -= 1;
    reply(answer);
  };
  await Promise.all([
    ada.accessToken(),
    ada.changePassword(password, `${password} on Sunday`),
    ada.accessToken(),
    ada.logout(),
  ]);
  assert.deepEqual(
    proxy.seen.map(({ path }) => path),
    ['/refresh', '/password/change', '/logout'],
  );
  assert.equal(most, 1);
});

test('without the lock, tabs that refresh at once converge', async () => {
  const storage = inMemory();
  const one = await signedIn({ storage, ...forsaken() });
  const two = client({ storage, ...forsaken() });
  for (let round = 0; round < 3; round += 1) {
    one.clock.millis += 120_000;
    two.clock.millis += 120_000;
    await Promise.all([one.profile(), two.profile()]);
  }
  assert.deepEqual([one.ends, two.ends], [[], []]);
  assert.equal((await one.sessions()).length, 1);
});

test('without the lock, a refresh beside a change of the password signs nobody out', async () => {
  for (const isBefore of [true, false]) {
    const storage = inMemory();
    const one = await signedIn({ storage, ...forsaken() });
    const two = client({ storage, ...forsaken() });
    const first = JSON.parse(storage.load()).refreshToken;
    const [waits, passes] = isBefore
      ? ['/password/change', '/refresh']
      : ['/refresh', '/password/change'];
    let release;
    const released = new Promise((resolve) => (release = resolve));
    proxy.meddle = async ({ path }, { pass, reply }) => {
      if (path === waits && proxy.count(waits) === 1) await released;
      reply(await pass());
    };
    const change = one.changePassword(password, `${password} on Sunday`);
    const refresh = two.accessToken();
    await (passes === '/refresh' ? refresh : change);
    release();
    await Promise.all([change, refresh]);
    const stored = JSON.parse(storage.load()).refreshToken;
    proxy.meddle = null;
    for (const tab of [one, two]) {
      tab.clock.millis += 120_000;
      await tab.profile();
    }
    assert.deepEqual([one.ends, two.ends], [[], []]);
    assert.equal(presented('/refresh')[0], first);
    assert.notEqual(stored, first);
  }
});

test('a change of the password that is never answered is given up, with the lock', async () => {
  const shared = { storage: inMemory(), lock: exclusive() };
  const one = await signedIn(shared);
  const two = client(shared);
  const arrived = new Promise((resolve) => {
    proxy.meddle = async ({ path }, { pass, reply }) => {
      if (path === '/password/change') resolve();
      else reply(await pass());
    };
  });
  const change = one.changePassword(password, `${password} on Sunday`);
  await arrived;
  const waiting = two.profile();
  assert.equal(proxy.count('/refresh'), 0);
  one.clock.changes.at(-1)();
  await assert.rejects(change, NoAnswerError);
  await waiting;
});
