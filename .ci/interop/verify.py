"""Verifies an access token with PyJWT, from what the issuer publishes."""

import sys

import jwt

issuer, token = sys.argv[1:]
keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json")
key = keys.get_signing_key_from_jwt(token)
claims = jwt.decode(
    token,
    key,
    algorithms=["RS256"],
    issuer=issuer,
    audience="latchkey",
    options={"require": ["exp", "iat", "iss", "aud", "sub"]},
)
assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
try:
    jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, audience="another")
except jwt.InvalidAudienceError:
    print("PyJWT:", claims["sub"])
else:
    sys.exit("PyJWT took a token for another audience")
