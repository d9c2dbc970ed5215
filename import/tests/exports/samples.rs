//! The samples, every member of which is looked at.

use import::exports::{HashConfig, Options, System};
use serde_json::json;

use super::{codes, emails, members, omitted, read_file, sample};

#[test]
fn django_s_users_have_roles_of_groups_that_come_after_them() {
    let path = sample("django_dumpdata.json");
    let entries = read_file(System::Django, &path, &Options::default()).unwrap();
    let addresses = [
        "ada@example.com",
        "J\u{fc}rgen@example.com",
        "carol@example.com",
        "dave@example.com",
        "ERIN@example.com",
        "",
    ];
    assert_eq!(emails(&entries), addresses);
    assert_eq!(
        members(&entries[0]),
        json!({
            "id": "1",
            "email": "ada@example.com",
            "first_name": "Ada",
            "last_name": "Example",
            "date_joined": "2026-11-27T18:18:20.569Z",
            "roles": ["superuser", "staff"],
            "password_hash": "pbkdf2_sha256$1000000$OUpr1R0fMg6F37ergVcAJm$14r9DM62V+w/s07Gvr8KaMTjXU3xFzw78V/gGXn88xU=",
            "password_format": "django",
        })
    );
    assert_eq!(entries[3].record.status.as_deref(), Some("disabled"));
    assert_eq!(entries[5].record.roles, ["editors"]);
    assert_eq!(entries[0].line, 2);
    assert_eq!(entries[5].line, 92);
    assert_eq!(omitted(&entries[0]), ["username"]);
    let refused = entries.into_iter().nth(5).unwrap().parse().unwrap_err();
    assert!(
        refused
            .faults
            .iter()
            .any(|fault| fault.code == "no-address")
    );
}

#[test]
fn firebase_s_users_have_hashes_with_the_parameters_of_the_project() {
    let text = std::fs::read_to_string(sample("firebase_hash_config.txt")).unwrap();
    let options = Options {
        hash_config: Some(HashConfig::parse(&text).unwrap()),
        ..Options::default()
    };
    let path = sample("firebase_auth_export.json");
    let entries = read_file(System::Firebase, &path, &options).unwrap();
    assert_eq!(
        members(&entries[0]),
        json!({
            "id": "kA1exampleUid000000000000001",
            "email": "ada@example.com",
            "email_verified": true,
            "name": "Ada, \"the first\"",
            "date_joined": "1716000000000",
            "last_login": "1717000000000",
            "password_hash": {
                "passwordHash": "I+L1+EX4NHlLIdE8eMNSv+tpp0YJPqXPlQivS39Lw7lroTOaGzsWIOMi1HYu7G4S37w18lovaKoGNSvJ8lifog==",
                "salt": "cuk6t2daJ/VS2w==",
                "rounds": 8,
                "memCost": 14,
                "saltSeparator": "Bw==",
            },
            "password_format": "firebase",
            "password_secret": "firebase",
        })
    );
    assert_eq!(omitted(&entries[0]), ["attributes"]);
    assert_eq!(omitted(&entries[1]), ["phone"]);
    assert_eq!(omitted(&entries[2]), ["photo", "provider"]);
    assert!(entries[2].record.password_hash.is_none());
    assert!(entries[3].record.email.is_none());
    assert_eq!(entries[4].record.status.as_deref(), Some("disabled"));
    assert_eq!(omitted(&entries[4]), ["second-factor"]);
    let text = serde_json::to_string(&entries.iter().map(members).collect::<Vec<_>>()).unwrap();
    assert!(!text.contains("rv3nO5irYzpigHMn9Bg68"), "the signer key");
    assert!(!format!("{options:?}").contains("rv3nO5irYzpigHMn9Bg68"));
}

#[test]
fn firebase_s_attributes_become_claims_only_with_a_prefix() {
    let options = Options {
        hash_config: Some(HashConfig::parse(CONFIG).unwrap()),
        claims_prefix: Some("https://example.com/".to_owned()),
        ..Options::default()
    };
    let path = sample("firebase_auth_export.json");
    let entries = read_file(System::Firebase, &path, &options).unwrap();
    let claims = json!({"https://example.com/admin": true});
    assert_eq!(members(&entries[0])["claims"], claims);
    assert!(omitted(&entries[0]).is_empty());
}

const CONFIG: &str = "hash_config {\n algorithm: SCRYPT,\n base64_signer_key: YQ==,\n \
    base64_salt_separator: Bw==,\n rounds: 8,\n mem_cost: 14,\n}";

#[test]
fn auth0_s_hashes_tell_who_it_is() {
    let path = sample("auth0_password_hashes.ndjson");
    let entries = read_file(System::Auth0, &path, &Options::default()).unwrap();
    let addresses = ["ada@example.com", "juergen@example.com", "dave@example.com"];
    assert_eq!(emails(&entries), addresses);
    assert_eq!(
        members(&entries[0]),
        json!({
            "id": "auth0|665500000000000000000001",
            "email": "ada@example.com",
            "email_verified": true,
            "password_hash": "$2b$10$n0zg6/h4CPUUNvoj6HZypuKFzSsXINZ3ZFs8shDql4j2mKrVRktLu",
            "password_format": "bcrypt",
        })
    );
    assert_eq!(entries[1].record.email_verified, Some(false));
    assert_eq!(entries[2].line, 3);
}

#[test]
fn supabase_s_users_without_an_address_are_told() {
    let path = sample("supabase_auth_users.csv");
    let entries = read_file(System::Supabase, &path, &Options::default()).unwrap();
    assert_eq!(entries.len(), 6);
    assert_eq!(
        members(&entries[0]),
        json!({
            "id": "00000000-0000-4000-8000-000000000001",
            "email": "ada@example.com",
            "email_verified": true,
            "date_joined": "2024-05-01 10:00:00+00",
            "last_login": "2024-06-01 10:00:00+00",
            "password_hash": "$2a$10$MOZkHIGYMo1jIAbvTqcpTu3e0Q65IWj28BAFU6yJo4VBfsBHnNMPy",
            "password_format": "supabase",
        })
    );
    assert_eq!(entries[1].record.email_verified, Some(false));
    assert!(entries[2].record.password_hash.is_none());
    assert_eq!(
        entries[3].record.password_secret.as_deref(),
        Some("firebase")
    );
    assert_eq!(omitted(&entries[4]), ["phone"]);
    assert_eq!(codes(&entries[5]), ["anonymous"]);
}

#[test]
fn keycloak_s_users_have_the_two_texts_of_their_password() {
    let path = sample("keycloak_realm.json");
    let entries = read_file(System::Keycloak, &path, &Options::default()).unwrap();
    assert_eq!(entries.len(), 5);
    let ada = members(&entries[0]);
    assert_eq!(ada["id"], "66de69e2-2ccb-49b9-a953-2e071eb1a751");
    assert_eq!(ada["date_joined"], 1_717_000_000_000_u64);
    assert_eq!(ada["password_format"], "keycloak");
    let secret = ada["password_hash"]["secretData"].as_str().unwrap();
    assert!(secret.contains("n5XsX1Xm3FyFsdR81on"));
    assert!(ada.get("roles").is_none());
    assert_eq!(omitted(&entries[1]), ["required-action", "username"]);
    assert!(entries[2].record.password_hash.is_none());
    assert_eq!(omitted(&entries[2]), ["provider", "username"]);
    assert_eq!(entries[3].record.status.as_deref(), Some("disabled"));
    assert_eq!(omitted(&entries[3]), ["second-factor", "username"]);
    let dave = members(&entries[3])["password_hash"]["secretData"].clone();
    assert!(
        dave.as_str().unwrap().contains("yMs9NSUi5un7XZ"),
        "not the one of the factor"
    );
}

#[test]
fn better_auth_s_users_have_the_password_of_their_account() {
    let path = sample("better_auth_tables.json");
    let entries = read_file(System::BetterAuth, &path, &Options::default()).unwrap();
    assert_eq!(
        members(&entries[1]),
        json!({
            "id": "Np56miaCCBxbJLzF9uDKWmbBmei1F0yT",
            "email": "juergen@example.com",
            "email_verified": false,
            "name": "J\u{fc}rgen Example",
            "date_joined": "2026-11-27T18:18:37.359Z",
            "password_hash": "978b0ab2a78d5b849732555135d8524d:450432f863e3cba589566ca5af27611f354b901ce7649ad02e8cc2ffe7f2ef8889741c263493d173e468839d06ad05fefed30f3b2f5377f9e2edce490777244e",
            "password_format": "better-auth",
        })
    );
    assert!(omitted(&entries[1]).is_empty());
    assert_eq!(omitted(&entries[2]), ["provider"]);
    let carol = members(&entries[2])["password_hash"].clone();
    assert!(carol.as_str().unwrap().starts_with("03622548b57f71e3"));
}

#[test]
fn wordpress_s_users_have_the_roles_and_the_dates_of_the_dump() {
    let path = sample("wordpress_wp_users.sql");
    let entries = read_file(System::WordPress, &path, &Options::default()).unwrap();
    assert_eq!(entries.len(), 6);
    assert_eq!(
        members(&entries[0]),
        json!({
            "external_id": "1",
            "email": "admin@example.com",
            "name": "Admin",
            "date_joined": "2024-01-02 03:04:05",
            "roles": ["administrator"],
            "password_hash": "$wp$2y$12$uFbH.9lJO/qIIrpr618XgOw3uajW0rhEcMiZyV3MUmUyIhKqobFoW",
            "password_format": "wordpress",
        })
    );
    assert_eq!(entries[1].record.roles, ["subscriber"]);
    assert!(entries[2].record.roles.is_empty());
    assert_eq!(members(&entries[2])["name"], "J\u{fc}rgen \u{d6}");
    assert_eq!(members(&entries[5])["name"], "O'Brien");
    assert_eq!(entries[5].line, 20);
}

#[test]
fn what_another_system_says_of_a_person_becomes_an_account() {
    let path = sample("supabase_auth_users.csv");
    let mut entries = read_file(System::Supabase, &path, &Options::default()).unwrap();
    // Its password is of no concern here.
    entries[0].record.password_hash = None;
    let user = entries.remove(0).parse().unwrap();
    assert_eq!(
        user.id.unwrap().to_string(),
        "00000000-0000-4000-8000-000000000001"
    );
    assert_eq!(user.external_id, None);
    assert_eq!(user.email.as_str(), "ada@example.com");
    assert!(user.email_verified);
    assert_eq!(user.first_name.as_str(), "ada");
    assert_eq!(user.last_name.as_str(), "");
    assert_eq!(user.date_joined, Some(1_714_557_600));
    assert_eq!(user.last_login, Some(1_717_236_000));
    assert!(user.password.is_none());
}
