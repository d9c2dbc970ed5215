#!/usr/bin/env bash
# cargo-lambda 1.9.2: the deadline that `cargo lambda watch` gives an invocation. Lambda sends the header
# Lambda-Runtime-Deadline-Ms, the time at which the function times out, in milliseconds since 1970. cargo-lambda sends
# the time that is left, 600000, so the deadline of every invocation is ten minutes after the beginning of 1970. Code
# that stops in time before its deadline, which is right in Lambda, stops at once.
#
# Output seen:
#   deadline 600000
set -euo pipefail
work=$(mktemp -d)
watch=
trap '[ -z "$watch" ] || kill -- "-$watch" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check cargo-lambda==1.9.2
export PATH="$work/venv/bin:$PATH" CARGO_TARGET_DIR="$work/target"
mkdir "$work/src"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
lambda_runtime = { version = "=1.5.0", default-features = false }
serde_json = "1"
tokio = { version = "1", features = ["macros"] }

[workspace]
TOML
cat >"$work/src/main.rs" <<'RUST'
use lambda_runtime::{run, service_fn, Error, LambdaEvent};
use serde_json::{json, Value};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(|event: LambdaEvent<Value>| async move {
        Ok::<_, Error>(json!({ "deadline": event.context.deadline }))
    }))
    .await
}
RUST
cd "$work"
cargo build --quiet
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
set -m
cargo lambda watch --invoke-address 127.0.0.1 --invoke-port "$port" --ignore-changes >"$work/log" 2>&1 &
watch=$!
answer=
for _ in $(seq 60); do
    answer=$(curl --silent --max-time 60 "http://127.0.0.1:$port/2015-03-31/functions/finding/invocations" -d '{}') && break
    sleep 1
done
deadline=$(printf %s "$answer" | python3 -c 'import json, sys; print(json.load(sys.stdin)["deadline"])') || {
    cat "$work/log"
    exit 1
}
echo "deadline $deadline"
[ "$deadline" = 600000 ]
