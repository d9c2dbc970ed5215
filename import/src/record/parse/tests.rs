use serde_json::json;

use super::*;

fn record(members: Value) -> Record {
    serde_json::from_value(members).unwrap()
}

fn user(members: Value) -> User {
    record(members).parse().unwrap()
}

fn faults(members: Value) -> Vec<(String, String)> {
    let refused = record(members).parse().unwrap_err();
    let faults = refused.faults.into_iter();
    faults.map(|fault| (fault.field, fault.code)).collect()
}

#[test]
fn an_address_is_enough() {
    let user = user(json!({"email": " ada@example.com "}));
    assert_eq!(user.email.as_str(), "ada@example.com");
    assert!(!user.email_verified);
    assert_eq!(user.first_name.as_str(), "ada");
    assert_eq!(user.last_name.as_str(), "");
    assert_eq!(user.status, Status::Active);
    assert!(user.id.is_none() && user.external_id.is_none());
    assert!(user.date_joined.is_none() && user.last_login.is_none());
    assert!(user.roles.is_empty() && user.claims.is_empty());
    assert!(user.password.is_none() && user.locale.is_none());
}

#[test]
fn every_fault_is_told_at_once() {
    let refused = faults(json!({
        "id": "1",
        "external_id": "2",
        "email": "nobody",
        "first_name": "a\u{0}b",
        "last_name": "x".repeat(101),
        "locale": "deutsch!",
        "date_joined": "yesterday",
        "last_login": -1,
        "roles": ["\u{e9}diteurs"],
        "claims": {"plan": "gold"},
        "status": "sleeping",
        "password_hash": "x",
    }));
    let expected = [
        ("id", "invalid-id"),
        ("email", "invalid-email"),
        ("first_name", "control-character"),
        ("last_name", "too-long"),
        ("locale", "invalid-locale"),
        ("date_joined", "invalid-time"),
        ("last_login", "invalid-time"),
        ("roles", "invalid-role"),
        ("claims", "invalid-claim-name"),
        ("status", "invalid-status"),
        ("password_format", "no-format"),
    ];
    let expected = expected.map(|(field, code)| (field.to_owned(), code.to_owned()));
    assert_eq!(refused, expected);
}

#[test]
fn what_is_refused_can_be_corrected_and_keeps_the_rest() {
    let given = json!({"email": "nobody", "first_name": "Ada", "roles": ["Editors"]});
    let refused = record(given).parse().unwrap_err();
    let mut again: Record =
        serde_json::from_str(&serde_json::to_string(&refused).unwrap()).unwrap();
    assert_eq!(again.faults.len(), 1);
    again.email = Some("ada@example.com".to_owned());
    let user = again.parse().unwrap();
    assert_eq!(user.first_name.as_str(), "Ada");
    assert_eq!(user.roles, ["editors".parse().unwrap()]);
}

#[test]
fn an_identifier_is_kept_if_it_is_a_uuid() {
    let id = "66DE69E2-2CCB-49B9-A953-2E071EB1A751";
    let of = |members| {
        let user = user(members);
        (user.id.map(|id| id.to_string()), user.external_id)
    };
    let kept = Some(id.to_ascii_lowercase());
    let named = |name: &str| Some(name.to_owned());
    let email = "ada@example.com";
    assert_eq!(of(json!({"email": email, "id": id})), (kept.clone(), None));
    let both = json!({"email": email, "id": id, "external_id": "ada"});
    assert_eq!(of(both), (kept, named("ada")));
    assert_eq!(of(json!({"email": email, "id": "17"})), (None, named("17")));
    let other = json!({"email": email, "id": "", "external_id": "17"});
    assert_eq!(of(other), (None, named("17")));
    let nil = "00000000-0000-0000-0000-000000000000";
    assert_eq!(of(json!({"email": email, "id": nil})), (None, named(nil)));
    for (id, code) in [
        ("a\u{0}".to_owned(), "control-character"),
        ("x".repeat(256), "too-long"),
    ] {
        let expected = [("id".to_owned(), code.to_owned())];
        assert_eq!(faults(json!({"email": email, "id": id})), expected);
    }
}

#[test]
fn a_whole_name_is_split_at_its_last_blank() {
    for (given, first, last) in [
        (json!({"name": "Ada Example"}), "Ada", "Example"),
        (
            json!({"name": " Ada  King  Lovelace "}),
            "Ada  King",
            "Lovelace",
        ),
        (json!({"name": "Ada"}), "Ada", ""),
        (json!({"name": ""}), "ada", ""),
        (
            json!({"first_name": "Ada", "name": "Other Name"}),
            "Ada",
            "",
        ),
        (
            json!({"last_name": "Example", "name": "Other"}),
            "ada",
            "Example",
        ),
        (json!({"first_name": " Ada ", "last_name": " "}), "Ada", ""),
    ] {
        let mut members = given.clone();
        members["email"] = json!("ada@example.com");
        let user = user(members);
        let names = (user.first_name.as_str(), user.last_name.as_str());
        assert_eq!(names, (first, last), "{given}");
    }
    let refused = faults(json!({"email": "ada@example.com", "name": "x".repeat(300)}));
    assert_eq!(refused, [("name".to_owned(), "too-long".to_owned())]);
}

#[test]
fn roles_are_written_in_lower_case_and_once() {
    let roles = json!([
        "Editors",
        "editors",
        "Billing Read",
        "group:Staff/Berlin",
        "a_b.c:d-e"
    ]);
    let user = user(json!({"email": "ada@example.com", "roles": roles}));
    let expected = ["editors", "billing-read", "group:staff:berlin", "a_b.c:d-e"];
    let expected: Vec<Role> = expected.iter().map(|role| role.parse().unwrap()).collect();
    assert_eq!(user.roles, expected);
    let many: Vec<_> = (0..33).map(|number| format!("r{number}")).collect();
    let refused = faults(json!({"email": "ada@example.com", "roles": many}));
    assert_eq!(refused, [("roles".to_owned(), "too-long".to_owned())]);
}

#[test]
fn a_language_may_be_written_as_posix_writes_it() {
    let user = user(json!({"email": "ada@example.com", "locale": "de_CH"}));
    assert_eq!(user.locale.unwrap().as_str(), "de-CH");
}

#[test]
fn an_empty_password_is_none() {
    for empty in [json!(""), json!(null)] {
        let user = user(json!({"email": "ada@example.com", "password_hash": empty}));
        assert!(user.password.is_none());
    }
}

#[test]
fn a_record_prints_nothing_of_a_person() {
    let record = record(json!({"email": "ada@example.com", "password_hash": "$2b$"}));
    assert_eq!(format!("{record:?}"), "Record");
}
