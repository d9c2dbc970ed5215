// examples/client/latchkey.mjs in two tabs of a real browser, on another origin than the API's and under
// the content security policy of docs/clients.md.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { api, launch, origin, serve, skip } from './chromium.mjs';
import { start } from './server.mjs';

let latchkey;
let pages;
let browser;

before(async () => {
  if (skip) return;
  latchkey = await start(`CorsOrigins=${origin}`, 'AccessTokenSeconds=60');
  pages = await serve({
    '/index.html': '<!doctype html><title>Latchkey</title><link rel="icon" href="data:,">',
    '/latchkey.mjs': readFileSync('examples/client/latchkey.mjs'),
  });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  pages?.close();
  latchkey?.stop();
});

/**
 * A tab with a client whose clock the test can move and whose patience with the lock it can end, and what
 * it has heard and asked.
 */
async function tab() {
  const page = await browser.newPage();
  const refreshes = [];
  page.on('request', (request) => {
    const isRefresh = request.method() === 'POST' && request.url() === `${api}/refresh`;
    if (isRefresh) refreshes.push(request.postData());
  });
  await page.goto(origin);
  await page.evaluate(async (baseUrl) => {
    const { inBrowser, Latchkey, LatchkeyError } = await import('/latchkey.mjs');
    window.later = 0;
    window.patience = 5000;
    const now = () => Date.now() + window.later;
    const timer = (milliseconds, callback) => {
      const isForLock = milliseconds === 5000;
      const id = setTimeout(callback, isForLock ? window.patience : milliseconds);
      return () => clearTimeout(id);
    };
    window.latchkey = new Latchkey({ baseUrl, now, timer, ...inBrowser() });
    window.over = new Promise((resolve) => window.latchkey.onSignedOut(resolve));
    window.refusal = (call) =>
      call.then(
        () => null,
        (error) => ({ ...error, isLatchkeyError: error instanceof LatchkeyError }),
      );
  }, api);
  return Object.assign(page, { refreshes });
}

test('two tabs share one session, refresh one at a time, and end together', { skip }, async () => {
  const one = await tab();
  await one.evaluate(async () => {
    const password = 'correct horse battery staple';
    const account = { email: 'ada@example.com', password, first_name: 'Ada', last_name: 'L' };
    await window.latchkey.register(account);
    await window.latchkey.login(account.email, password);
  });
  const two = await tab();
  const show = () =>
    Promise.all(Array.from({ length: 5 }, () => window.latchkey.profile())).then(
      (shown) => shown[0],
    );
  const shown = await Promise.all([one.evaluate(show), two.evaluate(show)]);
  assert.deepEqual(shown[0], shown[1]);
  assert.match(shown[0].etag, /^".+"$/, 'the gateway lets scripts read it');
  assert.equal(two.refreshes.length, 1, 'one for five calls');

  for (const page of [one, two]) await page.evaluate(() => (window.later += 120_000));
  await Promise.all([one.evaluate(show), two.evaluate(show)]);
  const presented = [...one.refreshes, ...two.refreshes];
  assert.ok(presented.length <= 3, `${presented.length}`);
  assert.equal(new Set(presented).size, presented.length, 'no token was presented twice');

  const refusal = await two.evaluate(() =>
    window.refusal(window.latchkey.deleteAccount('not this one, surely')),
  );
  assert.equal(refusal.isLatchkeyError, true);
  assert.deepEqual([refusal.status, refusal.code], [403, 'wrong-password']);
  assert.match(refusal.requestId, /./);

  const opened = await tab();
  await one.evaluate(() => window.latchkey.logout());
  for (const page of [two, opened]) {
    assert.equal(await page.evaluate(() => window.over), 'elsewhere');
    assert.equal(await page.evaluate(() => window.latchkey.isSignedIn()), false);
    assert.equal(await page.evaluate(() => localStorage.length), 0);
  }
});

test('a lock that another tab never releases is given up', { skip }, async () => {
  const holder = await tab();
  await holder.evaluate(() => {
    const held = new Promise((release) => (window.release = release));
    return new Promise((resolve) => {
      navigator.locks.request('latchkey', () => {
        resolve();
        return held;
      });
    });
  });
  const page = await tab();
  await page.evaluate(async () => {
    const password = 'correct horse battery staple';
    window.patience = 50;
    const account = { email: 'eve@example.com', password, first_name: 'Eve', last_name: 'L' };
    await window.latchkey.register(account);
    await window.latchkey.login(account.email, password);
    window.later += 120_000;
    await window.latchkey.profile();
  });
  assert.equal(page.refreshes.length, 1);
  await holder.evaluate(() => window.release());
  // Whoever asks next gets it after all that were given up.
  const held = await page.evaluate(async () => {
    await navigator.locks.request('latchkey', () => {});
    return (await navigator.locks.query()).held.length;
  });
  assert.equal(held, 0);
});

test("a page can tell the gateway's refusal from a cut cable", { skip }, async () => {
  const page = await tab();
  const status = await page.evaluate(async (baseUrl) => {
    const headers = { authorization: 'Bearer a.b.c' };
    return (await fetch(`${baseUrl}/profile`, { headers })).status;
  }, api);
  assert.equal(status, 403);
});
