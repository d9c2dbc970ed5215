// A client of Latchkey for browsers, React Native and Node.js 18 or later, in one file without
// dependencies: copy it. docs/clients.md says what it does and why.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

/**
 * An account as its owner sees it.
 * @typedef {object} Account
 * @property {string} id
 * @property {string} email
 * @property {string} first_name
 * @property {string} last_name
 * @property {string} date_joined
 * @property {string | null} last_login
 * @property {string[]} roles
 */

/**
 * A session of the account.
 * @typedef {object} Session
 * @property {string} id
 * @property {string} created_at
 * @property {string} last_used_at
 * @property {string} ip
 * @property {string} user_agent
 * @property {boolean} current whether this session sent the request
 */

/**
 * An error in one member of a body.
 * @typedef {object} FieldError
 * @property {string} pointer a JSON pointer (RFC 6901) to the member; empty for the whole body
 * @property {string} code for programs
 * @property {string} detail for people
 */

/**
 * Why the client was signed out: `logout` was called, the API `refused` the session, or another tab
 * ended or replaced it (`elsewhere`).
 * @typedef {'logout' | 'refused' | 'elsewhere'} SignOutReason
 */

/**
 * A store for one string, the refresh token. Its methods may be asynchronous and may fail: a login
 * then fails, and a refresh saves again at the next call.
 * @typedef {object} Storage
 * @property {() => string | null | Promise<string | null>} load
 * @property {(text: string) => void | Promise<void>} save
 * @property {() => void | Promise<void>} clear
 */

/**
 * Runs a task exclusively among all clients that share the storage.
 * @typedef {<T>(task: () => Promise<T>) => Promise<T>} Lock
 */

/**
 * Calls `callback` after this time, unless the returned function is called first.
 * @typedef {(milliseconds: number, callback: () => void) => () => void} Timer
 */

/**
 * @typedef {object} Options
 * @property {string} baseUrl the URL of the API, such as https://api.example.com
 * @property {Storage} [storage] default: memory, so a reload signs out
 * @property {Lock} [lock] default: a lock among this client's calls
 * @property {BroadcastChannel | null} [channel] tells other tabs of refreshes and logouts; the client
 *   never closes it
 * @property {number} [graceSeconds] the deployment's `RefreshGraceSeconds`
 * @property {typeof fetch} [fetch]
 * @property {() => number} [now] returns milliseconds; only differences matter
 * @property {Timer} [timer]
 */

/**
 * @typedef {object} Tokens
 * @property {string} access_token
 * @property {number} expires_in
 * @property {string} refresh_token
 */

/** The timeout of one refresh or logout. It leaves time for another try within the grace time. */
const TIMEOUT = 4_000;
/** The pause before the next try, unless the answer has Retry-After. */
const RETRY_PAUSE = 500;
/** The maximum number of tries. */
const MAX_TRIES = 5;
/** How long before its end an access token is replaced, but never before half its lifetime. */
const RENEWAL_MARGIN = 60_000;

/** Messages for people by `code`. Translate them here. */
const MESSAGES = new Map([
  ['body-too-large', 'What you entered is too long.'],
  ['email-taken', 'This e-mail address has an account already.'],
  ['internal', 'Something went wrong at the service.'],
  ['invalid-credentials', 'The e-mail address or the password is wrong.'],
  ['invalid-refresh-token', 'You are signed out. Log in again.'],
  ['invalid-token', 'You are signed out. Log in again.'],
  ['missing-token', 'You are signed out. Log in again.'],
  ['precondition-failed', 'It was changed elsewhere meanwhile. Load it again.'],
  ['registration-closed', 'Nobody can register here.'],
  ['too-many-attempts', 'Too many attempts.'],
  ['unavailable', 'The service is not available now.'],
  ['wrong-password', 'The password is wrong.'],
]);

/** Messages by status, for answers without text, such as the gateway's. */
const MESSAGES_BY_STATUS = new Map([
  [401, 'You are signed out. Log in again.'],
  [403, 'You may not do this.'],
  [404, 'It is not there.'],
  [413, 'What you entered is too long.'],
  [429, 'The service is busy. Try again in a moment.'],
  [503, 'The service is not available now.'],
]);

/**
 * An error that the API answered: a problem document (RFC 9457) of a function, or an answer of the
 * gateway itself. Its `message` is one or two sentences for a person.
 */
export class LatchkeyError extends Error {
  /**
   * @param {number} status
   * @param {Record<string, unknown>} document
   * @param {Headers} headers
   */
  constructor(status, document, headers) {
    const text = (/** @type {string} */ name) =>
      typeof document[name] === 'string' ? document[name] : null;
    const code = text('code');
    const fieldErrors = (Array.isArray(document.errors) ? document.errors : []).filter(
      isFieldError,
    );
    const seconds = headers.get('retry-after') ?? '';
    const retryAfter = /^\d+$/.test(seconds) ? Number(seconds) : null;
    const known = MESSAGES.get(code ?? '') ?? fieldErrorSentences(fieldErrors);
    const sent = [text('title'), text('detail')].filter((part) => part !== null).map(sentence);
    const general = MESSAGES_BY_STATUS.get(status) ?? `Something went wrong (status ${status}).`;
    const wait = retryAfter ? [`Try again in ${duration(retryAfter)}.`] : [];
    super([known || sent.join(' ') || general, ...wait].join(' '));
    this.name = 'LatchkeyError';
    /** The HTTP status. */
    this.status = status;
    /** The problem's code; null if the gateway answered. */
    this.code = code;
    /** The id by which an operator finds the request. */
    this.requestId = headers.get('apigw-requestid') ?? text('request_id');
    /** Seconds after which to try again; null if the answer does not say. */
    this.retryAfter = retryAfter;
    /** The field errors of the body. */
    this.fieldErrors = fieldErrors;
  }

  /**
   * Returns the error for a response, also of your own routes.
   * @param {Response} response
   */
  static async of(response) {
    const text = await response.text().catch(() => '');
    return new LatchkeyError(response.status, object(text) ?? {}, response.headers);
  }

  /**
   * Returns the error of one field, or null. Its `detail` continues a sentence that begins with the
   * field's label.
   * @param {string} name the name of the member, such as "email"
   */
  fieldError(name) {
    return this.fieldErrors.find((error) => error.pointer === `/${name}`) ?? null;
  }
}

/** No answer came, or it was not Latchkey's. The call may or may not have been carried out. */
export class NoAnswerError extends Error {
  /** @param {unknown} [cause] */
  constructor(cause) {
    super('The service did not answer. Check your connection, and try again.', { cause });
    this.name = 'NoAnswerError';
  }
}

/** Nobody is signed in: show the login. */
export class SignedOutError extends Error {
  constructor() {
    super('You are signed out. Log in again.');
    this.name = 'SignedOutError';
  }
}

/**
 * Returns the message to show for a caught error. Any other error (a failing storage, a bug) is also
 * reported as uncaught.
 * @param {unknown} error
 */
export function messageFor(error) {
  const isKnown = [LatchkeyError, NoAnswerError, SignedOutError].some(
    (kind) => error instanceof kind,
  );
  if (isKnown && error instanceof Error) return error.message;
  report(error);
  return 'Something went wrong on this page. Load it again.';
}

/**
 * A session, and the calls that need one. It begins with `login` or with the stored session. After it
 * has ended, call `login` again.
 */
export class Latchkey {
  /** @type {string} */ #baseUrl;
  /** @type {Storage} */ #storage;
  /** @type {Lock} */ #lock;
  /** @type {BroadcastChannel | null} */ #channel;
  /** @type {number} */ #grace;
  /** @type {typeof fetch} */ #fetch;
  /** @type {() => number} */ #now;
  /** @type {Timer} */ #timer;
  /** Never stored. @type {{ token: string, renewAt: number, until: number } | null} */
  #access = null;
  /**
   * The name of this client's session: undefined before it is known, null after it has ended.
   * @type {string | null | undefined}
   */
  #session = undefined;
  /**
   * A token that could not be saved yet, and the stored token that it replaces, which must not be
   * presented again.
   * @type {{ session: string, refreshToken: string, storedToken: string } | null}
   */
  #unsaved = null;
  /** @type {Promise<string> | null} */ #renewal = null;
  /** @type {Set<(reason: SignOutReason) => void>} */ #listeners = new Set();

  /** @param {Options} options */
  constructor(options) {
    this.#baseUrl = options.baseUrl.replace(/\/+$/, '');
    this.#storage = options.storage ?? inMemory();
    this.#lock = options.lock ?? exclusive();
    this.#channel = options.channel ?? null;
    this.#grace = (options.graceSeconds ?? 10) * 1000;
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#now = options.now ?? Date.now;
    this.#timer = options.timer ?? timeout;
    this.#channel?.addEventListener('message', ({ data }) => this.#receive(data));
  }

  /**
   * Calls `listener` when the session ends. Returns a function that removes it. Its errors are
   * reported as uncaught, and other listeners are still called.
   * @param {(reason: SignOutReason) => void} listener
   */
  onSignedOut(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Returns whether there is a stored session. Call it before the first request of a page. */
  async isSignedIn() {
    return (await this.#loadOwn()) !== null;
  }

  /**
   * Opens an account. It does not log in.
   * @param {{ email: string, password: string, first_name: string, last_name: string }} account
   * @returns {Promise<Account>}
   */
  async register(account) {
    return /** @type {any} */ (await this.#post('/register', account));
  }

  /**
   * Begins a session. An earlier one is not ended: log out first. If the storage fails, throws its
   * error and leaves what was stored.
   * @param {string} email
   * @param {string} password
   */
  async login(email, password) {
    const sentAt = this.#now();
    const tokens = tokensOf(await this.#post('/login', { email, password }));
    const session = `${sentAt}-${Math.random()}`; // not secret; distinguishes sessions
    let before;
    try {
      before = await this.#lock(async () => {
        const found = await this.#load();
        await this.#save({ session, refreshToken: tokens.refresh_token });
        this.#session = session;
        this.#setAccess(tokens, sentAt);
        return found;
      });
    } catch (error) {
      // The new session cannot be used, so end it at the server.
      await this.#post('/logout', { refresh_token: tokens.refresh_token }, TIMEOUT).catch(() => {});
      throw error;
    }
    if (before) this.#broadcast({ type: 'signed-out', session: before.session });
  }

  /**
   * Ends the session here and at the server. If the server or the storage fails, throws, but the
   * session has ended here.
   */
  async logout() {
    await this.#lock(async () => {
      try {
        const stored = await this.#loadOwn();
        if (stored) await this.#post('/logout', { refresh_token: stored.refreshToken }, TIMEOUT);
      } finally {
        await this.#end('logout');
      }
    });
  }

  /** Ends all sessions of the account, including this one. */
  async logoutEverywhere() {
    await this.#call('/sessions', { method: 'DELETE' });
    await this.#lock(() => this.#end('logout'));
  }

  /** Ends all other sessions of the account; this one goes on. */
  async endOtherSessions() {
    await this.#call('/sessions?others=true', { method: 'DELETE' });
  }

  /**
   * Changes the password and ends the other sessions; this one goes on with new tokens. After a
   * `NoAnswerError` or a 503, the password may or may not have changed: log in with the new one to
   * find out.
   * @param {string} current
   * @param {string} next
   */
  async changePassword(current, next) {
    const init = jsonInit('POST', { current_password: current, new_password: next });
    // The answer replaces the refresh token: nobody may present the one from before meanwhile.
    await this.#lock(async () => {
      const attempt = async (/** @type {string | null} */ stale) => {
        const token = await this.#refresh(stale);
        const kept = await this.#loadOwn();
        if (!kept) throw this.#endHere('elsewhere');
        const asked = this.#now();
        return { token, kept, asked, response: await this.#send('/password/change', init, token) };
      };
      let made = await attempt(null);
      if (await refusesToken(made.response)) made = await attempt(made.token);
      const { kept, asked, response } = made;
      if (!response.ok) throw await LatchkeyError.of(response);
      const tokens = tokensOf(await body(response));
      const { token, renewAt, until } = this.#setAccess(tokens, asked);
      this.#unsaved = { ...kept, refreshToken: tokens.refresh_token };
      await this.#saveUnsaved();
      this.#broadcast({ type: 'renewed', session: kept.session, token, renewAt, until });
    });
  }

  /**
   * Deletes the account. It can be repeated until it succeeds.
   * @param {string} password
   */
  async deleteAccount(password) {
    await this.#call('/profile', jsonInit('DELETE', { password }));
    await this.#lock(() => this.#end('logout'));
  }

  /** Returns the account and its `ETag`. */
  async profile() {
    return profileOf(await this.#call('/profile'));
  }

  /**
   * Changes the profile; with `etag`, only if nobody else has changed it (412 otherwise).
   * @param {{ first_name?: string, last_name?: string }} changes
   * @param {string | null} [etag]
   */
  async changeProfile(changes, etag) {
    const init = jsonInit('PATCH', changes);
    init.headers['content-type'] = 'application/merge-patch+json';
    if (etag) init.headers['if-match'] = etag;
    return profileOf(await this.#call('/profile', init));
  }

  /**
   * Returns all live sessions, latest first.
   * @returns {Promise<Session[]>}
   */
  async sessions() {
    /** @type {Session[]} */
    const all = [];
    for (let query = ''; ;) {
      const part = /** @type {any} */ (await body(await this.#call(`/sessions${query}`)));
      all.push(...part.sessions);
      if (!part.next_cursor) return all;
      query = `?cursor=${encodeURIComponent(part.next_cursor)}`;
    }
  }

  /**
   * Ends one session by its id.
   * @param {string} id
   */
  async endSession(id) {
    await this.#call(`/sessions/${encodeURIComponent(id)}`, { method: 'DELETE' });
  }

  /**
   * Calls `fetch` for a path of this API with an access token. If the token is refused, refreshes and
   * repeats once. Returns any answer; `LatchkeyError.of` converts it to an error.
   * @param {string} path begins with a slash, so that the token goes to no other host
   * @param {RequestInit} [init] its body must be one that can be sent twice, so not a stream
   * @returns {Promise<Response>}
   */
  async fetch(path, init) {
    const token = await this.accessToken();
    const session = this.#session;
    const response = await this.#send(path, init, token);
    if (!(await refusesToken(response))) return response;
    const next = await this.#renew(token);
    // Somebody else has logged in meanwhile and did not send this.
    if (this.#session !== session) throw new SignedOutError();
    return this.#send(path, init, next);
  }

  /**
   * Returns an access token for other code. It is valid for some time.
   * @returns {Promise<string>}
   */
  async accessToken() {
    if (this.#unsaved) await this.#lock(() => this.#saveUnsaved());
    const access = this.#access;
    if (access && this.#now() < access.renewAt) return access.token;
    try {
      return await this.#renew(access?.token ?? null);
    } catch (error) {
      // If an early refresh fails, the current token still works. Do not try again at every call.
      if (error instanceof SignedOutError || !access || this.#now() >= access.until) throw error;
      access.renewAt = this.#now() + RENEWAL_MARGIN / 4;
      return access.token;
    }
  }

  /**
   * Returns an access token other than `stale`. Concurrent calls share one refresh and its failure.
   * @param {string | null} stale
   */
  #renew(stale) {
    this.#renewal ??= this.#lock(() => this.#refresh(stale)).finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  /**
   * Returns an access token other than `stale`. Call it under the lock.
   * @param {string | null} stale
   * @returns {Promise<string>}
   */
  async #refresh(stale) {
    const access = this.#access;
    // Another call or tab has refreshed already.
    if (access && access.token !== stale && this.#now() < access.renewAt) return access.token;
    const stored = await this.#loadOwn();
    if (!stored) throw this.#endHere('elsewhere');
    this.#session = stored.session;
    const sentAt = this.#now();
    try {
      const tokens = tokensOf(await this.#present(stored.refreshToken));
      // Another tab may have ended or replaced the session meanwhile.
      if (this.#session !== stored.session) throw this.#endHere('elsewhere');
      const { token, renewAt, until } = this.#setAccess(tokens, sentAt);
      this.#unsaved = { ...stored, refreshToken: tokens.refresh_token };
      await this.#saveUnsaved();
      if (this.#session !== stored.session) throw this.#endHere('elsewhere');
      this.#broadcast({ type: 'renewed', session: stored.session, token, renewAt, until });
      return token;
    } catch (error) {
      // Only this answer ends the session: a proxy may answer 401 too.
      if (!(error instanceof LatchkeyError) || error.code !== 'invalid-refresh-token') throw error;
      await this.#end('refused');
      throw new SignedOutError();
    }
  }

  /**
   * Exchanges a refresh token. Without an answer, or after a 5xx, repeats with the same token within
   * the grace time, which returns the successor of the first try.
   * @param {string} refreshToken
   */
  async #present(refreshToken) {
    const startedAt = this.#now();
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#post('/refresh', { refresh_token: refreshToken }, TIMEOUT);
      } catch (error) {
        const refusal = error instanceof LatchkeyError ? error : null;
        const again = refusal
          ? refusal.status >= 500 || refusal.status === 429
          : error instanceof NoAnswerError;
        const pause = (refusal?.retryAfter ?? RETRY_PAUSE / 1000) * 1000;
        const late = this.#now() + pause - startedAt >= this.#grace;
        if (!again || late || tries === MAX_TRIES) throw error;
        await new Promise((resolve) => this.#timer(pause, () => resolve(null)));
      }
    }
  }

  /**
   * Calls without an access token. Throws refusals.
   * @param {string} path
   * @param {Record<string, unknown>} data
   * @param {number} [timeoutMillis]
   */
  async #post(path, data, timeoutMillis) {
    const controller = new AbortController();
    const cancel = timeoutMillis ? this.#timer(timeoutMillis, () => controller.abort()) : () => {};
    try {
      const init = { ...jsonInit('POST', data), signal: controller.signal };
      const response = await this.#send(path, init, null);
      if (!response.ok) throw await LatchkeyError.of(response);
      return await body(response);
    } finally {
      cancel();
    }
  }

  /**
   * Calls with an access token. Throws refusals.
   * @param {string} path
   * @param {RequestInit} [init]
   */
  async #call(path, init) {
    const response = await this.fetch(path, init);
    if (!response.ok) throw await LatchkeyError.of(response);
    return response;
  }

  /**
   * @param {string} path
   * @param {RequestInit | undefined} init
   * @param {string | null} token
   */
  async #send(path, init, token) {
    if (!path.startsWith('/')) throw new TypeError('a path begins with a slash');
    const headers = new Headers(init?.headers);
    if (token) headers.set('authorization', `Bearer ${token}`);
    try {
      return await this.#fetch(this.#baseUrl + path, { redirect: 'error', ...init, headers });
    } catch (error) {
      throw new NoAnswerError(error);
    }
  }

  /**
   * @param {Tokens} tokens
   * @param {number} sentAt when they were requested: their lifetime began no earlier
   */
  #setAccess(tokens, sentAt) {
    const life = tokens.expires_in * 1000;
    const until = sentAt + life;
    const renewAt = until - Math.min(RENEWAL_MARGIN, life / 2);
    this.#access = { token: tokens.access_token, renewAt, until };
    return this.#access;
  }

  /**
   * Returns the stored session, or `#unsaved` if the storage still has the token that it replaces.
   * @returns {Promise<{ session: string, refreshToken: string, storedToken: string } | null>}
   */
  async #load() {
    const stored = object((await this.#storage.load()) ?? '');
    const { session, refreshToken } = stored ?? {};
    const unsaved = this.#unsaved;
    if (unsaved && unsaved.session === session && unsaved.storedToken === refreshToken)
      return unsaved;
    // Without a shared lock, another tab may have stored a later token, which stays.
    this.#unsaved = null;
    return typeof session === 'string' && typeof refreshToken === 'string'
      ? { session, refreshToken, storedToken: refreshToken }
      : null;
  }

  /** Returns the stored session unless another tab has logged in since. */
  async #loadOwn() {
    const stored = await this.#load();
    return stored && (this.#session === undefined || this.#session === stored.session)
      ? stored
      : null;
  }

  /**
   * Saves `#unsaved` if the storage is unchanged. If saving fails, the tokens are still valid, and
   * the next call tries again. Call it under the lock.
   */
  async #saveUnsaved() {
    try {
      if (!(await this.#loadOwn())) this.#endHere('elsewhere');
      const unsaved = this.#unsaved;
      if (!unsaved) return;
      await this.#save({ session: unsaved.session, refreshToken: unsaved.refreshToken });
      this.#unsaved = null;
    } catch {
      // It stays unsaved.
    }
  }

  /** @param {{ session: string, refreshToken: string }} entry */
  async #save(entry) {
    await this.#storage.save(JSON.stringify(entry));
  }

  /**
   * Ends the session in all tabs. Call it under the lock.
   * @param {SignOutReason} reason
   */
  async #end(reason) {
    try {
      const stored = await this.#loadOwn();
      if (stored) {
        await this.#storage.clear();
        this.#broadcast({ type: 'signed-out', session: stored.session });
      }
    } finally {
      this.#endHere(reason);
    }
  }

  /**
   * Ends the session in this tab and calls the listeners.
   * @param {SignOutReason} reason
   */
  #endHere(reason) {
    this.#access = null;
    this.#unsaved = null;
    if (this.#session) {
      this.#session = null;
      for (const listener of this.#listeners) {
        try {
          listener(reason);
        } catch (error) {
          report(error);
        }
      }
    }
    return new SignedOutError();
  }

  /** @param {Record<string, unknown>} message */
  #broadcast(message) {
    this.#channel?.postMessage(message);
  }

  /** @param {any} message */
  #receive({ type, session, token, renewAt, until }) {
    if (session !== this.#session) return;
    if (type === 'renewed') this.#access = { token, renewAt, until };
    if (type === 'signed-out') this.#endHere('elsewhere');
  }
}

/**
 * Returns the options for a page: localStorage, one refresh at a time across tabs, and a channel
 * between tabs. docs/clients.md explains the risks.
 * @param {string} [name]
 */
export function inBrowser(name = 'latchkey') {
  return {
    storage: {
      load: () => localStorage.getItem(name),
      save: (/** @type {string} */ text) => localStorage.setItem(name, text),
      clear: () => localStorage.removeItem(name),
    },
    lock: /** @type {Lock} */ ((task) => navigator.locks.request(name, task)),
    channel: new BroadcastChannel(name),
  };
}

/**
 * Returns a storage that lasts as long as the process.
 * @returns {Storage}
 */
export function inMemory() {
  /** @type {string | null} */
  let stored = null;
  return {
    load: () => stored,
    save: (text) => void (stored = text),
    clear: () => void (stored = null),
  };
}

/**
 * Returns a lock within this process.
 * @returns {Lock}
 */
export function exclusive() {
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  return (task) => {
    const next = last.then(task, task);
    last = next.catch(() => {});
    return next;
  };
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds > 90) return `${Math.ceil(seconds / 60)} minutes`;
  return seconds === 1 ? 'a second' : `${seconds} seconds`;
}

/** @param {string} text */
function sentence(text) {
  const capitalized = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capitalized) ? capitalized : `${capitalized}.`;
}

/**
 * @param {unknown} value
 * @returns {value is FieldError}
 */
function isFieldError(value) {
  const { pointer, detail } = /** @type {FieldError} */ (value ?? {});
  return typeof pointer === 'string' && typeof detail === 'string';
}

/** @param {FieldError[]} fieldErrors */
function fieldErrorSentences(fieldErrors) {
  const sentences = fieldErrors.map(({ pointer, detail }) => {
    const field = pointer.slice(1).replaceAll('_', ' ');
    return sentence(`${field || 'what was sent'} ${detail}`);
  });
  return sentences.join(' ');
}

/**
 * Reports an error as uncaught without interrupting the caller.
 * @param {unknown} error
 */
function report(error) {
  if (typeof reportError === 'function') return reportError(error);
  queueMicrotask(() => {
    throw error;
  });
}

/** @type {Timer} */
function timeout(milliseconds, callback) {
  const id = setTimeout(callback, milliseconds);
  return () => clearTimeout(id);
}

/**
 * Returns whether the access token was refused: 401, or the gateway's 403. A 403 with a `code` has
 * another reason.
 * @param {Response} response
 */
async function refusesToken(response) {
  if (response.status === 401) return true;
  if (response.status !== 403) return false;
  const document = object(
    await response
      .clone()
      .text()
      .catch(() => ''),
  );
  return document?.message === 'Forbidden' && document.code === undefined;
}

/**
 * @param {string} method
 * @param {unknown} data
 */
function jsonInit(method, data) {
  /** @type {Record<string, string>} */
  const headers = { 'content-type': 'application/json' };
  return { method, headers, body: JSON.stringify(data) };
}

/**
 * Returns the JSON of an answer. Throws if it is not JSON, such as the login page of a hotel's
 * network.
 * @param {Response} response
 */
async function body(response) {
  if (response.status === 204) return {};
  const document = object(await response.text().catch(() => ''));
  if (!document) throw new NoAnswerError();
  return document;
}

/** @param {Response} response */
async function profileOf(response) {
  const account = /** @type {Account} */ (/** @type {unknown} */ (await body(response)));
  return { account, etag: response.headers.get('etag') };
}

/**
 * @param {Record<string, unknown>} document
 * @returns {Tokens}
 */
function tokensOf(document) {
  const { access_token, expires_in, refresh_token } = document;
  if (
    typeof access_token !== 'string' ||
    typeof expires_in !== 'number' ||
    typeof refresh_token !== 'string'
  ) {
    throw new NoAnswerError();
  }
  return { access_token, expires_in, refresh_token };
}

/**
 * @param {string} text
 * @returns {Record<string, unknown> | null}
 */
function object(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
