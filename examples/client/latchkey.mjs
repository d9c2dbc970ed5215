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
 * @property {string | null} locale the language of mails, such as "de-CH"
 * @property {string} date_joined
 * @property {string | null} last_login
 * @property {boolean} email_verified
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
 * A security event of the account.
 * @typedef {object} SecurityEvent
 * @property {string} id
 * @property {string} event what happened, such as "logged_in"
 * @property {string} at
 * @property {string} [session_id]
 * @property {string} ip
 * @property {string} user_agent
 * @property {string} [reason]
 * @property {string} [by]
 */

/**
 * All that is stored about the account's owner.
 * @typedef {object} AccountExport
 * @property {string} exported_at
 * @property {Account & { status: string, claims: Record<string, unknown> }} account
 * @property {'bounced' | 'complained' | null} email_state
 * @property {{ purpose: string, email: string, requested_at: string, expires_at: string }[]} links
 * @property {Session[]} sessions
 * @property {SecurityEvent[]} activity latest first
 * @property {boolean} truncated whether sessions or events are left out
 * @property {string} [sessions_cursor]
 * @property {string} [activity_cursor] the `cursor` of `activity` for those that are left out
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
 * Runs a task exclusively among all clients that share the storage. If it fails, or has not begun the
 * task after 5 seconds, the client runs the task without it.
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
 * @property {Lock} [lock] default: none; the calls of one client take turns anyway
 * @property {BroadcastChannel | null} [channel] tells other tabs of refreshes and logouts; the client
 *   never closes it
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

/**
 * @typedef {object} StoredSession
 * @property {string} session its name
 * @property {string} refreshToken the token to present
 * @property {string | null} storedToken what the storage has: `refreshToken`, or a token that it
 *   replaces and that must not be presented again; null if it replaces any token of the session
 */

/** The timeout of one refresh or logout. */
const TIMEOUT = 4_000;
/** The timeout of a password change, which holds the lock. No function takes as long. */
const CHANGE_TIMEOUT = 30_000;
/** How long to wait for the lock. */
const LOCK_TIMEOUT = 5_000;
/** The pause before the next try of a refresh, unless the answer has Retry-After. */
const RETRY_PAUSE = 500;
/** The maximum number of tries of a call, and how long after its first the last one may begin. */
const MAX_TRIES = 5;
const RETRY_WINDOW = 10_000;
/** How long before its end an access token is replaced, but never before half its lifetime. */
const RENEWAL_MARGIN = 60_000;

/** Messages for people by `code`. Translate them here. */
const MESSAGES = new Map([
  ['body-too-large', 'What you entered is too long.'],
  ['email-taken', 'This e-mail address has an account already.'],
  ['internal', 'Something went wrong at the service.'],
  ['invalid-credentials', 'The e-mail address or the password is wrong.'],
  ['invalid-link', 'The link was used already or has expired.'],
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
 * has ended, call `login` again. A call belongs to the session in which it began: if another one has
 * begun meanwhile, the call throws `SignedOutError`.
 */
export class Latchkey {
  /** @type {string} */ #baseUrl;
  /** @type {Storage} */ #storage;
  /** @type {Lock} */ #lock;
  /** Among this client's calls. @type {Lock} */ #turn = exclusive();
  /** @type {BroadcastChannel | null} */ #channel;
  /** @type {typeof fetch} */ #fetch;
  /** @type {() => number} */ #now;
  /** @type {Timer} */ #timer;
  /**
   * Never stored. Its times are of this client's clock and go nowhere else.
   * @type {{ session: string, token: string, renewAt: number, until: number } | null}
   */
  #access = null;
  /**
   * The name of this client's session: undefined before it is known, null after it has ended.
   * @type {string | null | undefined}
   */
  #session = undefined;
  /** A token that could not be saved yet. @type {StoredSession | null} */
  #unsaved = null;
  /** @type {{ session: string, token: Promise<string> } | null} */ #renewal = null;
  /** @type {Set<(reason: SignOutReason) => void>} */ #listeners = new Set();

  /** @param {Options} options */
  constructor(options) {
    this.#baseUrl = options.baseUrl.replace(/\/+$/, '');
    this.#storage = options.storage ?? inMemory();
    this.#lock = options.lock ?? ((task) => task());
    this.#channel = options.channel ?? null;
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#now = options.now ?? Date.now;
    this.#timer = options.timer ?? timeout;
    if (!this.#channel) return;
    // Whose session this tab shows has to be known before somebody else ends it.
    const opened = this.#current().catch(() => null);
    this.#channel.addEventListener('message', ({ data }) => {
      opened.then(() => this.#receive(data ?? {}));
    });
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
    const session = await this.#current();
    return session !== null && (await this.#load(session)) !== null;
  }

  /**
   * Opens an account, and returns it. It does not log in. If addresses must be proven first, returns
   * null: a mail to the address has the link that opens the account, or says that there is one.
   * @param {{ email: string, password: string, first_name: string, last_name: string, locale?: string | null }} account
   * @returns {Promise<Account | null>}
   */
  async register(account) {
    const opened = /** @type {any} */ (await this.#post('/register', account));
    return opened.id ? opened : null;
  }

  /**
   * Opens the account that the link of a registration is for. It does not log in.
   * @param {string} token the fragment of the link
   * @param {string} password the one that was given to `register`
   * @returns {Promise<Account>}
   */
  async confirmRegistration(token, password) {
    return /** @type {any} */ (await this.#post('/register/confirm', { token, password }));
  }

  /**
   * Sends a link that sets a new password, if the address has an account. Nobody is told whether it
   * has one.
   * @param {string} email
   */
  async forgot(email) {
    await this.#post('/password/forgot', { email });
  }

  /**
   * Sets the password of the account that the link is for, and ends all its sessions. If this client's
   * is one of them, it notices that at its next refresh. Log in with the new password.
   * @param {string} token the fragment of the link
   * @param {string} next
   */
  async reset(token, next) {
    await this.#post('/password/reset', { token, new_password: next });
  }

  /**
   * Sends another link that proves the address, if it has an account and is not proven yet. Nobody is
   * told.
   * @param {string} email
   */
  async resendVerification(email) {
    await this.#post('/email/verify/resend', { email });
  }

  /**
   * Proves the address of the account that the link is for.
   * @param {string} token the fragment of the link
   * @param {string} password that of the account: the link alone does not say whose it is
   */
  async verifyEmail(token, password) {
    await this.#post('/email/verify', { token, password });
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
    const session = String(Math.random()); // not secret; distinguishes sessions
    let before;
    try {
      before = await this.#exclusively(async () => {
        const found = await this.#loadAny();
        await this.#save({ session, refreshToken: tokens.refresh_token });
        this.#session = session;
        this.#setAccess(session, tokens.access_token, tokens.expires_in * 1000, sentAt);
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
    const session = await this.#current().catch((error) => {
      this.#session ??= null; // whosever it is
      throw error;
    });
    if (!session) return;
    await this.#exclusively(async () => {
      try {
        const stored = await this.#load(session);
        if (stored) await this.#post('/logout', { refresh_token: stored.refreshToken }, TIMEOUT);
      } finally {
        await this.#end(session, 'logout');
      }
    });
  }

  /** Ends all sessions of the account, including this one. */
  async logoutEverywhere() {
    const session = await this.#begin();
    await this.#call(session, '/sessions', { method: 'DELETE' });
    await this.#exclusively(() => this.#end(session, 'logout'));
  }

  /** Ends all other sessions of the account; this one goes on. */
  async endOtherSessions() {
    await this.#call(await this.#begin(), '/sessions?others=true', { method: 'DELETE' });
  }

  /**
   * Changes the password and ends the other sessions; this one goes on with new tokens. After a
   * `NoAnswerError` or a 503, the password may or may not have changed: log in with the new one to
   * find out.
   * @param {string} current
   * @param {string} next
   */
  async changePassword(current, next) {
    const session = await this.#begin();
    const data = { current_password: current, new_password: next };
    // The answer replaces the refresh token: nobody may present the one from before meanwhile.
    await this.#exclusively(async () => {
      const sentAt = this.#now();
      const tokens = await this.#within(CHANGE_TIMEOUT, async (signal) => {
        const init = { ...jsonInit('POST', data), signal };
        const response = await this.#sendAs('/password/change', init, (stale) =>
          this.#refresh(session, stale),
        );
        if (!response.ok) throw await LatchkeyError.of(response);
        return tokensOf(await body(response));
      });
      // A refresh that ran without the lock may have stored another one, which is worthless now.
      await this.#replace({ session, storedToken: null }, tokens, sentAt);
    });
  }

  /**
   * Sends a link to a new address, and a notice to the old one, which stays until the link is used.
   * @param {string} email
   * @param {string} password
   */
  async changeEmail(email, password) {
    await this.#call(await this.#begin(), '/email/change', jsonInit('POST', { email, password }));
  }

  /**
   * Changes the address to the one that the link was sent to. The session that asked for it goes on,
   * and all others end.
   * @param {string} token the fragment of the link
   * @param {string} password that of the account
   */
  async confirmEmailChange(token, password) {
    await this.#post('/email/change/confirm', { token, password });
  }

  /**
   * Deletes the account. It can be repeated until it succeeds.
   * @param {string} password
   */
  async deleteAccount(password) {
    const session = await this.#begin();
    await this.#call(session, '/profile', jsonInit('DELETE', { password }));
    await this.#exclusively(() => this.#end(session, 'logout'));
  }

  /** Returns the account and its `ETag`. */
  async profile() {
    return profileOf(await this.#call(await this.#begin(), '/profile'));
  }

  /**
   * Returns all that is stored about the account's owner. The password must have been given within
   * the last ten minutes (403 `reauthentication-required` otherwise).
   * @returns {Promise<AccountExport>}
   */
  async exportProfile() {
    return /** @type {any} */ (
      await body(await this.#call(await this.#begin(), '/profile/export'))
    );
  }

  /**
   * Changes the profile; with `etag`, only if nobody else has changed it (412 otherwise).
   * @param {{ first_name?: string, last_name?: string, locale?: string | null }} changes
   * @param {string | null} [etag]
   */
  async changeProfile(changes, etag) {
    const init = jsonInit('PATCH', changes);
    init.headers['content-type'] = 'application/merge-patch+json';
    if (etag) init.headers['if-match'] = etag;
    return profileOf(await this.#call(await this.#begin(), '/profile', init));
  }

  /**
   * Returns all live sessions, latest first.
   * @returns {Promise<Session[]>}
   */
  async sessions() {
    const session = await this.#begin();
    /** @type {Session[]} */
    const all = [];
    for (let query = ''; ;) {
      const part = /** @type {any} */ (await body(await this.#call(session, `/sessions${query}`)));
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
    const path = `/sessions/${encodeURIComponent(id)}`;
    await this.#call(await this.#begin(), path, { method: 'DELETE' });
  }

  /**
   * Returns a part of the account's security events, latest first. It may be short or empty: there are
   * more as long as it has a `next_cursor`.
   * @param {string} [cursor] the `next_cursor` of the part before
   * @returns {Promise<{ events: SecurityEvent[], next_cursor?: string }>}
   */
  async activity(cursor) {
    const path = cursor ? `/activity?cursor=${encodeURIComponent(cursor)}` : '/activity';
    return /** @type {any} */ (await body(await this.#call(await this.#begin(), path)));
  }

  /**
   * Calls `fetch` for a path of this API with an access token. If the token is refused, refreshes and
   * repeats once. Returns any answer; `LatchkeyError.of` converts it to an error.
   * @param {string} path begins with a slash, so that the token goes to no other host
   * @param {RequestInit} [init] its body must be one that can be sent twice, so not a stream
   * @returns {Promise<Response>}
   */
  async fetch(path, init) {
    return this.#fetchAs(await this.#begin(), path, init);
  }

  /**
   * Returns an access token for other code. It is valid for some time.
   * @returns {Promise<string>}
   */
  async accessToken() {
    return this.#tokenOf(await this.#begin());
  }

  /**
   * Returns the name of this client's session, or null if there is none. If it is not known yet, it
   * is the stored one from now on.
   */
  async #current() {
    if (this.#session !== undefined) return this.#session;
    const stored = await this.#loadAny();
    if (stored && this.#session === undefined) this.#session = stored.session;
    return stored?.session ?? null;
  }

  /** Returns the name of the session that a call belongs to. Call it before anything else. */
  async #begin() {
    const session = await this.#current();
    if (!session) throw new SignedOutError();
    return session;
  }

  /**
   * Runs `task` alone: one at a time in this client, and under the lock that clients share. If the
   * lock fails or does not come in time, the task runs without it, since the server gives
   * simultaneous refreshes of a token the same successor. A lock that comes later is released at
   * once.
   * @template T
   * @param {() => Promise<T>} task
   * @returns {Promise<T>}
   */
  #exclusively(task) {
    /** @returns {Promise<T>} */
    const run = () =>
      new Promise((resolve, reject) => {
        let hasBegun = false;
        const begin = async () => {
          if (hasBegun) return;
          hasBegun = true;
          cancel();
          await task().then(resolve, reject);
        };
        const cancel = this.#timer(LOCK_TIMEOUT, begin);
        const locked = async () => this.#lock(begin);
        locked().catch(begin);
      });
    return this.#turn(run);
  }

  /**
   * Returns an access token of the session.
   * @param {string} session
   */
  async #tokenOf(session) {
    if (this.#unsaved) await this.#exclusively(() => this.#saveUnsaved());
    const access = this.#accessOf(session);
    if (access && this.#now() < access.renewAt) return access.token;
    try {
      return await this.#renew(session, access?.token ?? null);
    } catch (error) {
      // If an early refresh fails, the current token still works. Do not try again at every call.
      const current = this.#accessOf(session);
      if (error instanceof SignedOutError || !current || this.#now() >= current.until) throw error;
      current.renewAt = Math.max(current.renewAt, this.#now() + RENEWAL_MARGIN / 4);
      return current.token;
    }
  }

  /**
   * Returns an access token of the session other than `stale`. Concurrent calls share one refresh and
   * its failure.
   * @param {string} session
   * @param {string | null} stale
   */
  #renew(session, stale) {
    if (this.#renewal?.session === session) return this.#renewal.token;
    const token = this.#exclusively(() => this.#refresh(session, stale)).finally(() => {
      if (this.#renewal === renewal) this.#renewal = null;
    });
    const renewal = { session, token };
    this.#renewal = renewal;
    return token;
  }

  /**
   * Returns an access token of the session other than `stale`. Call it under the lock.
   * @param {string} session
   * @param {string | null} stale
   * @returns {Promise<string>}
   */
  async #refresh(session, stale) {
    const access = this.#accessOf(session);
    // Another call or tab has refreshed already.
    if (access && access.token !== stale && this.#now() < access.renewAt) return access.token;
    let stored = await this.#load(session);
    while (stored) {
      const presented = stored;
      const sentAt = this.#now();
      try {
        const tokens = tokensOf(await this.#present(presented.refreshToken));
        await this.#replace(presented, tokens, sentAt);
        const renewed = this.#accessOf(session);
        if (!renewed) throw new SignedOutError();
        return renewed.token;
      } catch (error) {
        // Only this answer ends the session: a proxy may answer 401 too.
        if (!(error instanceof LatchkeyError) || error.code !== 'invalid-refresh-token')
          throw error;
        // Without the lock, another tab may have changed the password meanwhile: present its token.
        stored = await this.#load(session).catch(() => presented);
        if (stored?.refreshToken !== presented.refreshToken) continue;
        await this.#end(session, 'refused');
        throw new SignedOutError();
      }
    }
    throw this.#endHere(session, 'elsewhere');
  }

  /**
   * Takes the tokens that replace those of the session: saves the refresh token, and tells other tabs
   * of the access token. Does nothing if the session has ended meanwhile. Call it under the lock.
   * @param {{ session: string, storedToken: string | null }} replaced
   * @param {Tokens} tokens
   * @param {number} sentAt when they were requested
   */
  async #replace({ session, storedToken }, tokens, sentAt) {
    if (this.#session !== session) return;
    const lifetime = tokens.expires_in * 1000;
    this.#setAccess(session, tokens.access_token, lifetime, sentAt);
    this.#unsaved = { session, refreshToken: tokens.refresh_token, storedToken };
    await this.#saveUnsaved();
    const access = this.#accessOf(session);
    if (!access) return;
    // Another tab may have another clock: tell how long, not until when.
    const { token, until } = access;
    this.#broadcast({ type: 'renewed', session, token, lifetime: until - this.#now() });
  }

  /**
   * Exchanges a refresh token. Without an answer, or after a 5xx, repeats with the same token a few
   * times, which returns the successor of the first try. Later calls may go on with the same token.
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
        const late = this.#now() + pause - startedAt >= RETRY_WINDOW;
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
    return this.#within(timeoutMillis, async (signal) => {
      const response = await this.#send(path, { ...jsonInit('POST', data), signal }, null);
      if (!response.ok) throw await LatchkeyError.of(response);
      return body(response);
    });
  }

  /**
   * Runs `task` with a signal that aborts after this time.
   * @template T
   * @param {number | undefined} milliseconds
   * @param {(signal: AbortSignal) => Promise<T>} task
   */
  async #within(milliseconds, task) {
    const controller = new AbortController();
    const cancel = milliseconds ? this.#timer(milliseconds, () => controller.abort()) : () => {};
    try {
      return await task(controller.signal);
    } finally {
      cancel();
    }
  }

  /**
   * Calls with an access token of the session. Throws refusals.
   * @param {string} session
   * @param {string} path
   * @param {RequestInit} [init]
   */
  async #call(session, path, init) {
    const response = await this.#fetchAs(session, path, init);
    if (!response.ok) throw await LatchkeyError.of(response);
    return response;
  }

  /**
   * Calls with an access token of the session. Returns any answer.
   * @param {string} session
   * @param {string} path
   * @param {RequestInit | undefined} init
   */
  #fetchAs(session, path, init) {
    return this.#sendAs(path, init, (stale) =>
      stale ? this.#renew(session, stale) : this.#tokenOf(session),
    );
  }

  /**
   * Sends with an access token. If it is refused, repeats once with another one.
   * @param {string} path
   * @param {RequestInit | undefined} init
   * @param {(stale: string | null) => Promise<string>} tokenOtherThan
   */
  async #sendAs(path, init, tokenOtherThan) {
    const token = await tokenOtherThan(null);
    const response = await this.#send(path, init, token);
    if (!(await refusesToken(response))) return response;
    return this.#send(path, init, await tokenOtherThan(token));
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
   * @param {string} session
   * @param {string} token
   * @param {number} lifetime in milliseconds
   * @param {number} since when it was requested or received: its lifetime began no earlier
   */
  #setAccess(session, token, lifetime, since) {
    const until = since + lifetime;
    const renewAt = until - Math.min(RENEWAL_MARGIN, lifetime / 2);
    this.#access = { session, token, renewAt, until };
  }

  /**
   * Returns the access token of the session, if this client has one.
   * @param {string} session
   */
  #accessOf(session) {
    return this.#access?.session === session ? this.#access : null;
  }

  /**
   * Returns the stored session, or `#unsaved` if the storage still has the token that it replaces.
   * @returns {Promise<StoredSession | null>}
   */
  async #loadAny() {
    const stored = object((await this.#storage.load()) ?? '');
    const { session, refreshToken } = stored ?? {};
    if (typeof session !== 'string' || typeof refreshToken !== 'string') return null;
    const unsaved = this.#unsaved;
    if (unsaved?.session === session && (unsaved.storedToken ?? refreshToken) === refreshToken)
      return unsaved;
    // Without a shared lock, another tab may have stored a later token, which stays.
    this.#unsaved = null;
    return { session, refreshToken, storedToken: refreshToken };
  }

  /**
   * Returns the session if it is this client's and is still stored.
   * @param {string} session
   */
  async #load(session) {
    const stored = await this.#loadAny();
    return this.#session === session && stored?.session === session ? stored : null;
  }

  /**
   * Saves `#unsaved` if the storage is unchanged. If saving fails, the tokens are still valid, and
   * the next call tries again. Call it under the lock.
   */
  async #saveUnsaved() {
    const unsaved = this.#unsaved;
    if (!unsaved) return;
    const { session, refreshToken } = unsaved;
    try {
      const stored = await this.#load(session);
      if (!stored) this.#endHere(session, 'elsewhere');
      if (stored !== unsaved) return;
      await this.#save({ session, refreshToken });
      if (this.#unsaved === unsaved) this.#unsaved = null;
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
   * @param {string} session
   * @param {SignOutReason} reason
   */
  async #end(session, reason) {
    try {
      if (await this.#load(session)) await this.#storage.clear();
    } finally {
      this.#broadcast({ type: 'signed-out', session });
      this.#endHere(session, reason);
    }
  }

  /**
   * Ends the session in this tab and calls the listeners, unless another one has begun here.
   * @param {string} session
   * @param {SignOutReason} reason
   */
  #endHere(session, reason) {
    if (this.#session === session) {
      this.#session = null;
      this.#access = null;
      this.#unsaved = null;
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

  /** @param {Record<string, unknown>} message */
  #receive({ type, session, token, lifetime }) {
    if (typeof session !== 'string' || session !== this.#session) return;
    if (type === 'signed-out') this.#endHere(session, 'elsewhere');
    if (type === 'renewed' && typeof token === 'string' && typeof lifetime === 'number')
      this.#setAccess(session, token, lifetime, this.#now());
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
  if (response.status === 202 || response.status === 204) return {};
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
