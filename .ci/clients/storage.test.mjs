// What examples/client/latchkey.mjs does if its storage fails.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SignedOutError } from '../../examples/client/latchkey.mjs';
import { client, flaky, is, password, presented, proxy, signedIn } from './harness.mjs';

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

test('a logout is one here, whatever the storage does', async () => {
  for (const fails of ['loads', 'clears']) {
    const storage = flaky();
    const ada = await signedIn({ storage });
    ada.clock.millis += 120_000;
    storage[fails] = 1;
    const [logout, waiting] = await Promise.allSettled([ada.logout(), ada.profile()]);
    assert.match(String(logout.reason), /the keychain is locked/);
    assert.ok(waiting.reason instanceof SignedOutError);
    assert.deepEqual(presented('/refresh'), []);
    assert.deepEqual(ada.ends, ['logout']);
    assert.equal(await ada.isSignedIn(), false);
    await assert.rejects(ada.accessToken(), SignedOutError);
  }
});

test('a logout of a page that was only opened is one here, though the storage cannot be read', async () => {
  const storage = flaky();
  const { email } = await signedIn({ storage });
  const opened = client({ storage });
  storage.loads = 1;
  await assert.rejects(opened.logout(), /the keychain is locked/);
  assert.equal(await opened.isSignedIn(), false);
  await assert.rejects(opened.profile(), SignedOutError);
  await opened.login(email, password);
  await opened.profile();
});

test('the token of a password change that cannot be saved is used, and saved at the next call', async () => {
  for (const fails of ['loads', 'saves']) {
    const storage = flaky();
    const ada = await signedIn({ storage });
    const before = storage.token();
    proxy.meddle = async ({ path }, { pass, reply }) => {
      const answer = await pass();
      if (path === '/password/change') storage[fails] = 1;
      reply(answer);
    };
    await ada.changePassword(password, `${password} on Sunday`);
    assert.equal(storage[fails], 0);
    assert.equal(storage.token(), before);
    ada.clock.millis += 120_000;
    await ada.profile();
    assert.ok(!presented('/refresh').includes(before), fails);
    ada.clock.millis += 120_000;
    await ada.profile();
    assert.deepEqual(ada.ends, []);
    proxy.reset();
  }
});
