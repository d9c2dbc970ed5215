// A conversation with Latchkey through the client that openapi-generator makes for TypeScript.
import * as client from './clients/typescript/index.js';

const password = 'correct horse battery staple';
const email = 'ada.typescript@example.com';

function check(holds: boolean, what: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(what));
}

/** Returns the document of the refusal that a call gets. */
async function refused(status: number, call: Promise<unknown>): Promise<client.Problem> {
  const refusal = await call.then(
    (answer) => check(false, answer),
    (error: unknown) => error,
  );
  check(refusal instanceof client.ResponseError, String(refusal));
  check(refusal.response.status === status, refusal.response.status);
  return client.ProblemFromJSON(await refusal.response.json());
}

export async function converse(basePath: string, say: (line: string) => void): Promise<void> {
  let tokens: client.Tokens | undefined;
  const accessToken = () => tokens?.accessToken ?? '';
  const configuration = new client.Configuration({ basePath, accessToken });
  const registerApi = new client.RegisterApi(configuration);
  const loginApi = new client.LoginApi(configuration);
  const profileApi = new client.ProfileApi(configuration);
  const passwordApi = new client.PasswordApi(configuration);
  const sessionApi = new client.SessionApi(configuration);
  const discoveryApi = new client.DiscoveryApi(configuration);
  const register = (password: string) =>
    registerApi.register({
      registration: { email, password, firstName: 'Ada', lastName: 'Lovelace', locale: 'de-ch' },
    });
  const logIn = async (password: string): Promise<client.Tokens> =>
    (tokens = await loginApi.login({ credentials: { email, password } }));

  const easy = await refused(422, register('passwordpassword'));
  check(easy.errors?.[0]?.code === client.FieldErrorCode.TooGuessable, easy);
  const account = await register(password);
  if (!account) throw new Error('it asks for a proof first');
  check(account.email === email && account.lastLogin === null, account);
  check(account.locale === 'de-CH', account);
  const taken = await refused(409, register(password));
  check(taken.code === client.ProblemCode.EmailTaken, taken);
  say('it registers, and tells of refused fields');

  await refused(401, profileApi.getProfile());
  const wrong = await refused(401, logIn('not the password'));
  check(wrong.code === client.ProblemCode.InvalidCredentials, wrong);
  const { refreshToken } = await logIn(password);
  const answer = await profileApi.getProfileRaw({});
  const profile = await answer.value();
  check(profile.id === account.id && profile.lastLogin instanceof Date, profile);
  const ifMatch = answer.raw.headers.get('etag') ?? '';
  const changed = await profileApi.changeProfile({
    ifMatch,
    profilePatch: { firstName: 'Augusta Ada' },
  });
  check(changed.firstName === 'Augusta Ada' && changed.lastName === 'Lovelace', changed);
  check(changed.locale === 'de-CH', changed);
  const profileReplacement = { firstName: 'Ada', lastName: '' };
  const stale = await refused(412, profileApi.replaceProfile({ ifMatch, profileReplacement }));
  check(stale.code === client.ProblemCode.PreconditionFailed, stale);
  say('it logs in, and shows and changes the profile');

  for (let login = 0; login < 101; login += 1) await logIn(password);
  const first = await sessionApi.listSessions();
  const cursor = first.nextCursor;
  check(first.sessions.length === 100 && cursor !== undefined, first);
  const rest = await sessionApi.listSessions({ cursor });
  check(rest.sessions.length === 2 && rest.nextCursor === undefined, rest);
  const sessions = [...first.sessions, ...rest.sessions];
  check(new Set(sessions.map((session) => session.id)).size === 102, sessions);
  check(
    sessions.every((session, place) => session.current === (place === 0)),
    sessions,
  );
  const { id } = rest.sessions[1];
  await sessionApi.endSession({ id });
  const left = await sessionApi.listSessions({ cursor });
  check(left.sessions.length === 1 && left.sessions[0].id === rest.sessions[0].id, left);
  const gone = await refused(404, sessionApi.endSession({ id }));
  check(gone.code === client.ProblemCode.NotFound, gone);
  const ended = await refused(401, sessionApi.refresh({ refresh: { refreshToken } }));
  check(ended.code === client.ProblemCode.InvalidRefreshToken, ended);
  await sessionApi.endSessions({ others: true });
  check((await sessionApi.listSessions()).sessions.length === 1, 'one is left');
  say('it lists sessions in two parts, and ends one, and all others');

  tokens = await sessionApi.refresh({ refresh: await logIn(password) });
  const passwordChange = { currentPassword: password, newPassword: 'another good password' };
  tokens = await passwordApi.changePassword({ passwordChange });
  await sessionApi.logout({ refresh: tokens });
  say('it refreshes, changes the password, and logs out');

  const { jwksUri } = await discoveryApi.getConfiguration();
  const [key] = (await discoveryApi.getKeys()).keys;
  check(jwksUri.endsWith('/.well-known/jwks.json') && key.kty === 'RSA' && key.n !== '', key);
  say('it reads the keys');

  await logIn('another good password');
  const passwordConfirmation = { password: 'another good password' };
  const other = profileApi.deleteAccount({ passwordConfirmation: { password } });
  check((await refused(403, other)).code === client.ProblemCode.WrongPassword, 'the password');
  await profileApi.deleteAccount({ passwordConfirmation });
  await refused(401, logIn('another good password'));
  await register(password);
  await logIn(password);
  await profileApi.deleteAccountByPost({ passwordConfirmation: { password } });
  await refused(401, logIn(password));
  say('it deletes the account, in both ways');
}
