//! Links that are not good: one refusal, whatever is wrong, and no way around it.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shared::domain::{LinkToken, Purpose};

use crate::support::app::{Answer, App, PASSWORD, User, join_all, logged_events, text};

const NEW: &str = "another good password";

/// The calls that use links, with what their links are good for.
const CALLS: [(&str, Purpose); 2] = [
    ("/password/reset", Purpose::PasswordReset),
    ("/email/verify", Purpose::EmailVerification),
];

fn use_link(app: &App, path: &str, token: &str) -> impl Future<Output = Answer> {
    let body = match path {
        "/password/reset" => json!({"token": token, "new_password": NEW}),
        _ => json!({"token": token, "password": PASSWORD}),
    };
    app.post(path, body).send()
}

/// Returns all octets of a refusal but those of the request's id.
fn octets(answer: &Answer) -> String {
    let headers = answer.headers.iter().map(|(name, value)| {
        let value = match name.as_str() {
            "apigw-requestid" | "date" => String::new(),
            _ => value.to_str().unwrap().to_owned(),
        };
        (name.to_string(), value)
    });
    let id = text(&answer.json(), "request_id");
    let body = answer.body.replace(&id, "");
    let headers: Vec<_> = headers.collect();
    format!("{} {headers:?} {body}", answer.status)
}

/// Returns `token` with other octets at a place: 0 for the account, 16 for the event, 32 for the
/// secret.
fn with_octets(token: &str, place: usize, new: &[u8; 16]) -> String {
    let octets = URL_SAFE_NO_PAD.decode(token.strip_prefix("lkm_").unwrap());
    let mut octets = octets.unwrap();
    octets[place..place + 16].copy_from_slice(new);
    format!("lkm_{}", URL_SAFE_NO_PAD.encode(octets))
}

async fn set_status(app: &App, user: &User<'_>, status: &str) {
    let status = AttributeValue::S(status.to_owned());
    app.set_attribute(&user.id(), "status", status).await;
}

#[tokio::test]
async fn every_link_that_is_not_good_is_refused_with_the_same_octets() {
    for (path, purpose) in CALLS {
        let app = App::with_mail().await;
        let ada = app.user("ada@example.com").await;
        let eve = app.user("eve@example.com").await;
        let mut seen: Vec<(&str, String)> = Vec::new();
        let mut refused = async |why: &'static str, token: &str, reason: &str| {
            logged_events();
            let answer = use_link(&app, path, token).await;
            seen.push((why, octets(&answer)));
            let _: Value = answer.problem(400, "invalid-link");
            let events = logged_events();
            assert_eq!(events.len(), 1, "{why}: {events:?}");
            assert_eq!(events[0]["event"], "link_refused", "{why}");
            assert_eq!(events[0]["reason"], reason, "{why}");
        };
        let good = app.mint(&ada.id(), purpose).await;
        let of_eve = app.mint(&eve.id(), purpose).await;

        refused("no text", "", "malformed").await;
        refused("another text", "lkr_AAAA", "malformed").await;
        refused("truncated", &good[..good.len() - 1], "malformed").await;
        refused("longer", &format!("{good}A"), "malformed").await;
        refused("padded", &format!("{good}="), "malformed").await;
        refused("a refresh token", &ada.refresh_token, "malformed").await;
        refused("an access token", &ada.access_token, "malformed").await;
        refused("very long", &"lkm_A".repeat(2000), "malformed").await;

        let eve_id: shared::domain::UserId = eve.id().parse().unwrap();
        let foreign = with_octets(&good, 0, eve_id.as_bytes());
        refused("of a link in another account", &foreign, "unknown").await;
        let other = LinkToken::parse(&of_eve).unwrap();
        let mixed = with_octets(&foreign, 16, other.id().as_bytes());
        refused("with the secret of another", &mixed, "unknown").await;
        refused("never sent", &with_octets(&good, 16, &[7; 16]), "unknown").await;
        refused("guessed", &with_octets(&good, 40, &[7; 16]), "unknown").await;
        refused("of nobody", &with_octets(&good, 0, &[7; 16]), "unknown").await;

        // An invitation sets a password too.
        let sets_password = [Purpose::PasswordReset, Purpose::Invitation];
        let is_other = |other: &Purpose| {
            *other != purpose
                && !(sets_password.contains(other) && sets_password.contains(&purpose))
        };
        for other in Purpose::ALL.into_iter().filter(is_other) {
            let token = app.mint(&ada.id(), other).await;
            refused("for another purpose", &token, "other_purpose").await;
        }

        set_status(&app, &ada, "disabled").await;
        refused("of a disabled account", &good, "account_gone").await;
        set_status(&app, &ada, "deleting").await;
        refused("of an account that is being deleted", &good, "account_gone").await;
        set_status(&app, &ada, "active").await;

        app.clock
            .advance(Duration::from_secs(purpose.seconds()) - Duration::from_millis(1));
        use_link(&app, path, &good).await.expect(204);
        refused("used", &good, "used").await;
        app.clock.advance(Duration::from_millis(1));
        refused("expired", &of_eve, "expired").await;

        let body = json!({"email": ada.email, "password": match path {
            "/password/reset" => NEW,
            _ => PASSWORD,
        }});
        let tokens = app
            .post("/login", body.clone())
            .send()
            .await
            .expect(200)
            .json();
        let token = text(&tokens, "access_token");
        let before = app.mint(&ada.id(), purpose).await;
        let change =
            json!({"current_password": body["password"], "new_password": "a third good password"});
        let change = app.post("/password/change", change).bearer(&token);
        change.send().await.expect(200);
        refused("from before another password", &before, "account_changed").await;
        let left = app.mint(&ada.id(), purpose).await;
        let delete = json!({"password": "a third good password"});
        let call = app
            .call(axum::http::Method::DELETE, "/profile")
            .bearer(&token);
        call.json(delete).send().await.expect(204);
        refused("of a deleted account", &left, "unknown").await;

        let (_, first) = &seen[0];
        assert!(first.contains("invalid-link"), "{first}");
        for (why, octets) in &seen {
            assert_eq!(octets, first, "{path}: {why}");
        }
        assert!(seen.len() > 20);
    }
}

/// Returns how often a race is run. Each has its own app.
const ROUNDS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn no_login_with_the_old_password_outlives_a_reset() {
    for _ in 0..ROUNDS {
        let app = App::with(&[crate::support::links::MAIL, ("LoginAttempts", "20")]).await;
        let ada = app.user("ada@example.com").await;
        let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
        let logins = join_all((0..10).map(|_| app.login(&ada.email, PASSWORD)));
        let (reset, logins) = tokio::join!(use_link(&app, "/password/reset", &token), logins);
        reset.expect(204);
        for login in logins {
            if login.status == 200 {
                let token = text(&login.json(), "refresh_token");
                let refused = app.refresh(&token).await;
                refused.problem(401, "invalid-refresh-token");
            }
        }
        app.login(&ada.email, NEW).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_reset_and_a_password_change_at_once_the_link_never_undoes_the_change() {
    const OTHER: &str = "a third good password";
    for _ in 0..ROUNDS {
        let app = App::with_mail().await;
        let ada = app.user("ada@example.com").await;
        let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
        let change = json!({"current_password": PASSWORD, "new_password": OTHER});
        let (reset, changed) = tokio::join!(
            use_link(&app, "/password/reset", &token),
            ada.post("/password/change", change).send()
        );
        let statuses = (reset.status.as_u16(), changed.status.as_u16());
        let password = match statuses {
            // The session that asked ended with the reset.
            (204, 401 | 403) => NEW,
            (400, 200) => OTHER,
            _ => panic!("{reset:?} {changed:?}"),
        };
        app.login(&ada.email, password).await.expect(200);
        let again = use_link(&app, "/password/reset", &token).await;
        again.problem(400, "invalid-link");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_reset_and_a_deletion_at_once_neither_leaves_half_an_account() {
    for _ in 0..ROUNDS {
        let app = App::with_mail().await;
        let ada = app.user("ada@example.com").await;
        let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
        let call = ada.delete("/profile").json(json!({ "password": PASSWORD }));
        let (reset, deleted) = tokio::join!(use_link(&app, "/password/reset", &token), call.send());
        match (reset.status.as_u16(), deleted.status.as_u16()) {
            (204, 403) => drop(app.login(&ada.email, NEW).await.expect(200)),
            (400, 204) => {
                assert_eq!(app.items().await, []);
                app.register(&ada.email).await.expect(201);
            }
            _ => panic!("{reset:?} {deleted:?}"),
        }
    }
}

#[tokio::test]
async fn a_link_to_an_address_that_has_another_account_by_now_does_not_touch_it() {
    let app = App::with_mail().await;
    let ada = app.user("ada@example.com").await;
    let token = app.mint(&ada.id(), Purpose::PasswordReset).await;
    let link = app.items_of("TOKEN#").await.remove(0);
    let call = ada.delete("/profile").json(json!({ "password": PASSWORD }));
    call.send().await.expect(204);
    let other = app.user(&ada.email).await;
    // As if the link had come back, in a backup or by a late delivery.
    let put = app.dynamodb().put_item().table_name("latchkey");
    let put = put.set_item(Some(link.into_iter().collect()));
    put.send().await.unwrap();
    let refused = use_link(&app, "/password/reset", &token).await;
    refused.problem(400, "invalid-link");
    app.login(&other.email, PASSWORD).await.expect(200);
    app.refresh(&other.refresh_token).await.expect(200);
}
