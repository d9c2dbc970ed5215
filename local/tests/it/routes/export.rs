//! `GET /profile/export`.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::support::app::{App, EVENT_TABLE, PASSWORD, User, claims, text};

async fn exported(user: &User<'_>) -> Value {
    let answer = user.get("/profile/export").send().await.expect(200);
    answer.json()
}

fn names(document: &Value) -> Vec<String> {
    let events = document["activity"].as_array().unwrap().iter();
    events.map(|event| text(event, "event")).collect()
}

/// Puts `count` copies of the one login of `user` into the table, each with a reason of `length`
/// octets.
async fn copy_login(app: &App, user: &User<'_>, (count, length): (u32, usize)) {
    let of_user = AttributeValue::S(format!("USER#{}", user.id()));
    let logged_in = AttributeValue::S("logged_in".to_owned());
    let mut rows = app.events().await;
    rows.retain(|row| row["pk"] == of_user && row["event"] == logged_in);
    for n in 0..count {
        let mut copy = rows[0].clone();
        let id = format!("018bcfe5-{n:04x}-7000-8000-000000000000");
        copy.insert("sk".to_owned(), AttributeValue::S(id));
        copy.insert("reason".to_owned(), AttributeValue::S("r".repeat(length)));
        let put = app.dynamodb().put_item().table_name(EVENT_TABLE);
        let put = put.set_item(Some(copy.into_iter().collect()));
        put.send().await.unwrap();
    }
}

#[tokio::test]
async fn an_owner_gets_all_that_is_stored_about_them_as_a_file() {
    let app = App::with_mail().await;
    let ada = app.user("ada@example.com").await;
    let role = AttributeValue::L(vec![AttributeValue::S("editor".to_owned())]);
    app.set_attribute(&ada.id(), "roles", role).await;
    let plan = AttributeValue::S(json!({"urn:example:plan": "gold"}).to_string());
    app.set_attribute(&ada.id(), "claims", plan).await;
    let of_django = AttributeValue::S("17".to_owned());
    app.set_attribute(&ada.id(), "external_id", of_django).await;
    let bounced = AttributeValue::S("bounced".to_owned());
    app.set_attribute(&ada.id(), "email_state", bounced).await;
    app.clock.advance(Duration::from_secs(60));
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    ada.post("/email/change", body).send().await.expect(202);

    let answer = ada.get("/profile/export").send().await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let disposition = answer.header("content-disposition");
    assert_eq!(disposition, "attachment; filename=\"account.json\"");
    let document = answer.json();
    let mut names = names(&document);
    names.sort();
    assert_eq!(names, ["email_change_requested", "logged_in", "registered"]);
    let sessions = ada.get("/sessions").send().await.expect(200).json();
    let activity = ada.get("/activity").send().await.expect(200).json();
    assert_eq!(
        document,
        json!({
            "exported_at": "2027-01-15T08:01:00Z",
            "account": {
                "id": ada.id(),
                "external_id": "17",
                "email": "ada@example.com",
                "email_verified": false,
                "status": "active",
                "first_name": "Ada",
                "last_name": "Lovelace",
                "locale": null,
                "date_joined": "2027-01-15T08:00:00Z",
                "last_login": "2027-01-15T08:00:00Z",
                "roles": ["editor"],
                "claims": {"urn:example:plan": "gold"},
            },
            "email_state": "bounced",
            "links": [{
                "purpose": "email_change",
                "email": "ada@example.org",
                "requested_at": "2027-01-15T08:01:00Z",
                "expires_at": "2027-01-15T09:01:00Z",
            }],
            "sessions": sessions["sessions"],
            "activity": activity["events"],
            "truncated": false,
        })
    );
    // A link that was used or has expired is no longer there.
    app.clock.advance(Duration::from_secs(3600));
    let tokens = app.login("ada@example.com", PASSWORD).await.expect(200);
    let token = text(&tokens.json(), "access_token");
    let later = app.get("/profile/export").bearer(&token).send().await;
    assert_eq!(later.expect(200).json()["links"], json!([]));
}

#[tokio::test]
async fn the_password_must_have_been_given_within_ten_minutes_in_a_session_that_lives() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.clock.advance(Duration::from_secs(599));
    exported(&ada).await;
    app.clock.advance(Duration::from_secs(1));
    let refused = ada.get("/profile/export").send().await;
    refused.problem(403, "reauthentication-required");
    // A refresh proves no password.
    let tokens = app.refresh(&ada.refresh_token).await.expect(200).json();
    let token = text(&tokens, "access_token");
    let refused = app.get("/profile/export").bearer(&token).send().await;
    refused.problem(403, "reauthentication-required");
    let change = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let changed = app.post("/password/change", change).bearer(&token);
    let changed = changed.send().await.expect(200).json();
    let token = text(&changed, "access_token");
    let export = || app.get("/profile/export").bearer(&token).send();
    export().await.expect(200);
    let body = json!({"refresh_token": text(&changed, "refresh_token")});
    app.post("/logout", body).send().await.expect(204);
    export().await.problem(401, "invalid-token");
}

#[tokio::test]
async fn it_holds_nothing_of_others_and_no_hash_secret_or_token() {
    let app = App::with_mail().await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    // What a stranger does at the address, with a link whose secret is in a mail.
    let forgot = app.post("/password/forgot", json!({ "email": ada.email }));
    let forgot = forgot.from("198.51.100.99").send().await;
    forgot.expect(202);
    app.login("ada@example.com", "wrong").await.expect(401);
    let secret = app.mailed("password_reset").await.unwrap();
    let answer = ada.get("/profile/export").send().await.expect(200);
    let shown = answer.body.clone();
    assert_eq!(answer.json()["links"][0]["purpose"], "password_reset");
    for hidden in [
        "argon2",
        "hash",
        "nonce",
        "lkr_",
        "lkm_",
        "198.51.100.99",
        "eve@example.com",
        &secret,
        &eve.id(),
        &text(&claims(&eve.access_token), "sid"),
    ] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
    // Nothing of what is stored as octets is there, in any of the usual forms.
    for item in app.items().await {
        for value in item.values().filter_map(|value| value.as_b().ok()) {
            let octets = value.as_ref();
            let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            assert!(!shown.contains(&hex), "{shown}");
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_is_told_and_the_rest_is_in_the_list_of_events() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    copy_login(&app, &ada, (330, 20_000)).await;
    let answer = ada.get("/profile/export").send().await.expect(200);
    let document = answer.json();
    assert_eq!(document["truncated"], true);
    assert_eq!(document.get("sessions_cursor"), None);
    // Lambda gets the document as a text in JSON.
    let in_lambda = serde_json::to_string(&answer.body).unwrap().len();
    assert!((4_900_000..5_400_000).contains(&in_lambda), "{in_lambda}");
    let shown = names(&document).len();
    let cursor = text(&document, "activity_cursor");
    assert_eq!(document["activity"][shown - 1]["id"], cursor);
    let (mut left, mut next) = (0, Some(cursor));
    while let Some(cursor) = next {
        let rest = ada.get(&format!("/activity?cursor={cursor}")).send().await;
        let rest = rest.expect(200).json();
        left += rest["events"].as_array().unwrap().len();
        next = rest["next_cursor"].as_str().map(str::to_owned);
    }
    assert_eq!(shown + left, 332);
}

#[tokio::test]
async fn many_sessions_and_events_are_all_there() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.copy_session(300).await;
    copy_login(&app, &ada, (300, 1)).await;
    let document = exported(&ada).await;
    assert_eq!(document["truncated"], false);
    assert_eq!(document["sessions"].as_array().unwrap().len(), 301);
    assert_eq!(names(&document).len(), 302);
}
