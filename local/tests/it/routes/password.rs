//! `POST /password/change`, `DELETE /profile` and `POST /profile/delete`, which require the password.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::support::app::{Answer, App, PASSWORD, User, claims, faults, join_all, text};

const NEW: &str = "another good password";

fn change(user: &User<'_>, current: &str, new: &str) -> impl Future<Output = Answer> {
    let body = json!({"current_password": current, "new_password": new});
    user.post("/password/change", body).send()
}

fn delete(user: &User<'_>, password: &str) -> impl Future<Output = Answer> {
    user.delete("/profile")
        .json(json!({ "password": password }))
        .send()
}

async fn sessions(user: &User<'_>) -> usize {
    let list = user.get("/sessions").send().await.expect(200).json();
    list["sessions"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_changed_password_is_the_one_to_log_in_with() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let answer = change(&ada, PASSWORD, NEW).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    app.login(&ada.email, PASSWORD)
        .await
        .problem(401, "invalid-credentials");
    app.login(&ada.email, NEW).await.expect(200);
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions_but_not_this_one() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    let other = text(
        &app.login(&ada.email, PASSWORD).await.expect(200).json(),
        "refresh_token",
    );
    let tokens = change(&ada, PASSWORD, NEW).await.expect(200).json();
    app.refresh(&other)
        .await
        .problem(401, "invalid-refresh-token");
    assert_eq!(sessions(&ada).await, 1);
    let next = app.refresh(&text(&tokens, "refresh_token")).await;
    let next = text(&next.expect(200).json(), "refresh_token");
    app.refresh(&next).await.expect(200);
    app.refresh(&eve.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_changed_password_makes_every_copy_of_the_session_s_tokens_worthless() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let second = app.refresh(&ada.refresh_token).await.expect(200).json();
    let second = text(&second, "refresh_token");
    app.clock.advance(Duration::from_secs(60));
    let tokens = change(&ada, PASSWORD, NEW).await.expect(200).json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["refresh_expires_in"], 30 * 24 * 60 * 60);
    let (before, after) = (
        claims(&ada.access_token),
        claims(&text(&tokens, "access_token")),
    );
    assert_eq!(
        (&after["sub"], &after["sid"]),
        (&before["sub"], &before["sid"])
    );
    // Current or replaced, no copy leads to the new token, and none ends the session.
    for copied in [&second, &ada.refresh_token] {
        app.refresh(copied)
            .await
            .problem(401, "invalid-refresh-token");
        let logout = app.post("/logout", json!({ "refresh_token": copied }));
        logout.send().await.expect(204);
    }
    let fresh = text(&tokens, "refresh_token");
    app.refresh(&fresh).await.expect(200);
    app.refresh(&fresh).await.expect(200);
}

#[tokio::test]
async fn a_session_of_the_old_password_is_over_even_if_its_item_is_left() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let other = text(
        &app.login(&ada.email, PASSWORD).await.expect(200).json(),
        "refresh_token",
    );
    let left = app.items_of("SESSION#").await;
    change(&ada, PASSWORD, NEW).await.expect(200);
    // As if its removal had failed, or a login with the old password had come in between.
    for item in left {
        let put = app.dynamodb().put_item().table_name("latchkey");
        let put = put.condition_expression("attribute_not_exists(pk)");
        let _ = put.set_item(Some(item.into_iter().collect())).send().await;
    }
    assert_eq!(app.items_of("SESSION#").await.len(), 2);
    app.refresh(&other)
        .await
        .problem(401, "invalid-refresh-token");
    assert_eq!(sessions(&ada).await, 1, "nor is it shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_login_with_the_old_password_outlives_the_change() {
    let app = App::with(&[("LoginAttempts", "20")]).await;
    let ada = app.user("ada@example.com").await;
    let logins = join_all((0..15).map(|_| app.login(&ada.email, PASSWORD)));
    let (changed, logins) = tokio::join!(change(&ada, PASSWORD, NEW), logins);
    changed.expect(200);
    for login in logins {
        if login.status == 200 {
            let refreshed = app.refresh(&text(&login.json(), "refresh_token")).await;
            refreshed.problem(401, "invalid-refresh-token");
        } else {
            login.problem(401, "invalid-credentials");
        }
    }
    assert_eq!(sessions(&ada).await, 1);
}

#[tokio::test]
async fn a_wrong_current_password_changes_nothing() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let other = text(
        &app.login(&ada.email, PASSWORD).await.expect(200).json(),
        "refresh_token",
    );
    change(&ada, "not the password", NEW)
        .await
        .problem(403, "wrong-password");
    app.refresh(&other).await.expect(200);
    app.login(&ada.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn the_policy_holds_for_the_new_password_and_every_fault_is_named() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let problem = change(&ada, &"x".repeat(129), "short")
        .await
        .problem(422, "invalid-fields");
    let expected = [
        ("/current_password", "too-long"),
        ("/new_password", "too-short"),
    ];
    assert_eq!(
        faults(&problem),
        expected.map(|(p, c)| (p.to_owned(), c.to_owned()))
    );
    app.login(&ada.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_session_that_has_ended_changes_no_password() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.post("/logout", json!({"refresh_token": ada.refresh_token}))
        .send()
        .await
        .expect(204);
    change(&ada, PASSWORD, NEW)
        .await
        .problem(401, "invalid-token");
    app.login(&ada.email, PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_of_two_concurrent_changes_is_made() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let (one, two) = tokio::join!(
        change(&ada, PASSWORD, "the first new password"),
        change(&ada, PASSWORD, "the second new password"),
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    let first = app.login(&ada.email, "the first new password").await.status;
    let second = app
        .login(&ada.email, "the second new password")
        .await
        .status;
    assert_eq!(
        (first == 200, second == 200),
        (one.status == 200, two.status == 200)
    );
    let changed = if one.status == 200 { one } else { two };
    let fresh = text(&changed.json(), "refresh_token");
    app.refresh(&fresh).await.expect(200);
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_and_its_address_is_free_at_once() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    let other = text(
        &app.login(&ada.email, PASSWORD).await.expect(200).json(),
        "refresh_token",
    );
    assert_eq!(delete(&ada, PASSWORD).await.expect(204).body, "");
    assert_eq!(app.items().await.len(), 3, "what is eve's");
    app.login(&ada.email, PASSWORD)
        .await
        .problem(401, "invalid-credentials");
    for token in [&ada.refresh_token, &other] {
        app.refresh(token)
            .await
            .problem(401, "invalid-refresh-token");
    }
    ada.get("/profile")
        .send()
        .await
        .problem(401, "invalid-token");
    ada.get("/sessions")
        .send()
        .await
        .problem(401, "invalid-token");
    delete(&ada, PASSWORD).await.problem(401, "invalid-token");

    let again = app.register("ADA@example.com").await.expect(201).json();
    assert_ne!(again["id"], ada.account["id"]);
    eve.get("/profile").send().await.expect(200);
}

#[tokio::test]
async fn only_the_password_deletes_an_account() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    delete(&ada, "not the password")
        .await
        .problem(403, "wrong-password");
    let bare = ada.delete("/profile").send().await;
    bare.problem(415, "unsupported-media-type");
    let problem = ada
        .delete("/profile")
        .json(json!({}))
        .send()
        .await
        .problem(422, "invalid-fields");
    assert_eq!(
        faults(&problem),
        [("/password".to_owned(), "missing".to_owned())]
    );
    ada.get("/profile").send().await.expect(200);
    app.refresh(&ada.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_finished_by_the_next_call() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    // The state after the first of its writes.
    let credential = app.items_of("CREDENTIAL").await.remove(0);
    let delete_item = app.dynamodb().delete_item().table_name("latchkey");
    let key = ["pk", "sk"].map(|name| (name.to_owned(), credential[name].clone()));
    delete_item.set_key(Some(key.into())).send().await.unwrap();
    let deleting = AttributeValue::S("deleting".to_owned());
    app.set_attribute(&ada.id(), "status", deleting).await;

    app.login(&ada.email, PASSWORD)
        .await
        .problem(401, "invalid-credentials");
    app.refresh(&ada.refresh_token)
        .await
        .problem(401, "invalid-refresh-token");
    ada.get("/profile")
        .send()
        .await
        .problem(401, "invalid-token");
    // Somebody else has the address by now. Their account stays.
    let other = app.register(&ada.email).await.expect(201).json();
    delete(&ada, PASSWORD).await.expect(204);
    assert_eq!(app.items().await.len(), 2);
    let login = app.login(&ada.email, PASSWORD).await.expect(200).json();
    let profile = app
        .get("/profile")
        .bearer(&text(&login, "access_token"))
        .send()
        .await;
    assert_eq!(profile.expect(200).json()["id"], other["id"]);
}

#[tokio::test]
async fn sessions_beyond_one_transaction_are_deleted_too() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.copy_session(130).await;
    delete(&ada, PASSWORD).await.expect(204);
    assert!(app.items().await.is_empty());
}

#[tokio::test]
async fn an_access_token_does_not_outlive_its_bound() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.post("/logout", json!({"refresh_token": ada.refresh_token}))
        .send()
        .await
        .expect(204);
    // The bound of docs/api.md: the token's lifetime, its leeway and the authorizer's cache.
    app.clock.advance(Duration::from_secs(900 + 30 + 60));
    let answer = ada.get("/profile").send().await;
    assert!([401, 403].contains(&answer.status.as_u16()), "{answer:?}");
    let _: Value = answer.json();
}

#[tokio::test]
async fn an_account_is_deleted_by_post_as_by_delete() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let post = |password: &str| {
        let body = json!({ "password": password });
        ada.post("/profile/delete", body).send()
    };
    post("not the password")
        .await
        .problem(403, "wrong-password");
    let empty = ada.post("/profile/delete", json!({})).send().await;
    assert_eq!(
        faults(&empty.problem(422, "invalid-fields")),
        [("/password".to_owned(), "missing".to_owned())]
    );
    ada.get("/profile").send().await.expect(200);
    let body = json!({ "password": PASSWORD });
    let anonymous = app.post("/profile/delete", body).send().await;
    anonymous.expect(401);

    let answer = post(PASSWORD).await.expect(204);
    assert_eq!(answer.body, "");
    assert!(app.items().await.is_empty());
    ada.get("/profile")
        .send()
        .await
        .problem(401, "invalid-token");
    app.register("ada@example.com").await.expect(201);
}

#[tokio::test]
async fn both_ways_to_delete_an_account_count_the_same_attempts() {
    let app = App::with(&[("LoginAttempts", "3")]).await;
    let ada = app.user("ada@example.com").await;
    for _ in 0..3 {
        let body = json!({ "password": "not the password" });
        let refused = ada.post("/profile/delete", body).send().await;
        refused.problem(403, "wrong-password");
    }
    delete(&ada, PASSWORD)
        .await
        .problem(429, "too-many-attempts");
}
