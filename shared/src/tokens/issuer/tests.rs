use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pem::Pem;
use proptest::prelude::*;

use super::super::verifier::Verifier;
use super::*;
use crate::domain::account::NewAccount;
use crate::domain::auth_method::AuthMethod;
use crate::domain::custom_claims::CustomClaims;
use crate::domain::email::Email;
use crate::domain::id::SessionId;
use crate::domain::name::Name;
use crate::domain::session::{Device, SessionPolicy};
use crate::tokens::claims::Header;
use crate::tokens::private_key::PrivateKey;
use crate::tokens::public_key::jwks;
use crate::tokens::verifier::TokenError;

pub(in crate::tokens) const NOW: u64 = 1_800_000_000;

fn pem(der: &[u8]) -> String {
    pem::encode(&Pem::new("PRIVATE KEY", der))
}

fn rsa() -> String {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    pem(AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap().as_ref())
}

fn ec(curve: &'static EcdsaSigningAlgorithm) -> String {
    pem(EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new())
        .unwrap()
        .as_ref())
}

fn ed25519() -> String {
    let key = Ed25519KeyPair::generate().unwrap();
    pem(key.to_pkcs8v1().unwrap().as_ref())
}

/// The key of each kind that signs, with its algorithm.
pub(in crate::tokens) fn kinds() -> [(PrivateKey, &'static str); 3] {
    let p256 = ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    [(rsa(), "RS256"), (p256, "ES256"), (ed25519(), "EdDSA")]
        .map(|(pem, alg)| (PrivateKey::from_pem(&pem).unwrap(), alg))
}

/// Returns the one key of a signer's key set.
fn published(signer: &PrivateKey) -> serde_json::Value {
    let mut set: serde_json::Value = serde_json::from_str(&jwks([signer.public()])).unwrap();
    set["keys"][0].take()
}

pub(in crate::tokens) fn verifier(jwks: &str) -> Verifier {
    let lookup = |name: &str| match name {
        "JWKS" => Some(jwks.to_owned()),
        "ISSUER" => Some("https://auth.example.com".to_owned()),
        _ => None,
    };
    Verifier::from_env(&Env::new(&lookup)).unwrap()
}

/// The scopes of `issuer`.
pub(in crate::tokens) const ROLE_SCOPES: &str = "admin=users:read users:write;editor=notes:write";

pub(in crate::tokens) fn issuer(key: PrivateKey) -> Issuer {
    let lookup = |name: &str| match name {
        "ISSUER" => Some("https://auth.example.com".to_owned()),
        "ROLE_SCOPES" => Some(ROLE_SCOPES.to_owned()),
        _ => None,
    };
    let env = Env::new(&lookup);
    Issuer {
        signer: Signer::held(key),
        expected: IssuerAndAudience::from_env(&env).unwrap(),
        role_scopes: RoleScopes::from_env(&env).unwrap(),
        lifetime: 900,
    }
}

/// Returns a session that began now.
pub(in crate::tokens) fn session(account: &Account) -> Session {
    let policy = SessionPolicy {
        idle_seconds: 1000,
        max_seconds: 1000,
        grace_seconds: 0,
        repeats: 5,
    };
    Session::begin(account, Device::default(), &policy, NOW * 1000).0
}

/// Returns the claims of a token as they are written.
fn payload(token: &AccessToken) -> serde_json::Value {
    let payload = token.text.split('.').nth(1).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
    crate::platform::json::parse(&payload).unwrap()
}

pub(in crate::tokens) fn account() -> Account {
    let new = NewAccount {
        email: Email::parse("ada@example.com").unwrap(),
        first_name: Name::parse("Ada").unwrap(),
        last_name: Name::parse("Lovelace").unwrap(),
        locale: None,
    };
    Account::open(new, NOW * 1000)
}

pub(in crate::tokens) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// Returns an account with `count` roles of `length` characters.
fn with_roles(count: usize, length: usize) -> Account {
    let role = |n: usize| format!("{n:0>length$}").parse().unwrap();
    Account {
        roles: (0..count).map(role).collect(),
        ..account()
    }
}

fn issue(signer: PrivateKey) -> (AccessToken, SessionId) {
    let session = session(&account());
    let issued = block_on(issuer(signer).issue(&account(), &session, None, NOW));
    (issued.unwrap(), session.id)
}

#[test]
fn a_key_of_each_kind_signs_with_its_own_algorithm_and_its_tokens_verify() {
    for (signer, alg) in kinds() {
        let jwks = jwks([signer.public()]);
        let (token, session) = issue(signer);
        let header = URL_SAFE_NO_PAD
            .decode(token.text.split('.').next().unwrap())
            .unwrap();
        let header: Header = crate::platform::json::parse(&header).unwrap();
        assert_eq!((header.alg.as_str(), header.typ.as_str()), (alg, "at+jwt"));
        let claims = verifier(&jwks).verify(&token.text, None, NOW).unwrap();
        assert_eq!(claims.sid, session);
        assert_eq!(claims.exp, NOW + token.expires_in);
    }
}

#[test]
fn a_token_verifies_with_no_other_key_and_under_no_other_algorithm() {
    let sets: Vec<_> = kinds()
        .into_iter()
        .map(|(signer, _)| jwks([signer.public()]))
        .collect();
    for (signer, alg) in kinds() {
        let own = jwks([signer.public()]);
        let kid = published(&signer)["kid"].clone();
        let (token, _) = issue(signer);
        for jwks in &sets {
            let verdict = verifier(jwks).verify(&token.text, None, NOW);
            assert_eq!(verdict, Err(TokenError::UnknownKey));
            // The token is refused even if the other key has the same `kid`.
            let mut set: serde_json::Value = serde_json::from_str(jwks).unwrap();
            set["keys"][0]["kid"] = kid.clone();
            let verdict = verifier(&set.to_string()).verify(&token.text, None, NOW);
            let same_family = set["keys"][0]["alg"] == alg;
            let expected = if same_family {
                TokenError::Signature
            } else {
                TokenError::Alg
            };
            assert_eq!(verdict, Err(expected));
        }
        assert!(verifier(&own).verify(&token.text, None, NOW).is_ok());
    }
}

/// Replaces the signature of a token.
fn resigned(token: &str, signature: &[u8]) -> String {
    let message = token.rsplit_once('.').unwrap().0;
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn signatures_of_elliptic_curves_have_one_form_and_are_within_range() {
    // The orders of P-256 (big-endian) and of edwards25519 (little-endian).
    const P256_ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    const ED25519_ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    for (signer, alg) in kinds().into_iter().skip(1) {
        let verifier = verifier(&jwks([signer.public()]));
        let (token, _) = issue(signer);
        let honest = URL_SAFE_NO_PAD
            .decode(token.text.rsplit('.').next().unwrap())
            .unwrap();
        assert_eq!(honest.len(), 64, "{alg}");
        let (r, s) = honest.split_at(32);
        let mut hostile = vec![
            // CVE-2022-21449: r = s = 0.
            vec![0; 64],
            [r, &[0; 32]].concat(),
            [&[0; 32], s].concat(),
            honest[..63].to_vec(),
            [&honest[..], &[0]].concat(),
        ];
        if alg == "ES256" {
            hostile.push([r, &P256_ORDER].concat());
            hostile.push([&P256_ORDER, s].concat());
            // DER, as KMS and OpenSSL write it.
            let der = [&[0x30, 68, 2, 32], r, &[2, 32], s].concat();
            hostile.push(der);
        } else {
            // RFC 8032 section 5.1.7: S + L is the same number as S modulo L and must not pass.
            let mut carry = 0;
            let beyond = s.iter().zip(ED25519_ORDER).map(|(&s, l)| {
                carry += u16::from(s) + u16::from(l);
                let octet = u8::try_from(carry & 0xff).unwrap();
                carry >>= 8;
                octet
            });
            hostile.push([r, &beyond.collect::<Vec<_>>()].concat());
        }
        for signature in hostile {
            let verdict = verifier.verify(&resigned(&token.text, &signature), None, NOW);
            assert_eq!(verdict, Err(TokenError::Signature), "{alg} {signature:x?}");
        }
        assert!(
            verifier
                .verify(&resigned(&token.text, &honest), None, NOW)
                .is_ok()
        );
    }
}

#[test]
fn roles_are_left_out_if_there_are_none() {
    let [_, (signer, _), _] = kinds();
    let verifier = verifier(&jwks([signer.public()]));
    let issuer = issuer(signer);
    let session = session(&account());
    for (count, written) in [(0, None), (2, Some(2))] {
        let account = with_roles(count, 3);
        let token = block_on(issuer.issue(&account, &session, None, NOW)).unwrap();
        let payload = payload(&token);
        let roles = payload
            .get("roles")
            .map(|roles| roles.as_array().unwrap().len());
        assert_eq!(roles, written);
        let claims = verifier.verify(&token.text, None, NOW).unwrap();
        assert_eq!(claims.roles, account.roles);
    }
}

#[test]
fn a_token_has_the_scopes_of_the_roles_and_what_operators_have_added() {
    let [_, (signer, _), _] = kinds();
    let verifier = verifier(&jwks([signer.public()]));
    let issuer = issuer(signer);
    let added = serde_json::json!({
        "https://example.com/plan": "gold", "urn:example:teams": ["a", "b"],
    });
    let account = Account {
        roles: ["editor", "admin"].map(|role| role.parse().unwrap()).into(),
        claims: CustomClaims::parse(&added).unwrap(),
        ..account()
    };
    let session = Session {
        authenticated_at: NOW - 60,
        ..session(&account)
    };
    let token = block_on(issuer.issue(&account, &session, None, NOW)).unwrap();
    let payload = payload(&token);
    assert_eq!(payload["scope"], "notes:write users:read users:write");
    assert_eq!(payload["auth_time"], NOW - 60);
    assert_eq!(payload["amr"], serde_json::json!(["pwd"]));
    for (name, value) in added.as_object().unwrap() {
        assert_eq!(payload[name], *value);
    }
    let claims = verifier.verify(&token.text, None, NOW).unwrap();
    let scopes: Vec<_> = claims.scope.iter().map(|scope| scope.as_str()).collect();
    assert_eq!(scopes, ["notes:write", "users:read", "users:write"]);
    assert_eq!(claims.auth_time, Some(NOW - 60));
    assert_eq!(claims.amr, [AuthMethod::PASSWORD]);

    let other = Account {
        roles: vec!["other".parse().unwrap()],
        ..account
    };
    let token = block_on(issuer.issue(&other, &session, None, NOW)).unwrap();
    assert!(self::payload(&token).get("scope").is_none());
}

#[test]
fn no_claim_that_is_added_has_the_name_of_one_that_is_read() {
    let [_, (signer, _), _] = kinds();
    let (token, _) = issue(signer);
    let payload = payload(&token);
    let written = payload.as_object().unwrap().keys().map(String::as_str);
    for name in written.chain(["nbf", "roles", "scope", "email", "cnf", "act", "groups"]) {
        let added = serde_json::json!({ name: "x" });
        assert!(CustomClaims::parse(&added).is_err(), "{name}");
        // As it would be in an item that somebody wrote by hand.
        assert!(added.to_string().parse::<CustomClaims>().is_err(), "{name}");
    }
}

#[test]
fn an_account_with_too_many_roles_gets_no_token_and_never_one_that_is_refused() {
    let [_, (signer, _), _] = kinds();
    let verifier = verifier(&jwks([signer.public()]));
    let issuer = issuer(signer);
    let session = session(&account());
    let issue = |account: &Account| block_on(issuer.issue(account, &session, None, NOW));
    let mut longest = 0;
    for count in 0..=120 {
        match issue(&with_roles(count, 64)) {
            Ok(token) => {
                let claims = verifier.verify(&token.text, None, NOW).unwrap();
                assert_eq!(claims.roles.len(), count);
                longest = count;
            }
            Err(error) => {
                assert!(matches!(error, IssueError::TooLong { octets } if octets > 8192));
                assert!(
                    error.to_string().contains("give the account fewer"),
                    "{error}"
                );
            }
        }
    }
    assert!((80..=90).contains(&longest), "{longest}");
}

#[test]
fn lifetimes_are_spread_over_the_last_twentieth() {
    let [(signer, _), ..] = kinds();
    let issuer = issuer(signer);
    let account = account();
    let session = session(&account);
    let issue = || {
        block_on(issuer.issue(&account, &session, None, NOW))
            .unwrap()
            .expires_in
    };
    let lifetimes: Vec<_> = (0..50).map(|_| issue()).collect();
    assert!(
        lifetimes
            .iter()
            .all(|lifetime| (855..=900).contains(lifetime)),
        "{lifetimes:?}"
    );
    assert!(
        lifetimes.iter().any(|lifetime| *lifetime != lifetimes[0]),
        "{lifetimes:?}"
    );
}

#[test]
fn the_issuer_is_derived_from_the_domain_where_none_is_set() {
    let [_, (signer, _), _] = kinds();
    let jwks = jwks([signer.public()]);
    let lookup = |name: &str| (name == "JWKS").then(|| jwks.clone());
    let env = Env::new(&lookup);
    let verifier = Verifier::from_env(&env).unwrap();
    let expected = IssuerAndAudience::from_env(&env).unwrap();
    let issuer = Issuer {
        signer: Signer::held(signer),
        expected,
        role_scopes: RoleScopes::default(),
        lifetime: 900,
    };
    let session = session(&account());
    let issue = |domain| block_on(issuer.issue(&account(), &session, domain, NOW));
    let token = issue(Some("api.example.com")).unwrap().text;
    let claims = verifier
        .verify(&token, Some("api.example.com"), NOW)
        .unwrap();
    assert_eq!(claims.iss, "https://api.example.com");
    let other = verifier.verify(&token, Some("other.example.com"), NOW);
    assert_eq!(other, Err(TokenError::Issuer));
    assert_eq!(
        verifier.verify(&token, None, NOW),
        Err(TokenError::NoIssuer)
    );
    assert!(matches!(issue(None), Err(IssueError::NoIssuer)));
}

#[test]
fn what_is_published_is_public_and_named_by_its_thumbprint() {
    for (signer, alg) in kinds() {
        let key = published(&signer);
        assert_eq!((&key["use"], &key["alg"]), (&"sig".into(), &alg.into()));
        // RFC 7638 section 3.2: the required members, in the order of their names.
        let required: &[&str] = match alg {
            "RS256" => &["e", "kty", "n"],
            "ES256" => &["crv", "kty", "x", "y"],
            _ => &["crv", "kty", "x"],
        };
        let members: Vec<_> = required
            .iter()
            .map(|name| format!("\"{name}\":{}", key[*name]))
            .collect();
        let canonical = format!("{{{}}}", members.join(","));
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        assert_eq!(key["kid"], thumbprint.as_str());
        let key = key.as_object().unwrap();
        let public = ["kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"];
        assert!(
            key.keys().all(|name| public.contains(&name.as_str())),
            "{key:?}"
        );
    }
}

#[test]
fn other_keys_do_not_sign() {
    let p384 = ec(&ECDSA_P384_SHA384_FIXED_SIGNING);
    for pem in ["", "not a key", &p384, &pem(b"not a key")] {
        assert!(PrivateKey::from_pem(pem).is_none(), "{pem}");
    }
}

proptest! {
    #![proptest_config(crate::properties::cases())]

    #[test]
    fn a_token_with_anything_changed_never_verifies(
        place in any::<prop::sample::Index>(),
        octet in any::<u8>(),
        kind in 0..3_usize,
    ) {
        // One token of each kind for all cases: making RSA keys takes time.
        static TOKENS: std::sync::OnceLock<Vec<(String, String)>> = std::sync::OnceLock::new();
        let tokens = TOKENS.get_or_init(|| {
            let made = kinds().into_iter().map(|(key, _)| {
                let jwks = jwks([key.public()]);
                (issue(key).0.text, jwks)
            });
            made.collect()
        });
        let (token, jwks) = &tokens[kind];
        let mut octets = token.clone().into_bytes();
        let place = place.index(octets.len());
        octets[place] = octet;
        let changed = String::from_utf8_lossy(&octets);
        let verdict = verifier(jwks).verify(&changed, None, NOW);
        prop_assert_eq!(verdict.is_ok(), changed == *token, "{}", changed);
    }

    #[test]
    fn whatever_roles_an_account_has_an_issued_token_verifies(
        count in 0..300_usize,
        length in 3..=64_usize,
        kind in 1..3_usize,
    ) {
        static MADE: std::sync::OnceLock<Vec<(Issuer, Verifier)>> = std::sync::OnceLock::new();
        let made = MADE.get_or_init(|| {
            let made = kinds().into_iter().map(|(key, _)| {
                let verifier = verifier(&jwks([key.public()]));
                (issuer(key), verifier)
            });
            made.collect()
        });
        let (issuer, verifier) = &made[kind];
        let account = with_roles(count, length);
        let session = session(&account);
        match block_on(issuer.issue(&account, &session, None, NOW)) {
            Ok(token) => {
                let claims = verifier.verify(&token.text, None, NOW);
                prop_assert_eq!(claims.map(|claims| claims.roles), Ok(account.roles));
            }
            Err(IssueError::TooLong { .. }) => prop_assert!(count * (length + 3) > 5_000),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_refused(
        text in prop_oneof![any::<String>(), "[A-Za-z0-9_-]{0,60}(\\.[A-Za-z0-9_-]{0,60}){2}"],
    ) {
        let verifier = verifier(&ED_JWKS);
        prop_assert!(verifier.verify(&text, None, NOW).is_err());
    }
}

static ED_JWKS: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    let [_, _, (key, _)] = kinds();
    jwks([key.public()])
});
