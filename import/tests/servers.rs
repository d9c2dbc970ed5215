//! The forms of servers that the vectors do not have. The digests were computed by Python's hashlib.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends if something is not as it should be"
)]

use import::forms::{self, FormError, OldPassword, Site};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use shared::domain::password::legacy::Secrets;

fn parse(format: &str, stored: &Value) -> Result<OldPassword, FormError> {
    forms::parse(format, stored, &Site::default())
}

fn matches(format: &str, stored: &Value, password: &str) -> bool {
    let Ok(OldPassword::Digest { scheme, digest }) = parse(format, stored) else {
        panic!("{format} {stored} is no digest");
    };
    let digests = scheme.digests(password, &Secrets::default()).unwrap();
    digests
        .iter()
        .any(|one| one.expose_secret() == digest.expose_secret())
}

#[test]
fn what_the_vectors_do_not_have_is_verified() {
    let sha1_hex = "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4";
    let cases = [
        (
            "drupal",
            json!("U$S$8abcdefghlmLDL3UbvsShNV4FJKykXTxN2ZHH7zyuMG7d63n2You"),
        ),
        ("drupal", json!("5ebe2294ecd0e0f08eab7690d2a6ee69")),
        ("drupal", json!("$P$6abcdefgharBMYmkis5xpOIIaNxuTU/")),
        ("dokuwiki", json!(sha1_hex)),
        (
            "dokuwiki",
            json!("U$S$8abcdefghlmLDL3UbvsShNV4FJKykXTxN2ZHH7zyuMG7d63n2You"),
        ),
        (
            "openldap",
            json!(
                "{ssha384}pCu3ByUDTfjmqo8jjK4L78M/T7XCIWTYNX4YHUrbuI+x5IvM7YhqAGw+Nf5DLgewc29tZXNhbHQ="
            ),
        ),
        ("openldap", json!("secret")),
        ("zope", json!("{SHA}5en6G6MezRroT3XKqkdPOmY_BfQ=")),
        ("zope", json!("secret")),
        (
            "dovecot",
            json!(
                "{ssha256.hex}fc0f0068a3a2da4d3d5f46a6a80e74f519cd319dbdada6b1589a59e6948e4223736f6d6573616c74"
            ),
        ),
        ("dovecot", json!("{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ=")),
        ("dovecot", json!(format!("{{SHA}}{sha1_hex}"))),
        ("dovecot", json!("{MD5}5ebe2294ecd0e0f08eab7690d2a6ee69")),
        ("dovecot", json!("{PLAIN.b64}c2VjcmV0")),
        ("passlib", json!(format!("{{SHA}}{sha1_hex}"))),
        (
            "passlib",
            json!("S:46AFEDE1B7060D5B33FB427D453AE7954206B11330313233343536373839"),
        ),
        ("passlib:plaintext", json!("secret")),
        (
            "postgres",
            json!({"hash": "md54a0a68b43b6cd5cf266fa02f196e2371", "role": "alice"}),
        ),
    ];
    for (format, stored) in cases {
        assert!(matches(format, &stored, "secret"), "{format} {stored}");
        assert!(!matches(format, &stored, "Secret"), "{format} {stored}");
    }
}

#[test]
fn a_wrapped_hash_of_mediawiki_is_verified() {
    let stored = json!(
        ":pbkdf2-legacyB:!sha512:1000:64!ab12cd34!MDEyMzQ1Njc4OWFiY2RlZg==!\
         Iewb2wsAGKVCbLeYZZUKdsdP4Cdv0IkaGlU4Ex2d/BhY0Jxd3Nruze+xZKOayjQfmpBkyfQd0253DaGpBusY3w=="
    );
    assert!(matches("mediawiki", &stored, "p\u{e4}ssword"));
    assert!(!matches("mediawiki", &stored, "passw\u{f6}rd"));
}

#[test]
fn a_locked_account_of_a_server_has_no_password() {
    for (format, stored) in [
        ("crypt", "!$6$saltstring$hash"),
        ("crypt", "*"),
        ("crypt", ""),
        ("passlib", "*"),
        ("mediawiki", ""),
    ] {
        let parsed = parse(format, &json!(stored));
        assert!(
            matches!(parsed, Ok(OldPassword::Unusable)),
            "{format} {stored}"
        );
    }
}

#[test]
fn what_cannot_be_imported_says_why() {
    let sha512 =
        "be1ziWeZU4hiUq1fwRKbUBpms5RSdlz8Sm/J/cD.yTsOsNVQvRgdC2LHTBYFR458LkPso9YtKszNeSE8J13H50";
    let ten_million = format!("$6$rounds=10000000$saltsalt${sha512}");
    for (format, stored, why) in [
        ("crypt", "x", "is an x: the hash is in /etc/shadow"),
        (
            "crypt",
            "$9$a$b",
            "is of a kind of crypt(3) that is not known here",
        ),
        (
            "wordpress",
            "$H$9aaaaaSXBjgypwqm.JsMssPLiS8YQ00",
            "see wordpress-6.7",
        ),
        ("php", ten_million.as_str(), "would take about"),
        ("crypt", "_zzzzrasmBYk8r9AiWNc", "would take about"),
        (
            "crypt",
            "$1$saltsalt$BsXyQbZiQujHkdhwPwdolz",
            "does not write",
        ),
        (
            "openldap",
            "{SASL}alice@example.com",
            "tells where the password is verified",
        ),
        (
            "openldap",
            "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
            "has no salt",
        ),
        ("dovecot", "secret", "has no scheme"),
        ("dovecot", "{CRAM-MD5}00", "logins by challenge"),
        (
            "postgres",
            "md54a0a68b43b6cd5cf266fa02f196e2371",
            "needs the role",
        ),
        (
            "passlib",
            "5ebe2294ecd0e0f08eab7690d2a6ee69",
            "does not tell its scheme",
        ),
    ] {
        let error = parse(format, &json!(stored)).unwrap_err().to_string();
        assert!(error.contains(why), "{format} {stored}: {error}");
    }
}
