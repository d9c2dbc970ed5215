#!/usr/bin/env bash
# MiniStack 1.5.33: an HTTP API that is called by its own host name (ID.execute-api.localhost, as AWS names it) never
# gets `POST /login`, `GET /logout`, `GET /oauth2/authorize`, `POST /oauth2/token` and `GET /health`: MiniStack answers
# them itself, as Cognito or with its own state, although the host name is the API's. By the path
# /_aws/execute-api/ID/... the same API gets them. .ci/stack uses the path.
#
# Output seen:
#   POST /login            host: 400 {"error": "invalid_client", "error_description": "Client  not found."}
#   POST /login            path: 200 POST /login
#   POST /register         host: 200 POST /register
#   and likewise for the others
set -euo pipefail
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null && wait "$server" || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
TMPDIR=$work BIND_HOST=127.0.0.1 GATEWAY_PORT=$port IOT_MTLS_ENABLED=0 LAMBDA_EXECUTOR=local \
    "$work/venv/bin/ministack" >"$work/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    curl --silent --output /dev/null "http://127.0.0.1:$port/_ministack/health" && break
    sleep 0.1
done
"$work/venv/bin/python" - "$port" <<'PYTHON'
import http.client
import io
import sys
import zipfile

import boto3

port = int(sys.argv[1])
options = {
    "endpoint_url": f"http://127.0.0.1:{port}",
    "region_name": "us-east-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("index.py", "def handler(event, _): return {'statusCode': 200, 'body': event['routeKey']}")
function = boto3.client("lambda", **options).create_function(
    FunctionName="function",
    Runtime="python3.13",
    Handler="index.handler",
    Role="arn:aws:iam::000000000000:role/function",
    Code={"ZipFile": code.getvalue()},
)
gateway = boto3.client("apigatewayv2", **options)
api = gateway.create_api(Name="api", ProtocolType="HTTP")["ApiId"]
integration = gateway.create_integration(
    ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function["FunctionArn"], PayloadFormatVersion="2.0"
)
taken = ["POST /login", "GET /logout", "GET /oauth2/authorize", "POST /oauth2/token", "GET /health"]
for route in [*taken, "POST /register"]:
    gateway.create_route(ApiId=api, RouteKey=route, Target=f"integrations/{integration['IntegrationId']}")
gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)


def call(route, host, prefix):
    method, path = route.split()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, prefix + path, headers={"host": f"{host}:{port}"})
    answer = connection.getresponse()
    return f"{answer.status} {answer.read().decode()[:80]}"


for route in [*taken, "POST /register"]:
    by_host = call(route, f"{api}.execute-api.localhost", "")
    by_path = call(route, "127.0.0.1", f"/_aws/execute-api/{api}")
    print(f"{route:22} host: {by_host}\n{route:22} path: {by_path}")
    assert by_path == f"200 {route}", by_path
    assert (by_host == by_path) == (route not in taken), by_host
PYTHON
