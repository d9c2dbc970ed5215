// A client of Latchkey for browsers, React Native and Node.js 18 or later, in one file without
// dependencies: copy it. What it does, and why, is in docs/clients.md.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

/**
 * An account, as its owner sees it.
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
 * @property {boolean} current whether it is the one that asks
 */

/**
 * What is wrong with one member of a body.
 * @typedef {object} Fault
 * @property {string} pointer which member: a JSON pointer (RFC 6901), "" for the whole
 * @property {string} code for programs
 * @property {string} detail for people
 */

/**
 * Why nobody is signed in any more: `logout` was called; the session was `refused`, since it has
 * ended; or another tab has ended or replaced it, `elsewhere`.
 * @typedef {'logout' | 'refused' | 'elsewhere'} Reason
 */

/**
 * Where the refresh token outlives the page or the process: one text. May be asynchronous, and may
 * fail: a login whose token cannot be saved fails, and a refresh saves at the next call.
 * @typedef {object} Storage
 * @property {() => string | null | Promise<string | null>} load
 * @property {(text: string) => void | Promise<void>} save
 * @property {() => void | Promise<void>} clear
 */

/**
 * Runs a task while no other one runs, among all that share the storage.
 * @typedef {<T>(task: () => Promise<T>) => Promise<T>} Lock
 */

/**
 * Calls back after so many milliseconds, unless what it gives is called before.
 * @typedef {(milliseconds: number, callback: () => void) => () => void} Timer
 */

/**
 * @typedef {object} Options
 * @property {string} baseUrl where the API is, such as https://api.example.com
 * @property {Storage} [storage] memory without it: a reload signs out
 * @property {Lock} [lock] among the calls of this client without it
 * @property {BroadcastChannel | null} [channel] by which tabs tell one another; not closed here
 * @property {number} [graceSeconds] the deployment's `RefreshGraceSeconds`
 * @property {typeof fetch} [fetch]
 * @property {() => number} [now] milliseconds; only differences count
 * @property {Timer} [timer]
 */

/**
 * @typedef {object} Tokens
 * @property {string} access_token
 * @property {number} expires_in
 * @property {string} refresh_token
 */

/** How long an answer to a refresh is waited for: short enough to ask again in the grace time. */
const PATIENCE = 4_000;
/** The pause before a refresh is tried again if the answer names none. */
const PAUSE = 500;
/** How often a refresh is tried in all. */
const TRIES = 5;
/** An access token is replaced so long before its end, or at half its life if that is later. */
const MARGIN = 60_000;

/** What to tell a person, by the `code` of a refusal: put your own language here. */
const SENTENCES = new Map([
  ['body-too-large', 'What you entered is too long.'],
  ['email-taken', 'This e-mail address has an account already.'],
  ['internal', 'Something went wrong at the service.'],
  ['invalid-credentials', 'The e-mail address or the password is wrong.'],
  ['invalid-refresh-token', 'You are signed out. Log in again.'],
  ['invalid-token', 'You are signed out. Log in again.'],
  ['missing-token', 'You are signed out. Log in again.'],
  ['precondition-failed', 'It was changed elsewhere meanwhile. Load it again.'],
  ['registration-closed', 'Nobody can register here.'],
  ['too-many-attempts', 'Too many passwords were tried.'],
  ['unavailable', 'The service is not available now.'],
  ['wrong-password', 'The password is wrong.'],
]);

/** The same by its status, for a refusal that says nothing to a person: one of the gateway's. */
const SENTENCES_BY_STATUS = new Map([
  [401, 'You are signed out. Log in again.'],
  [403, 'You may not do this.'],
  [404, 'It is not there.'],
  [413, 'What you entered is too long.'],
  [429, 'The service is busy. Try again in a moment.'],
  [503, 'The service is not available now.'],
]);

/**
 * A refusal: a problem document (RFC 9457) of a function, or an answer of the gateway's own. Its
 * `message` is a sentence or two for a person.
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
    const faults = (Array.isArray(document.errors) ? document.errors : []).filter(isFault);
    const seconds = headers.get('retry-after') ?? '';
    const retryAfter = /^\d+$/.test(seconds) ? Number(seconds) : null;
    const said = SENTENCES.get(code ?? '') ?? faultsSentences(faults);
    const own = [text('title'), text('detail')].filter((part) => part !== null).map(sentence);
    const plain = SENTENCES_BY_STATUS.get(status) ?? `Something went wrong (status ${status}).`;
    const wait = retryAfter ? [`Try again in ${duration(retryAfter)}.`] : [];
    super([said || own.join(' ') || plain, ...wait].join(' '));
    this.name = 'LatchkeyError';
    /** The HTTP status. */
    this.status = status;
    /** The problem's name; null if the gateway answered. */
    this.code = code;
    /** What the operator finds the request by. */
    this.requestId = headers.get('apigw-requestid') ?? text('request_id');
    /** After how many seconds trying again may help; null if the answer does not say. */
    this.retryAfter = retryAfter;
    /** What is wrong with the body, member by member. */
    this.faults = faults;
  }

  /**
   * The refusal that a response is, also one of a route of your own.
   * @param {Response} response
   */
  static async of(response) {
    const text = await response.text().catch(() => '');
    return new LatchkeyError(response.status, object(text) ?? {}, response.headers);
  }

  /**
   * What is wrong with one field of a form. Its `detail` goes on where the field's label ends.
   * @param {string} member its name, such as "email"
   */
  faultOf(member) {
    return this.faults.find((fault) => fault.pointer === `/${member}`) ?? null;
  }
}

/** No answer came, or none of Latchkey's: the call may be carried out or not. */
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
 * What to show a person of whatever a call has thrown: of the errors above their `message`. Anything
 * else is a storage that fails or a bug; it is reported as an uncaught error too.
 * @param {unknown} error
 */
export function messageFor(error) {
  const isOurs = [LatchkeyError, NoAnswerError, SignedOutError].some(
    (kind) => error instanceof kind,
  );
  if (isOurs && error instanceof Error) return error.message;
  report(error);
  return 'Something went wrong on this page. Load it again.';
}

/**
 * A session with Latchkey, and the calls that it makes possible. It begins with `login`, or with what
 * is stored; once it is over, another one begins with `login`, or with another `Latchkey`.
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
   * Which session this client speaks for, by a name of its own; undefined while that is open, null
   * once it is over.
   * @type {string | null | undefined}
   */
  #session = undefined;
  /**
   * The token that the storage has not taken yet, and the one that stands there in its place: to
   * present that one again would look like a theft.
   * @type {{ session: string, refreshToken: string, stored: string } | null}
   */
  #unsaved = null;
  /** @type {Promise<string> | null} */ #renewal = null;
  /** @type {Set<(reason: Reason) => void>} */ #listeners = new Set();

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
    this.#channel?.addEventListener('message', ({ data }) => this.#hear(data));
  }

  /**
   * Calls `listener` whenever the session is over; gives what takes it back. What a listener throws
   * is reported as an uncaught error, and the other listeners are called all the same.
   * @param {(reason: Reason) => void} listener
   */
  onSignedOut(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether there is a session to try: what a page asks before its first call. */
  async isSignedIn() {
    return (await this.#own()) !== null;
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
   * Begins a session. One that was there is left to itself: log out of it before. If the storage
   * fails, this throws its error, and what was there before stays.
   * @param {string} email
   * @param {string} password
   */
  async login(email, password) {
    const asked = this.#now();
    const tokens = tokensOf(await this.#post('/login', { email, password }));
    const session = `${asked}-${Math.random()}`; // no secret: it tells sessions apart
    let before;
    try {
      before = await this.#lock(async () => {
        const found = await this.#load();
        await this.#save({ session, refreshToken: tokens.refresh_token });
        this.#session = session;
        this.#hold(tokens, asked);
        return found;
      });
    } catch (error) {
      // Nobody could use the new session, and nobody could end it.
      await this.#post('/logout', { refresh_token: tokens.refresh_token }, PATIENCE).catch(
        () => {},
      );
      throw error;
    }
    if (before) this.#tell({ type: 'signed-out', session: before.session });
  }

  /**
   * Ends the session here, and at the server by its refresh token. If the server does not answer, or
   * the storage fails, this throws; the session is over here nevertheless.
   */
  async logout() {
    await this.#lock(async () => {
      try {
        const kept = await this.#own();
        if (kept) await this.#post('/logout', { refresh_token: kept.refreshToken }, PATIENCE);
      } finally {
        await this.#end('logout');
      }
    });
  }

  /** Ends all sessions of the account, this one too. */
  async logoutEverywhere() {
    await this.#call('/sessions', { method: 'DELETE' });
    await this.#lock(() => this.#end('logout'));
  }

  /**
   * Changes the password; the other sessions end. After a `NoAnswerError` or a 503 it may be changed
   * or not: log in with the new one to find out.
   * @param {string} current
   * @param {string} next
   */
  async changePassword(current, next) {
    const body = { current_password: current, new_password: next };
    await this.#call('/password/change', jsonInit('POST', body));
  }

  /**
   * Deletes the account. May be repeated until it is done.
   * @param {string} password
   */
  async deleteAccount(password) {
    await this.#call('/profile', jsonInit('DELETE', { password }));
    await this.#lock(() => this.#end('logout'));
  }

  /** The account, and the `ETag` that a change can be bound to. */
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
   * All live sessions of the account, the latest first.
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
   * As `fetch`, for a path of this API and with an access token. If the token is refused, gets
   * another one and repeats the request, once. The answer is given whatever its status;
   * `LatchkeyError.of` makes an error of it.
   * @param {string} path beginning with a slash: the token goes to no other host
   * @param {RequestInit} [init] its body must be one that can be sent twice, so no stream
   * @returns {Promise<Response>}
   */
  async fetch(path, init) {
    const token = await this.accessToken();
    const session = this.#session;
    const response = await this.#send(path, init, token);
    if (!(await refusesToken(response))) return response;
    const next = await this.#renew(token);
    // Whoever has logged in meanwhile did not ask for this.
    if (this.#session !== session) throw new SignedOutError();
    return this.#send(path, init, next);
  }

  /**
   * An access token that is good for some time, for whatever else takes one.
   * @returns {Promise<string>}
   */
  async accessToken() {
    if (this.#unsaved) await this.#lock(() => this.#keep());
    const held = this.#access;
    if (held && this.#now() < held.renewAt) return held.token;
    try {
      return await this.#renew(held?.token ?? null);
    } catch (error) {
      // A refresh ahead of time that fails is no reason to fail, nor to try at every call.
      if (error instanceof SignedOutError || !held || this.#now() >= held.until) throw error;
      held.renewAt = this.#now() + MARGIN / 4;
      return held.token;
    }
  }

  /**
   * Another access token than `stale`: however many calls ask, by one refresh, whose failure they
   * share.
   * @param {string | null} stale
   */
  #renew(stale) {
    this.#renewal ??= this.#lock(() => this.#refresh(stale)).finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  /**
   * Under the lock.
   * @param {string | null} stale
   * @returns {Promise<string>}
   */
  async #refresh(stale) {
    const held = this.#access;
    // Another call or another tab was quicker.
    if (held && held.token !== stale && this.#now() < held.renewAt) return held.token;
    const kept = await this.#own();
    if (!kept) throw this.#over('elsewhere');
    this.#session = kept.session;
    const asked = this.#now();
    try {
      const tokens = tokensOf(await this.#present(kept.refreshToken));
      // Another tab may have ended or replaced the session meanwhile.
      if (this.#session !== kept.session) throw this.#over('elsewhere');
      const { token, renewAt, until } = this.#hold(tokens, asked);
      this.#unsaved = { ...kept, refreshToken: tokens.refresh_token };
      await this.#keep();
      if (this.#session !== kept.session) throw this.#over('elsewhere');
      this.#tell({ type: 'renewed', session: kept.session, token, renewAt, until });
      return token;
    } catch (error) {
      // Nothing but this answer means the end: a proxy may say 401 too.
      if (!(error instanceof LatchkeyError) || error.code !== 'invalid-refresh-token') throw error;
      await this.#end('refused');
      throw new SignedOutError();
    }
  }

  /**
   * Exchanges a refresh token. No answer, or a 5xx: the same token again, while it is in its grace
   * time. If the first try was carried out, that brings the successor which it made.
   * @param {string} refreshToken
   */
  async #present(refreshToken) {
    const begun = this.#now();
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#post('/refresh', { refresh_token: refreshToken }, PATIENCE);
      } catch (error) {
        const refusal = error instanceof LatchkeyError ? error : null;
        const again = refusal
          ? refusal.status >= 500 || refusal.status === 429
          : error instanceof NoAnswerError;
        const pause = (refusal?.retryAfter ?? PAUSE / 1000) * 1000;
        const late = this.#now() + pause - begun >= this.#grace;
        if (!again || late || tries === TRIES) throw error;
        await new Promise((resolve) => this.#timer(pause, () => resolve(null)));
      }
    }
  }

  /**
   * A call without an access token.
   * @param {string} path
   * @param {Record<string, unknown>} sent
   * @param {number} [patience] how long an answer is waited for, in milliseconds
   */
  async #post(path, sent, patience) {
    const controller = new AbortController();
    const cancel = patience ? this.#timer(patience, () => controller.abort()) : () => {};
    try {
      const init = { ...jsonInit('POST', sent), signal: controller.signal };
      const response = await this.#send(path, init, null);
      if (!response.ok) throw await LatchkeyError.of(response);
      return await body(response);
    } finally {
      cancel();
    }
  }

  /**
   * A call with an access token, whose refusals are errors.
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
   * @param {number} asked when: their time began no earlier
   */
  #hold(tokens, asked) {
    const life = tokens.expires_in * 1000;
    const until = asked + life;
    const renewAt = until - Math.min(MARGIN, life / 2);
    this.#access = { token: tokens.access_token, renewAt, until };
    return this.#access;
  }

  /**
   * What is kept, and the token that the storage has of it: another one while it is `#unsaved`.
   * @returns {Promise<{ session: string, refreshToken: string, stored: string } | null>}
   */
  async #load() {
    const kept = object((await this.#storage.load()) ?? '');
    const { session, refreshToken } = kept ?? {};
    const unsaved = this.#unsaved;
    if (unsaved && unsaved.session === session && unsaved.stored === refreshToken) return unsaved;
    // Without a lock that all tabs share, a later token may be there already: it stays.
    this.#unsaved = null;
    return typeof session === 'string' && typeof refreshToken === 'string'
      ? { session, refreshToken, stored: refreshToken }
      : null;
  }

  /** What is kept, unless another tab has logged in anew: then it is not this page's. */
  async #own() {
    const kept = await this.#load();
    return kept && (this.#session === undefined || this.#session === kept.session) ? kept : null;
  }

  /**
   * Under the lock: saves what is `#unsaved`, if the storage still has what it had. A storage that
   * fails ends no session and fails no call, for the tokens are good: the next call tries again.
   */
  async #keep() {
    try {
      if (!(await this.#own())) this.#over('elsewhere');
      const unsaved = this.#unsaved;
      if (!unsaved) return;
      await this.#save({ session: unsaved.session, refreshToken: unsaved.refreshToken });
      this.#unsaved = null;
    } catch {
      // It stays unsaved.
    }
  }

  /** @param {{ session: string, refreshToken: string }} kept */
  async #save(kept) {
    await this.#storage.save(JSON.stringify(kept));
  }

  /**
   * Under the lock: forgets the session in all tabs.
   * @param {Reason} reason
   */
  async #end(reason) {
    try {
      const kept = await this.#own();
      if (kept) {
        await this.#storage.clear();
        this.#tell({ type: 'signed-out', session: kept.session });
      }
    } finally {
      this.#over(reason);
    }
  }

  /**
   * Forgets the session in this tab, and says so.
   * @param {Reason} reason
   */
  #over(reason) {
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
  #tell(message) {
    this.#channel?.postMessage(message);
  }

  /** @param {any} message */
  #hear({ type, session, token, renewAt, until }) {
    if (session !== this.#session) return;
    if (type === 'renewed') this.#access = { token, renewAt, until };
    if (type === 'signed-out') this.#over('elsewhere');
  }
}

/**
 * For a page: the refresh token in localStorage, one refresh at a time among all tabs (Web Locks),
 * and its outcome told to the others. Which risk that takes is in docs/clients.md.
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
 * Forgets with the process.
 * @returns {Storage}
 */
export function inMemory() {
  /** @type {string | null} */
  let kept = null;
  return {
    load: () => kept,
    save: (text) => void (kept = text),
    clear: () => void (kept = null),
  };
}

/**
 * One task at a time, among those of this process that use it.
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
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/**
 * @param {unknown} value
 * @returns {value is Fault}
 */
function isFault(value) {
  const { pointer, detail } = /** @type {Fault} */ (value ?? {});
  return typeof pointer === 'string' && typeof detail === 'string';
}

/** @param {Fault[]} faults */
function faultsSentences(faults) {
  const sentences = faults.map(({ pointer, detail }) => {
    const field = pointer.slice(1).replaceAll('_', ' ');
    return sentence(`${field || 'what was sent'} ${detail}`);
  });
  return sentences.join(' ');
}

/**
 * Lets an error end where uncaught ones do, and whoever has caught it go on.
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
 * Whether an answer asks for another access token: 401, or the gateway's own 403. A 403 with a
 * `code`, such as `wrong-password`, is about something else.
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
 * @param {unknown} sent
 */
function jsonInit(method, sent) {
  /** @type {Record<string, string>} */
  const headers = { 'content-type': 'application/json' };
  return { method, headers, body: JSON.stringify(sent) };
}

/**
 * The JSON of an answer; what is none, such as the page of a hotel's network, is not Latchkey's.
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
