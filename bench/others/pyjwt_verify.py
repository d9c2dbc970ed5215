"""Verifies a token with PyJWT, many times for each line of input, and prints the nanoseconds of one."""

import json
import sys
import time

import jwt

jwks, token, issuer, audience, times = sys.argv[1:]
key = jwt.PyJWK(json.loads(jwks)["keys"][0])
times = int(times)
for _ in sys.stdin:
    began = time.perf_counter_ns()
    for _ in range(times):
        jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, audience=audience)
    print((time.perf_counter_ns() - began) // times, flush=True)
