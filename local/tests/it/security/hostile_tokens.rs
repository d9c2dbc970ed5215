//! Hostile tokens. The authorizer and a function without an authorizer must both refuse each of
//! them, and accept the honest token that it is made from.
//!
//! The list is that of the project's security requirements on validating access tokens. The
//! comments name the vulnerability that a token imitates.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::app::bare_event;
use crate::support::app::{App, BEGINNING, data_dir, text};

pub(super) const SUB: &str = "018bcfe5-687b-7000-8000-000000000001";
const SID: &str = "018bcfe5-687b-7000-8000-000000000002";

/// Makes tokens with the key that Latchkey signs with, or with others.
pub(super) struct Forge {
    key: EncodingKey,
    kid: String,
    issuer: String,
}

impl Forge {
    pub(super) fn new(app: &App) -> Self {
        let pem = std::fs::read(data_dir().join("signing-key.pem")).unwrap();
        let jwks = std::fs::read(data_dir().join("jwks.json")).unwrap();
        let jwks: Value = shared::platform::json::parse(&jwks).unwrap();
        Self {
            key: EncodingKey::from_rsa_pem(&pem).unwrap(),
            kid: text(&jwks["keys"][0], "kid"),
            issuer: app.local.url.clone(),
        }
    }

    pub(super) fn header(&self) -> Value {
        json!({"alg": "RS256", "typ": "at+jwt", "kid": self.kid})
    }

    pub(super) fn claims(&self) -> Value {
        json!({
            "iss": self.issuer, "sub": SUB, "aud": "latchkey", "client_id": "latchkey",
            "exp": BEGINNING + 900, "iat": BEGINNING, "jti": "j-1", "sid": SID, "roles": [],
            "scope": "users:read", "email_verified": false, "auth_time": BEGINNING, "amr": ["pwd"],
        })
    }

    fn honest(&self) -> String {
        self.token(&self.header().to_string(), &self.claims().to_string())
    }

    /// Returns a token signed by our own key, with any content.
    pub(super) fn token(&self, header: &str, claims: &str) -> String {
        self.token_of(header.as_bytes(), claims.as_bytes())
    }

    pub(super) fn token_of(&self, header: &[u8], claims: &[u8]) -> String {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = sign(message.as_bytes(), &self.key, Algorithm::RS256).unwrap();
        format!("{message}.{signature}")
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.token(&header.to_string(), &self.claims().to_string())
    }

    fn without_header(&self, name: &str) -> String {
        let mut header = self.header();
        header.as_object_mut().unwrap().remove(name);
        self.token(&header.to_string(), &self.claims().to_string())
    }

    pub(super) fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        self.token(&self.header().to_string(), &claims.to_string())
    }

    pub(super) fn without_claim(&self, name: &str) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        self.token(&self.header().to_string(), &claims.to_string())
    }
}

/// Returns whether the authorizer and the bare function accept a token. They must agree.
pub(super) async fn passes(app: &App, token: &str) -> bool {
    let bearer = format!("Bearer {token}");
    let asked = json!({
        "version": "2.0", "type": "REQUEST", "identitySource": [bearer],
        "requestContext": {"domainName": "127.0.0.1", "requestId": "r-1"},
    });
    let verdict = app
        .local
        .functions
        .invoke("authorizer", asked)
        .await
        .unwrap();
    let allowed = verdict["isAuthorized"].as_bool().unwrap();
    assert_eq!(verdict.get("context").is_some(), allowed, "{verdict}");

    let answer = app
        .local
        .functions
        .invoke("profile", bare_event(Some(&bearer)))
        .await
        .unwrap();
    assert_eq!(
        answer["statusCode"], 401,
        "the account is not there: {answer}"
    );
    let challenge = text(&answer["headers"], "www-authenticate");
    assert!(
        challenge.starts_with("Bearer realm=\"latchkey\", error=\"invalid_token\""),
        "{challenge}"
    );
    allowed
}

pub(super) async fn all_refused(app: &App, tokens: Vec<(&str, String)>) {
    for (what, token) in tokens {
        assert!(!passes(app, &token).await, "{what}: {token}");
    }
}

#[tokio::test]
async fn the_honest_token_passes_and_says_who_it_is() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    assert!(passes(&app, &forge.honest()).await);
    let asked = json!({"identitySource": [format!("Bearer {}", forge.honest())]});
    let verdict = app
        .local
        .functions
        .invoke("authorizer", asked)
        .await
        .unwrap();
    let expected = json!({
        "sub": SUB, "sid": SID, "roles": "", "scope": "users:read", "email_verified": false,
        "auth_time": BEGINNING, "amr": "pwd", "exp": BEGINNING + 900,
    });
    assert_eq!(verdict, json!({"isAuthorized": true, "context": expected}));
}

#[tokio::test]
async fn variants_that_the_standards_allow_pass() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    // Unknown members are skipped without recursion, and 8 KiB bound them.
    let (header, claims) = (forge.header().to_string(), forge.claims().to_string());
    let nested = format!("{{\"deep\":{}0{},", "[".repeat(1500), "]".repeat(1500));
    let deep = forge.token(&header, &claims.replacen('{', &nested, 1));
    for token in [
        deep,
        forge.with_header("typ", json!("application/at+jwt")),
        forge.with_header("typ", json!("AT+JWT")),
        forge.with_claim("aud", json!(["other", "latchkey"])),
        forge.with_claim("nbf", json!(BEGINNING)),
        forge.with_claim("roles", json!(["admin", "billing:read"])),
        forge.without_claim("roles"),
        // As those of an earlier version.
        forge.without_claim("email_verified"),
        forge.without_claim("scope"),
        forge.without_claim("auth_time"),
        forge.without_claim("amr"),
        // As those of a later version.
        forge.with_claim("amr", json!(["hwk", "user", "mfa"])),
        // All that RFC 6749 section 3.3 allows in a scope.
        forge.with_claim("scope", json!("A!#[]~ https://example.com/notes")),
        forge.with_claim("https://example.com/plan", json!({"a": [1]})),
        forge.with_claim("email_verified", json!(true)),
        forge.with_claim("unknown", json!({"a": [1]})),
        forge.with_claim("exp", json!(BEGINNING - 29)),
        forge.with_claim("iat", json!(BEGINNING + 30)),
    ] {
        assert!(passes(&app, &token).await, "{token}");
    }
}

#[tokio::test]
async fn another_algorithm_is_refused_whatever_the_signature() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let unsigned = |alg: &str| {
        let mut header = forge.header();
        header["alg"] = json!(alg);
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", encode(&header), encode(&forge.claims()))
    };
    // CVE-2022-29217, CVE-2023-48223: the public key as an HMAC secret.
    let jwks = std::fs::read_to_string(data_dir().join("jwks.json")).unwrap();
    let mut header = forge.header();
    header["alg"] = json!("HS256");
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&header), encode(&forge.claims()));
    let secret = EncodingKey::from_secret(jwks.as_bytes());
    let mac = sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
    let confused = format!("{message}.{mac}");
    // Our own key with another hash of its family.
    let mut header = forge.header();
    header["alg"] = json!("RS384");
    let message = format!("{}.{}", encode(&header), encode(&forge.claims()));
    let signature = sign(message.as_bytes(), &forge.key, Algorithm::RS384).unwrap();
    let sibling = format!("{message}.{signature}");
    let mut tokens = vec![("public key as a secret", confused), ("RS384", sibling)];
    // CVE-2015-9235, in several letter cases.
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        tokens.push(("alg none", unsigned(alg)));
        tokens.push(("alg none, signed", forge.with_header("alg", json!(alg))));
    }
    for alg in [
        "rs256", "RS256 ", "RS512", "PS256", "ES256", "EdDSA", "HS256",
    ] {
        tokens.push((
            "another alg over our signature",
            forge.with_header("alg", json!(alg)),
        ));
    }
    all_refused(&app, tokens).await;
}

#[tokio::test]
async fn a_header_with_anything_but_alg_typ_and_kid_is_refused() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let jwk = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
    let url = json!("https://attacker.example/keys");
    let mut tokens = vec![
        // CVE-2018-0114: the attacker's key in the header.
        ("jwk", forge.with_header("jwk", jwk)),
        ("jku", forge.with_header("jku", url.clone())),
        ("x5u", forge.with_header("x5u", url)),
        ("x5c", forge.with_header("x5c", json!(["AA=="]))),
        ("x5t", forge.with_header("x5t", json!("AA"))),
        // CVE-2025-59420, CVE-2026-32597: critical extensions that are not supported.
        ("crit", forge.with_header("crit", json!(["exp"]))),
        ("empty crit", forge.with_header("crit", json!([]))),
        ("b64", forge.with_header("b64", json!(false))),
        ("zip", forge.with_header("zip", json!("DEF"))),
        ("cty", forge.with_header("cty", json!("JWT"))),
        ("enc", forge.with_header("enc", json!("A256GCM"))),
    ];
    for name in ["alg", "typ", "kid"] {
        tokens.push(("a member missing", forge.without_header(name)));
        tokens.push(("a member null", forge.with_header(name, Value::Null)));
        tokens.push((
            "a member a list",
            forge.with_header(name, json!([forge.header()[name]])),
        ));
    }
    let claims = forge.claims().to_string();
    let kid = &forge.kid;
    for (what, header) in [
        (
            "alg twice",
            format!(r#"{{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"{kid}"}}"#),
        ),
        ("an array", format!(r#"["RS256","at+jwt","{kid}"]"#)),
        ("a trailer", format!("{}x", forge.header())),
        ("a BOM", format!("\u{feff}{}", forge.header())),
        ("a blank before", format!(" {}", forge.header())),
        ("nothing", String::new()),
    ] {
        tokens.push((what, forge.token(&header, &claims)));
    }
    all_refused(&app, tokens).await;
}

#[tokio::test]
async fn another_kind_of_token_is_refused() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let typ = |typ: &str| ("another typ", forge.with_header("typ", json!(typ)));
    let typs = [
        "JWT",
        "jwt",
        "id+jwt",
        "at+jwt ",
        "application/at+jwt+x",
        "x/at+jwt",
        "",
    ];
    all_refused(&app, typs.map(typ).to_vec()).await;
}

#[tokio::test]
async fn a_key_is_found_by_its_exact_name_among_ours_and_nowhere_else() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let long = "k".repeat(5000);
    let upper = forge.kid.to_uppercase();
    let mut tokens: Vec<_> = [
        "",
        "unknown",
        "../../dev/null",
        "' OR 1=1 --",
        "$(id)",
        "\n\nforged log line",
        &long,
        &upper,
    ]
    .into_iter()
    .map(|kid| ("another kid", forge.with_header("kid", json!(kid))))
    .collect();
    // Another deployment's key under our key's name.
    let stranger = App::start().await;
    let other = other_rsa_key();
    let foreign = Forge {
        key: other,
        kid: forge.kid.clone(),
        issuer: forge.issuer.clone(),
    };
    tokens.push(("a stranger's key", foreign.honest()));
    all_refused(&app, tokens).await;
    drop(stranger);
}

fn other_rsa_key() -> EncodingKey {
    let folder = crate::support::app::folder("stranger");
    let pem = folder.join("key.pem");
    local::signing_key::ensure(&pem, &folder.join("jwks.json")).unwrap();
    EncodingKey::from_rsa_pem(&std::fs::read(pem).unwrap()).unwrap()
}

#[tokio::test]
async fn a_signature_that_is_missing_or_altered_is_refused() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let honest = forge.honest();
    let (message, signature) = honest.rsplit_once('.').unwrap();
    let octets = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let with = |octets: &[u8]| format!("{message}.{}", URL_SAFE_NO_PAD.encode(octets));
    let mut tokens = vec![
        ("no signature", message.to_owned()),
        ("an empty signature", format!("{message}.")),
        ("zeros", with(&[0; 256])),
        ("one zero", with(&[0])),
        ("too short", with(&octets[1..])),
        ("too long", with(&[&octets[..], &[0]].concat())),
        ("a zero before", with(&[&[0], &octets[..]].concat())),
    ];
    for place in [0, 128, 255] {
        let mut altered = octets.clone();
        altered[place] ^= 1;
        tokens.push(("one bit altered", with(&altered)));
    }
    let admin = forge.with_claim("roles", json!(["admin"]));
    let admin_message = admin.rsplit_once('.').unwrap().0;
    tokens.push((
        "another token's signature",
        format!("{admin_message}.{signature}"),
    ));
    all_refused(&app, tokens).await;
}

#[tokio::test]
async fn a_token_has_one_form() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let honest = forge.honest();
    let parts: Vec<_> = honest.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("{honest}")
    };
    let repad = |segment: &str| URL_SAFE.encode(URL_SAFE_NO_PAD.decode(segment).unwrap());
    let restandard = |segment: &str| STANDARD.encode(URL_SAFE_NO_PAD.decode(segment).unwrap());
    // RFC 4648 section 3.5: unused bits after the last octet must be zero.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    let sibling = alphabet.as_bytes()[place ^ 1] as char;
    let tail = format!("{}{sibling}", &signature[..signature.len() - 1]);
    let json_form = json!({"payload": claims, "protected": header, "signature": signature});
    all_refused(
        &app,
        vec![
            ("padding", format!("{header}.{claims}.{}", repad(signature))),
            (
                "the standard alphabet",
                format!("{header}.{claims}.{}", restandard(signature)),
            ),
            (
                "non-canonical tail bits",
                format!("{header}.{claims}.{tail}"),
            ),
            ("an empty header", format!(".{claims}.{signature}")),
            ("empty claims", format!("{header}..{signature}")),
            ("four segments", format!("{honest}.{signature}")),
            (
                "five segments, as JWE has",
                format!("{header}.{claims}.{claims}.{claims}.{signature}"),
            ),
            ("a leading dot", format!(".{honest}")),
            ("a trailing dot", format!("{honest}.")),
            ("dots only", "..".to_owned()),
            // CVE-2025-30204.
            ("many dots", ".".repeat(8000)),
            // CVE-2022-39227.
            (
                "the JSON form",
                URL_SAFE_NO_PAD.encode(json_form.to_string()),
            ),
            ("a percent escape", honest.replace('.', "%2e")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_token_of_more_than_8_kib_is_not_looked_at() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let long = forge.with_claim("padding", json!("x".repeat(6500)));
    assert!(long.len() > 8 * 1024, "{}", long.len());
    all_refused(&app, vec![("too long", long)]).await;
    let fits = forge.with_claim("padding", json!("x".repeat(4000)));
    assert!(passes(&app, &fits).await);
}

#[tokio::test]
async fn another_issuer_or_audience_is_refused_letter_for_letter() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let mut tokens = Vec::new();
    let issuer = forge.issuer.clone();
    for iss in [
        json!(""),
        json!("https://attacker.example"),
        json!(format!("{issuer}/")),
        json!(issuer.to_uppercase()),
        json!(&issuer[..issuer.len() - 1]),
        json!([issuer]),
        json!(7),
        json!({"iss": issuer}),
        Value::Null,
    ] {
        tokens.push(("another iss", forge.with_claim("iss", iss)));
    }
    for aud in [
        json!(""),
        json!("other"),
        json!("Latchkey"),
        json!("latchkey "),
        json!("latch"),
        json!([]),
        json!(["other"]),
        json!([["latchkey"]]),
        json!([7, "latchkey"]),
        json!({"latchkey": 1}),
        json!(true),
        Value::Null,
    ] {
        tokens.push(("another aud", forge.with_claim("aud", aud)));
    }
    all_refused(&app, tokens).await;
}

#[tokio::test]
async fn a_token_out_of_its_time_is_refused() {
    let app = App::start().await;
    let forge = Forge::new(&app);
    let now = BEGINNING;
    let mut tokens = vec![
        ("expired", forge.with_claim("exp", json!(now - 30))),
        ("expired long ago", forge.with_claim("exp", json!(0))),
        ("not valid yet", forge.with_claim("nbf", json!(now + 31))),
        ("issued ahead", forge.with_claim("iat", json!(now + 31))),
        (
            "a lifetime that we never issue",
            forge.with_claim("exp", json!(now + 3601)),
        ),
        (
            "an endless lifetime",
            forge.with_claim("exp", json!(u64::MAX)),
        ),
        ("issued in the far past", forge.with_claim("iat", json!(0))),
    ];
    // CVE-2026-25537: a claim of the wrong type is refused, not treated as missing.
    for name in ["exp", "nbf", "iat"] {
        let at = forge.claims()["exp"].as_u64().unwrap();
        for wrong in [
            json!(at.to_string()),
            json!(format!("{at}x")),
            json!([at]),
            json!({"at": at}),
            json!(true),
            Value::Null,
            json!(-1),
            json!(1e300),
            json!(at as f64 + 0.5),
        ] {
            tokens.push(("a time of the wrong type", forge.with_claim(name, wrong)));
        }
    }
    all_refused(&app, tokens).await;
}

#[tokio::test]
async fn an_authorizer_event_without_one_identity_source_is_refused() {
    let app = App::start().await;
    let bearer = format!("Bearer {}", Forge::new(&app).honest());
    for event in [
        json!({}),
        json!({"identitySource": null}),
        json!({"identitySource": []}),
        json!({"identitySource": [bearer, bearer]}),
        json!({"identitySource": [""]}),
        json!({"headers": {"authorization": bearer}}),
    ] {
        let verdict = app
            .local
            .functions
            .invoke("authorizer", event.clone())
            .await
            .unwrap();
        assert_eq!(verdict, json!({"isAuthorized": false}), "{event}");
    }
}
