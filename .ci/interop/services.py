"""Runs each service of the README against a running Latchkey, with tokens that are good and not."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

issuer, token, folder = sys.argv[1:]
SERVICES = {
    "Express": ["node", f"{folder}/express.mjs"],
    "FastAPI": [
        f"{folder}/python/bin/uvicorn", "--app-dir", ".ci/interop", "--host", "127.0.0.1",
        "--port", "3001", "--log-level", "error", "fastapi_service:app",
    ],
    "axum": [f"{folder}/axum/debug/axum-service"],
}


def ask(authorization):
    headers = {"Authorization": authorization} if authorization else {}
    request = urllib.request.Request("http://127.0.0.1:3001/notes", headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, None, error.headers


def running(command, audience):
    environment = {**os.environ, "ISSUER": issuer, "AUDIENCE": audience, "PORT": "3001"}
    service = subprocess.Popen(command, env=environment)
    for _ in range(200):
        try:
            ask(None)
            return service
        except urllib.error.URLError:
            time.sleep(0.05)
    service.kill()
    sys.exit(f"{command[0]} does not answer")


def refused(name, why, authorization):
    status, _, headers = ask(authorization)
    if status != 401 or not headers.get("WWW-Authenticate", "").startswith("Bearer"):
        sys.exit(f"{name} answered {status} to {why}")


head, claims, signature = token.split(".")
changed = f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
for name, command in SERVICES.items():
    service = running(command, "latchkey")
    try:
        status, body, _ = ask(f"Bearer {token}")
        assert (status, bool(body["owner"])) == (200, True), (name, status, body)
        refused(name, "no token", None)
        refused(name, "another scheme", f"Basic {token}")
        refused(name, "a changed signature", f"Bearer {changed}")
        refused(name, "no JWT", "Bearer nonsense")
    finally:
        service.kill()
        service.wait()
    service = running(command, "another")
    try:
        refused(name, "a token for another audience", f"Bearer {token}")
    finally:
        service.kill()
        service.wait()
    print(f"{name}: {body['owner']}")
