#!/usr/bin/env bash
# mime 0.3.18, the crate that parses Content-Type for axum, reqwest and lambda_http: media types that the grammar of
# RFC 9110 sections 5.6.6 and 8.3.1 allows, and that it refuses, and one that the grammar refuses and it accepts.
#
# 1. Blanks before a semicolon are refused, although the grammar allows them on both sides of it.
# 2. A semicolon without a parameter behind it is allowed at the end only if no parameter stood before it.
# 3. An empty quoted string is refused, and so is a quoted string with an escaped quote.
# 4. A parameter without a value is accepted; a token has at least one character.
#
# Output seen:
#   refused  "application/json ; charset=utf-8"
#   accepted "application/json;"
#   refused  "application/json;;charset=utf-8"
#   refused  "application/json; a=\"\""
#   refused  "application/json; a=\"q\\\"x\""
#   accepted "application/json; a="
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
mime = "=0.3.18"

[workspace]
TOML
cat >"$work/src/main.rs" <<'RUST'
fn main() {
    for text in [
        "application/json ; charset=utf-8",
        "application/json;",
        "application/json;;charset=utf-8",
        "application/json; a=\"\"",
        "application/json; a=\"q\\\"x\"",
        "application/json; a=",
    ] {
        let outcome = match text.parse::<mime::Mime>() {
            Ok(_) => "accepted",
            Err(_) => "refused",
        };
        println!("{outcome:<8} {text:?}");
    }
}
RUST
cd "$work"
CARGO_TARGET_DIR="$work/target" cargo run --quiet >"$work/out"
cat "$work/out"
diff "$work/out" - <<'END'
refused  "application/json ; charset=utf-8"
accepted "application/json;"
refused  "application/json;;charset=utf-8"
refused  "application/json; a=\"\""
refused  "application/json; a=\"q\\\"x\""
accepted "application/json; a="
END
