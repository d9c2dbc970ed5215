//! `POST /refresh` and `POST /logout`.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::support::app::{
    Answer, App, BEGINNING, PASSWORD, claims, faults, join_all, logged_events, text,
};

const DAY: u64 = 24 * 60 * 60;

#[track_caller]
fn refused(answer: Answer) {
    answer.problem(401, "invalid-refresh-token");
}

fn token(answer: &Answer) -> String {
    text(&answer.json(), "refresh_token")
}

/// Returns a refresh token with some of its octets replaced.
fn forged(token: &str, at: usize, octets: &[u8]) -> String {
    let mut all = URL_SAFE_NO_PAD
        .decode(token.strip_prefix("lkr_").unwrap())
        .unwrap();
    all[at..at + octets.len()].copy_from_slice(octets);
    format!("lkr_{}", URL_SAFE_NO_PAD.encode(all))
}

/// Returns a refresh token with its last bit flipped. (Setting an octet might not change it.)
fn flipped(token: &str) -> String {
    let last = URL_SAFE_NO_PAD
        .decode(token.strip_prefix("lkr_").unwrap())
        .unwrap()[71];
    forged(token, 71, &[last ^ 1])
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next_and_an_access_token() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.clock.advance(Duration::from_secs(60));
    let answer = app.refresh(&ada.refresh_token).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["refresh_expires_in"], 30 * DAY);
    assert_eq!(tokens.as_object().unwrap().len(), 5);
    assert_ne!(tokens["refresh_token"], ada.refresh_token.as_str());

    let access_token = text(&tokens, "access_token");
    let (before, after) = (claims(&ada.access_token), claims(&access_token));
    assert_eq!(
        (&after["sub"], &after["sid"]),
        (&before["sub"], &before["sid"])
    );
    assert_eq!(after["iat"], BEGINNING + 60);
    assert_ne!(after["jti"], before["jti"]);
    app.get("/profile")
        .bearer(&access_token)
        .send()
        .await
        .expect(200);
    assert_eq!(
        app.items_of("SESSION#").await.len(),
        1,
        "one item a session"
    );
}

#[tokio::test]
async fn within_the_grace_time_a_repeat_gets_the_very_same_successor() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let first = app.refresh(&ada.refresh_token).await.expect(200);
    app.clock.advance(Duration::from_secs(10));
    let again = app.refresh(&ada.refresh_token).await.expect(200);
    assert_eq!(token(&first), token(&again));
    app.refresh(&token(&again)).await.expect(200);
}

#[tokio::test]
async fn a_replaced_token_whose_successor_was_not_used_gets_it_again_days_later() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let first = app.refresh(&ada.refresh_token).await.expect(200);
    app.clock.advance(Duration::from_secs(29 * DAY));
    let again = app.refresh(&ada.refresh_token).await.expect(200);
    assert_eq!(token(&first), token(&again));
    // A repeat is no use of the session.
    assert_eq!(again.json()["refresh_expires_in"], DAY);
    let next = app.refresh(&token(&again)).await.expect(200);
    // Its successor was used.
    refused(app.refresh(&ada.refresh_token).await);
    refused(app.refresh(&token(&next)).await);
}

// On one thread, since the functions' tasks log to the log of their thread.
#[tokio::test(flavor = "current_thread")]
async fn a_reuse_is_a_security_event_in_the_log_and_a_guess_is_none() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let next = token(&app.refresh(&ada.refresh_token).await.expect(200));
    app.refresh(&next).await.expect(200);
    logged_events();
    refused(app.refresh(&flipped(&ada.refresh_token)).await);
    assert!(logged_events().is_empty());
    refused(app.refresh(&ada.refresh_token).await);
    let events = logged_events();
    let [event, _] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (&event["event"], &event["level"]),
        (&json!("refresh_token_reused"), &json!("WARN"))
    );
    assert_eq!(event["user_id"], ada.id());
    assert_eq!(event["session_id"], ada.session_id());
    assert!(!event.to_string().contains("lkr_"));
}

// On one thread, as above.
#[tokio::test(flavor = "current_thread")]
async fn the_grace_time_and_the_number_of_repeats_are_parameters() {
    let parameters = [("RefreshGraceSeconds", "0"), ("RefreshRepeats", "1")];
    let app = App::with(&parameters).await;
    let ada = app.user("ada@example.com").await;
    let mut current = ada.refresh_token.clone();
    logged_events();
    for repeats in 1..=11 {
        let answer = app.refresh(&current).await.expect(200);
        if repeats == 11 {
            refused(app.refresh(&current).await);
            break;
        }
        let again = app.refresh(&current).await.expect(200);
        assert_eq!(token(&again), token(&answer));
        let events = logged_events();
        assert_eq!(events[0]["reason"], "after_grace", "{events:?}");
        current = token(&answer);
    }
    assert!(app.items_of("SESSION#").await.is_empty());
}

#[tokio::test]
async fn a_token_many_generations_old_ends_the_session_too() {
    for generations in [2, 10, 1_000] {
        let app = App::start().await;
        let ada = app.user("ada@example.com").await;
        let bob = app.user("bob@example.com").await;
        let mut current = ada.refresh_token.clone();
        for _ in 0..generations {
            current = token(&app.refresh(&current).await.expect(200));
        }
        refused(app.refresh(&ada.refresh_token).await);
        refused(app.refresh(&current).await);
        // Other users' sessions continue.
        app.refresh(&bob.refresh_token).await.expect(200);
    }
}

#[tokio::test]
async fn a_reuse_ends_this_session_and_not_the_account_s_others() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let other = token(&app.login(&ada.email, PASSWORD).await.expect(200));
    let next = token(&app.refresh(&ada.refresh_token).await.expect(200));
    app.refresh(&next).await.expect(200);
    refused(app.refresh(&ada.refresh_token).await);
    app.refresh(&other).await.expect(200);
}

/// Refreshes from an address.
async fn refresh_from(app: &App, ip: &str, token: &str) -> Answer {
    let body = json!({ "refresh_token": token });
    app.post("/refresh", body).from(ip).send().await
}

// On one thread, as above.
#[tokio::test(flavor = "current_thread")]
async fn a_thief_in_step_is_in_the_log_at_each_step_and_found() {
    for thief_is_first in [false, true] {
        let app = App::start().await;
        let ada = app.user("ada@example.com").await;
        let mut owners = ada.refresh_token.clone();
        let mut thiefs = owners.clone();
        let mut refreshes = 0;
        'found: loop {
            app.clock.advance(Duration::from_secs(14 * 60));
            logged_events();
            for is_thief in [thief_is_first, !thief_is_first] {
                let (token, ip) = match is_thief {
                    true => (&mut thiefs, "198.51.100.1"),
                    false => (&mut owners, "203.0.113.7"),
                };
                refreshes += u32::from(!is_thief);
                let answer = refresh_from(&app, ip, token).await;
                if answer.status != 200 {
                    refused(answer);
                    break 'found;
                }
                *token = text(&answer.json(), "refresh_token");
            }
            let events = logged_events();
            let [event] = &events[..] else {
                panic!("{events:?}")
            };
            assert_eq!(
                (&event["event"], &event["by"]),
                (&json!("refresh_token_repeated"), &json!("other_network"))
            );
            assert!(refreshes < 6);
        }
        assert_eq!(refreshes, 6);
        let events = logged_events();
        let names: Vec<_> = events.iter().map(|event| text(event, "event")).collect();
        let expected = [
            "refresh_token_repeated",
            "refresh_token_reused",
            "session_ended",
        ];
        assert_eq!(names, expected);
        assert!(app.items_of("SESSION#").await.is_empty());
        refused(app.refresh(&owners).await);
        refused(app.refresh(&thiefs).await);
    }
}

// On one thread, as above.
#[tokio::test(flavor = "current_thread")]
async fn of_refreshes_at_once_one_is_a_rotation_and_the_others_are_repeats_in_the_log() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    logged_events();
    let from = |n| format!("198.51.100.{n}");
    let sources: Vec<_> = (0..10).map(from).collect();
    let all = sources
        .iter()
        .map(|ip| refresh_from(&app, ip, &ada.refresh_token));
    let answers = join_all(all).await;
    let successors: BTreeSet<_> = answers.iter().map(token).collect();
    assert_eq!(successors.len(), 1);
    let events = logged_events();
    assert_eq!(events.len(), 9, "{events:?}");
    assert!(events.iter().all(|event| event["by"] == "other_network"));
    // However many there are, they are one replacement's.
    let repeats = &app.items_of("SESSION#").await[0]["repeats"];
    assert_eq!(
        repeats.as_l().unwrap()[4],
        AttributeValue::N("1".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_refreshes_of_one_token_at_once_get_one_successor() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let answers = join_all((0..50).map(|_| app.refresh(&ada.refresh_token))).await;
    let statuses: Vec<_> = answers
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    assert_eq!(statuses, [200; 50]);
    let successors: BTreeSet<_> = answers.iter().map(token).collect();
    assert_eq!(successors.len(), 1);
    assert_eq!(
        app.items_of("SESSION#").await[0]["counter"],
        AttributeValue::N("1".to_owned())
    );
    app.refresh(successors.first().unwrap()).await.expect(200);
}

#[tokio::test]
async fn other_tokens_than_the_session_s_are_refused_and_revoke_nothing() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    let second = token(&app.refresh(&ada.refresh_token).await.expect(200));
    let hers = URL_SAFE_NO_PAD.decode(&eve.refresh_token[4..]).unwrap();
    app.clock.advance(Duration::from_secs(60));
    for guess in [
        String::new(),
        "nonsense".to_owned(),
        ada.access_token.clone(),
        second.replace("lkr_", ""),
        format!("{second}A"),
        // Another secret, in the last octet and as a whole.
        flipped(&second),
        forged(&second, 40, &[7; 32]),
        // Another counter.
        forged(&second, 32, &0_u64.to_be_bytes()),
        forged(&second, 32, &2_u64.to_be_bytes()),
        forged(&second, 32, &u64::MAX.to_be_bytes()),
        // Another user or session, and another user's secret.
        forged(&second, 0, &hers[..16]),
        forged(&second, 16, &hers[16..32]),
        forged(&second, 0, &hers[..32]),
        forged(&second, 40, &hers[40..]),
        forged(&ada.refresh_token, 40, &hers[40..]),
    ] {
        refused(app.refresh(&guess).await);
    }
    app.refresh(&second).await.expect(200);
    app.refresh(&eve.refresh_token).await.expect(200);
}

#[tokio::test]
async fn stored_values_cannot_be_presented_as_tokens() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.refresh(&ada.refresh_token).await.expect(200);
    let item = &app.items_of("SESSION#").await[0];
    for (name, value) in item {
        if let AttributeValue::B(octets) = value {
            for counter in [0_u64, 1, 2] {
                let guess = forged(&ada.refresh_token, 40, octets.as_ref());
                let guess = forged(&guess, 32, &counter.to_be_bytes());
                app.refresh(&guess)
                    .await
                    .problem(401, "invalid-refresh-token");
                assert_eq!(app.items_of("SESSION#").await.len(), 1, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_though_its_item_is_still_there() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.clock.advance(Duration::from_secs(30 * DAY - 1));
    let next = token(&app.refresh(&ada.refresh_token).await.expect(200));
    app.clock.advance(Duration::from_secs(30 * DAY));
    refused(app.refresh(&next).await);
    assert_eq!(
        app.items_of("SESSION#").await.len(),
        1,
        "TTL removes it later"
    );
}

#[tokio::test]
async fn use_never_extends_a_session_past_its_whole_time() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let mut current = ada.refresh_token.clone();
    for _ in 0..8 {
        app.clock.advance(Duration::from_secs(11 * DAY));
        current = token(&app.refresh(&current).await.expect(200));
    }
    // 88 of 90 days: the answer tells the rest.
    let answer = app.refresh(&current).await.expect(200);
    assert_eq!(answer.json()["refresh_expires_in"], 2 * DAY);
    app.clock.advance(Duration::from_secs(2 * DAY));
    refused(app.refresh(&token(&answer)).await);
}

#[tokio::test]
async fn lifetimes_are_parameters() {
    let parameters = [("RefreshIdleSeconds", "600"), ("RefreshMaxSeconds", "900")];
    let app = App::with(&parameters).await;
    let ada = app.user("ada@example.com").await;
    app.clock.advance(Duration::from_secs(599));
    let answer = app.refresh(&ada.refresh_token).await.expect(200);
    assert_eq!(answer.json()["refresh_expires_in"], 301);
    app.clock.advance(Duration::from_secs(301));
    refused(app.refresh(&token(&answer)).await);
}

#[tokio::test]
async fn the_account_is_read_again() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let roles = AttributeValue::L(vec![AttributeValue::S("admin".to_owned())]);
    app.set_attribute(&ada.id(), "roles", roles).await;
    let answer = app.refresh(&ada.refresh_token).await.expect(200);
    assert_eq!(
        claims(&text(&answer.json(), "access_token"))["roles"],
        json!(["admin"])
    );

    let disabled = AttributeValue::S("disabled".to_owned());
    app.set_attribute(&ada.id(), "status", disabled).await;
    refused(app.refresh(&token(&answer)).await);
    // Enabling the account again makes its sessions usable again.
    let active = AttributeValue::S("active".to_owned());
    app.set_attribute(&ada.id(), "status", active).await;
    app.refresh(&token(&answer)).await.expect(200);
}

#[tokio::test]
async fn bodies_are_checked_as_everywhere() {
    let app = App::start().await;
    for path in ["/refresh", "/logout"] {
        let problem = app
            .post(path, json!({}))
            .send()
            .await
            .problem(422, "invalid-fields");
        assert_eq!(
            faults(&problem),
            [("/refresh_token".to_owned(), "missing".to_owned())]
        );
        let body = json!({"refresh_token": 7, "token": "x"});
        let problem = app
            .post(path, body)
            .send()
            .await
            .problem(422, "invalid-fields");
        assert_eq!(faults(&problem).len(), 2);
        let call = app.call(axum::http::Method::POST, path);
        call.body("refresh_token=x")
            .send()
            .await
            .problem(415, "unsupported-media-type");
    }
}

#[tokio::test]
async fn a_logout_ends_the_session_at_once() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let logout = |token: &str| {
        app.post("/logout", json!({ "refresh_token": token }))
            .send()
    };
    let answer = logout(&ada.refresh_token).await.expect(204);
    assert_eq!(answer.body, "");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(app.items_of("SESSION#").await.is_empty());
    refused(app.refresh(&ada.refresh_token).await);
    logout(&ada.refresh_token).await.expect(204);
}

#[tokio::test]
async fn a_logout_with_a_replaced_token_ends_the_session_and_with_a_guess_nothing() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let next = token(&app.refresh(&ada.refresh_token).await.expect(200));
    let logout = |token: String| {
        app.post("/logout", json!({ "refresh_token": token }))
            .send()
    };
    for guess in [
        "".to_owned(),
        "x".to_owned(),
        flipped(&next),
        forged(&next, 16, &[0; 16]),
    ] {
        logout(guess).await.expect(204);
    }
    let next = token(&app.refresh(&next).await.expect(200));
    logout(ada.refresh_token.clone()).await.expect(204);
    refused(app.refresh(&next).await);
}
