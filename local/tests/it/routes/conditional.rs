//! Conditional requests (RFC 9110 section 13), with every method.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use serde_json::json;

use crate::support::app::{App, Call, PASSWORD, User};
use crate::support::mails::settle;

const JWKS: &str = "/.well-known/jwks.json";

/// Returns the current tag of a user's profile.
async fn tag(user: &User<'_>) -> String {
    let shown = user.get("/profile").send().await.expect(200);
    shown.header("etag").to_owned()
}

fn patch<'a>(user: &'a User<'_>, name: &str) -> Call<'a> {
    user.patch("/profile", json!({ "first_name": name }))
}

fn delete<'a>(user: &'a User<'_>, password: &str) -> Call<'a> {
    user.delete("/profile")
        .json(json!({ "password": password }))
}

#[tokio::test]
async fn a_change_is_made_only_to_what_if_match_names() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let first = tag(&ada).await;
    let changed = patch(&ada, "One").header("if-match", &first).send().await;
    let second = changed.expect(200).header("etag").to_owned();
    assert_ne!(first, second);
    for stale in [
        &first,
        &format!("W/{second}"),
        "\"x\"",
        "2",
        "\"2\"",
        "",
        "\"foo,*,bar\"",
        &format!("*, {second}"),
        &format!("\"x\" {second}"),
        second.trim_matches('"'),
    ] {
        let refused = patch(&ada, "Two").header("if-match", stale).send().await;
        refused.problem(412, "precondition-failed");
        let names = json!({"first_name": "Two", "last_name": ""});
        let refused = ada.put("/profile", names).header("if-match", stale);
        refused.send().await.problem(412, "precondition-failed");
    }
    assert_eq!(ada.get("/profile").send().await.json()["first_name"], "One");
    let one_of = format!(", \"x\",{second} ,");
    let changed = patch(&ada, "Three").header("if-match", &one_of);
    changed.send().await.expect(200);
    patch(&ada, "Four")
        .header("if-match", "*")
        .send()
        .await
        .expect(200);
    // Two fields are one list.
    let current = tag(&ada).await;
    let two = patch(&ada, "Five").header("if-match", "\"x\"");
    two.header("if-match", &current).send().await.expect(200);
}

#[tokio::test]
async fn a_change_of_nothing_is_conditional_too() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let first = tag(&ada).await;
    patch(&ada, "One").send().await.expect(200);
    let empty = |tag: &str| ada.patch("/profile", json!({})).header("if-match", tag);
    empty(&first)
        .send()
        .await
        .problem(412, "precondition-failed");
    let current = tag(&ada).await;
    assert_eq!(
        empty(&current).send().await.expect(200).header("etag"),
        current
    );
}

#[tokio::test]
async fn a_stale_deletion_deletes_nothing() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let stale = tag(&ada).await;
    patch(&ada, "Augusta").send().await.expect(200);
    let before = app.all_items().await;
    for value in [&stale, "\"x\"", "nonsense", "", "\"foo,*,bar\""] {
        let refused = delete(&ada, PASSWORD).header("if-match", value).send();
        refused.await.problem(412, "precondition-failed");
        let body = json!({"password": PASSWORD});
        let by_post = ada.post("/profile/delete", body).header("if-match", value);
        by_post.send().await.problem(412, "precondition-failed");
    }
    for known in ["*", &tag(&ada).await, "nonsense"] {
        let refused = delete(&ada, PASSWORD).header("if-none-match", known).send();
        refused.await.problem(412, "precondition-failed");
    }
    // No password was verified, so none was counted.
    assert_eq!(app.all_items().await, before);
    let current = tag(&ada).await;
    let wrong = delete(&ada, "not the password").header("if-match", &current);
    wrong.send().await.problem(403, "wrong-password");
    let deleted = delete(&ada, PASSWORD).header("if-match", &current);
    deleted.send().await.expect(204);
    assert!(app.items().await.is_empty());
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_repeated_with_the_same_tag() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let current = tag(&ada).await;
    let deleting = AttributeValue::S("deleting".to_owned());
    app.set_attribute(&ada.id(), "status", deleting).await;
    let again = delete(&ada, PASSWORD).header("if-match", &current);
    again.send().await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_changes_of_the_same_version_is_refused() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    for _ in 1..=10 {
        let tag = tag(&ada).await;
        let (one, two) = tokio::join!(
            patch(&ada, "One").header("if-match", &tag).send(),
            patch(&ada, "Two").header("if-match", &tag).send()
        );
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_change_and_a_deletion_of_the_same_version_one_is_refused() {
    let app = App::start().await;
    let mut deleted = 0;
    for n in 0..12 {
        let user = app.user(&format!("ada{n}@example.com")).await;
        let tag = tag(&user).await;
        let change = async {
            // The deletion reads the account, and then verifies the password.
            tokio::time::sleep(Duration::from_millis(n % 6)).await;
            patch(&user, "One").header("if-match", &tag).send().await
        };
        let deletion = delete(&user, PASSWORD).header("if-match", &tag).send();
        let (changed, answer) = tokio::join!(change, deletion);
        match (changed.status.as_u16(), answer.status.as_u16()) {
            (200, 412) => {
                user.get("/profile").send().await.expect(200);
            }
            (401 | 412, 204) => deleted += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(app.items_of("ACCOUNT").await.len(), 12 - deleted);
}

#[tokio::test]
async fn a_tag_changes_with_everything_that_it_tags() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let mut seen = vec![tag(&ada).await];
    assert_eq!(tag(&ada).await, seen[0], "nothing changed");
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(tag(&ada).await, seen[0], "nothing changed");

    app.login(&ada.email, PASSWORD).await.expect(200);
    seen.push(tag(&ada).await);
    for roles in [vec!["admin"], vec!["admin", "auditor"], vec!["auditor"]] {
        let roles = roles.iter().map(|role| AttributeValue::S((*role).into()));
        let roles = AttributeValue::L(roles.collect());
        app.set_attribute(&ada.id(), "roles", roles).await;
        seen.push(tag(&ada).await);
    }
    // An operator mends a name without a new version.
    let name = AttributeValue::S("Augusta".to_owned());
    app.set_attribute(&ada.id(), "first_name", name).await;
    seen.push(tag(&ada).await);
    let locale = AttributeValue::S("de".to_owned());
    app.set_attribute(&ada.id(), "locale", locale).await;
    seen.push(tag(&ada).await);
    let answer = patch(&ada, "Ada").send().await.expect(200);
    seen.push(answer.header("etag").to_owned());
    assert_eq!(tag(&ada).await, seen[seen.len() - 1]);
    let different: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!(different.len(), seen.len(), "{seen:?}");

    let last = seen.pop().unwrap();
    for stale in &seen {
        let refused = patch(&ada, "Byron").header("if-match", stale).send().await;
        refused.problem(412, "precondition-failed");
        let shown = ada.get("/profile").header("if-none-match", stale);
        shown.send().await.expect(200);
    }
    patch(&ada, "Byron")
        .header("if-match", &last)
        .send()
        .await
        .expect(200);
}

#[tokio::test]
async fn a_profile_that_the_client_has_is_a_304() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let current = tag(&ada).await;
    for known in ["*", &current, &format!("W/{current}, \"x\"")] {
        let same = ada.get("/profile").header("if-none-match", known);
        let same = same.send().await.expect(304);
        assert_eq!(same.body, "");
        assert_eq!(same.header("etag"), current);
        assert_eq!(same.header("cache-control"), "no-store");
        assert!(!same.headers.contains_key("content-type"));
    }
    for other in ["\"x\"", "\"foo,*,bar\"", "nonsense", "", "\"1\""] {
        let shown = ada.get("/profile").header("if-none-match", other);
        shown.send().await.expect(200);
    }
    let stale = ada.get("/profile").header("if-match", "\"x\"");
    stale.send().await.problem(412, "precondition-failed");
    let both = ada.get("/profile").header("if-match", &current);
    let both = both.header("if-none-match", &current).send().await;
    both.expect(304);
    // Who may not see the profile learns nothing of its tag.
    let stranger = app.get("/profile").header("if-none-match", "*");
    stranger.send().await.expect(401);
}

#[tokio::test]
async fn a_change_to_what_the_client_must_not_have_is_a_412() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let current = tag(&ada).await;
    for known in ["*", &current, &format!("W/{current}"), "nonsense"] {
        let refused = patch(&ada, "One").header("if-none-match", known);
        let refused = refused.send().await;
        refused.problem(412, "precondition-failed");
    }
    let other = patch(&ada, "One").header("if-none-match", "\"x\"");
    other.send().await.expect(200);
}

#[tokio::test]
async fn other_faults_are_told_before_a_precondition() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let invalid = ada.patch("/profile", json!({"first_name": " "}));
    let invalid = invalid.header("if-match", "\"x\"").send().await;
    invalid.problem(422, "invalid-fields");
    let bare = delete(&ada, "").header("if-match", "\"x\"").bearer("x");
    assert_eq!(bare.send().await.status, 403, "two tokens");
}

#[tokio::test]
async fn the_published_documents_are_conditional_in_the_same_way() {
    let app = App::start().await;
    for path in [JWKS, "/.well-known/openid-configuration"] {
        let answer = app.get(path).send().await.expect(200);
        let current = answer.header("etag").to_owned();
        assert_eq!(answer.header("vary"), "Origin");
        let with = |name, value: &str| app.get(path).header(name, value).send();
        for known in ["*", &current, &format!("\"x\" ,,W/{current}")] {
            let same = with("if-none-match", known).await.expect(304);
            assert_eq!(same.header("etag"), current);
            assert_eq!(same.header("cache-control"), "public, max-age=300");
            assert_eq!(same.header("vary"), "Origin");
        }
        for other in [
            "\"other\"",
            "\"foo,*,bar\"",
            &format!("WW/{current}"),
            current.trim_matches('"'),
        ] {
            with("if-none-match", other).await.expect(200);
        }
        with("if-match", &current).await.expect(200);
        with("if-match", "*").await.expect(200);
        for stale in ["\"other\"", &format!("W/{current}"), "nonsense"] {
            let refused = with("if-match", stale).await;
            refused.problem(412, "precondition-failed");
        }
    }
    app.call(Method::POST, JWKS)
        .header("if-match", "\"x\"")
        .send()
        .await
        .expect(404);
}

#[tokio::test]
async fn what_an_administrator_does_is_done_only_to_what_if_match_names() {
    let app = App::with_mail().await;
    let root = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    let path = format!("/admin/users/{}", ada.id());
    let shown = root.get(&path).send().await.expect(200);
    let first = shown.header("etag").to_owned();
    let changed = root.patch(&path, json!({"first_name": "Augusta"}));
    let changed = changed.send().await.expect(200);
    let second = changed.header("etag").to_owned();
    for (method, rest, status) in [
        (Method::POST, "/password-reset", 202),
        (Method::DELETE, "/sessions", 204),
        (Method::PATCH, "", 200),
        (Method::DELETE, "", 204),
    ] {
        let call = || {
            let call = root.call(method.clone(), &format!("{path}{rest}"));
            match method == Method::PATCH {
                true => call.json(json!({"status": "disabled"})),
                false => call,
            }
        };
        // The mailer has stored the link that was asked for.
        settle(&app.local).await;
        let before = app.all_items().await.len();
        for stale in [&first, "\"x\"", &format!("W/{second}")] {
            let refused = call().header("if-match", stale).send().await;
            refused.problem(412, "precondition-failed");
        }
        assert_eq!(app.all_items().await.len(), before, "{method} {rest}");
        let tag = match (&method, rest) {
            // The patch has made another one.
            (&Method::DELETE, "") => "*",
            _ => &second,
        };
        call().header("if-match", tag).send().await.expect(status);
    }
}
