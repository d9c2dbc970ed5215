"""Runs the services that docs/integrate.md shows: first against a running Latchkey, then against an issuer
of this script's own, whose tokens are wrong in one way each and whose key changes."""

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

latchkey, token, scoped, folder = sys.argv[1:]
# Puts the clock of jose's cache forward by five minutes, whenever the process is told to.
LATER = "const now = Date.now; let by = 0; Date.now = () => now() + by; process.on('SIGUSR2', () => { by += 301_000; });"
SERVICES = {
    "Express": (3001, ["node", "--import", f"data:text/javascript,{urllib.parse.quote(LATER)}", f"{folder}/express.mjs"]),
    "FastAPI": (3002, [
        f"{folder}/python/bin/uvicorn", "--app-dir", "examples/services", "--host", "127.0.0.1",
        "--port", "3002", "--log-level", "error", "fastapi_service:app",
    ]),
    "axum": (3003, ["target/debug/axum-service"]),
}
CHALLENGE = 'Bearer error="invalid_token"'
SCOPE_CHALLENGE = 'Bearer error="insufficient_scope", scope="notes:write"'


def ask(url, authorization, method="GET"):
    headers = {"Authorization": authorization} if authorization else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method), timeout=10) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, None, error.headers


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(name, issuer, audience="latchkey"):
    port, command = SERVICES[name]
    if listens(port):
        sys.exit(f"something else listens on port {port}")
    environment = {**os.environ, "ISSUER": issuer, "AUDIENCE": audience, "PORT": str(port)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    service = subprocess.Popen(command, env=environment)
    try:
        for _ in range(400):
            if listens(port):
                break
            if service.poll() is not None:
                sys.exit(f"{name} ended with {service.returncode}")
            time.sleep(0.05)
        yield service
    finally:
        service.kill()
        service.wait()


def expect(name, status, why, authorization, owner=None):
    got, body, headers = ask(f"http://127.0.0.1:{SERVICES[name][0]}/notes", authorization)
    challenge = headers.get("WWW-Authenticate") if got == 401 else CHALLENGE
    if (got, body, challenge) != (status, {"owner": owner} if owner else None, CHALLENGE):
        sys.exit(f"{name} answered {got} {body} {challenge} to {why}")


def expect_write(name, status, why, authorization, owner=None):
    """The route that asks for the scope notes:write."""
    got, body, headers = ask(f"http://127.0.0.1:{SERVICES[name][0]}/notes", authorization, "POST")
    challenge = {201: None, 401: CHALLENGE, 403: SCOPE_CHALLENGE}[status]
    expected = (status, {"owner": owner} if owner else None, challenge)
    if (got, body, headers.get("WWW-Authenticate")) != expected:
        sys.exit(f"{name} answered {got} {body} {headers.get('WWW-Authenticate')} to {why}")


def against_latchkey(name):
    _, account, _ = ask(f"{latchkey}/profile", f"Bearer {token}")
    head, claims, signature = token.split(".")
    changed = ("B" if signature[0] == "A" else "A") + signature[1:]
    with running(name, latchkey):
        expect(name, 200, "a token", f"Bearer {token}", account["id"])
        expect(name, 200, "a scheme in small letters", f"bearer {token}", account["id"])
        expect(name, 401, "no token", None)
        expect(name, 401, "an empty token", "Bearer ")
        expect(name, 401, "a scheme alone", "Bearer")
        expect(name, 401, "another scheme", f"Basic {token}")
        expect(name, 401, "no JWT", "Bearer nonsense")
        expect(name, 401, "letters outside ASCII", "Bearer \u00e9.\u00e9.\u00e9")
        expect(name, 401, "a changed signature", f"Bearer {head}.{claims}.{changed}")
        expect(name, 401, "no signature", f"Bearer {head}.{claims}.")
        expect(name, 200, "a token with scopes", f"Bearer {scoped}", account["id"])
        expect_write(name, 201, "a token with the scope", f"Bearer {scoped}", account["id"])
        expect_write(name, 403, "a token without scopes", f"Bearer {token}")
        expect_write(name, 401, "no token", None)
    with running(name, latchkey, audience="another"):
        expect(name, 401, "a token for another audience", f"Bearer {token}")
    print(f"{name}: takes a token of Latchkey, and nothing else")


class Issuer(http.server.ThreadingHTTPServer):
    """Publishes one RSA key, and counts how often it is asked for it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Keys)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked = 0
        self.seconds = 0  # that an answer takes
        self.rotate("first")
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """Says nothing of services that did not wait for the answer."""

    def rotate(self, kid):
        self.kid, self.key = kid, rsa.generate_private_key(65537, 2048)

    def jwks(self):
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        # Without "alg", so that nothing but the service's own list fixes the algorithm.
        return {"keys": [{"kty": "RSA", "n": jwk["n"], "e": jwk["e"], "kid": self.kid, "use": "sig"}]}

    def token(self, key=None, alg="RS256", header=None, **claims):
        """A good token, but for what is given; what is given as None is left out."""
        now = int(time.time())
        good = {"iss": self.url, "aud": "latchkey", "sub": "ada", "iat": now, "exp": now + 600}
        claims = {name: value for name, value in (good | claims).items() if value is not None}
        header = {"kid": self.kid, "typ": "at+jwt"} | (header or {})
        return jwt.encode(claims, key or self.key, alg, headers=header)

    def forged(self, alg, sign):
        """A good token, but for its algorithm and its signature."""
        claims = self.token().split(".")[1]
        head = json.dumps({"alg": alg, "kid": self.kid, "typ": "at+jwt"}).encode()
        signed = base64.urlsafe_b64encode(head).rstrip(b"=") + b"." + claims.encode()
        return (signed + b"." + base64.urlsafe_b64encode(sign(signed)).rstrip(b"=")).decode()

    def hmac_token(self):
        """Signed with the public key, as if it were a secret."""
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return self.forged("HS256", lambda signed: hmac.digest(public, signed, hashlib.sha256))


class Keys(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        time.sleep(self.server.seconds)
        body = json.dumps(self.server.jwks()).encode()
        self.send_response(200 if self.path == "/.well-known/jwks.json" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def refuses_wrong_tokens(name, issuer):
    expect(name, 200, "a token", f"Bearer {issuer.token()}", "ada")
    now = int(time.time())
    past, future = now - 600, now + 600
    # Latchkey allows as much itself: the issuer's clock and this one are never the same.
    expect(name, 200, "a token of a clock that is ahead", f"Bearer {issuer.token(iat=now + 10)}", "ada")
    for scope in ["notes:write", "notes:read notes:write", "notes:write a b"]:
        expect_write(name, 201, f"the scope {scope}", f"Bearer {issuer.token(scope=scope)}", "ada")
    for scope in [None, "", "notes", "notes:write:all", "Notes:write", "notes:writes xnotes:write", "notes:read,notes:write"]:
        expect_write(name, 403, f"the scope {scope}", f"Bearer {issuer.token(scope=scope)}")
    expect_write(name, 401, "an expired token with the scope", f"Bearer {issuer.token(scope='notes:write', exp=past)}")
    wrong = {
        "an expired token": issuer.token(exp=past, iat=past - 600),
        "a token that is not valid yet": issuer.token(nbf=future, exp=future + 600),
        "a token without exp": issuer.token(exp=None),
        "another issuer": issuer.token(iss=f"{issuer.url}/"),
        "a token without iss": issuer.token(iss=None),
        "another audience": issuer.token(aud="another"),
        "a token without aud": issuer.token(aud=None),
        "a token without sub": issuer.token(sub=None),
        "another typ": issuer.token(header={"typ": "JWT"}),
        "a token without typ": issuer.token(header={"typ": None}),
        "another algorithm": issuer.token(alg="RS512"),
        "no algorithm": issuer.forged("none", lambda _: b""),
        "no algorithm, in other letters": issuer.forged("nOnE", lambda _: b""),
        "the public key as a secret": issuer.hmac_token(),
        "another key of the same name": issuer.token(key=rsa.generate_private_key(65537, 2048)),
    }
    for why, text in wrong.items():
        expect(name, 401, why, f"Bearer {text}")
    asked = issuer.asked
    for number in range(20):
        expect(name, 401, "an unknown kid", f"Bearer {issuer.token(header={'kid': f'unknown-{number}'})}")
    if issuer.asked - asked > 1:
        sys.exit(f"{name} fetched the keys {issuer.asked - asked} times for 20 unknown kids")


def hang_up(name, issuer):
    """Lets the service ask for the keys again, for a client that does not wait."""
    asked = issuer.asked
    unknown = issuer.token(header={"kid": "unknown"})
    with socket.create_connection(("127.0.0.1", SERVICES[name][0])) as client:
        client.sendall(f"GET /notes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {unknown}\r\n\r\n".encode())
        for _ in range(100):
            if issuer.asked > asked:
                return
            time.sleep(0.05)
    sys.exit(f"{name} did not ask for the keys again")


def waits_not_for_ever(name, issuer):
    """Refuses within the time that the service gives the issuer, which keeps silent."""
    began = time.monotonic()
    expect(name, 401, "an unknown kid", f"Bearer {issuer.token(header={'kid': 'unknown'})}")
    if time.monotonic() - began > 6:
        sys.exit(f"{name} waited {time.monotonic() - began:.1f} s for an issuer that keeps silent")


def forgets(name, service, issuer):
    """A key that was taken back, after five minutes."""
    old = issuer.token()
    issuer.rotate("third")
    expect(name, 200, "a token of a key that has just gone", f"Bearer {old}", "ada")
    service.send_signal(signal.SIGUSR2)
    time.sleep(1)
    expect(name, 401, "a token of a key that is gone for five minutes", f"Bearer {old}")


def against_own_issuer():
    issuer = Issuer()
    with contextlib.ExitStack() as services:
        processes = {name: services.enter_context(running(name, issuer.url)) for name in SERVICES}
        for name in SERVICES:
            refuses_wrong_tokens(name, issuer)
        old = issuer.token()
        issuer.rotate("second")
        time.sleep(61)  # each fetches the keys again for a kid that is new, axum once a minute
        issuer.seconds = 8
        for name in ["Express", "FastAPI"]:  # axum would ask no more for a minute
            waits_not_for_ever(name, issuer)
        issuer.seconds = 2
        for name in SERVICES:
            hang_up(name, issuer)
        for name in SERVICES:
            expect(name, 200, "a token of a new key", f"Bearer {issuer.token()}", "ada")
            expect(name, 401, "a token of a key that is gone", f"Bearer {old}")
            print(f"{name}: refuses what is wrong in one way, and follows a change of the key")
        issuer.seconds = 0
        forgets("Express", processes["Express"], issuer)
    issuer.shutdown()


for service in SERVICES:
    against_latchkey(service)
against_own_issuer()
