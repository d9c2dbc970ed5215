//! The passwords of the samples, as their README tells them.

use import::exports::{Entry, HashConfig, Options, System};
use import::forms::OldPassword;
use secrecy::ExposeSecret as _;
use shared::domain::password::legacy::Secrets;

use super::{read_file, sample};

const HORSE: &str = "correct horse battery staple";
/// Composed.
const NFC: &str = "p\u{e4}ssw\u{f6}rd-\u{fc}n\u{ef}code-\u{2713}-2026";

/// Returns whether a login with this password succeeds, and one with another does not.
fn matches(entry: Entry, typed: &str, secrets: &Secrets) -> bool {
    let user = entry.parse().map_err(|refused| refused.faults).unwrap();
    let one = |typed: &str| match user.password.as_ref().unwrap() {
        OldPassword::Digest { scheme, digest } => {
            let digests = scheme.digests(typed, secrets).unwrap();
            let digest = digest.expose_secret();
            digests.iter().any(|one| one.expose_secret() == digest)
        }
        OldPassword::Argon2id { steps, hash } => {
            use argon2::PasswordVerifier as _;
            assert!(steps.is_empty());
            let phc = hash.to_phc();
            let phc = argon2::password_hash::phc::PasswordHash::new(&phc).unwrap();
            let argon2 = argon2::Argon2::default();
            argon2.verify_password(typed.as_bytes(), &phc).is_ok()
        }
        OldPassword::Stored(_) | OldPassword::Unusable => false,
    };
    one(typed) && !one("correct horse battery stapler")
}

/// Reads a sample, and tries the passwords of those who have one: the number of the entry, counted
/// from 0, and the password.
fn check(system: System, name: &str, options: &Options, secrets: &Secrets, all: &[(usize, &str)]) {
    let entries = read_file(system, &sample(name), options).unwrap();
    let with_password: Vec<_> = all.iter().map(|(number, _)| *number).collect();
    for (number, entry) in entries.into_iter().enumerate() {
        match all.iter().find(|(with, _)| *with == number) {
            Some((_, typed)) => assert!(matches(entry, typed, secrets), "{name} {number}"),
            None => {
                let parsed = entry.parse();
                let none = parsed.is_err()
                    || parsed.is_ok_and(|user| {
                        matches!(user.password, None | Some(OldPassword::Unusable))
                    });
                assert!(none, "{name} {number} {with_password:?}");
            }
        }
    }
}

#[test]
fn the_old_passwords_of_every_sample_match() {
    let none = &Secrets::default();
    let options = &Options::default();
    // The address of the second one has letters that no address here has, and the last has none.
    let all = &[(0, HORSE), (3, HORSE), (4, HORSE)];
    check(System::Django, "django_dumpdata.json", options, none, all);
    let all = &[(0, HORSE), (1, NFC), (2, HORSE)];
    check(
        System::Auth0,
        "auth0_password_hashes.ndjson",
        options,
        none,
        all,
    );
    let all = &[(0, HORSE), (1, NFC), (3, HORSE), (4, HORSE)];
    check(System::Keycloak, "keycloak_realm.json", options, none, all);
    let all = &[(0, HORSE), (1, NFC), (2, " leading and trailing ")];
    check(
        System::BetterAuth,
        "better_auth_tables.json",
        options,
        none,
        all,
    );
    let all = &[
        (0, HORSE),
        (1, HORSE),
        (2, NFC),
        (3, HORSE),
        (4, HORSE),
        (5, "O'Brien-2026"),
    ];
    check(
        System::WordPress,
        "wordpress_wp_users.sql",
        options,
        none,
        all,
    );
}

#[test]
fn passwords_of_firebase_match_with_its_signer_key() {
    let text = std::fs::read_to_string(sample("firebase_hash_config.txt")).unwrap();
    let config = HashConfig::parse(&text).unwrap();
    let mut secrets = Secrets::default();
    let key = config.signer_key().clone();
    secrets.insert(HashConfig::SECRET.parse().unwrap(), key);
    let options = Options {
        hash_config: Some(config),
        ..Options::default()
    };
    let all = &[(0, HORSE), (1, NFC), (4, HORSE)];
    let name = "firebase_auth_export.json";
    check(System::Firebase, name, &options, &secrets, all);
    let mut secrets = Secrets::default();
    let key =
        "ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==";
    secrets.insert(HashConfig::SECRET.parse().unwrap(), key.into());
    let all = &[(0, HORSE), (1, NFC), (3, "mytestpassword")];
    let name = "supabase_auth_users.csv";
    check(System::Supabase, name, &Options::default(), &secrets, all);
}
