# The steps of .ci/run, each as a recipe: `just test`. Each works from a clean clone and installs what it needs in
# target/. Without `just`, run the lines by hand, or `.ci/just test`.

set ignore-comments

export PATH := justfile_directory() / "target/tools/bin:" + env("PATH")
export SAM_CLI_TELEMETRY := "0"

[private]
list:
    @just --list --unsorted

# All of the below, as .ci/run orders it: half an hour on two cores
ci:
    .ci/run

# The quick ones: format and lint
check: format lint

# The formatting of the Rust code
format:
    cargo fmt --all --check

# Clippy, without warnings
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings
    # The authorizer on its own, as SAM builds it: without what only the other functions need.
    cargo clippy -p authorizer --locked -- -D warnings

# The dependencies' licences, bans, sources and advisories
deps:
    .ci/deps

# The documentation of the crates, and the numbers of docs/cost.md
docs:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
    .ci/cost

# The links and the diagrams of the pages
pages:
    .ci/docs/run

# All tests
test:
    cargo test --workspace

# cargo xtask new-function and the function of docs/integrate.md, on a copy of the tree
scaffold: tools
    .ci/scaffold

# The parts of the benchmark that are useful without optimisation
bench:
    cargo run --quiet -p bench -- --only inner --only ratchet

# The template: sam validate and cfn-lint
template: tools
    sam validate --lint --region eu-west-1
    cfn-lint --template template.yaml monitoring.yaml --regions eu-west-1 us-east-1

# What checkov says of the template
checkov:
    .ci/checkov/run

# The binaries as SAM builds them, under a Lambda runtime API
bootstraps: sam-build
    # --workspace, so that the test is the one that `just test` builds.
    BOOTSTRAPS="$PWD/.aws-sam/build" cargo test --workspace --test it -- bootstraps

# The template, deployed on MiniStack: real binaries, roles, keys and API
stack: sam-build
    .ci/stack/run

# The example client, in Node.js and in a browser
clients: browser
    REQUIRE_BROWSER=1 .ci/clients/run

# Tokens, verified by the libraries of others
interop: tools
    .ci/interop/run

# The commands of docs/operations.md
operations: tools
    .ci/operations

# The conversation of docs/tutorial.md under cargo lambda watch
watch: tools
    .ci/watch

# The clients that OpenAPI Generator makes, compiled, and two of them against cargo run
generators:
    PORT=3021 DYNAMODB_PORT=8021 .ci/generators/run

# The description of the API: linters, schemathesis, and the page in a browser
openapi:
    PORT=3020 DYNAMODB_PORT=8020 .ci/openapi/run

# The SAM CLI with cfn-lint, the AWS CLI, cargo-lambda
[private]
tools:
    .ci/tools

# Chromium and chromedriver
[private]
browser:
    .ci/browser

[private]
sam-build: tools
    sam build --parameter-overrides Architecture=x86_64
