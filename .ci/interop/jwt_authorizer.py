"""The rules of API Gateway's own JWT authorizer, as AWS documents them ("Control access to HTTP APIs
with JWT authorizers" and the quotas of HTTP APIs): a token of Latchkey passes them, and what is wrong
in one way is refused by the rule that is for it. API Gateway itself is not asked."""

import base64
import json
import sys
import time
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from jwt import PyJWK

ALGORITHMS = {"RS256": SHA256(), "RS384": SHA384(), "RS512": SHA512()}
SECONDS, OCTETS = 1.5, 150_000


class Refused(Exception):
    """Says which rule refused."""


def rule(name, kept):
    if not kept:
        raise Refused(name)


def octets(segment):
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def fetch(url):
    began = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            document = answer.read(OCTETS + 1)
    except OSError as error:
        raise Refused("fetch") from error
    rule("time", time.monotonic() - began < SECONDS)
    rule("size", len(document) <= OCTETS)
    return json.loads(document)


def published(issuer):
    """The issuer's keys, found as API Gateway finds them."""
    discovery = fetch(f"{issuer}/.well-known/openid-configuration")
    rule("discovery", discovery["issuer"] == issuer)
    return fetch(discovery["jwks_uri"])["keys"]


def check_signature(token, keys):
    signed, _, signature = token.rpartition(".")
    head = json.loads(octets(signed.partition(".")[0]))
    rule("alg", head.get("alg") in ALGORITHMS)
    named = [key for key in keys if key["kid"] == head.get("kid")]
    rule("kid", len(named) == 1)
    rule("kty", named[0]["kty"] == "RSA")
    try:
        PyJWK(named[0]).key.verify(octets(signature), signed.encode(), padding.PKCS1v15(), ALGORITHMS[head["alg"]])
    except InvalidSignature as error:
        raise Refused("signature") from error


def check_claims(claims, issuer, audiences, now):
    rule("iss", claims.get("iss") == issuer)
    aud = claims.get("aud", claims.get("client_id"))  # client_id counts if there is no aud
    rule("aud", any(one in audiences for one in (aud if isinstance(aud, list) else [aud])))
    rule("exp", claims.get("exp", 0) > now)
    rule("nbf", claims.get("nbf", 0) < now)
    rule("iat", claims.get("iat", 0) < now)


def check_scopes(claims, scopes):
    """The one rule whose refusal is a 403: a route may ask for one of several scopes."""
    granted = claims.get("scope", claims.get("scp", "")).split()
    rule("scope", not scopes or any(scope in granted for scope in scopes))


def authorize(header, issuer, audiences, now, scopes=()):
    keys = published(issuer)
    token = header.removeprefix("Bearer ")
    rule("form", token.count(".") == 2)
    check_signature(token, keys)
    claims = json.loads(octets(token.split(".")[1]))
    check_claims(claims, issuer, audiences, now)
    check_scopes(claims, scopes)
    return claims


def refuses(name, check, *arguments):
    try:
        check(*arguments)
    except Refused as refused:
        if str(refused) != name:
            sys.exit(f"expected the rule {name} to refuse, and {refused} did")
    else:
        sys.exit(f"the rule {name} let pass what it should refuse")


issuer, token, scoped = sys.argv[1:]
audiences = ["other", "latchkey"]
now = time.time()
claims = authorize(f"Bearer {token}", issuer, audiences, now)
authorize(token, issuer, audiences, now)  # the scheme may be missing

refuses("aud", authorize, token, issuer, ["other"], now)
refuses("exp", authorize, token, issuer, audiences, claims["exp"])
refuses("iat", authorize, token, issuer, audiences, claims["iat"])
refuses("discovery", authorize, token, issuer.replace("127.0.0.1", "localhost"), audiences, now)
refuses("fetch", authorize, token, f"{issuer}/other", audiences, now)
refuses("form", authorize, "nonsense", issuer, audiences, now)

head, body, signature = token.split(".")
known = json.loads(octets(head))
for name, change in [("kid", {"kid": "other"}), ("alg", {"alg": "none"}), ("alg", {"alg": "ES256"})]:
    refuses(name, authorize, f"{encoded(known | change)}.{body}.{signature}", issuer, audiences, now)
refuses("kty", check_signature, token, [{"kid": known["kid"], "kty": "EC"}])
changed = ("B" if signature[0] == "A" else "A") + signature[1:]
refuses("signature", authorize, f"{head}.{body}.{changed}", issuer, audiences, now)
refuses("signature", authorize, f"{head}.{encoded(claims | {'sub': 'other'})}.{signature}", issuer, audiences, now)

without = {name: value for name, value in claims.items() if name != "aud"}
check_claims(claims | {"aud": ["latchkey"]}, issuer, audiences, now)
check_claims(without | {"client_id": "latchkey"}, issuer, audiences, now)
refuses("aud", check_claims, without, issuer, ["other"], now)
refuses("aud", check_claims, claims | {"aud": "no", "client_id": "latchkey"}, issuer, audiences, now)
refuses("iss", check_claims, claims | {"iss": f"{issuer}/"}, issuer, audiences, now)
refuses("nbf", check_claims, claims | {"nbf": now + 60}, issuer, audiences, now)
# The scopes that RoleScopes brings: one of a route's is enough.
for scopes in [["notes:write"], ["notes:read"], ["other", "notes:write"], []]:
    authorize(f"Bearer {scoped}", issuer, audiences, now, scopes)
for scopes in [["users:read"], ["notes"], ["notes:write notes:read"], ["Notes:write"]]:
    refuses("scope", authorize, scoped, issuer, audiences, now, scopes)
refuses("scope", authorize, token, issuer, audiences, now, ["notes:write"])
discovery = fetch(f"{issuer}/.well-known/openid-configuration")
if discovery["scopes_supported"] != ["notes:read", "notes:write", "users:read"]:
    sys.exit(f"the configuration names the scopes {discovery['scopes_supported']}")
check_scopes(claims | {"scope": "other notes"}, ["notes"])
check_scopes(claims | {"scp": "notes"}, ["notes"])
refuses("scope", check_scopes, claims | {"scope": "notes-of-others"}, ["notes"])
print("API Gateway's documented rules let the token pass, and refuse what is wrong in one way")
