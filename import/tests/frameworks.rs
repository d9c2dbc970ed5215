//! The forms of frameworks that the vectors do not have. The digests were computed by Python's
//! hashlib, unless a comment says otherwise.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends if something is not as it should be"
)]

use import::forms::{self, FormError, OldPassword, Site};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use shared::domain::password::legacy::Secrets;

const TYPED: &str = "pa'ss wörd";

fn site() -> Site {
    Site {
        secret: "old-site".parse().ok(),
    }
}

fn parse(format: &str, stored: &Value, site: &Site) -> Result<OldPassword, FormError> {
    forms::parse(format, stored, site)
}

fn matches(format: &str, stored: &Value, (site, secret): (&Site, &str), typed: &str) -> bool {
    let mut secrets = Secrets::default();
    secrets.insert("old-site".parse().unwrap(), secret.into());
    match parse(format, stored, site) {
        Ok(OldPassword::Digest { scheme, digest }) => {
            let digests = scheme.digests(typed, &secrets).unwrap();
            let digest = digest.expose_secret();
            digests.iter().any(|one| one.expose_secret() == digest)
        }
        other => panic!("{format} {stored}: {other:?}"),
    }
}

#[test]
fn what_the_vectors_do_not_have_is_verified() {
    let kratos_sha256 = "$sha256$pf=PHtTQUxUfT57UEFTU1dPUkR9LXtTQUxUfQ==$U0FMVA==$\
                         fw9a+mLWGJBA4d7oxHVvKab2aS0urqHkiRyKNvneKgA=";
    let credential = json!({
        "hash": "moAXA1wUIcdyM3D9sxpe/vdKerYb/S/hCWfRSuWlmwLaF0+RYKbx3neQzyDWpoqFb1u56xT7V7cZ2FR8+s+LUZ2O",
        "salt": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5",
        "keyLength": 66, "hashMethod": "pbkdf2", "iterations": 1000,
    });
    let cases = [
        ("credential", credential.clone()),
        ("credential", json!(credential.to_string())),
        (
            "lucia-2",
            json!(
                "abcdefghijklmnop:fbe45d3a243c4509fa8ba604ab2711c45083b592d2e0f75c36a3c48d841d0c37\
                 a7ac81ab08ba9bead0a5ae932a8f7697ef278c9e7355cd9385429116dd4bf6bb"
            ),
        ),
        (
            "keycloak",
            json!({
                "type": "password",
                "secretData": {
                    "value": "3AI0nLbqBSxUjkQJhyFYltgQfyAHv4M6aUNG/7pWqDc98DOMQL7j4jA6bKCdkVBShd3gfsCRziKS9FW6qRmdyg==",
                    "salt": "MDEyMzQ1Njc4OWFiY2RlZg==",
                },
                "credentialData": {"hashIterations": 210, "algorithm": "pbkdf2-sha512"},
            }),
        ),
        (
            "keycloak",
            json!({
                "hashedSaltedValue": "JNNfaKWUMnfu0oM2lDOsih3BE/Y=",
                "salt": "MDEyMzQ1Njc4OWFiY2RlZg==",
                "hashIterations": 20,
                "algorithm": "pbkdf2",
            }),
        ),
        (
            "password-hash",
            json!("sha256$salt$3$f540d88ccad9cc4b654ad3d210c1622e1f68d4e5bd1539841a5ed6751429c123"),
        ),
        (
            "aspnet",
            json!(
                "AQAAAAIAAAPoAAAAEDAxMjM0NTY3ODlhYmNkZWZ/MK+bJLy4o4aeGEJlNbRJqYDXPi375+pvQGBcpIuoJg=="
            ),
        ),
        (
            "aspnet",
            json!("ADAxMjM0NTY3ODlhYmNkZWZD+XJmEjwmPJzn6erRyaWXa9FCfmsndno/GuatVj17ZQ=="),
        ),
        (
            "spring:sha-512",
            json!({
                "hash": "{salt}18d790a6a5a1a916ccadb553ba35a2f93106bc34397e1440f6d0203961aa592c\
                         17d226e74909828507f7f40ef0925471233d223341e8b2fdb2025e99d8aa790d",
                "iterations": 7,
            }),
        ),
        ("spring", json!(format!("{{noop}}{TYPED}"))),
        ("kratos", json!(kratos_sha256)),
        (
            "kratos",
            json!(
                "$hmac-sha224$YmQwODY1ZGE0ZmNjODUyZjdhM2M0OWQxZWJkZGNjNThlMTRhYWI4MTY0MGFkNzk5MzRjMzdkZmE=$a2V5"
            ),
        ),
        (
            "kratos",
            json!(
                "$pbkdf2-sha384$i=10,l=24$MDEyMzQ1Njc4OWFiY2RlZg$RpsOYfv+4rSTvoucxDMzX40jE6UyChQv"
            ),
        ),
        (
            "kratos",
            json!(
                "$scrypt$ln=1024,r=4,p=2$MDEyMzQ1Njc4OQ==$HB0312Y71zPVYrK9NYtLIUNZZJr6f9OEKEWI8uDatas="
            ),
        ),
        (
            "node:pbkdf2",
            json!({
                "hash": "805f07812569c5ae0e3800522c9dff67ee066092cde66233efacac6907f040bb",
                "salt": "salt", "digest": "sha256", "iterations": 777,
            }),
        ),
        (
            "passport-local-mongoose",
            json!({
                "hash": "2c188b13e74a258c22b59df0b79ed4263e231f65f3662b2c",
                "salt": "salt", "digest": "SHA512", "iterations": "77", "keylen": 24,
            }),
        ),
        (
            "passlib",
            json!(
                "{FSHP3|8|5}c2FsdHNhbHTmRJ96f8R6mQOy3sTIVeO4I5tVbdEIw7a6Mbsg+eyYrTZhxWAfBSy2j1HyP8qY9PZR8rEyuY6J6PYh82pzxjXx"
            ),
        ),
        (
            "passlib",
            json!("$p5k2$$abcdefgh$Q6wPKzCNqpMrTBYjM/SOW5VyDcNUFsPc"),
        ),
        (
            "werkzeug",
            json!(
                "pbkdf2:sha512:50$NaCl$ea3283d3007e2c8416d033878a0f793aebfb9860cdf9b7a8d63c3a5fa512d538\
                 b81ac66fc6e72ba473f2b27048a4bd6e1eb273f80785b581ff1ece07144dfb29"
            ),
        ),
        ("odoo", json!(TYPED)),
    ];
    let none = (&Site::default(), "");
    for (format, stored) in cases {
        assert!(matches(format, &stored, none, TYPED), "{format} {stored}");
        assert!(!matches(format, &stored, none, "other"), "{format}");
    }
}

#[test]
fn secrets_of_the_old_site_are_part_of_the_password() {
    for (format, stored, secret) in [
        (
            "spring",
            json!(
                "{pbkdf2@SpringSecurity_v5_8}30313233343536373839616263646566f1307c072f67cc8ab9c02e245257f393de3c964d74d6e926c18d96091e85de27"
            ),
            "secret",
        ),
        (
            "spring:pbkdf2-5.5",
            json!(
                "30313233343536376cc8c744641aa1a76fa79fab051fdd69f061bacd1ca05cc39df547cca86a0730"
            ),
            "secret",
        ),
        (
            "spring",
            json!(
                "{sha256}30313233343536371a71bdbd5e32bf4a5b75325f45792b4b7ac2c800d816fe76821f47e871b5cfd5"
            ),
            "secret",
        ),
    ] {
        let here = site();
        assert!(matches(format, &stored, (&here, secret), TYPED), "{format}");
        assert!(!matches(format, &stored, (&here, "other"), TYPED));
    }
}

/// The sample of <https://github.com/firebase/scrypt>, as Kratos keeps it.
#[test]
fn a_signer_key_in_the_text_is_taken_from_the_secrets_alone() {
    let key =
        "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
    let hash =
        "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
    let kratos = json!(format!(
        "$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==${hash}$Bw==${key}"
    ));
    let supabase = json!(format!(
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={key}$42xEC+ixf3L2lw==${hash}"
    ));
    for (format, stored) in [("kratos", kratos), ("supabase", supabase)] {
        let here = site();
        assert!(matches(format, &stored, (&here, key), "user1password"));
        let refused = parse(format, &stored, &Site::default()).unwrap_err();
        assert!(refused.detail.contains("password_secret"), "{refused}");
        let parsed = format!("{:?}", parse(format, &stored, &here));
        assert!(!parsed.contains("jxspr8Ki0RYycVU8"), "{parsed}");
    }
}

#[test]
fn argon2id_of_keycloak_is_kept_as_it_is() {
    let credential = |memory: &str| {
        json!({
            "secretData": {
                "value": "1/LaNLXg9TVyN4iye8ne3QuLfR1YOORwYnwoaRnDG6c=",
                "salt": "TvmOl5g0BKqzqrvvFutbmQ==",
            },
            "credentialData": {
                "hashIterations": 2,
                "algorithm": "argon2",
                "additionalParameters": {
                    "hashLength": ["32"], "memory": [memory], "type": ["id"],
                    "version": ["1.3"], "parallelism": ["1"],
                },
            },
        })
    };
    let kept = parse("keycloak", &credential("19456"), &Site::default()).unwrap();
    let OldPassword::Argon2id { hash, steps } = kept else {
        panic!("{kept:?}");
    };
    let expected = "$argon2id$v=19$m=19456,t=2,p=1$TvmOl5g0BKqzqrvvFutbmQ$1/LaNLXg9TVyN4iye8ne3QuLfR1YOORwYnwoaRnDG6c";
    assert_eq!((hash.to_phc().as_str(), steps.len()), (expected, 0));
    let weak = parse("keycloak", &credential("7168"), &Site::default()).unwrap();
    assert!(matches!(weak, OldPassword::Digest { .. }), "{weak:?}");
}

/// Texts of passlib's manual.
#[test]
fn both_versions_of_bcrypt_sha256_of_passlib_verify() {
    for stored in [
        "$bcrypt-sha256$2a,12$LrmaIX5x4TRtAwEfwJZa1.$2ehnw6LvuIUTM0iz4iz9hTxv21B6KFO",
        "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
    ] {
        let none = (&Site::default(), "");
        assert!(
            matches("passlib", &json!(stored), none, "password"),
            "{stored}"
        );
    }
}

#[test]
fn what_asks_for_too_much_is_refused_with_the_numbers() {
    let digest = "A".repeat(43);
    for (format, stored) in [
        (
            "django",
            json!(format!("pbkdf2_sha256$10000000$salt${digest}=")),
        ),
        (
            "argon2",
            json!(format!(
                "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ${digest}"
            )),
        ),
        ("bcrypt", json!(format!("$2b$31${}.", ".".repeat(52)))),
        (
            "passlib",
            json!(format!("$scrypt$ln=22,r=8,p=1$c2FsdA${digest}")),
        ),
        (
            "credential",
            json!({"hash": "A".repeat(88), "salt": "salt", "hashMethod": "pbkdf2", "iterations": 11_200_000}),
        ),
    ] {
        let refused = parse(format, &stored, &Site::default()).unwrap_err();
        assert!(
            refused.detail.contains("the limits are"),
            "{format}: {refused}"
        );
    }
}

#[test]
fn markers_of_accounts_without_a_password_are_no_errors() {
    for (format, stored) in [
        ("django", "!"),
        ("django", ""),
        ("django-4.2", "!b3JzZSBiYXR0ZXJ5IHN0YXBsZQ"),
        ("devise", ""),
        ("supabase", ""),
        ("werkzeug", ""),
        ("odoo", ""),
    ] {
        let parsed = parse(format, &json!(stored), &Site::default()).unwrap();
        assert!(
            matches!(parsed, OldPassword::Unusable),
            "{format}: {parsed:?}"
        );
    }
}

#[test]
fn altered_bits_at_the_end_of_a_digest_are_an_error() {
    let right = "$2a$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6";
    let altered = "$2a$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL7";
    assert!(parse("bcrypt", &json!(right), &Site::default()).is_ok());
    assert!(parse("bcrypt", &json!(altered), &Site::default()).is_err());
}

#[test]
fn a_form_that_needs_a_secret_says_which() {
    let bcrypt = "$2b$12$xrzTXCsLaQMubZIAth/AJedI/o0V.Ho3QEtYd79v.0Sd8KhoIKM7O";
    let error = parse("flask-security", &json!(bcrypt), &Site::default()).unwrap_err();
    assert!(error.detail.contains("SECURITY_PASSWORD_SALT"), "{error}");
    let firebase = json!({
        "passwordHash": "AAAA", "salt": "AAAA", "saltSeparator": "Bw==", "rounds": 8, "memCost": 14,
    });
    let error = parse("firebase", &firebase, &Site::default()).unwrap_err();
    assert!(error.detail.contains("base64_signer_key"), "{error}");
}
