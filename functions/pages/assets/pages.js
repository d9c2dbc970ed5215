// The script of the pages that links in mails lead to. It shows a button, and posts the secret of the
// link only when a person presses it: scanners of mail open every link, some with a browser.
//
// The secret stays in the address bar until it has been used, and nowhere else. Were it taken out at
// once, a reload would lose it, and phones reload a page whenever its person has looked up a password
// elsewhere meanwhile. Whoever can read the address bar can read the mail. After its use, the secret is
// taken out of the history, although it is good for nothing then.

/**
 * @typedef {'reset' | 'verify' | 'email-change' | 'register'} Page
 * @typedef {{ pointer: string, code: string, detail: string }} FieldError
 * @typedef {{ status: number, code: string, errors: FieldError[], wait: number, request: string }} Answer
 */

/** Where each page posts to, relative to itself, and the status of success. */
const ROUTES = {
  reset: { path: '../password/reset', success: 204 },
  verify: { path: '../email/verify', success: 204 },
  'email-change': { path: '../email/change/confirm', success: 204 },
  register: { path: '../register/confirm', success: 201 },
};

/** How long to wait for an answer. No function takes as long. */
const TIMEOUT = 30_000;

const ENGLISH = {
  reset: {
    title: 'Choose your password',
    lead: 'All devices will be signed out.',
    label: 'New password',
    hint: (/** @type {string} */ least) => `At least ${least} characters.`,
    button: 'Set the password',
    done: 'Your password is set',
    next: 'Go back to the app, and log in with the new password.',
    stale:
      'It has been used already, has expired, or your password has changed since. If you have used it yourself, log in with the new password. Otherwise ask for another link in the app.',
  },
  verify: {
    title: 'Confirm your e-mail address',
    lead: 'Enter the password that you chose for this account: it shows that the account is yours. If you have forgotten it, ask for a new one in the app, which confirms the address too. If you did not open this account, close this page, or ask for a new password to have it yourself.',
    label: 'Password',
    hint: () => '',
    button: 'Confirm the address',
    done: 'Your e-mail address is confirmed',
    next: 'You can close this page.',
    stale:
      'It has been used already, has expired, or your password has changed since. If you have used it yourself, nothing is left to do. Otherwise ask for another link in the app.',
  },
  'email-change': {
    title: 'Confirm your new e-mail address',
    lead: 'Enter the password of your account to use this address from now on: it shows that the account is yours. Other devices will be signed out. If you did not ask for this, close this page: nothing happens then.',
    label: 'Password',
    hint: () => '',
    button: 'Use this address',
    done: 'Your e-mail address is changed',
    next: 'From now on, log in with the new address. You can close this page.',
    stale:
      'It has been used already, has expired, or your password has changed since. If you have used it yourself, log in with the new address. Otherwise change the address in the app once more.',
  },
  register: {
    title: 'Open your account',
    lead: 'Enter the password that was chosen at the registration. If you did not register, close this page: nothing happens then.',
    label: 'Password',
    hint: () => '',
    button: 'Open the account',
    done: 'Your account is open',
    next: 'Go back to the app, and log in with your e-mail address and your password.',
    stale:
      'It has been used already or has expired. If you have used it yourself, log in. Otherwise register in the app once more.',
  },
  show: 'Show the password',
  sending: 'Sending …',
  incomplete: 'The link is not complete',
  incompleteNext:
    'Open the link in the mail again, or copy all of it. If you have used it already, nothing is left to do here.',
  refused: 'This link is not valid any more',
  off: 'There is nothing here',
  offNext: 'This service does not use links in mails now. Go back to the app.',
  empty: 'Enter a password.',
  wrong: 'The password is wrong.',
  taken: 'This e-mail address has an account already. Log in there, or use another address.',
  closed: 'Nobody can register here now.',
  attempts: (/** @type {string} */ wait) => `Too many attempts. Try again ${wait}.`,
  unavailable: 'The service is not available now. Try again in a moment.',
  noAnswer: 'No answer came. Check your connection, and try again.',
  failed: (/** @type {string} */ request) => `Something went wrong. Try again later. ${request}`,
  request: (/** @type {string} */ id) => `(Request ${id})`,
  soon: 'in a moment',
  seconds: (/** @type {number} */ n) => (n === 1 ? 'in a second' : `in ${n} seconds`),
  minutes: (/** @type {number} */ n) => `in ${n} minutes`,
  // The detail continues a sentence, in English.
  field: (/** @type {FieldError} */ { detail }) => `The password ${detail}.`,
};

/** @type {typeof ENGLISH} */
const GERMAN = {
  reset: {
    title: 'Passwort wählen',
    lead: 'Alle Geräte werden abgemeldet.',
    label: 'Neues Passwort',
    hint: (least) => `Mindestens ${least} Zeichen.`,
    button: 'Passwort setzen',
    done: 'Ihr Passwort ist gesetzt',
    next: 'Gehen Sie zur Anwendung zurück und melden Sie sich mit dem neuen Passwort an.',
    stale:
      'Er wurde schon verwendet, ist abgelaufen, oder Ihr Passwort wurde seither geändert. Wenn Sie ihn selbst verwendet haben, melden Sie sich mit dem neuen Passwort an. Andernfalls fordern Sie in der Anwendung einen neuen Link an.',
  },
  verify: {
    title: 'E-Mail-Adresse bestätigen',
    lead: 'Geben Sie das Passwort ein, das Sie für dieses Konto gewählt haben: Es zeigt, dass das Konto Ihnen gehört. Wenn Sie es vergessen haben, fordern Sie in der Anwendung ein neues an; auch das bestätigt die Adresse. Wenn Sie dieses Konto nicht eröffnet haben, schließen Sie diese Seite, oder fordern Sie ein neues Passwort an, um es selbst zu haben.',
    label: 'Passwort',
    hint: () => '',
    button: 'Adresse bestätigen',
    done: 'Ihre E-Mail-Adresse ist bestätigt',
    next: 'Sie können diese Seite schließen.',
    stale:
      'Er wurde schon verwendet, ist abgelaufen, oder Ihr Passwort wurde seither geändert. Wenn Sie ihn selbst verwendet haben, ist nichts mehr zu tun. Andernfalls fordern Sie in der Anwendung einen neuen Link an.',
  },
  'email-change': {
    title: 'Neue E-Mail-Adresse bestätigen',
    lead: 'Geben Sie das Passwort Ihres Kontos ein, damit ab jetzt diese Adresse gilt: Es zeigt, dass das Konto Ihnen gehört. Andere Geräte werden abgemeldet. Wenn Sie das nicht wollten, schließen Sie diese Seite: Dann geschieht nichts.',
    label: 'Passwort',
    hint: () => '',
    button: 'Diese Adresse verwenden',
    done: 'Ihre E-Mail-Adresse ist geändert',
    next: 'Melden Sie sich ab jetzt mit der neuen Adresse an. Sie können diese Seite schließen.',
    stale:
      'Er wurde schon verwendet, ist abgelaufen, oder Ihr Passwort wurde seither geändert. Wenn Sie ihn selbst verwendet haben, melden Sie sich mit der neuen Adresse an. Andernfalls ändern Sie die Adresse in der Anwendung noch einmal.',
  },
  register: {
    title: 'Konto eröffnen',
    lead: 'Geben Sie das Passwort ein, das bei der Registrierung gewählt wurde. Wenn Sie sich nicht registriert haben, schließen Sie diese Seite: Dann geschieht nichts.',
    label: 'Passwort',
    hint: () => '',
    button: 'Konto eröffnen',
    done: 'Ihr Konto ist eröffnet',
    next: 'Gehen Sie zur Anwendung zurück und melden Sie sich mit Ihrer E-Mail-Adresse und Ihrem Passwort an.',
    stale:
      'Er wurde schon verwendet oder ist abgelaufen. Wenn Sie ihn selbst verwendet haben, melden Sie sich an. Andernfalls registrieren Sie sich in der Anwendung noch einmal.',
  },
  show: 'Passwort zeigen',
  sending: 'Wird gesendet …',
  incomplete: 'Der Link ist unvollständig',
  incompleteNext:
    'Öffnen Sie den Link in der Mail noch einmal oder kopieren Sie ihn ganz. Wenn Sie ihn schon verwendet haben, ist hier nichts mehr zu tun.',
  refused: 'Dieser Link gilt nicht mehr',
  off: 'Hier ist nichts',
  offNext: 'Dieser Dienst verwendet zurzeit keine Links in Mails. Gehen Sie zur Anwendung zurück.',
  empty: 'Geben Sie ein Passwort ein.',
  wrong: 'Das Passwort ist falsch.',
  taken:
    'Diese E-Mail-Adresse hat schon ein Konto. Melden Sie sich dort an oder verwenden Sie eine andere.',
  closed: 'Hier kann sich zurzeit niemand registrieren.',
  attempts: (wait) => `Zu viele Versuche. Versuchen Sie es ${wait} noch einmal.`,
  unavailable: 'Der Dienst ist gerade nicht erreichbar. Versuchen Sie es gleich noch einmal.',
  noAnswer: 'Es kam keine Antwort. Prüfen Sie Ihre Verbindung und versuchen Sie es noch einmal.',
  failed: (request) => `Etwas ist schiefgegangen. Versuchen Sie es später noch einmal. ${request}`,
  request: (id) => `(Anfrage ${id})`,
  soon: 'gleich',
  seconds: (n) => (n === 1 ? 'in einer Sekunde' : `in ${n} Sekunden`),
  minutes: (n) => `in ${n} Minuten`,
  field: ({ code, detail }) => {
    const number = /\d+/.exec(detail)?.[0];
    if (code === 'too-short') return `Das Passwort hat weniger als ${number} Zeichen.`;
    if (code === 'too-long') return `Das Passwort hat mehr als ${number} Zeichen.`;
    if (code === 'too-guessable')
      return 'Das Passwort ist leicht zu erraten. Nehmen Sie mehrere Wörter, die nichts mit Ihnen zu tun haben.';
    return 'Dieses Passwort wird nicht angenommen.';
  },
};

const page = /** @type {Page} */ (document.documentElement.dataset.page);
const app = element('app').textContent ?? '';
const form = /** @type {HTMLFormElement} */ (element('form'));
const button = /** @type {HTMLButtonElement} */ (element('send'));
const password = /** @type {HTMLInputElement} */ (element('password'));

const language = navigator.languages
  .map((tag) => tag.toLowerCase().split('-')[0])
  .find((tag) => tag === 'de' || tag === 'en');
const texts = language === 'de' ? GERMAN : ENGLISH;
const words = texts[page];

// Programs that find links in text may take a full stop or a bracket behind it for a part of it.
const secret = /lkm_[A-Za-z0-9_-]+/.exec(location.hash)?.[0];

// Another link that is opened in this tab is the same page to the browser.
addEventListener('hashchange', () => location.reload());
document.documentElement.lang = language ?? 'en';
element('loading').remove();
if (secret) ask();
else end(texts.incomplete, texts.incompleteNext);

/** Shows the form. */
function ask() {
  head(words.title);
  say('lead', words.lead);
  button.textContent = words.button;
  say('password-label', words.label);
  say('password-hint', words.hint(password.minLength.toString()));
  say('show-label', texts.show);
  const show = /** @type {HTMLInputElement} */ (element('show'));
  show.addEventListener('change', () => (password.type = show.checked ? 'text' : 'password'));
  // A reload may have kept what was ticked.
  show.checked = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!button.disabled) send();
  });
  form.hidden = false;
}

/** Posts the secret and what was entered. What was entered stays, unless it succeeds. */
async function send() {
  say('error', '');
  mark('');
  if (password.value === '') return mark(texts.empty);
  button.disabled = true;
  say('status', texts.sending);
  const answer = await post().catch(() => null);
  button.disabled = false;
  say('status', '');
  if (!answer) return refuse(texts.noAnswer);
  if (answer.status === ROUTES[page].success) return end(words.done, words.next);
  tell(answer);
}

/**
 * Returns the answer. Throws if there is none, or if it is not Latchkey's, such as the login page of a
 * hotel's network.
 * @returns {Promise<Answer>}
 */
async function post() {
  /** @type {Record<string, string | undefined>} */
  const body = { token: secret, [password.name]: password.value };
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), TIMEOUT);
  try {
    const response = await fetch(ROUTES[page].path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      credentials: 'omit',
      redirect: 'error',
      signal: controller.signal,
    });
    const { status, headers } = response;
    const text = await response.text();
    const document = status === 204 ? {} : JSON.parse(text);
    return {
      status,
      code: String(document.code ?? ''),
      errors: Array.isArray(document.errors) ? document.errors : [],
      wait: Number(headers.get('retry-after')),
      request: headers.get('apigw-requestid') ?? '',
    };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Shows a refusal, in words for a person.
 * @param {Answer} answer
 */
function tell({ status, code, errors, wait, request }) {
  const ofPassword = errors.find(({ pointer }) => pointer === `/${password.name}`);
  if (code === 'invalid-link') return end(texts.refused, words.stale);
  if (code === 'not-found') return end(texts.off, texts.offNext);
  if (ofPassword) return mark(texts.field(ofPassword));
  if (code === 'wrong-password' || code === 'invalid-credentials') return mark(texts.wrong);
  if (code === 'email-taken') return refuse(texts.taken);
  if (code === 'registration-closed') return refuse(texts.closed);
  if (code === 'too-many-attempts') return refuse(texts.attempts(waiting(wait)));
  // Those without a code are the gateway's.
  if (status === 429 || status === 503) return refuse(texts.unavailable);
  refuse(texts.failed(request && texts.request(request)));
}

/** @param {number} seconds */
function waiting(seconds) {
  if (!(seconds > 0)) return texts.soon;
  return seconds > 90 ? texts.minutes(Math.ceil(seconds / 60)) : texts.seconds(seconds);
}

/**
 * Shows what went wrong, above the form.
 * @param {string} text
 */
function refuse(text) {
  say('error', text);
  element('error').focus();
}

/**
 * Shows what is wrong with the password, at its field.
 * @param {string} text
 */
function mark(text) {
  say('password-error', text);
  password.setAttribute('aria-invalid', String(text !== ''));
  if (text) password.focus();
}

/**
 * Shows how it ended. The secret is of no use any more.
 * @param {string} title
 * @param {string} text
 */
function end(title, text) {
  head(title);
  say('lead', text);
  form.hidden = true;
  form.reset();
  history.replaceState(null, '', location.pathname + location.search);
  element('title').focus();
}

/** @param {string} title */
function head(title) {
  say('title', title);
  document.title = `${title} – ${app}`;
}

/**
 * @param {string} id
 * @param {string} text
 */
function say(id, text) {
  element(id).textContent = text;
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found;
}
