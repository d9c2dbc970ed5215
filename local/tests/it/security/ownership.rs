//! Changes of addresses beside whatever else happens to the accounts at the same time: each address
//! has one owner or none, and each account one address.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::domain::Email;

use crate::support::app::{Answer, App, PASSWORD, User, registration, text};

const OLD: &str = "ada@example.com";
const NEW: &str = "ada.king@example.org";
const OTHER: &str = "another good password";
/// The rounds of each race. Each has its own app.
const ROUNDS: usize = 12;

async fn start() -> App {
    App::mailing(&[("MailsPerAddress", "100")]).await
}

/// Asks for a change of address, and returns the token that the mail holds.
async fn asked(app: &App, user: &User<'_>, email: &str) -> String {
    // The next one has a later identifier.
    app.clock.advance(Duration::from_millis(1));
    let body = json!({"email": email, "password": PASSWORD});
    user.post("/email/change", body).send().await.expect(202);
    app.mailed("email_change").await.unwrap()
}

async fn confirm(app: &App, token: &str) -> Answer {
    let body = json!({"token": token, "password": PASSWORD});
    app.post("/email/change/confirm", body).send().await
}

/// Checks that each credential is of an active account with its address and its epoch, and that each
/// active account has its credential. Returns the addresses that have owners.
async fn owned(app: &App) -> Vec<String> {
    let mut credentials = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for item in app.all_items().await {
        let text = |name: &str| item[name].as_s().unwrap().clone();
        let number = |name: &str| item[name].as_n().unwrap().clone();
        match text("sk").as_str() {
            "CREDENTIAL" => {
                let of = (text("user_id"), number("password_epoch"));
                assert_eq!(credentials.insert(text("pk"), of), None);
            }
            "ACCOUNT" if item["status"] == AttributeValue::S("active".to_owned()) => {
                let email = Email::stored(&text("email"), None).unwrap();
                let user = text("pk").strip_prefix("USER#").unwrap().to_owned();
                let key = format!("EMAIL#{}", email.fingerprint());
                let of = (user, number("password_epoch"));
                let two = accounts.insert(key, (of, text("email")));
                assert_eq!(two, None, "an address has two accounts");
            }
            _ => {}
        }
    }
    let keys = accounts.iter().map(|(key, (of, _))| (key, of));
    assert!(credentials.iter().eq(keys), "{credentials:?} {accounts:?}");
    accounts.into_values().map(|(_, email)| email).collect()
}

/// Returns whether one of the answers, and which, has a status of success.
fn winners(answers: &[&Answer]) -> Vec<usize> {
    let won = |(place, answer): (usize, &&Answer)| answer.status.is_success().then_some(place);
    answers.iter().enumerate().filter_map(won).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_and_a_registration_of_one_address_have_one_winner() {
    for round in 0..ROUNDS {
        let app = start().await;
        let ada = app.user(OLD).await;
        let token = asked(&app, &ada, NEW).await;
        let mut body = registration(NEW);
        body["password"] = json!(OTHER);
        let register = app.post("/register", body).send();
        let (moved, registered) = match round % 2 {
            0 => tokio::join!(confirm(&app, &token), register),
            _ => {
                let (registered, moved) = tokio::join!(register, confirm(&app, &token));
                (moved, registered)
            }
        };
        let won = winners(&[&moved, &registered]);
        assert_eq!(won.len(), 1, "{moved:?} {registered:?}");
        let mut owned = owned(&app).await;
        owned.sort();
        if won == [0] {
            registered.problem(409, "email-taken");
            assert_eq!(owned, [NEW]);
            app.login(NEW, PASSWORD).await.expect(200);
        } else {
            moved.problem(409, "email-taken");
            assert_eq!(owned, [NEW, OLD]);
            app.login(NEW, OTHER).await.expect(200);
            app.login(OLD, PASSWORD).await.expect(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_to_one_address_have_one_winner() {
    for _ in 0..ROUNDS {
        let app = start().await;
        let ada = app.user(OLD).await;
        let eve = app.user("eve@example.com").await;
        let one = asked(&app, &ada, NEW).await;
        let two = asked(&app, &eve, NEW).await;
        let (one, two) = tokio::join!(confirm(&app, &one), confirm(&app, &two));
        let won = winners(&[&one, &two]);
        assert_eq!(won.len(), 1, "{one:?} {two:?}");
        let (lost, left) = match won[0] {
            0 => (two, "eve@example.com"),
            _ => (one, OLD),
        };
        lost.problem(409, "email-taken");
        let mut owned = owned(&app).await;
        owned.sort();
        let mut expected = [NEW, left];
        expected.sort_unstable();
        assert_eq!(owned, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_of_one_account_have_one_winner() {
    for _ in 0..ROUNDS {
        let app = start().await;
        let ada = app.user(OLD).await;
        let one = asked(&app, &ada, NEW).await;
        let two = asked(&app, &ada, "ada@example.net").await;
        let (one, two) = tokio::join!(confirm(&app, &one), confirm(&app, &two));
        let won = winners(&[&one, &two]);
        assert_eq!(won.len(), 1, "{one:?} {two:?}");
        let (lost, now) = match won[0] {
            0 => (two, NEW),
            _ => (one, "ada@example.net"),
        };
        lost.problem(400, "invalid-link");
        assert_eq!(owned(&app).await, [now]);
        app.refresh(&ada.refresh_token).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_that_swap_their_addresses_keep_one_each() {
    for _ in 0..ROUNDS {
        let app = start().await;
        let ada = app.user(OLD).await;
        let eve = app.user(NEW).await;
        let one = asked(&app, &ada, NEW).await;
        let two = asked(&app, &eve, OLD).await;
        let (one, two) = tokio::join!(confirm(&app, &one), confirm(&app, &two));
        one.problem(409, "email-taken");
        two.problem(409, "email-taken");
        assert_eq!(owned(&app).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_beside_a_deletion_leaves_no_address_with_a_deleted_account() {
    for _ in 0..ROUNDS {
        let app = start().await;
        let ada = app.user(OLD).await;
        let token = asked(&app, &ada, NEW).await;
        let delete = ada.post("/profile/delete", json!({ "password": PASSWORD }));
        let (moved, deleted) = tokio::join!(confirm(&app, &token), delete.send());
        let won = winners(&[&moved, &deleted]);
        assert!(!won.is_empty(), "{moved:?} {deleted:?}");
        if won == [0] {
            assert_eq!(owned(&app).await, [NEW]);
            app.login(NEW, PASSWORD).await.expect(200);
        } else {
            // Both, if the change was made before the deletion began.
            assert!(owned(&app).await.is_empty());
            assert!(app.items_of("CREDENTIAL").await.is_empty());
            app.register(NEW).await.expect(201);
            app.register(OLD).await.expect(201);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_beside_a_change_gets_a_session_that_lasts_or_none() {
    for _ in 0..ROUNDS {
        let app = start().await;
        let ada = app.user(OLD).await;
        let token = asked(&app, &ada, NEW).await;
        let (moved, old, new) = tokio::join!(
            confirm(&app, &token),
            app.login(OLD, PASSWORD),
            app.login(NEW, PASSWORD),
        );
        moved.expect(204);
        assert_eq!(owned(&app).await, [NEW]);
        if old.status == 200 {
            // It came first, and has ended.
            let refresh = text(&old.json(), "refresh_token");
            app.refresh(&refresh)
                .await
                .problem(401, "invalid-refresh-token");
        }
        if new.status == 200 {
            let refresh = text(&new.json(), "refresh_token");
            app.refresh(&refresh).await.expect(200);
        }
        app.refresh(&ada.refresh_token).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_password_beside_one_of_the_address_voids_it_or_comes_after_it() {
    for _ in 0..ROUNDS {
        let app = start().await;
        let ada = app.user(OLD).await;
        let token = asked(&app, &ada, NEW).await;
        let body = json!({"current_password": PASSWORD, "new_password": OTHER});
        let change = ada.post("/password/change", body).send();
        let (moved, changed) = tokio::join!(confirm(&app, &token), change);
        let won = winners(&[&moved, &changed]);
        let owned = owned(&app).await;
        match won.as_slice() {
            [0] => {
                assert_eq!(owned, [NEW]);
                app.login(NEW, PASSWORD).await.expect(200);
            }
            [1] => {
                moved.problem(400, "invalid-link");
                assert_eq!(owned, [OLD]);
                app.login(OLD, OTHER).await.expect(200);
            }
            // The password was changed after the address.
            _ => {
                assert_eq!(won, [0, 1], "{moved:?} {changed:?}");
                assert_eq!(owned, [NEW]);
                app.login(NEW, OTHER).await.expect(200);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_beside_a_change_has_one_winner() {
    for _ in 0..ROUNDS {
        let app = start().await;
        let ada = app.user(OLD).await;
        let forgot = app.post("/password/forgot", json!({ "email": OLD }));
        forgot.send().await.expect(202);
        let reset = app.mailed("password_reset").await.unwrap();
        let token = asked(&app, &ada, NEW).await;
        let body = json!({"token": reset, "new_password": OTHER});
        let reset = app.post("/password/reset", body).send();
        let (moved, reset) = tokio::join!(confirm(&app, &token), reset);
        let won = winners(&[&moved, &reset]);
        assert_eq!(won.len(), 1, "{moved:?} {reset:?}");
        let owned = owned(&app).await;
        if won == [0] {
            reset.problem(400, "invalid-link");
            assert_eq!(owned, [NEW]);
            app.login(NEW, PASSWORD).await.expect(200);
        } else {
            moved.problem(400, "invalid-link");
            assert_eq!(owned, [OLD]);
            app.login(OLD, OTHER).await.expect(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_and_changes_that_are_confirmed_at_once_have_one_owner() {
    for _ in 0..ROUNDS {
        let first = ("EmailVerification", "first");
        let app = App::mailing(&[first, ("MailsPerAddress", "100")]).await;
        let mut links = Vec::new();
        for email in [OLD, NEW, NEW] {
            app.clock.advance(Duration::from_millis(1));
            app.register(email).await.expect(202);
            links.push(app.mailed("registration").await.unwrap());
        }
        let open = async |token: &str| {
            let body = json!({"token": token, "password": PASSWORD});
            app.post("/register/confirm", body).send().await
        };
        open(&links[0]).await.expect(201);
        let login = app.login(OLD, PASSWORD).await.expect(200).json();
        app.clock.advance(Duration::from_millis(1));
        let body = json!({"email": NEW, "password": PASSWORD});
        let ask = app.post("/email/change", body);
        let ask = ask.bearer(&text(&login, "access_token")).send().await;
        ask.expect(202);
        let moving = app.mailed("email_change").await.unwrap();
        let (one, two, moved) =
            tokio::join!(open(&links[1]), open(&links[2]), confirm(&app, &moving));
        let won = winners(&[&one, &two, &moved]);
        assert_eq!(won.len(), 1, "{one:?} {two:?} {moved:?}");
        let lost = [one, two, moved].into_iter();
        for (place, lost) in lost.enumerate() {
            if won != [place] {
                lost.problem(409, "email-taken");
            }
        }
        let expected = if won == [2] { 1 } else { 2 };
        assert_eq!(owned(&app).await.len(), expected);
    }
}
