// From the call that asks for a mail to the page behind its link, with `cargo run`'s mailbox, in a real
// browser: each link is first opened by scanners.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Latchkey, LatchkeyError, SignedOutError } from '../../examples/client/latchkey.mjs';
import { api, launch, shows, skip } from './chromium.mjs';
import { open } from './pages.mjs';
import { start } from './server.mjs';

const password = 'correct horse battery staple';
const longer = `${password} on Sunday`;
const ada = { email: 'ada@example.com', password, first_name: 'Ada', last_name: 'Lovelace' };
const refused = (status, code) => (error) =>
  error instanceof LatchkeyError && error.status === status && error.code === code;

let browser;
let latchkey;
const opened = [];

before(async () => {
  if (!skip) browser = await launch();
});

afterEach(async () => {
  for (const page of opened.splice(0)) {
    assert.deepEqual(await page.evaluate(() => window.violations ?? []), []);
    assert.deepEqual(page.uncaught, []);
    await page.browserContext().close();
  }
  await latchkey?.stop();
});

after(() => browser?.close());

/** A client whose clock can be moved: `forget` lets its access token end, so that it refreshes. */
function person() {
  let later = 0;
  const made = new Latchkey({ baseUrl: api, now: () => Date.now() + later });
  return Object.assign(made, { forget: () => void (later += 3_600_000) });
}

/** Returns the next mail to an address, or null if none comes within some seconds. */
async function mail(to, after = '', seconds = 20) {
  const query = new URLSearchParams({ to, wait: seconds, ...(after && { after }) });
  const response = await fetch(`${api}/mailbox/latest?${query}`);
  if (response.status === 404) return null;
  assert.equal(response.status, 200);
  return response.json();
}

/** Returns the one link of a mail that has a secret, once scanners have opened it. */
async function link(to, page, after) {
  const found = await mail(to, after);
  assert.ok(found, `no mail to ${to}`);
  const [link, ...others] = found.links.filter((link) => link.includes('#'));
  assert.deepEqual(others, []);
  assert.ok(link.startsWith(`${api}/pages/${page}#lkm_`), link);
  for (const text of [found.text, found.html]) assert.ok(text.includes(link), text);
  await scan(link);
  return { link, id: found.id };
}

/** What scanners of mail do with a link. */
async function scan(link) {
  const url = link.split('#')[0];
  await fetch(link);
  await fetch(url);
  await fetch(url, { method: 'HEAD' });
  for (const scripts of [false, true]) {
    const page = await open(browser, link, { scripts });
    await page.waitForNetworkIdle();
    await page.browserContext().close();
  }
}

/** Opens a link as a person does. */
async function follow(link, languages = 'en') {
  const page = await open(browser, link, { languages });
  opened.push(page);
  return page;
}

async function press(page, entered) {
  await page.click('#password', { count: 3 });
  await page.type('#password', entered);
  await page.click('#send');
}

test('a forgotten password is replaced by way of a mail', { skip }, async () => {
  latchkey = await start();
  const owner = person();
  await owner.register(ada);
  await owner.login(ada.email, password);
  await person().forgot('Ada@Example.com');
  const first = await link(ada.email, 'reset');

  const page = await follow(first.link);
  await press(page, 'short');
  await shows(page, '#password-error', 'The password has fewer than 15 characters.');
  await press(page, 'passwordpassword');
  await page.waitForFunction(() =>
    document.getElementById('password-error').textContent.includes('easy to guess'),
  );
  await press(page, longer);
  await shows(page, '#title', 'Your password is set');
  assert.equal(page.url(), `${api}/pages/reset`);

  await assert.rejects(person().login(ada.email, password), refused(401, 'invalid-credentials'));
  const back = person();
  await back.login(ada.email, longer);
  const { events } = await back.activity();
  const names = events.map(({ event }) => event);
  assert.ok(names.indexOf('password_reset') > names.indexOf('logged_in'), `${names}`);
  owner.forget();
  await assert.rejects(owner.profile(), SignedOutError);
  const notice = await mail(ada.email, first.id);
  assert.ok(notice && !JSON.stringify(notice).includes('lkm_'), 'the owner is told');

  const again = await follow(first.link);
  await press(again, password);
  await shows(again, '#title', 'This link is not valid any more');
  await assert.rejects(
    person().reset(first.link.split('#')[1], password),
    refused(400, 'invalid-link'),
  );
});

test('nobody gets a mail at an address without an account', { skip }, async () => {
  latchkey = await start();
  await person().forgot(ada.email);
  await person().resendVerification(ada.email);
  assert.equal(await mail(ada.email, '', 2), null);
});

test(
  'an address is proven by way of a mail, and the account is there before',
  { skip },
  async () => {
    latchkey = await start('EmailVerification=later', 'MailLanguage=de');
    const owner = person();
    const account = await owner.register(ada);
    assert.equal(account.email_verified, false);
    await owner.login(ada.email, password);
    const first = await link(ada.email, 'verify');
    await person().resendVerification(ada.email);
    const second = await link(ada.email, 'verify', first.id);
    const page = await follow(second.link, 'de');
    await press(page, longer);
    await shows(page, '#password-error', 'Das Passwort ist falsch.');
    assert.equal((await owner.profile()).account.email_verified, false);
    await press(page, password);
    await shows(page, '#title', 'Ihre E-Mail-Adresse ist bestätigt');
    assert.equal((await owner.profile()).account.email_verified, true);
    const again = await follow(second.link);
    await press(again, password);
    await shows(again, '#title', 'This link is not valid any more');
    await person().resendVerification(ada.email);
    assert.equal(await mail(ada.email, second.id, 2), null, 'there is nothing left to prove');
  },
);

test(
  'an account is opened by way of a mail, with the password of its registration',
  {
    skip,
  },
  async () => {
    latchkey = await start('EmailVerification=first');
    assert.equal(await person().register(ada), null);
    const { link: found, id } = await link(ada.email, 'register');
    await assert.rejects(person().login(ada.email, password), refused(401, 'invalid-credentials'));
    const page = await follow(found);
    await press(page, longer);
    await shows(page, '#password-error', 'The password is wrong.');
    await press(page, password);
    await shows(page, '#title', 'Your account is open');
    const owner = person();
    await owner.login(ada.email, password);
    assert.equal((await owner.profile()).account.email_verified, true);
    const again = await follow(found);
    await press(again, password);
    await shows(again, '#title', 'This link is not valid any more');

    assert.equal(await person().register({ ...ada, password: longer }), null);
    const note = await mail(ada.email, id);
    assert.ok(
      note && !JSON.stringify(note).includes('lkm_'),
      'the owner is told, and nothing opens',
    );
  },
);

test('an address is changed by way of a mail, and this session goes on', { skip }, async () => {
  latchkey = await start();
  const owner = person();
  await owner.register(ada);
  await owner.login(ada.email, password);
  const phone = person();
  await phone.login(ada.email, password);
  const next = 'ada@example.org';
  await assert.rejects(owner.changeEmail(next, longer), refused(403, 'wrong-password'));
  await owner.changeEmail(next, password);
  const { link: found } = await link(next, 'email-change');
  const notice = await mail(ada.email);
  assert.ok(notice && !JSON.stringify(notice).includes('lkm_'), 'the old address is told');
  assert.equal((await owner.profile()).account.email, ada.email);

  const page = await follow(found);
  await press(page, longer);
  await shows(page, '#password-error', 'The password is wrong.');
  assert.equal((await owner.profile()).account.email, ada.email);
  await press(page, password);
  await shows(page, '#title', 'Your e-mail address is changed');
  owner.forget();
  const { account } = await owner.profile();
  assert.deepEqual([account.email, account.email_verified], [next, true]);
  phone.forget();
  await assert.rejects(phone.profile(), SignedOutError);
  await person().login(next, password);
  await assert.rejects(person().login(ada.email, password), refused(401, 'invalid-credentials'));
});
