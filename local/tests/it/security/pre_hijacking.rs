//! Pre-hijacking: somebody opens an account with the address of somebody else, and waits for its
//! owner. Each of the five attacks of Sudhodanan and Paverd ("Pre-hijacked accounts", USENIX Security
//! 2022), in each mode of `EmailVerification`: mallory goes first, and the owner of the address ends
//! with an account to which mallory has no access.
//!
//! Two of the five need a second way to log in, by an identity provider. Latchkey has none, so the
//! tests of those do what comes nearest here: the second way is a link in a mail.

use serde_json::{Value, json};

use crate::support::app::{Answer, App, claims, registration, text};
use crate::support::post::Post;

const ADA: &str = "ada@example.com";
const MALLORY: &str = "mallory@example.com";
const OF_ADA: &str = "the password of its owner";
const OF_MALLORY: &str = "the password of a stranger";
const MODES: [&str; 3] = ["off", "later", "first"];

async fn start(mode: &str) -> App {
    App::mailing(&[("EmailVerification", mode)]).await
}

async fn register(app: &App, email: &str, password: &str) -> Answer {
    let mut body = registration(email);
    body["password"] = json!(password);
    app.clock.advance(std::time::Duration::from_millis(1));
    app.post("/register", body).send().await
}

async fn use_link(app: &App, path: &str, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    app.post(path, body).send().await
}

/// Registers mallory at ada's address, and returns the tokens of a session if there can be one.
async fn mallory_goes_first(app: &App, mode: &str) -> Option<Value> {
    let answer = register(app, ADA, OF_MALLORY).await;
    let login = app.login(ADA, OF_MALLORY).await;
    if mode == "first" {
        answer.expect(202);
        login.problem(401, "invalid-credentials");
        return None;
    }
    answer.expect(201);
    Some(login.expect(200).json())
}

/// Gets ada an account at her address by what she can do: register, or set a new password with a
/// link in a mail.
async fn ada_comes(app: &App, mode: &str) {
    let answer = register(app, ADA, OF_ADA).await;
    if mode == "first" {
        answer.expect(202);
        // Both registrations have sent her a link. She uses her password.
        let mut opened = 0;
        for token in app.all_mailed("registration").await {
            let confirm = use_link(app, "/register/confirm", &token, OF_ADA).await;
            opened += usize::from(confirm.status == 201);
        }
        assert_eq!(opened, 1);
        return;
    }
    answer.problem(409, "email-taken");
    ada_resets(app).await;
}

/// Gets ada the account at her address with a link that sets a new password.
async fn ada_resets(app: &App) {
    let forgot = app.post("/password/forgot", json!({ "email": ADA }));
    forgot.send().await.expect(202);
    let token = app.mailed("password_reset").await.unwrap();
    let reset = json!({"token": token, "new_password": OF_ADA});
    let reset = app.post("/password/reset", reset).send().await;
    reset.expect(204);
}

/// Checks that ada has the account at her address, and mallory's password and tokens open nothing.
async fn only_ada_has_access(app: &App, of_mallory: Option<&Value>) {
    let login = app.login(ADA, OF_ADA).await.expect(200).json();
    let token = text(&login, "access_token");
    let profile = app.get("/profile").bearer(&token).send().await.expect(200);
    let profile = profile.json();
    assert_eq!(
        (&profile["email"], &profile["email_verified"]),
        (&json!(ADA), &json!(true))
    );
    app.login(ADA, OF_MALLORY)
        .await
        .problem(401, "invalid-credentials");
    let Some(tokens) = of_mallory else { return };
    app.refresh(&text(tokens, "refresh_token"))
        .await
        .problem(401, "invalid-refresh-token");
    // Nor does the last access token, for the minutes that are left of it: not where ada is, and not
    // what she has done.
    let of_mallory = text(tokens, "access_token");
    let session = text(&claims(&token), "sid");
    app.owners_calls_are_refused(&of_mallory, &session).await;
    let list = app.get("/sessions").bearer(&token).send().await.expect(200);
    assert_eq!(list.json()["sessions"][0]["id"], json!(session));
    let token = of_mallory;
    for (path, body) in [
        (
            "/password/change",
            json!({"current_password": OF_MALLORY, "new_password": "another good password"}),
        ),
        (
            "/email/change",
            json!({"email": MALLORY, "password": OF_MALLORY}),
        ),
    ] {
        let refused = app.post(path, body).bearer(&token).send().await;
        refused.problem(401, "invalid-token");
    }
    let delete = app.post("/profile/delete", json!({ "password": OF_MALLORY }));
    let delete = delete.bearer(&token).send().await;
    delete.problem(403, "wrong-password");
}

#[tokio::test]
async fn classic_federated_merge_what_mallory_registered_is_not_merged_with_what_ada_proves() {
    // There is no identity provider whose account could be merged. The other way in is a link.
    for mode in MODES {
        let app = start(mode).await;
        let tokens = mallory_goes_first(&app, mode).await;
        ada_comes(&app, mode).await;
        only_ada_has_access(&app, tokens.as_ref()).await;
    }
}

#[tokio::test]
async fn unexpired_session_identifier_a_session_that_mallory_keeps_alive_ends_when_ada_comes() {
    for mode in MODES {
        let app = start(mode).await;
        let mut tokens = mallory_goes_first(&app, mode).await;
        if let Some(first) = &tokens {
            let next = app.refresh(&text(first, "refresh_token")).await;
            tokens = Some(next.expect(200).json());
        }
        ada_comes(&app, mode).await;
        only_ada_has_access(&app, tokens.as_ref()).await;
        let sessions = app.items_of("SESSION#").await;
        assert_eq!(sessions.len(), 1, "ada's: {mode}");
    }
}

#[tokio::test]
async fn trojan_identifier_an_address_of_mallory_s_own_is_no_second_way_into_ada_s_account() {
    for mode in MODES {
        let app = start(mode).await;
        let Some(tokens) = mallory_goes_first(&app, mode).await else {
            // A registration that waits has one address, and no way to add another.
            ada_comes(&app, mode).await;
            only_ada_has_access(&app, None).await;
            continue;
        };
        // An account has one address: with mallory's own, it has left ada's.
        let token = text(&tokens, "access_token");
        let body = json!({"email": MALLORY, "password": OF_MALLORY});
        let asked = app.post("/email/change", body).bearer(&token);
        asked.send().await.expect(202);
        let link = app.mailed("email_change").await.unwrap();
        let moved = use_link(&app, "/email/change/confirm", &link, OF_MALLORY);
        moved.await.expect(204);
        register(&app, ADA, OF_ADA).await.expect(201);
        let ada = app.login(ADA, OF_ADA).await.expect(200).json();
        let mallory = app.login(MALLORY, OF_MALLORY).await.expect(200).json();
        assert_ne!(
            claims(&text(&ada, "access_token"))["sub"],
            claims(&text(&mallory, "access_token"))["sub"]
        );
        app.login(ADA, OF_MALLORY)
            .await
            .problem(401, "invalid-credentials");
        app.login(MALLORY, OF_ADA)
            .await
            .problem(401, "invalid-credentials");
    }
}

#[tokio::test]
async fn unexpired_email_change_a_link_that_mallory_keeps_is_void_when_ada_comes() {
    for mode in MODES {
        let app = start(mode).await;
        let tokens = mallory_goes_first(&app, mode).await;
        let mut kept = None;
        if let Some(tokens) = &tokens {
            let body = json!({"email": MALLORY, "password": OF_MALLORY});
            let asked = app.post("/email/change", body);
            let asked = asked.bearer(&text(tokens, "access_token")).send().await;
            asked.expect(202);
            kept = app.mailed("email_change").await;
            assert!(kept.is_some());
        }
        ada_comes(&app, mode).await;
        // A mail that is delivered again brings nothing back either.
        let again = match kept {
            Some(_) => app.mailed("email_change").await,
            None => None,
        };
        for link in kept.into_iter().chain(again) {
            for password in [OF_MALLORY, OF_ADA] {
                let moved = use_link(&app, "/email/change/confirm", &link, password);
                moved.await.problem(400, "invalid-link");
            }
        }
        only_ada_has_access(&app, tokens.as_ref()).await;
        app.login(MALLORY, OF_MALLORY)
            .await
            .problem(401, "invalid-credentials");
    }
}

#[tokio::test]
async fn non_verifying_provider_an_address_that_nobody_has_proven_is_not_told_as_proven() {
    // There is no provider whose word would be taken. Nobody is told that mallory has ada's address.
    for mode in MODES {
        let app = start(mode).await;
        let Some(tokens) = mallory_goes_first(&app, mode).await else {
            // Without the password of the registration, the link opens nothing.
            let link = app.mailed("registration").await.unwrap();
            let confirm = use_link(&app, "/register/confirm", &link, OF_ADA).await;
            confirm.problem(403, "wrong-password");
            assert!(app.items_of("ACCOUNT").await.is_empty());
            continue;
        };
        let token = text(&tokens, "access_token");
        assert_eq!(claims(&token)["email_verified"], false, "{mode}");
        let profile = app.get("/profile").bearer(&token).send().await.expect(200);
        assert_eq!(profile.json()["email_verified"], false, "{mode}");
        // What mallory proves is an address of mallory's own.
        let body = json!({"email": MALLORY, "password": OF_MALLORY});
        let asked = app.post("/email/change", body).bearer(&token);
        asked.send().await.expect(202);
        let link = app.mailed("email_change").await.unwrap();
        let moved = use_link(&app, "/email/change/confirm", &link, OF_MALLORY);
        moved.await.expect(204);
        let profile = app.get("/profile").bearer(&token).send().await.expect(200);
        let profile = profile.json();
        assert_eq!(
            (&profile["email"], &profile["email_verified"]),
            (&json!(MALLORY), &json!(true))
        );
    }
}

#[tokio::test]
async fn whoever_registers_after_the_owner_gets_nothing() {
    for mode in MODES {
        let app = start(mode).await;
        register(&app, ADA, OF_ADA).await;
        if mode == "first" {
            let link = app.mailed("registration").await.unwrap();
            let confirm = use_link(&app, "/register/confirm", &link, OF_ADA).await;
            confirm.expect(201);
            register(&app, ADA, OF_MALLORY).await.expect(202);
        } else {
            let late = register(&app, ADA, OF_MALLORY).await;
            late.problem(409, "email-taken");
        }
        app.login(ADA, OF_ADA).await.expect(200);
        app.login(ADA, OF_MALLORY)
            .await
            .problem(401, "invalid-credentials");
        assert_eq!(app.items_of("ACCOUNT").await.len(), 1);
    }
}

#[tokio::test]
async fn a_letter_and_a_page_that_prove_an_address_say_what_to_do_about_an_account_of_a_stranger() {
    let post = Post::start().await;
    let mallory = post.app.register(MALLORY).await.expect(201).json();
    let id = text(&mallory, "id");
    let user = format!("USER#{id}");
    let link = post.ask_for_change(&id, MALLORY, ADA, 1).await.to_string();
    for (mail, others, advice) in [
        ("email_verification", vec![], "ask for a new password"),
        (
            "email_change",
            vec![("link", link.as_str())],
            "ignore this mail",
        ),
    ] {
        assert!(post.is_done(&post.record(&user, mail, &others)).await);
        let letter = post.taken().remove(0);
        for shown in [letter.text, letter.html] {
            let shown = shown.replace('\n', " ");
            assert!(shown.contains("asked for the password"), "{mail}: {shown}");
            assert!(shown.contains(advice), "{mail}: {shown}");
        }
    }
    let script = post.app.get("/pages/pages.js").send().await.expect(200);
    for told in [
        "If you did not open this account, close this page",
        "If you did not ask for this, close this page",
    ] {
        assert_eq!(script.body.matches(told).count(), 1, "{told}");
    }
}

#[tokio::test]
async fn an_address_that_a_stranger_registered_is_not_proven_by_whoever_presses_the_button() {
    for mode in ["off", "later"] {
        let app = start(mode).await;
        let tokens = mallory_goes_first(&app, mode).await.unwrap();
        if mode == "off" {
            let asked = app.post("/email/verify/resend", json!({ "email": ADA }));
            asked.send().await.expect(202);
        }
        // Ada has the link and not the password, and mallory the password and not the link.
        let link = app.mailed("email_verification").await.unwrap();
        let button = app.post("/email/verify", json!({ "token": link }));
        button.send().await.problem(422, "invalid-fields");
        for password in [OF_ADA, ""] {
            let pressed = use_link(&app, "/email/verify", &link, password);
            pressed.await.problem(403, "wrong-password");
        }
        let of_mallory = app.refresh(&text(&tokens, "refresh_token")).await;
        let tokens = of_mallory.expect(200).json();
        let token = text(&tokens, "access_token");
        assert_eq!(claims(&token)["email_verified"], false, "{mode}");
        // Nor does mallory get to see that somebody tried, and from where.
        let activity = app.get("/activity").bearer(&token).send().await;
        assert!(!activity.expect(200).body.contains("refused"), "{mode}");
        // The account is hers by a link that sets a password, which ends mallory's access.
        ada_resets(&app).await;
        let late = use_link(&app, "/email/verify", &link, OF_MALLORY);
        late.await.problem(400, "invalid-link");
        only_ada_has_access(&app, Some(&tokens)).await;
    }
}

#[tokio::test]
async fn an_account_of_a_stranger_is_not_moved_to_an_address_by_whoever_presses_the_button() {
    for mode in MODES {
        let app = start(mode).await;
        // In the first mode, mallory proves an address of her own first.
        register(&app, MALLORY, OF_MALLORY).await;
        if mode == "first" {
            let link = app.mailed("registration").await.unwrap();
            let confirm = use_link(&app, "/register/confirm", &link, OF_MALLORY).await;
            confirm.expect(201);
        }
        let tokens = app.login(MALLORY, OF_MALLORY).await.expect(200).json();
        let body = json!({"email": ADA, "password": OF_MALLORY});
        let asked = app.post("/email/change", body);
        let asked = asked.bearer(&text(&tokens, "access_token")).send().await;
        asked.expect(202);
        let link = app.mailed("email_change").await.unwrap();
        let path = "/email/change/confirm";
        let button = app.post(path, json!({ "token": link }));
        button.send().await.problem(422, "invalid-fields");
        for password in [OF_ADA, ""] {
            let pressed = use_link(&app, path, &link, password).await;
            pressed.problem(403, "wrong-password");
        }
        for password in [OF_MALLORY, OF_ADA] {
            let login = app.login(ADA, password).await;
            login.problem(401, "invalid-credentials");
        }
        // Ada's address is free for her.
        app.clock.advance(std::time::Duration::from_millis(1));
        let answer = register(&app, ADA, OF_ADA).await;
        if mode == "first" {
            answer.expect(202);
            let link = app.mailed("registration").await.unwrap();
            let confirm = use_link(&app, "/register/confirm", &link, OF_ADA).await;
            confirm.expect(201);
        } else {
            answer.expect(201);
        }
        app.login(ADA, OF_ADA).await.expect(200);
        // Whoever gives the link to mallory gives her nothing more.
        let moved = use_link(&app, path, &link, OF_MALLORY).await;
        moved.problem(409, "email-taken");
        app.login(ADA, OF_MALLORY)
            .await
            .problem(401, "invalid-credentials");
        let profile = app.get("/profile").bearer(&text(&tokens, "access_token"));
        let profile = profile.send().await.expect(200).json();
        assert_eq!(profile["email"], MALLORY, "{mode}");
    }
}
