"""The rules of API Gateway's own JWT authorizer, as its developer guide states them ("Controlling
access to HTTP APIs with JWT authorizers"): a token of Latchkey passes, and what is not one does not."""

import base64
import json
import sys
import time
import urllib.request

from jwt import PyJWK
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import PyJWTError

issuer, token = sys.argv[1:]


def fetch(url, most):
    began = time.monotonic()
    with urllib.request.urlopen(url, timeout=1.5) as answer:
        document = answer.read()
    assert time.monotonic() - began < 1.5 and len(document) <= most, url
    return json.loads(document)


def decoded(segment):
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def allows(header, issuer, audience, now):
    configuration = fetch(f"{issuer}/.well-known/openid-configuration", 150_000)
    keys = fetch(configuration["jwks_uri"], 150_000)["keys"]
    token = header.removeprefix("Bearer ")
    signed, signature = token.rsplit(".", 1)
    head, claims = (decoded(segment) for segment in signed.split("."))
    key = [key for key in keys if key["kid"] == head.get("kid")]
    if not key or key[0]["kty"] != "RSA" or not head["alg"].startswith("RS"):
        return False
    algorithm = RSAAlgorithm(RSAAlgorithm.SHA256)
    octets = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    if not algorithm.verify(signed.encode(), PyJWK(key[0]).key, octets):
        return False
    audiences = claims.get("aud", claims.get("client_id"))
    audiences = audiences if isinstance(audiences, list) else [audiences]
    return (
        configuration["issuer"] == issuer == claims["iss"]
        and any(one in audience for one in audiences)
        and claims["exp"] > now
        and claims.get("nbf", 0) <= now
        and claims["iat"] <= now
    )


now = time.time()
assert allows(f"Bearer {token}", issuer, ["latchkey"], now)
assert allows(token, issuer, ["other", "latchkey"], now), "a token without its scheme is taken too"
assert not allows(token, issuer, ["other"], now), "another audience"
assert not allows(token, issuer, ["latchkey"], now + 3600), "expired"
assert not allows(token, issuer, ["latchkey"], now - 3600), "issued later"
head, rest = token.split(".", 1)
other = decoded(head) | {"kid": "other"}
other = base64.urlsafe_b64encode(json.dumps(other).encode()).rstrip(b"=").decode()
assert not allows(f"{other}.{rest}", issuer, ["latchkey"], now), "another key"
changed = token[:-8] + ("A" * 8 if token[-8:] != "A" * 8 else "B" * 8)
try:
    assert not allows(changed, issuer, ["latchkey"], now), "another signature"
except (PyJWTError, ValueError):
    pass
other = issuer.replace("127.0.0.1", "localhost")
assert not allows(token, other, ["latchkey"], now), "another issuer"
print("API Gateway's JWT authorizer would let the token pass, and refuse what is not one")
