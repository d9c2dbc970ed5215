// Several tabs with one storage: two clients of examples/client/latchkey.mjs.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SignedOutError, exclusive, inMemory } from '../../examples/client/latchkey.mjs';
import { client, flaky, password, presented, proxy, signedIn, somebody, time } from './harness.mjs';

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

test('a tab tells the others of its refresh and of the end', async () => {
  const name = 'latchkey-ends';
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

/** Clients in tabs of one browser, which share storage, lock and channel. */
async function browser(task, storage = inMemory()) {
  const name = `latchkey-${Math.random()}`;
  const shared = { storage, lock: exclusive() };
  const channels = [];
  const open = (options) => {
    const channel = new BroadcastChannel(name);
    channels.push(channel);
    return { ...shared, channel, ...options };
  };
  /** Returns what is said next. Whoever listened before has heard it then. */
  const heard = async () => {
    const channel = new BroadcastChannel(name);
    channels.push(channel);
    const { data } = await new Promise((resolve) => channel.addEventListener('message', resolve));
    await new Promise(setImmediate);
    return data;
  };
  try {
    await task(open, heard, storage);
  } finally {
    for (const channel of channels) channel.close();
  }
}

test('a tab that was only opened is told of the end, whoever brings it about', async () => {
  const ends = {
    logout: (one) => one.logout(),
    login: (one) => one.login(one.email, password),
    refusal: async (one) => {
      const phone = client();
      await phone.login(one.email, password);
      await phone.logoutEverywhere();
      one.clock.millis += 120_000;
      await assert.rejects(one.profile(), SignedOutError);
    },
    deletion: (one) => one.deleteAccount(password),
  };
  for (const [name, end] of Object.entries(ends)) {
    await browser(async (open) => {
      const one = await signedIn(open());
      const two = client(open());
      const told = new Promise((resolve) => two.onSignedOut(resolve));
      await end(one);
      assert.equal(await told, 'elsewhere', name);
      assert.equal(await two.isSignedIn(), false);
      await assert.rejects(two.profile(), SignedOutError);
      assert.deepEqual(two.ends, ['elsewhere']);
    });
  }
});

test('a tab hears of the end while it still reads its storage', async () => {
  const stored = inMemory();
  let release;
  const slow = {
    ...stored,
    load: async () => {
      const found = stored.load();
      await new Promise((resolve) => (release = resolve));
      return found;
    },
  };
  await browser(async (open, heard) => {
    const one = await signedIn(open());
    const two = client(open({ storage: slow }));
    const said = heard();
    await one.logout();
    await said;
    assert.deepEqual(two.ends, []);
    release();
    await new Promise(setImmediate);
    assert.deepEqual(two.ends, ['elsewhere']);
  }, stored);
});

test('a tab whose storage could not be read at its opening is told once it has been', async () => {
  await browser(async (open, heard, storage) => {
    const one = await signedIn(open());
    let isLocked = true;
    const load = () => {
      if (isLocked) throw new Error('the keychain is locked');
      return storage.load();
    };
    const two = client(open({ storage: { ...storage, load } }));
    await assert.rejects(two.isSignedIn(), /the keychain is locked/);
    isLocked = false;
    assert.equal(await two.isSignedIn(), true);
    const told = new Promise((resolve) => two.onSignedOut(resolve));
    await one.logout();
    assert.equal(await told, 'elsewhere');
  });
});

test('a logout whose storage fails is told to the other tabs', async () => {
  await browser(async (open, heard, storage) => {
    const one = await signedIn(open());
    const two = client(open());
    const told = new Promise((resolve) => two.onSignedOut(resolve));
    storage.clears = 1;
    await assert.rejects(one.logout(), /the keychain is locked/);
    assert.equal(await told, 'elsewhere');
    await assert.rejects(two.profile(), SignedOutError);
  }, flaky());
});

test('a refresh that is answered after the end brings nobody back', async () => {
  await browser(async (open, heard, storage) => {
    const one = await signedIn(open({ lock: undefined }));
    const two = client(open({ lock: undefined }));
    let release;
    const arrived = new Promise((resolve) => {
      proxy.meddle = async ({ path }, { pass, reply }) => {
        const answer = await pass();
        if (path === '/refresh') {
          resolve();
          await new Promise((go) => (release = go));
        }
        reply(answer);
      };
    });
    const call = two.changeProfile({ first_name: 'Augusta' });
    await arrived;
    const told = new Promise((resolve) => two.onSignedOut(resolve));
    await one.logout();
    await told;
    release();
    await assert.rejects(call, SignedOutError);
    assert.equal(storage.load(), null);
    assert.equal(proxy.count('/profile'), 0);
  });
});

test('a tab that was opened while nobody was signed in is told of no end', async () => {
  await browser(async (open, heard) => {
    const two = client(open());
    const one = await signedIn(open());
    const said = heard();
    await one.logout();
    assert.equal((await said).type, 'signed-out');
    assert.deepEqual(two.ends, []);
    await one.login(one.email, password);
    assert.equal((await two.profile()).account.email, one.email);
  });
});

test('a tab that was only opened uses the access token of the others', async () => {
  await browser(async (open, heard) => {
    const one = await signedIn(open());
    const two = client(open());
    one.clock.millis += 120_000;
    const said = heard();
    await one.profile();
    await said;
    assert.equal(await two.accessToken(), await one.accessToken());
    assert.equal(proxy.count('/refresh'), 1);
  });
});

test('tabs whose clocks differ reckon by their own', async () => {
  for (const hours of [-1, 1]) {
    await browser(async (open, heard) => {
      const one = await signedIn(open());
      const two = client(open());
      two.clock.millis += hours * 3_600_000;
      one.clock.millis += 120_000;
      const said = heard();
      await one.profile();
      await said;
      assert.equal(await two.accessToken(), await one.accessToken());
      assert.equal(proxy.count('/refresh'), 1, 'two needs none of its own');
      two.clock.millis += 25_000;
      await two.accessToken();
      assert.equal(proxy.count('/refresh'), 1);
      two.clock.millis += 8_000;
      await two.accessToken();
      assert.equal(proxy.count('/refresh'), 2, 'at half a minute, as if it were its own');
    });
  }
});

test('no time of a clock is stored or sent', async () => {
  await browser(async (open, heard, storage) => {
    const clock = time();
    clock.millis = 1_764_000_000_123;
    const one = await signedIn(open({ clock }));
    clock.millis += 120_000;
    const said = heard();
    await one.profile();
    const message = await said;
    assert.deepEqual(Object.keys(message).sort(), ['lifetime', 'session', 'token', 'type']);
    assert.ok(message.lifetime > 0 && message.lifetime <= 60_000, `${message.lifetime}`);
    const entry = JSON.parse(storage.load());
    assert.deepEqual(Object.keys(entry).sort(), ['refreshToken', 'session']);
    assert.doesNotMatch(entry.session, /176400/);
  });
});

test("what another session's tabs tell one another is not heard", async () => {
  const name = 'latchkey-other';
  const channels = [new BroadcastChannel(name), new BroadcastChannel(name)];
  try {
    const ada = await signedIn({ channel: channels[0] });
    const token = await ada.accessToken();
    const other = { session: 'another', token: 'a.b.c', lifetime: 60_000 };
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

test("a stale tab that logs out leaves the next person's session", async () => {
  const shared = { storage: inMemory(), lock: exclusive() };
  const ada = await signedIn(shared);
  const grace = await signedIn(shared);
  await ada.logout();
  grace.clock.millis += 120_000;
  assert.equal((await grace.profile()).account.email, grace.email);
});

test('a change of the password replaces the tokens here and in every tab', async () => {
  const shared = { storage: inMemory(), lock: exclusive() };
  const ada = await signedIn(shared);
  const tab = client(shared);
  await tab.profile();
  const phone = client();
  await phone.login(ada.email, password);
  const before = JSON.parse(await shared.storage.load()).refreshToken;

  // Both tabs find their access token expired, and one of them changes the password.
  proxy.expired.add(await ada.accessToken());
  proxy.reset();
  const longer = `${password} on Monday`;
  await Promise.all([ada.changePassword(password, longer), tab.profile()]);
  const after = JSON.parse(await shared.storage.load()).refreshToken;
  assert.notEqual(after, before);
  assert.ok(!presented('/refresh').includes(after));

  for (const one of [ada, tab]) {
    one.clock.millis += 120_000;
    await one.profile();
    assert.deepEqual(one.ends, []);
  }
  phone.clock.millis += 120_000;
  await assert.rejects(phone.profile(), SignedOutError);
  const stolen = { storage: inMemory() };
  stolen.storage.save(JSON.stringify({ session: 'stolen', refreshToken: before }));
  await assert.rejects(client(stolen).profile(), SignedOutError);
  await ada.profile();
});
