use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::custom_claims::CustomClaims;
use crate::domain::id::Role;
use crate::tokens::issuer::Issuer;
use crate::tokens::issuer::tests::{
    NOW, ROLE_SCOPES, account, block_on, issuer, kinds, session, verifier,
};
use crate::tokens::public_key::jwks;

/// Who issues and verifies tokens with a key, and what is said of their length.
struct Deployment {
    alg: &'static str,
    issuer: Issuer,
    verifier: Verifier,
    size: TokenSize,
}

fn size(issuer: Option<&str>, jwks: Option<&str>) -> TokenSize {
    let lookup = |name: &str| match name {
        "ISSUER" => issuer.map(str::to_owned),
        "JWKS" => jwks.map(str::to_owned),
        "ROLE_SCOPES" => Some(ROLE_SCOPES.to_owned()),
        _ => None,
    };
    TokenSize::from_env(&Env::new(&lookup)).unwrap()
}

/// Returns a deployment with a key of each kind.
fn deployments() -> Vec<Deployment> {
    let made = kinds().into_iter().map(|(key, alg)| {
        let jwks = jwks([key.public()]);
        Deployment {
            alg,
            issuer: issuer(key),
            verifier: verifier(&jwks),
            size: size(Some("https://auth.example.com"), Some(&jwks)),
        }
    });
    made.collect()
}

impl Deployment {
    /// Returns the length of the token of an account, if it is issued. It is accepted then.
    fn issued(&self, account: &Account) -> Option<usize> {
        let session = session(account);
        let issued = block_on(self.issuer.issue(account, &session, None, NOW)).ok()?;
        let claims = self.verifier.verify(&issued.text, None, NOW);
        assert_eq!(claims.unwrap().roles, account.roles);
        Some(issued.text.len())
    }
}

/// Returns an account whose roles take `octets` octets of JSON, of which the last role has 4 to 67.
fn with_roles(octets: usize, claims: CustomClaims) -> Account {
    let full = (octets - 4) / 64;
    let role = |n: usize, length: usize| format!("{n:0>length$}").parse().unwrap();
    let mut roles: Vec<_> = (0..full).map(|n| role(n, 61)).collect();
    roles.push("x".repeat(octets - 64 * full - 3).parse().unwrap());
    Account {
        roles,
        claims,
        ..account()
    }
}

#[test]
fn the_longest_token_that_fits_is_accepted_and_with_one_octet_more_none_is_issued() {
    let claims = json!({"https://example.com/plan": "x".repeat(900)});
    let claims = CustomClaims::parse(&claims).unwrap();
    for deployment in deployments() {
        let fits = |octets| {
            let account = with_roles(octets, claims.clone());
            deployment.size.fits(&account, None)
        };
        let longest = (4..6_000).rev().find(|octets| fits(*octets)).unwrap();
        assert!((4..=longest).all(fits), "{}", deployment.alg);
        let account = with_roles(longest, claims.clone());
        let length = deployment.issued(&account).unwrap();
        let longer = deployment.issued(&with_roles(longest + 1, claims.clone()));
        match deployment.alg {
            // The signature has 86 octets, a dot before it. One in memory would sign more.
            "EdDSA" => assert!((4_094..=4_096).contains(&(length - 87)), "{length}"),
            alg => {
                assert!((8_190..=8_192).contains(&length), "{alg}: {length}");
                assert_eq!(longer, None, "{alg}");
            }
        }
    }
}

#[test]
fn what_is_not_known_is_supposed_to_be_as_long_as_can_be() {
    let domain = format!("{}.example", "d".repeat(245));
    let longest = |size: &TokenSize, domain| {
        let fits =
            |octets: &usize| size.fits(&with_roles(*octets, CustomClaims::default()), domain);
        (4..6_000).rev().find(fits).unwrap()
    };
    let [(rsa, _), .., (ed25519, _)] = kinds();
    let jwks = jwks([rsa.public(), ed25519.public()]);
    let nothing = longest(&size(None, None), None);
    assert!(nothing > 1_500, "{nothing}");
    for (size, domain) in [
        (size(None, Some(&jwks)), None),
        (size(None, Some(&jwks)), Some(domain.as_str())),
        (size(Some("https://auth.example.com"), None), None),
    ] {
        let known = longest(&size, domain);
        assert!(nothing < known, "{known}");
        assert!(known < 3_000, "the Ed25519 key may sign: {known}");
    }
}

proptest! {
    #![proptest_config(crate::properties::cases())]

    #[test]
    fn an_account_fits_if_and_only_if_it_gets_a_token(
        names in proptest::collection::vec("[a-z0-9._:-]{1,64}", 0..150),
        of_table in proptest::sample::subsequence(vec!["admin", "editor"], 0..=2),
        plan in ".{0,300}",
        verified in any::<bool>(),
        kind in 0..3_usize,
    ) {
        static MADE: std::sync::LazyLock<Vec<Deployment>> = std::sync::LazyLock::new(deployments);
        let deployment = &MADE[kind];
        let names = names.iter().map(String::as_str).chain(of_table);
        let claims = json!({"https://example.com/plan": plan});
        let account = Account {
            roles: names.map(|role| role.parse().unwrap()).collect(),
            claims: CustomClaims::parse(&claims).unwrap_or_default(),
            email_verified: verified,
            ..account()
        };
        let fits = deployment.size.fits(&account, None);
        let issued = deployment.issued(&account);
        if fits {
            prop_assert!(issued.is_some());
        } else {
            // The other truth value is an octet longer, and so are two of base64 at most.
            let most = match deployment.alg {
                "EdDSA" => 4_096 + 87,
                _ => 8_192,
            };
            prop_assert!(issued.is_none_or(|length| length + 2 > most));
        }
    }
}

#[test]
fn a_change_is_taken_if_the_tokens_fit_or_become_shorter_or_it_is_about_something_else() {
    let size = size(Some("https://auth.example.com"), None);
    let long = with_roles(8_000, CustomClaims::default());
    assert!(!size.fits(&long, None));
    let change = |roles: Option<&[Role]>| AccountChange {
        roles: roles.map(<[Role]>::to_vec),
        ..AccountChange::default()
    };
    let disabled = AccountChange {
        status: Some(crate::domain::account::Status::Disabled),
        ..AccountChange::default()
    };
    assert!(size.takes(&disabled, &long, None));
    let shorter = change(Some(&long.roles[1..]));
    assert!(!size.fits(&shorter.applied_to(&long), None));
    assert!(size.takes(&shorter, &long, None));
    assert!(!size.takes(&change(Some(&long.roles)), &long, None));
    let claims = CustomClaims::parse(&json!({"https://example.com/plan": "x"})).unwrap();
    let longer = AccountChange {
        claims: Some(claims),
        ..AccountChange::default()
    };
    assert!(!size.takes(&longer, &long, None));
    assert!(size.takes(&longer, &account(), None));
}

#[test]
fn without_keys_of_ed25519_tokens_may_say_more() {
    let lookup = |name: &str| (name == "ISSUER").then(|| "https://auth.example.com".to_owned());
    let env = Env::new(&lookup);
    let (any, others) = (
        TokenSize::from_env(&env).unwrap(),
        TokenSize::without_ed25519(&env).unwrap(),
    );
    let account = with_roles(4_000, CustomClaims::default());
    assert!(!any.fits(&account, None) && others.fits(&account, None));
    assert!(!others.fits(&with_roles(6_000, CustomClaims::default()), None));
}
