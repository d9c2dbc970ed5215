"""A conversation with Latchkey through the client that openapi-generator makes for Python."""

import importlib
import pkgutil
import sys

import openapi_client as client

for module in pkgutil.walk_packages(client.__path__, "openapi_client."):
    importlib.import_module(module.name)

host = sys.argv[1]
password = "correct horse battery staple"


class Person:
    """Somebody's calls, with the token of the latest login or refresh."""

    def __init__(self, email):
        self.email = email
        self.configuration = client.Configuration(host=host)
        api = client.ApiClient(self.configuration)
        self.registers, self.logs_in, self.password = client.RegisterApi(api), client.LoginApi(api), client.PasswordApi(api)
        self.profile, self.sessions, self.discovery = client.ProfileApi(api), client.SessionApi(api), client.DiscoveryApi(api)

    def register(self, password=password):
        return self.registers.register(client.Registration(email=self.email, password=password, first_name="Ada", last_name="Lovelace", locale="de-ch"))

    def log_in(self, password=password):
        return self.take(self.logs_in.login(client.Credentials(email=self.email, password=password)))

    def take(self, tokens):
        assert tokens.token_type == "Bearer" and 800 < tokens.expires_in <= 900, tokens
        self.configuration.access_token = tokens.access_token
        return tokens


def refused(status, call):
    """Calls, and returns the document of the refusal."""
    try:
        answer = call()
    except client.ApiException as refusal:
        assert refusal.status == status, refusal
        return refusal.data
    raise AssertionError(answer)


ada = Person("ada.python@example.com")
account = ada.register()
assert account.email == ada.email and account.locale == "de-CH" and account.last_login is None and account.roles == [], account
assert refused(409, ada.register).code == client.ProblemCode.EMAIL_MINUS_TAKEN
easy = refused(422, lambda: Person("eve@example.com").register("passwordpassword"))
assert [(error.pointer, error.code.value) for error in easy.errors] == [("/password", "too-guessable")], easy
print("it registers, and tells of refused fields")

refused(401, ada.profile.get_profile)
assert refused(401, lambda: ada.log_in("not the password")).code == client.ProblemCode.INVALID_MINUS_CREDENTIALS
tokens = ada.log_in()
shown = ada.profile.get_profile_with_http_info()
assert shown.data.id == account.id and shown.data.last_login >= account.date_joined, shown.data
assert shown.data.to_dict().keys() == {"id", "email", "email_verified", "first_name", "last_name", "locale", "date_joined", "last_login", "roles"}, shown.data.to_dict()
changed = ada.profile.change_profile(client.ProfilePatch(first_name="Augusta Ada"), if_match=shown.headers["etag"])
assert (changed.first_name, changed.last_name, changed.locale) == ("Augusta Ada", "Lovelace", "de-CH"), changed
stale = refused(412, lambda: ada.profile.replace_profile(client.ProfileReplacement(first_name="Ada", last_name=""), if_match=shown.headers["etag"]))
assert stale.code == client.ProblemCode.PRECONDITION_MINUS_FAILED, stale
print("it logs in, and shows and changes the profile")

for _ in range(101):
    ada.log_in()
first = ada.sessions.list_sessions()
rest = ada.sessions.list_sessions(cursor=first.next_cursor)
assert len(first.sessions) == 100 and rest.next_cursor is None, rest
sessions = first.sessions + rest.sessions
assert len({session.id for session in sessions}) == 102
assert [session.current for session in sessions] == [True] + 101 * [False]
ada.sessions.end_session(sessions[-1].id)
assert ada.sessions.list_sessions(cursor=first.next_cursor).sessions == rest.sessions[:-1]
assert refused(404, lambda: ada.sessions.end_session(sessions[-1].id)).code == client.ProblemCode.NOT_MINUS_FOUND
assert refused(401, lambda: ada.sessions.refresh(client.Refresh(refresh_token=tokens.refresh_token))).code.value == "invalid-refresh-token"
ada.sessions.end_sessions(others=True)
assert [session.current for session in ada.sessions.list_sessions().sessions] == [True]
print("it lists sessions in two parts, and ends one, and all others")

tokens = ada.take(ada.sessions.refresh(client.Refresh(refresh_token=ada.log_in().refresh_token)))
change = client.PasswordChange(current_password=password, new_password="another good password")
tokens = ada.take(ada.password.change_password(change))
ada.sessions.logout(client.Refresh(refresh_token=tokens.refresh_token))
print("it refreshes, changes the password, and logs out")

metadata = ada.discovery.get_configuration()
keys = ada.discovery.get_keys().keys
assert metadata.jwks_uri.endswith("/.well-known/jwks.json") and keys[0].actual_instance.alg == "RS256", (metadata, keys)
print("it reads the keys")

ada.log_in("another good password")
assert refused(403, lambda: ada.profile.delete_account(client.PasswordConfirmation(password=password))).code.value == "wrong-password"
ada.profile.delete_account(client.PasswordConfirmation(password="another good password"))
refused(401, lambda: ada.log_in("another good password"))
ada.register()
ada.log_in()
ada.profile.delete_account_by_post(client.PasswordConfirmation(password=password))
refused(401, ada.log_in)
print("it deletes the account, in both ways")
