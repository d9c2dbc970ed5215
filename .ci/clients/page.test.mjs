// The page of examples/client and the examples of docs/clients.md, in a real browser.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';

import { api, launch, manual, origin, serve, shows, skip } from './chromium.mjs';
import { start } from './server.mjs';

const password = 'correct horse battery staple';
const noAnswer = 'The service did not answer. Check your connection, and try again.';
const wrong = 'The e-mail address or the password is wrong.';

const read = (name) => readFileSync(`examples/client/${name}`, 'utf8');
const example = {
  '/index.html': read('index.html'),
  '/latchkey.mjs': read('latchkey.mjs'),
  '/page.css': read('page.css'),
  '/page.mjs': read('page.mjs').replace('http://127.0.0.1:3000', api),
};

let browser;
let latchkey;
let pages;

before(async () => {
  if (!skip) browser = await launch();
});

afterEach(async () => {
  pages?.closeAllConnections();
  await new Promise((resolve) => (pages ? pages.close(resolve) : resolve()));
  await latchkey?.stop();
});

after(() => browser?.close());

/** A tab of a browser without a history, with what it has said and thrown. */
async function open(path = '/') {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const uncaught = [];
  const said = [];
  page.on('pageerror', (error) => uncaught.push(String(error)));
  page.on('console', (message) => said.push(message.text()));
  await page.goto(origin + path);
  return Object.assign(page, { uncaught, said });
}

/** Fills a form in as a person does, and sends it. */
async function send(page, form, entered) {
  for (const [name, text] of Object.entries(entered)) {
    const field = await page.$(`#${form} [name=${name}]`);
    await field.click({ count: 3 });
    await field.type(text);
  }
  await page.click(`#${form} button`);
}

/** Nothing was thrown, and no promise rejected, that nobody caught: one of the test's own is heard alone. */
async function assertAllCaught(page) {
  const heard = new Promise((resolve) => {
    page.on('pageerror', (error) => /the test's own/.test(error) && resolve());
  });
  await page.evaluate(() => void Promise.reject(new Error("the test's own")));
  await heard;
  assert.equal(page.uncaught.length, 1, page.uncaught.join());
}

const ada = { first_name: 'Ada', last_name: 'Lovelace', email: 'ada@example.com' };

test('the page takes a wrong password, a short one and a lost connection', { skip }, async () => {
  latchkey = await start(`CorsOrigins=${origin}`);
  pages = await serve(example);
  const page = await open();
  await send(page, 'register', { ...ada, password: 'short' });
  await shows(page, '#register-password-error', 'Password has fewer than 15 characters.');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'register-password');
  await send(page, 'register', { password });
  await shows(page, '#name', 'Ada Lovelace');
  await page.click('#logout');
  await shows(page, '#message', 'You are logged out.');

  await send(page, 'register', { ...ada, password });
  await shows(page, '#message', 'This e-mail address has an account already.');
  await send(page, 'login', { email: ada.email, password: 'not this one, surely' });
  await shows(page, '#message', wrong);
  await send(page, 'login', { password });
  await shows(page, '#email', ada.email);
  assert.equal(await page.$eval('#message', (message) => message.textContent), '');
  await page.reload();
  await shows(page, '#name', 'Ada Lovelace');

  await latchkey.stop();
  await page.click('#reload');
  await shows(page, '#message', noAnswer);
  await page.reload();
  await shows(page, '#message', noAnswer);
  await page.click('#logout');
  await shows(page, '#message', 'You are logged out.');
  await send(page, 'login', { email: ada.email, password });
  await shows(page, '#message', noAnswer);

  // It comes back, and has forgotten all.
  latchkey = await start(`CorsOrigins=${origin}`);
  await send(page, 'login', { password });
  await shows(page, '#message', wrong);
  await send(page, 'register', { ...ada, password });
  await shows(page, '#name', 'Ada Lovelace');
  await latchkey.stop();
  latchkey = await start(`CorsOrigins=${origin}`);
  await page.reload();
  await shows(page, '#message', 'Your session has ended. Log in again.');
  await assertAllCaught(page);
});

test(
  'a page that an origin lacks is told why, by its console and by the terminal',
  { skip },
  async () => {
    latchkey = await start();
    pages = await serve(example);
    const page = await open();
    await send(page, 'login', { email: ada.email, password });
    await shows(page, '#message', noAnswer);
    const refusal = page.said.find((text) => text.includes('CORS'));
    assert.ok(manual.includes(refusal), `docs/clients.md does not say: ${refusal}`);
    const warnings = latchkey.output().match(/WARN .*CorsOrigins.*/g);
    assert.equal(warnings.length, 1);
    assert.ok(manual.includes(warnings[0]), `docs/clients.md does not say: ${warnings[0]}`);
    await assertAllCaught(page);
  },
);

/** The examples of docs/clients.md that need nothing but the client. */
const snippets = [...manual.matchAll(/^```js\n(.*?)^```$/gms)]
  .map(([, text]) => text)
  .filter((text) =>
    [...text.matchAll(/ from '(.*)';$/gm)].every(([, of]) => of === './latchkey.mjs'),
  );

test(
  'the example for a page logs in after a wrong password and a lost connection',
  { skip },
  async () => {
    assert.equal(snippets.length, 1, 'of docs/clients.md in a browser: each needs a test here');
    latchkey = await start(`CorsOrigins=${origin}`);
    pages = await serve({
      '/index.html': '<!doctype html><title>Home</title><link rel="icon" href="data:,">',
      '/login': `<!doctype html><title>Login</title><link rel="icon" href="data:,">
      <script type="module" src="/form.mjs"></script>
      <p id="message" role="alert"></p>
      <form id="login"><input name="email"><input name="password" type="password"><button>Go</button></form>`,
      '/form.mjs': `import { login } from './example.mjs';
      const form = document.querySelector('#login');
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        login(form, document.querySelector('#message'));
      });`,
      '/example.mjs': snippets[0],
      '/latchkey.mjs': example['/latchkey.mjs'],
    });
    const page = await open('/login');
    await page.evaluate(
      async (baseUrl, account) => {
        const { Latchkey } = await import('/latchkey.mjs');
        await new Latchkey({ baseUrl }).register(account);
      },
      api,
      { ...ada, password },
    );
    await send(page, 'login', { email: ada.email, password: 'not this one, surely' });
    await shows(page, '#message', wrong);
    const home = page.waitForNavigation();
    await send(page, 'login', { password });
    await home;
    assert.equal(await page.title(), 'Home');

    // Latchkey has no such route, and its gateway says so.
    const refusal = await page.evaluate(async () => {
      const { notes } = await import('/example.mjs');
      return notes().catch((error) => ({ ...error, message: error.message }));
    });
    assert.deepEqual([refusal.status, refusal.message], [404, 'It is not there.']);

    await page.goto(`${origin}/login`);
    await latchkey.stop();
    await send(page, 'login', { email: ada.email, password });
    await shows(page, '#message', noAnswer);
    await assertAllCaught(page);
  },
);
