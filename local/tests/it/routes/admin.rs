//! `/admin/users`: what administrators do, and what people notice of it.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::app::{App, PASSWORD, User, claims, faults, text};
use crate::support::links::NO_MAIL;
use crate::support::mails::token_in;

const NEW: &str = "another good password";

fn path_of(user: &User<'_>) -> String {
    format!("/admin/users/{}", user.id())
}

/// Returns the addresses of a list.
fn emails(list: &Value) -> Vec<String> {
    let users = list["users"].as_array().unwrap().iter();
    users.map(|user| text(user, "email")).collect()
}

#[tokio::test]
async fn somebody_is_invited_chooses_a_password_and_logs_in() {
    let app = App::with_mail().await;
    let admin = app.administrator("root@example.com").await;
    let body = json!({
        "email": "Alan@example.com", "first_name": "Alan", "last_name": "Turing",
        "roles": ["editor"], "claims": {"https://example.com/plan": "gold"},
    });
    let invited = admin.post("/admin/users", body.clone()).send().await;
    let invited = invited.expect(201);
    let account = invited.json();
    assert_eq!(account["email"], "Alan@example.com");
    assert_eq!(account["status"], "active");
    assert_eq!(account["email_verified"], false);
    let path = format!("/admin/users/{}", text(&account, "id"));
    assert_eq!(format!("/admin/{}", invited.header("location")), path);
    let shown = admin.get(&path).send().await.expect(200);
    assert_eq!(shown.json(), account);
    assert_eq!(shown.header("etag"), invited.header("etag"));
    admin
        .post("/admin/users", body)
        .send()
        .await
        .problem(409, "email-taken");

    // Nobody knows the password, and nobody is told that there is none.
    let refused = app.login("alan@example.com", PASSWORD).await;
    refused.problem(401, "invalid-credentials");
    let mail = app.mail_to("alan@example.com").await;
    assert_eq!(mail.subject, "You are invited to Latchkey");
    let token = token_in(&mail);
    assert!(mail.links[0].contains("/reset#"), "{:?}", mail.links);
    app.clock
        .advance(std::time::Duration::from_secs(7 * 86_400 - 1));
    let reset = |password: &str| {
        let body = json!({"token": token, "new_password": password});
        app.post("/password/reset", body).send()
    };
    reset("short").await.problem(422, "invalid-fields");
    reset(NEW).await.expect(204);
    reset(NEW).await.problem(400, "invalid-link");
    let tokens = app.login("alan@example.com", NEW).await.expect(200).json();
    let claims = claims(&text(&tokens, "access_token"));
    assert_eq!(claims["roles"], json!(["editor"]));
    assert_eq!(claims["https://example.com/plan"], "gold");
    assert_eq!(claims["email_verified"], true, "the mail was read");
    // The first password is no change to be told of.
    let mails = app.mails_to("alan@example.com").await;
    assert_eq!(mails.len(), 1, "{mails:?}");
}

#[tokio::test]
async fn an_invitation_is_good_for_seven_days_and_a_reset_does_not_need_it() {
    let app = App::with_mail().await;
    let admin = app.administrator("root@example.com").await;
    let body = json!({"email": "alan@example.com", "first_name": "Alan", "last_name": ""});
    let invited = admin.post("/admin/users", body).send().await;
    let path = format!("/admin/users/{}", text(&invited.expect(201).json(), "id"));
    let token = token_in(&*app.mail_to("alan@example.com").await);
    let other = admin.call(Method::POST, &format!("{path}/password-reset"));
    other.send().await.expect(202);
    let mail = app.mail_to("alan@example.com").await;
    assert_eq!(mail.subject, "Set a new password for Latchkey");
    app.clock
        .advance(std::time::Duration::from_secs(7 * 86_400));
    let body = json!({"token": token, "new_password": NEW});
    let expired = app.post("/password/reset", body).send().await;
    expired.problem(400, "invalid-link");
    let forgot = json!({"email": "alan@example.com"});
    let forgot = app.post("/password/forgot", forgot).send().await;
    forgot.expect(202);
    let token = token_in(&*app.mail_to("alan@example.com").await);
    let body = json!({"token": token, "new_password": NEW});
    app.post("/password/reset", body).send().await.expect(204);
    app.login("alan@example.com", NEW).await.expect(200);
}

#[tokio::test]
async fn every_fault_of_an_invitation_and_of_a_change_is_told_at_once() {
    let app = App::with_mail().await;
    let admin = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    let body = json!({
        "email": "alan", "first_name": "", "roles": ["a", "a"], "claims": {"plan": 1},
        "status": "active",
    });
    let refused = admin.post("/admin/users", body).send().await;
    let listed = faults(&refused.problem(422, "invalid-fields"));
    let fault = |pointer: &str, code: &str| (pointer.to_owned(), code.to_owned());
    let expected = [
        fault("/email", "invalid-email"),
        fault("/first_name", "blank"),
        fault("/last_name", "missing"),
        fault("/roles", "repeated"),
        fault("/claims", "invalid-claim-name"),
        fault("/status", "unknown"),
    ];
    assert_eq!(listed, expected);
    for (patch, pointer, code) in [
        (r#"{"status":"deleting"}"#, "/status", "invalid-status"),
        (r#"{"status":1}"#, "/status", "wrong-type"),
        (r#"{"roles":"admin"}"#, "/roles", "wrong-type"),
        (r#"{"roles":null}"#, "/roles", "null"),
        (r#"{"roles":{"admin":true}}"#, "/roles", "wrong-type"),
        (r#"{"roles":["two words"]}"#, "/roles", "invalid-role"),
        (r#"{"claims":[]}"#, "/claims", "wrong-type"),
        (
            r#"{"claims":{"urn:a:b":1,"urn:a:b":2}}"#,
            "/claims",
            "repeated",
        ),
        (r#"{"claims":{"urn:a:b":{}}}"#, "/claims", "invalid-claim"),
        (r#"{"email":"eve@example.com"}"#, "/email", "unknown"),
        (r#"{"password_epoch":7}"#, "/password_epoch", "unknown"),
    ] {
        let call = admin.call(Method::PATCH, &path_of(&ada));
        let call = call.header("content-type", "application/merge-patch+json");
        let refused = call.body(patch.to_owned()).send().await;
        let listed = faults(&refused.problem(422, "invalid-fields"));
        assert_eq!(listed, [fault(pointer, code)], "{patch}");
    }
}

#[tokio::test]
async fn a_change_is_in_the_next_tokens_and_its_tag_keeps_others_from_overwriting_it() {
    let app = App::start().await;
    let admin = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    let path = path_of(&ada);
    let shown = admin.get(&path).send().await.expect(200);
    let first = shown.header("etag").to_owned();
    let known = admin.get(&path).header("if-none-match", &first);
    assert_eq!(known.send().await.expect(304).body, "");
    let body = json!({
        "roles": ["editor"], "last_name": "King",
        "claims": {"urn:a:a": 1, "urn:a:b": ["x"]},
    });
    let changed = admin.patch(&path, body.clone()).header("if-match", &first);
    let changed = changed.send().await.expect(200);
    assert_eq!(changed.json()["roles"], json!(["editor"]));
    let second = changed.header("etag").to_owned();
    assert_ne!(first, second);
    // Repeated after a lost answer, it is answered as made.
    let again = admin.patch(&path, body).header("if-match", &first);
    assert_eq!(again.send().await.expect(200).header("etag"), second);
    let stale = admin.patch(&path, json!({"roles": []}));
    let stale = stale.header("if-match", &first).send().await;
    stale.problem(412, "precondition-failed");
    let stale = admin.delete(&path).header("if-match", &first).send().await;
    stale.problem(412, "precondition-failed");
    // A merge patch leaves what it does not name.
    let claims = json!({"claims": {"urn:a:a": null, "urn:a:c": true}});
    let patched = admin.patch(&path, claims).send().await.expect(200).json();
    let expected = json!({"urn:a:b": ["x"], "urn:a:c": true});
    assert_eq!(patched["claims"], expected);
    assert_eq!(patched["roles"], json!(["editor"]));
    let same = admin.patch(&path, json!({"roles": ["editor"]}));
    let same = same.send().await.expect(200);
    let shown = admin.get(&path).send().await.expect(200);
    assert_eq!(same.header("etag"), shown.header("etag"), "nothing changes");

    let profile = ada.get("/profile").send().await.expect(200).json();
    assert_eq!(profile["last_name"], "King");
    assert_eq!(profile.get("claims"), None);
    let tokens = app.refresh(&ada.refresh_token).await.expect(200).json();
    let token = crate::support::app::claims(&text(&tokens, "access_token"));
    assert_eq!(token["roles"], json!(["editor"]));
    assert_eq!(token["urn:a:b"], json!(["x"]));
    assert_eq!(token.get("urn:a:a"), None);
}

#[tokio::test]
async fn disabling_ends_every_session_and_link_and_enabling_brings_none_back() {
    let app = App::with_mail().await;
    let admin = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    let forgot = json!({ "email": ada.email });
    app.post("/password/forgot", forgot)
        .send()
        .await
        .expect(202);
    let link = token_in(&*app.mail_to(&ada.email).await);
    let status = async |status: &str| {
        let patch = admin.patch(&path_of(&ada), json!({ "status": status }));
        let changed = patch.send().await.expect(200).json();
        assert_eq!(changed["status"], status);
    };
    status("disabled").await;
    let refreshed = app.refresh(&ada.refresh_token).await;
    refreshed.problem(401, "invalid-refresh-token");
    let login = app.login(&ada.email, PASSWORD).await;
    login.problem(401, "invalid-credentials");
    let shown = ada.get("/profile").send().await;
    shown.problem(401, "invalid-token");
    status("active").await;
    app.refresh(&ada.refresh_token)
        .await
        .problem(401, "invalid-refresh-token");
    let body = json!({"token": link, "new_password": NEW});
    let reset = app.post("/password/reset", body).send().await;
    reset.problem(400, "invalid-link");
    let again = app.login(&ada.email, PASSWORD).await.expect(200).json();
    let next = text(&again, "refresh_token");
    app.refresh(&next).await.expect(200);
}

#[tokio::test]
async fn signing_somebody_out_ends_all_sessions_and_changes_nothing_else() {
    let app = App::start().await;
    let admin = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    app.login(&ada.email, PASSWORD).await.expect(200);
    let before = admin.get(&path_of(&ada)).send().await.expect(200);
    let path = format!("{}/sessions", path_of(&ada));
    admin.delete(&path).send().await.expect(204);
    app.refresh(&ada.refresh_token)
        .await
        .problem(401, "invalid-refresh-token");
    assert_eq!(app.items_of("SESSION#").await.len(), 2, "root's");
    let after = admin.get(&path_of(&ada)).send().await.expect(200);
    assert_eq!(before.json(), after.json());
    app.login(&ada.email, PASSWORD).await.expect(200);
    // One may end one's own.
    let own = format!("{}/sessions", path_of(&admin));
    admin.delete(&own).send().await.expect(204);
    let refused = admin.get("/admin/users").send().await;
    refused.problem(401, "invalid-token");
}

#[tokio::test]
async fn accounts_are_listed_by_address_searched_and_found() {
    let app = App::start().await;
    let admin = app.administrator("root@example.com").await;
    for email in ["grace@example.com", "ada@example.com", "Alan@example.com"] {
        app.register(email).await.expect(201);
    }
    let list = async |query: &str| {
        let list = admin.get(&format!("/admin/users{query}")).send().await;
        list.expect(200).json()
    };
    let all = [
        "ada@example.com",
        "Alan@example.com",
        "grace@example.com",
        "root@example.com",
    ];
    assert_eq!(emails(&list("").await), all);
    assert_eq!(emails(&list("?prefix=A").await), all[..2]);
    let found = list("?email=ALAN@example.com").await;
    assert_eq!(emails(&found), ["Alan@example.com"]);
    let user = &found["users"][0];
    assert_eq!(user["status"], "active");
    assert_eq!(user["roles"], json!([]));
    assert_eq!(emails(&list("?email=eve@example.com").await), [""; 0]);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = list(&format!("?limit=1{cursor}")).await;
        seen.extend(emails(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all);
    let other = format!("?prefix=a{cursor}");
    for (query, code) in [
        (other.as_str(), "invalid-cursor"),
        ("?cursor=x", "invalid-cursor"),
        ("?limit=0", "invalid-limit"),
        ("?limit=101", "invalid-limit"),
        ("?limit=-1", "invalid-limit"),
        ("?email=ada", "invalid-email"),
        ("?email=ada@example.com&prefix=a", "ambiguous-query"),
    ] {
        let refused = admin.get(&format!("/admin/users{query}")).send().await;
        let listed = faults(&refused.problem(422, "invalid-fields"));
        assert_eq!(listed, [(String::new(), code.to_owned())], "{query}");
    }
}

#[tokio::test]
async fn without_a_directory_only_whole_addresses_are_found_and_without_mail_nobody_is_invited() {
    let app = App::with(&[("Directory", "off"), NO_MAIL]).await;
    let admin = app.administrator("root@example.com").await;
    for query in ["", "?prefix=r", "?limit=5"] {
        let list = admin.get(&format!("/admin/users{query}")).send().await;
        list.problem(404, "not-found");
    }
    let found = admin
        .get("/admin/users?email=root@example.com")
        .send()
        .await;
    assert_eq!(emails(&found.expect(200).json()), ["root@example.com"]);
    let body = json!({"email": "alan@example.com", "first_name": "Alan", "last_name": ""});
    let invited = admin.post("/admin/users", body).send().await;
    invited.problem(404, "not-found");
    let reset = admin.call(Method::POST, &format!("{}/password-reset", path_of(&admin)));
    reset.send().await.problem(404, "not-found");
}

#[tokio::test]
async fn mails_of_administrators_are_counted_as_all_others_are() {
    let app = App::with(&[crate::support::links::MAIL, ("MailsPerAddress", "2")]).await;
    let admin = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    let path = format!("{}/password-reset", path_of(&ada));
    for status in [202, 202, 429] {
        let reset = admin.call(Method::POST, &path).send().await;
        reset.expect(status);
    }
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_its_address_is_free() {
    let app = App::start().await;
    let admin = app.administrator("root@example.com").await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    admin
        .patch(&path_of(&eve), json!({"status": "disabled"}))
        .send()
        .await
        .expect(200);
    for user in [&ada, &eve] {
        admin.delete(&path_of(user)).send().await.expect(204);
        for call in [admin.get(&path_of(user)), admin.delete(&path_of(user))] {
            call.send().await.problem(404, "not-found");
        }
        let refused = app.login(&user.email, PASSWORD).await;
        refused.problem(401, "invalid-credentials");
        app.register(&user.email).await.expect(201);
        // What happened is known for a while.
        let activity = admin.get(&format!("{}/activity", path_of(user)));
        let list = activity.send().await.expect(200).json();
        let events = list["events"].as_array().unwrap().iter();
        let deleted: Vec<_> = events
            .filter(|event| event["event"] == "account_deleted")
            .collect();
        assert_eq!(deleted.len(), 1, "{list}");
        assert_eq!(deleted[0]["actor"], admin.id());
    }
}
