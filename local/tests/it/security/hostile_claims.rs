//! Tokens with our own signature and claims that are none of ours. Each is refused, by the authorizer
//! and by the functions.

use serde_json::{Value, json};

use super::hostile_tokens::{Forge, SUB, all_refused, passes};
use crate::support::app::App;

#[tokio::test]
async fn claims_that_are_missing_repeated_or_of_another_type_are_refused() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let mut tokens = Vec::new();
    for name in [
        "iss",
        "sub",
        "aud",
        "client_id",
        "exp",
        "iat",
        "jti",
        "sid",
        "roles",
        "scope",
        "email_verified",
        "auth_time",
        "amr",
    ] {
        // Roles and scopes are left out if there are none. Tokens of an earlier version lack others.
        let may_be_missing = ["roles", "scope", "email_verified", "auth_time", "amr"];
        if !may_be_missing.contains(&name) {
            tokens.push(("a claim missing", forge.without_claim(name)));
        }
        tokens.push(("a claim null", forge.with_claim(name, Value::Null)));
        tokens.push(("a claim an object", forge.with_claim(name, json!({}))));
        let once = forge.claims()[name].to_string();
        let twice = forge
            .claims()
            .to_string()
            .replacen('{', &format!("{{\"{name}\":{once},"), 1);
        tokens.push((
            "a claim twice",
            forge.token(&forge.header().to_string(), &twice),
        ));
    }
    for sub in [
        "",
        "ada@example.com",
        &SUB.to_uppercase(),
        &SUB.replace('-', ""),
        "018bcfe5",
    ] {
        tokens.push((
            "a sub that is no identifier",
            forge.with_claim("sub", json!(sub)),
        ));
    }
    for jti in ["", " "] {
        if jti.is_empty() {
            tokens.push(("an empty jti", forge.with_claim("jti", json!(jti))));
        }
    }
    tokens.push((
        "an empty client_id",
        forge.with_claim("client_id", json!("")),
    ));
    for roles in [
        json!("admin"),
        json!([7]),
        json!(["two words"]),
        json!([null]),
    ] {
        tokens.push(("roles of another type", forge.with_claim("roles", roles)));
    }
    for (name, value) in [
        ("scope", json!(["users:read"])),
        ("scope", json!("")),
        ("scope", json!("users:read  users:write")),
        ("scope", json!(" users:read")),
        ("scope", json!("users:read\tusers:write")),
        ("scope", json!("a\"b")),
        ("scope", json!("\u{e4}")),
        ("auth_time", json!("1")),
        ("auth_time", json!(-1)),
        ("auth_time", json!(1.5)),
        ("amr", json!("pwd")),
        ("amr", json!([7])),
        ("amr", json!(["pwd otp"])),
        ("amr", json!([""])),
    ] {
        tokens.push(("a claim of another form", forge.with_claim(name, value)));
    }
    all_refused(&app, tokens).await;
}

#[tokio::test]
async fn claims_that_are_no_utf_8_json_object_are_refused() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let header = forge.header().to_string();
    let claims = forge.claims().to_string();
    let utf_16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let octet = |b| if b == b'?' { 0xe9 } else { b };
    let latin_1: Vec<u8> = claims.replace("j-1", "j-?").bytes().map(octet).collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a BOM", [b"\xef\xbb\xbf", claims.as_bytes()].concat()),
        ("UTF-16", utf_16),
        ("latin-1", latin_1),
        ("a trailer", format!("{claims} {claims}").into_bytes()),
        ("a blank before", format!("\n{claims}").into_bytes()),
        ("an array", format!("[{claims}]").into_bytes()),
        ("a text", json!(claims).to_string().into_bytes()),
        ("no JSON", b"claims".to_vec()),
        ("nothing", b"{}".to_vec()),
    ];
    let tokens = cases
        .into_iter()
        .map(|(what, claims)| (what, forge.token_of(header.as_bytes(), &claims)));
    all_refused(&app, tokens.collect()).await;

    // Nobody reads these members.
    let texts: [&[u8]; 5] = [
        b"\"\xff\"",
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\\ud800\"",
        b"{\"deep\":[\"\xe9\"]}",
    ];
    let tokens = texts.map(|text| {
        let claims = [
            &claims.as_bytes()[..claims.len() - 1],
            b",\"extra\":",
            text,
            b"}",
        ]
        .concat();
        (
            "a text that is none, where nobody reads it",
            forge.token_of(header.as_bytes(), &claims),
        )
    });
    let named = [
        claims.as_bytes()[..claims.len() - 1].to_vec(),
        b",\"\xff\":1}".to_vec(),
    ]
    .concat();
    let named = (
        "a name that is none",
        forge.token_of(header.as_bytes(), &named),
    );
    all_refused(&app, tokens.into_iter().chain([named]).collect()).await;
    let good = format!(
        "{},\"extra\":{{\"deep\":[\"\u{e9}\\ud83d\\ude00\"]}}}}",
        &claims[..claims.len() - 1]
    );
    assert!(passes(&app, &forge.token(&header, &good)).await, "{good}");
}
