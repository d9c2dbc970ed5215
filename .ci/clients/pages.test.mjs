// The pages that links in mails lead to (functions/pages), in a real browser, through a proxy that gives
// the answers of the test in place of the API's. mails.test.mjs opens them with real links.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';

import { launch, origin, shows, skip } from './chromium.mjs';
import { open, plain } from './pages.mjs';
import { otherPort, port, start } from './server.mjs';

const secret = `lkm_${'Ab1-_'.repeat(17)}`;
const password = 'correct horse battery staple';

/** The pages, with what each posts, and the titles before and after success. */
const pages = {
  reset: {
    path: '/password/reset',
    field: 'new_password',
    status: 204,
    english: ['Choose your password', 'Your password is set'],
    german: ['Passwort wählen', 'Ihr Passwort ist gesetzt'],
  },
  verify: {
    path: '/email/verify',
    field: 'password',
    status: 204,
    english: ['Confirm your e-mail address', 'Your e-mail address is confirmed'],
    german: ['E-Mail-Adresse bestätigen', 'Ihre E-Mail-Adresse ist bestätigt'],
  },
  'email-change': {
    path: '/email/change/confirm',
    field: 'password',
    status: 204,
    english: ['Confirm your new e-mail address', 'Your e-mail address is changed'],
    german: ['Neue E-Mail-Adresse bestätigen', 'Ihre E-Mail-Adresse ist geändert'],
  },
  register: {
    path: '/register/confirm',
    field: 'password',
    status: 201,
    english: ['Open your account', 'Your account is open'],
    german: ['Konto eröffnen', 'Ihr Konto ist eröffnet'],
  },
};

let latchkey;
let browser;
let proxy;
const opened = [];

before(async () => {
  if (skip) return;
  latchkey = await start('MailFrom=no-reply@latchkey.example', 'AppName=Gärtnerei Öl & Söhne');
  proxy = await startProxy();
  browser = await launch();
});

afterEach(async () => {
  // Whatever a test did: no page broke its policy, and none threw.
  for (const page of opened.splice(0)) {
    assert.deepEqual(await page.evaluate(() => window.violations), []);
    assert.deepEqual(page.uncaught, []);
    await page.browserContext().close();
  }
  proxy?.reset();
});

after(async () => {
  await browser?.close();
  proxy?.close();
  await latchkey?.stop();
});

/** Answers posts as the test says, and passes everything else on. */
async function startProxy() {
  const state = {
    answer: null,
    posts: [],
    reset: () => Object.assign(state, { answer: null, posts: [] }),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method, url, headers } = request;
    if (method !== 'GET') {
      const posted = { method, path: url, headers, body: JSON.parse(Buffer.concat(chunks)) };
      state.posts.push(posted);
      const answer = await state.answer?.(posted);
      if (!answer) return request.socket.destroy();
      const body = typeof answer.body === 'object' ? JSON.stringify(answer.body) : answer.body;
      return response.writeHead(answer.status, answer.headers).end(body);
    }
    const onward = { host: '127.0.0.1', port, path: url, headers, agent: false };
    http.get(onward, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
  });
  await new Promise((resolve) => server.listen(otherPort, '127.0.0.1', resolve));
  return state;
}

/** Opens a page of the proxy, with a secret unless the test says otherwise. */
async function page(name, options = {}) {
  const fragment = options.fragment ?? `#${secret}`;
  const made = await open(browser, `${origin}/pages/${name}${fragment}`, options);
  opened.push(made);
  return made;
}

/** Enters the password, and presses the button. */
async function press(page, entered = password) {
  await page.click('#password', { count: 3 });
  await page.type('#password', entered);
  await page.click('#send');
}

const problem = (status, code, more = {}, headers = {}) => ({
  status,
  headers: { 'content-type': 'application/problem+json', ...headers },
  body: { type: `urn:latchkey:problem:${code}`, title: code, status, code, ...more },
});

const success = (name) => ({
  status: pages[name].status,
  headers: { 'content-type': 'application/json' },
  body: pages[name].status === 204 ? undefined : { id: '01a209aa-250d-7c04-a99b-29d1c32af3e2' },
});

for (const [name, { path, field, english, german }] of Object.entries(pages)) {
  test(
    `${name}: one press of the button posts the secret once, and no history has it after`,
    { skip },
    async () => {
      proxy.answer = () => success(name);
      const shown = await page(name);
      await shows(shown, '#title', english[0]);
      assert.equal(await shown.title(), `${english[0]} – Gärtnerei Öl & Söhne`);
      assert.equal(await shown.$eval('html', (html) => html.lang), 'en');
      const length = await shown.evaluate(() => history.length);
      await press(shown);
      await shows(shown, '#title', english[1]);
      const body = { token: secret, [field]: password };
      assert.deepEqual(
        proxy.posts.map(({ path, body }) => ({ path, body })),
        [{ path, body }],
      );
      assert.equal(proxy.posts[0].headers.referer, undefined);
      assert.equal(proxy.posts[0].headers.cookie, undefined);
      assert.equal(await shown.evaluate(() => document.activeElement.id), 'title');
      assert.equal(await shown.$eval('#form', (form) => form.checkVisibility()), false);
      assert.equal(await shown.evaluate(() => history.length), length);
      assert.equal(shown.url(), `${origin}/pages/${name}`);
      assert.deepEqual(await kept(shown), []);
      assert.ok(!(await shown.content()).includes('lkm_'));
      await shown.reload();
      await shows(shown, '#title', 'The link is not complete');
      assert.equal(proxy.posts.length, 1);
    },
  );

  test(`${name}: in German, for whom the browser speaks it first`, { skip }, async () => {
    proxy.answer = () => success(name);
    const shown = await page(name, { languages: 'fr-CH,de-AT,en' });
    await shows(shown, '#title', german[0]);
    assert.equal(await shown.$eval('html', (html) => html.lang), 'de');
    await press(shown);
    await shows(shown, '#title', german[1]);
    const other = await page(name, { languages: 'fr-CH,pt' });
    await shows(other, '#title', english[0]);
    assert.equal(await other.$eval('html', (html) => html.lang), 'en');
  });

  test(`${name}: to open it, with and without scripts, posts nothing`, { skip }, async () => {
    const shown = await page(name);
    await shows(shown, '#title', english[0]);
    await shown.reload();
    await shown.goto('about:blank');
    await shown.goBack();
    await shows(shown, '#title', english[0]);
    assert.equal(
      shown.url(),
      `${origin}/pages/${name}#${secret}`,
      'nothing is lost before its use',
    );
    const silent = await page(name, { scripts: false });
    const text = await silent.$eval('noscript', (noscript) => noscript.innerText);
    assert.match(text, /needs JavaScript.*braucht JavaScript/s);
    assert.equal(await silent.$eval('#form', (form) => form.checkVisibility()), false);
    assert.deepEqual(proxy.posts, []);
  });

  test(
    `${name}: axe finds nothing, and 320 pixels are enough, in each state`,
    { skip },
    async () => {
      for (const scheme of ['light', 'dark']) {
        for (const languages of ['en', 'de']) {
          const shown = await page(name, { scheme, languages, width: 320 });
          await shows(shown, '#title', (languages === 'en' ? english : german)[0]);
          await plain(shown, `${name}, ${scheme}, ${languages}`);
          proxy.answer = () => problem(503, 'unavailable');
          await press(shown);
          await shown.waitForSelector('#error:not(:empty)');
          await plain(shown, `${name}, ${scheme}, ${languages}, refused`);
          proxy.answer = () => tooShort(field);
          await press(shown);
          await shown.waitForSelector('#password-error:not(:empty)');
          await plain(shown, `${name}, ${scheme}, ${languages}, with a field error`);
          proxy.answer = () => success(name);
          await press(shown);
          await shows(shown, '#title', (languages === 'en' ? english : german)[1]);
          await plain(shown, `${name}, ${scheme}, ${languages}, done`);
        }
      }
    },
  );
}

const tooShort = (field) =>
  problem(422, 'invalid-fields', {
    errors: [{ pointer: `/${field}`, code: 'too-short', detail: 'has fewer than 15 characters' }],
  });

/** What a page keeps beyond its own life. */
const kept = (page) =>
  page.evaluate(async () => [
    ...Object.keys(localStorage),
    ...Object.keys(sessionStorage),
    ...(document.cookie ? [document.cookie] : []),
    ...(await indexedDB.databases()).map(({ name }) => name),
    ...(await caches.keys()),
    ...(history.state ? ['state'] : []),
    ...(window.name ? ['name'] : []),
  ]);

/** Refusals after which the page is as it was: the answer, what it says in English, and in German. */
const kinds = {
  'too-many-attempts': [
    problem(429, 'too-many-attempts', {}, { 'retry-after': '30' }),
    'Too many attempts. Try again in 30 seconds.',
    'Zu viele Versuche. Versuchen Sie es in 30 Sekunden noch einmal.',
  ],
  'too-many-attempts, for long': [
    problem(429, 'too-many-attempts', {}, { 'retry-after': '3541' }),
    'Too many attempts. Try again in 60 minutes.',
    'Zu viele Versuche. Versuchen Sie es in 60 Minuten noch einmal.',
  ],
  'email-taken': [
    problem(409, 'email-taken'),
    'This e-mail address has an account already. Log in there, or use another address.',
    'Diese E-Mail-Adresse hat schon ein Konto. Melden Sie sich dort an oder verwenden Sie eine andere.',
  ],
  'registration-closed': [
    problem(403, 'registration-closed'),
    'Nobody can register here now.',
    'Hier kann sich zurzeit niemand registrieren.',
  ],
  unavailable: [
    problem(503, 'unavailable', {}, { 'retry-after': '2' }),
    'The service is not available now. Try again in a moment.',
    'Der Dienst ist gerade nicht erreichbar. Versuchen Sie es gleich noch einmal.',
  ],
  "the gateway's throttle": [
    { status: 429, body: { message: 'Too Many Requests' } },
    'The service is not available now. Try again in a moment.',
    'Der Dienst ist gerade nicht erreichbar. Versuchen Sie es gleich noch einmal.',
  ],
  internal: [
    problem(500, 'internal', {}, { 'apigw-requestid': 'JKJaXmPLvHcESHA=' }),
    'Something went wrong. Try again later. (Request JKJaXmPLvHcESHA=)',
    'Etwas ist schiefgegangen. Versuchen Sie es später noch einmal. (Anfrage JKJaXmPLvHcESHA=)',
  ],
  'body-too-large': [
    problem(413, 'body-too-large'),
    'Something went wrong. Try again later. ',
    'Etwas ist schiefgegangen. Versuchen Sie es später noch einmal. ',
  ],
  'a lost answer': [
    null,
    'No answer came. Check your connection, and try again.',
    'Es kam keine Antwort. Prüfen Sie Ihre Verbindung und versuchen Sie es noch einmal.',
  ],
  "the login page of a hotel's network": [
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>Welcome</h1>' },
    'No answer came. Check your connection, and try again.',
    'Es kam keine Antwort. Prüfen Sie Ihre Verbindung und versuchen Sie es noch einmal.',
  ],
};

test('after a refusal the page is as it was, and a second press succeeds', { skip }, async () => {
  for (const [at, languages] of [
    [1, 'en'],
    [2, 'de'],
  ]) {
    const shown = await page('reset', { languages });
    for (const [name, kind] of Object.entries(kinds)) {
      proxy.answer = () => kind[0];
      await press(shown);
      await shows(shown, '#error', kind[at]);
      assert.equal(await shown.evaluate(() => document.activeElement.id), 'error', name);
      assert.equal(await shown.$eval('#password', (field) => field.value), password, name);
      assert.equal(await shown.$eval('#send', (button) => button.disabled), false, name);
    }
    proxy.answer = () => success('reset');
    await shown.click('#send');
    await shows(shown, '#title', pages.reset[languages === 'en' ? 'english' : 'german'][1]);
  }
  const bodies = proxy.posts.map(({ body }) => JSON.stringify(body));
  assert.equal(new Set(bodies).size, 1, 'the same each time');
});

test(
  'a link that is used or has expired, and one where mail is off, end the page',
  { skip },
  async () => {
    for (const name of Object.keys(pages)) {
      for (const [answer, title, german] of [
        [
          problem(400, 'invalid-link'),
          'This link is not valid any more',
          'Dieser Link gilt nicht mehr',
        ],
        [problem(404, 'not-found'), 'There is nothing here', 'Hier ist nichts'],
      ]) {
        proxy.answer = () => answer;
        for (const [languages, expected] of [
          ['en', title],
          ['de', german],
        ]) {
          const shown = await page(name, { languages });
          await press(shown);
          await shows(shown, '#title', expected);
          assert.equal(await shown.$eval('#form', (form) => form.checkVisibility()), false);
          assert.equal(await shown.evaluate(() => document.activeElement.id), 'title');
          assert.equal(shown.url(), `${origin}/pages/${name}`);
          if (name === 'reset') await plain(shown, expected);
        }
      }
    }
  },
);

test('what is wrong with a password is said at its field', { skip }, async () => {
  const detail = 'is easy to guess: it is made of your own address or name';
  const guessable = problem(422, 'invalid-fields', {
    errors: [{ pointer: '/new_password', code: 'too-guessable', detail }],
  });
  const cases = [
    [
      tooShort('new_password'),
      'The password has fewer than 15 characters.',
      'Das Passwort hat weniger als 15 Zeichen.',
    ],
    [
      guessable,
      `The password ${detail}.`,
      'Das Passwort ist leicht zu erraten. Nehmen Sie mehrere Wörter, die nichts mit Ihnen zu tun haben.',
    ],
  ];
  for (const [answer, english, german] of cases) {
    for (const [languages, text] of [
      ['en', english],
      ['de', german],
    ]) {
      proxy.answer = () => answer;
      const shown = await page('reset', { languages });
      await press(shown);
      await shows(shown, '#password-error', text);
      const field = await shown.$eval('#password', (field) => ({
        isFocused: field === document.activeElement,
        invalid: field.getAttribute('aria-invalid'),
        value: field.value,
      }));
      assert.deepEqual(field, { isFocused: true, invalid: 'true', value: password });
      assert.equal(await shown.$eval('#error', (error) => error.textContent), '');
      const named = languages === 'en' ? 'New password' : 'Neues Passwort';
      const input = await shown.accessibility.snapshot({ root: await shown.$('#password') });
      assert.equal(input.name, named);
      assert.ok(input.description.includes(text), input.description);
    }
  }
});

test('a password that is wrong, or missing, is said at its field', { skip }, async () => {
  for (const name of ['verify', 'email-change', 'register']) {
    for (const refusal of [problem(401, 'invalid-credentials'), problem(403, 'wrong-password')]) {
      proxy.answer = () => refusal;
      const shown = await page(name);
      await shown.click('#send');
      await shows(shown, '#password-error', 'Enter a password.');
      assert.equal(proxy.posts.length, 0);
      await press(shown, 'not this one');
      await shows(shown, '#password-error', 'The password is wrong.');
      assert.equal(shown.url(), `${origin}/pages/${name}#${secret}`);
      proxy.answer = () => success(name);
      await press(shown);
      await shows(shown, '#title', pages[name].english[1]);
      assert.equal(proxy.posts.at(-1).body.password, password);
      proxy.reset();
    }
  }
});

test('while an answer is awaited, nothing is sent twice', { skip }, async () => {
  let answer;
  proxy.answer = () => new Promise((resolve) => (answer = resolve));
  const shown = await page('reset');
  await press(shown);
  await shows(shown, '#status', 'Sending …');
  assert.equal(await shown.$eval('#send', (button) => button.disabled), true);
  await shown.focus('#password');
  await shown.keyboard.press('Enter');
  await shown.evaluate(() => document.getElementById('form').requestSubmit());
  answer(success('reset'));
  await shows(shown, '#title', 'Your password is set');
  assert.equal(proxy.posts.length, 1);
});

test('the keyboard is enough, and the password can be shown', { skip }, async () => {
  proxy.answer = () => success('reset');
  const shown = await page('reset');
  await shows(shown, '#password-hint', 'At least 15 characters.');
  await shown.keyboard.press('Tab');
  assert.equal(await shown.evaluate(() => document.activeElement.id), 'password');
  await shown.keyboard.type(password);
  await shown.keyboard.press('Tab');
  assert.equal(await shown.evaluate(() => document.activeElement.id), 'show');
  await shown.keyboard.press('Space');
  assert.equal(await shown.$eval('#password', (field) => field.type), 'text');
  await shown.keyboard.press('Space');
  assert.equal(await shown.$eval('#password', (field) => field.type), 'password');
  await shown.keyboard.press('Tab');
  assert.equal(await shown.evaluate(() => document.activeElement.id), 'send');
  await shown.keyboard.press('Enter');
  await shows(shown, '#title', 'Your password is set');
});

test(
  'a link that was cut asks for nothing, and one with a full stop behind it works',
  { skip },
  async () => {
    for (const fragment of ['', '#', '#lkm_', '#x', '#%6ckm_', '?token=lkm_AAAA']) {
      for (const [languages, title] of [
        ['en', 'The link is not complete'],
        ['de', 'Der Link ist unvollständig'],
      ]) {
        const shown = await page('verify', { fragment, languages });
        await shows(shown, '#title', title);
        assert.equal(await shown.$eval('#form', (form) => form.checkVisibility()), false);
      }
    }
    assert.deepEqual(proxy.posts, []);
    proxy.answer = () => success('verify');
    const shown = await page('verify', { fragment: `#${secret}.%3E` });
    await press(shown);
    await shows(shown, '#title', 'Your e-mail address is confirmed');
    assert.equal(proxy.posts[0].body.token, secret);
  },
);

test(
  'another link that is opened in the same tab is used in place of the first',
  { skip },
  async () => {
    proxy.answer = () => success('verify');
    const shown = await page('verify');
    const again = shown.waitForNavigation();
    await shown.evaluate((link) => location.assign(link), `${origin}/pages/verify#lkm_other`);
    await again;
    await shows(shown, '#title', 'Confirm your e-mail address');
    await shown.waitForFunction(() => document.readyState === 'complete');
    await press(shown);
    await shows(shown, '#title', 'Your e-mail address is confirmed');
    assert.equal(proxy.posts[0].body.token, 'lkm_other');
  },
);

test(
  'a script that does not come is said, and another page cannot frame this one',
  { skip },
  async () => {
    const broken = await page('reset', { block: /pages\.js$/ });
    await broken.waitForFunction(() =>
      document.getElementById('loading').checkVisibility({ visibilityProperty: true }),
    );
    const text = await broken.$eval('#loading', (loading) => loading.innerText);
    assert.match(text, /load the page again.*laden Sie die Seite neu/s);
    const other = await open(browser, 'about:blank');
    opened.push(other);
    await other.setContent(`<iframe src="${origin}/pages/reset#${secret}"></iframe>`);
    const inner = await (await other.$('iframe')).contentFrame();
    assert.equal(inner.url(), 'chrome-error://chromewebdata/');
  },
);
