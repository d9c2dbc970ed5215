#!/usr/bin/env bash
# language-tags 0.3.2, a parser of language tags (RFC 5646) for Rust: it does not look into a tag that is private as a
# whole. Section 2.1: privateuse = "x" 1*("-" (1*8alphanum)), so each subtag has one to eight characters. Behind the
# language of a longer tag, the same subtags are refused. Code that trusts the parser and splits the tag meets subtags
# that are empty or too long. oxilangtag 0.1.6, which began as a copy of it, refuses them everywhere.
#
# Output seen:
#   tag               language-tags oxilangtag
#   "x-private"       accepted      accepted
#   "x--a"            accepted      refused
#   "x-a-"            accepted      refused
#   "x-ninechars"     accepted      refused
#   "de-x--a"         refused       refused
#   "de-x-ninechars"  refused       refused
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
language-tags = "=0.3.2"
oxilangtag = "=0.1.6"

[workspace]
TOML
cat >"$work/src/main.rs" <<'RUST'
fn main() {
    let word = |is_accepted| if is_accepted { "accepted" } else { "refused" };
    println!("{:<17} language-tags oxilangtag", "tag");
    for tag in ["x-private", "x--a", "x-a-", "x-ninechars", "de-x--a", "de-x-ninechars"] {
        let first = word(language_tags::LanguageTag::parse(tag).is_ok());
        let second = word(oxilangtag::LanguageTag::parse(tag).is_ok());
        println!("{:<17} {first:<13} {second}", format!("{tag:?}"));
    }
}
RUST
cd "$work"
CARGO_TARGET_DIR="$work/target" cargo run --quiet >"$work/out"
cat "$work/out"
diff "$work/out" - <<'END'
tag               language-tags oxilangtag
"x-private"       accepted      accepted
"x--a"            accepted      refused
"x-a-"            accepted      refused
"x-ninechars"     accepted      refused
"de-x--a"         refused       refused
"de-x-ninechars"  refused       refused
END
