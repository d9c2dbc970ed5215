// The script of index.html: register, log in, show the profile, log out. Copy it with the others of
// this folder; docs/clients.md says how to serve them.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

import { inBrowser, Latchkey, LatchkeyError, messageFor, SignedOutError } from './latchkey.mjs';

/** The URL of your API. */
const baseUrl = 'http://127.0.0.1:3000';

const ENDED = {
  logout: 'You are logged out.',
  refused: 'Your session has ended. Log in again.',
  elsewhere: 'You were signed out in another tab.',
};

const latchkey = new Latchkey({ baseUrl, ...inBrowser() });
let isBusy = false;

latchkey.onSignedOut((reason) => {
  showHalf('signed-out');
  say(ENDED[reason]);
});

onSubmit('login', async (entered) => {
  await latchkey.login(entered('email'), entered('password'));
  await showProfile();
});

onSubmit('register', async (entered) => {
  const [email, password] = [entered('email'), entered('password')];
  const names = { first_name: entered('first_name'), last_name: entered('last_name') };
  const account = await latchkey.register({ email, password, ...names });
  if (!account) return say('Open the link in the mail that is on its way to you. Then log in.');
  await latchkey.login(email, password);
  await showProfile();
});

element('reload', HTMLButtonElement).addEventListener('click', () => run(showProfile));
element('logout', HTMLButtonElement).addEventListener('click', () => run(() => latchkey.logout()));

showHalf('signed-out');
run(async () => {
  if (await latchkey.isSignedIn()) await showProfile();
});

async function showProfile() {
  fill('', '', '');
  showHalf('signed-in');
  const { account } = await latchkey.profile();
  const registered = new Date(account.date_joined).toLocaleDateString();
  fill(`${account.first_name} ${account.last_name}`.trim(), account.email, registered);
  element('profile', HTMLElement).focus();
}

/**
 * @param {string} name
 * @param {string} email
 * @param {string} registered
 */
function fill(name, email, registered) {
  for (const [id, text] of Object.entries({ name, email, registered })) {
    element(id, HTMLElement).textContent = text;
  }
}

/**
 * Runs `task` when the form is submitted.
 * @param {string} id the id of the form
 * @param {(entered: (name: string) => string) => Promise<void>} task
 */
function onSubmit(id, task) {
  const form = element(id, HTMLFormElement);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const data = new FormData(form);
    run(async () => {
      await task((name) => String(data.get(name)));
      form.reset();
    }, form);
  });
}

/**
 * Runs one task at a time and shows its error. Never rejects.
 * @param {() => Promise<void>} task
 * @param {HTMLFormElement} [form] the form whose fields are marked
 */
async function run(task, form) {
  if (isBusy) return;
  isBusy = true;
  say('');
  if (form) mark(form, null);
  try {
    await task();
  } catch (error) {
    if (error instanceof SignedOutError) showHalf('signed-out');
    const isMarked = form && error instanceof LatchkeyError && mark(form, error);
    // The listener may have shown a message already.
    if (!isMarked && !element('message', HTMLElement).textContent) say(messageFor(error));
  } finally {
    isBusy = false;
  }
}

/**
 * Shows each field error beside its field. Returns whether that covers all errors.
 * @param {HTMLFormElement} form
 * @param {LatchkeyError | null} error
 */
function mark(form, error) {
  const fields = [...form.elements].filter((field) => field instanceof HTMLInputElement);
  const wrong = fields.filter((field) => {
    const fieldError = error?.fieldError(field.name);
    const label = field.labels?.[0]?.textContent;
    field.setAttribute('aria-invalid', String(Boolean(fieldError)));
    element(`${field.id}-error`, HTMLElement).textContent = fieldError
      ? `${label} ${fieldError.detail}.`
      : '';
    return fieldError;
  });
  wrong[0]?.focus();
  return wrong.length > 0 && wrong.length === error?.fieldErrors.length;
}

/** @param {'signed-in' | 'signed-out'} half */
function showHalf(half) {
  for (const id of ['signed-in', 'signed-out']) element(id, HTMLElement).hidden = id !== half;
}

/** @param {string} text */
function say(text) {
  element('message', HTMLElement).textContent = text;
}

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 */
function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}
