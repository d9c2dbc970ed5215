//! The language of mails: given at `POST /register`, shown and changed at `/profile`.

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::app::{App, PASSWORD, faults, registration, text};
use crate::support::mails::token_in;

const ADA: &str = "ada@example.com";

fn with_locale(email: &str, locale: Value) -> Value {
    let mut body = registration(email);
    body["locale"] = locale;
    body
}

#[tokio::test]
async fn an_account_has_the_locale_that_was_given_in_the_case_of_rfc_5646() {
    let app = App::start().await;
    for (n, (given, shown)) in [
        (json!("DE-ch"), json!("de-CH")),
        (json!("zh-hANT-tw"), json!("zh-Hant-TW")),
        (json!(null), json!(null)),
    ]
    .into_iter()
    .enumerate()
    {
        let body = with_locale(&format!("ada{n}@example.com"), given);
        let answer = app.post("/register", body).send().await.expect(201);
        assert_eq!(answer.json()["locale"], shown);
    }
    assert_eq!(
        app.register(ADA).await.expect(201).json()["locale"],
        json!(null)
    );
    let accounts = app.items_of("ACCOUNT").await;
    let stored = accounts.iter().filter(|item| item.contains_key("locale"));
    assert_eq!(stored.count(), 2, "there is no attribute without a locale");
}

#[tokio::test]
async fn a_replacement_without_a_locale_removes_it_and_a_patch_without_one_keeps_it() {
    let app = App::start().await;
    let ada = app.user(ADA).await;
    let names = json!({"first_name": "Ada", "last_name": ""});
    let mut chosen = names.clone();
    chosen["locale"] = json!("EN-gb");
    let mut without = names.clone();
    without["locale"] = json!(null);
    let mut tags = Vec::new();
    for (method, body, expected) in [
        (Method::PUT, &chosen, json!("en-GB")),
        (
            Method::PATCH,
            &json!({"first_name": "Augusta"}),
            json!("en-GB"),
        ),
        (Method::PATCH, &json!({"locale": "de"}), json!("de")),
        (Method::PATCH, &json!({"locale": null}), json!(null)),
        (Method::PUT, &chosen, json!("en-GB")),
        (Method::PUT, &names, json!(null)),
        (
            Method::PATCH,
            &json!({"locale": "fr-x-private"}),
            json!("fr-x-private"),
        ),
        (Method::PUT, &without, json!(null)),
    ] {
        let call = ada.call(method.clone(), "/profile").json(body.clone());
        let changed = call.send().await.expect(200);
        assert_eq!(changed.json()["locale"], expected, "{method} {body}");
        let seen = ada.get("/profile").send().await.expect(200);
        assert_eq!(seen.json(), changed.json());
        assert_eq!(seen.header("etag"), changed.header("etag"));
        tags.push(seen.header("etag").to_owned());
    }
    let count = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), count, "{tags:?}");
    // Neither the login nor the token knows of it.
    let tokens = app.login(ADA, PASSWORD).await.expect(200).json();
    let claims = crate::support::app::claims(&text(&tokens, "access_token"));
    assert!(claims.get("locale").is_none(), "{claims}");
}

#[tokio::test]
async fn a_change_of_the_locale_is_made_only_to_what_if_match_names() {
    let app = App::start().await;
    let ada = app.user(ADA).await;
    let first = ada.get("/profile").send().await.expect(200);
    let first = first.header("etag").to_owned();
    let change = |tag: &str, locale: Value| {
        let patch = ada.patch("/profile", json!({ "locale": locale }));
        patch.header("if-match", tag).send()
    };
    let second = change(&first, json!("de")).await.expect(200);
    let second = second.header("etag").to_owned();
    // The same change may be repeated, since its answer may have been lost, and no other.
    assert_eq!(
        change(&first, json!("DE")).await.expect(200).header("etag"),
        second
    );
    change(&first, json!("fr"))
        .await
        .problem(412, "precondition-failed");
    change(&first, json!(null))
        .await
        .problem(412, "precondition-failed");
    let third = change(&second, json!(null)).await.expect(200);
    let again = change(&second, json!(null)).await.expect(200);
    assert_eq!(third.header("etag"), again.header("etag"));
    assert_eq!(again.json()["locale"], json!(null));
}

#[tokio::test]
async fn what_is_no_language_tag_is_refused() {
    let app = App::start().await;
    let ada = app.user(ADA).await;
    for (locale, code) in [
        (json!(""), "invalid-locale"),
        (json!("de_CH"), "invalid-locale"),
        (json!("en-US@posix"), "invalid-locale"),
        (json!("de, en;q=0.5"), "invalid-locale"),
        (json!("de\r\nBcc: eve@evil.example"), "invalid-locale"),
        (json!(format!("de-x{}", "-abcdefg".repeat(4))), "too-long"),
        (json!(["de"]), "wrong-type"),
        (json!(7), "wrong-type"),
    ] {
        let eve = with_locale("eve@example.com", locale.clone());
        let put = json!({"first_name": "A", "last_name": "B", "locale": locale});
        let patch = json!({ "locale": locale });
        for call in [
            app.post("/register", eve),
            ada.put("/profile", put),
            ada.patch("/profile", patch),
        ] {
            let problem = call.send().await.problem(422, "invalid-fields");
            let expected = ("/locale".to_owned(), code.to_owned());
            assert_eq!(faults(&problem), [expected], "{locale}");
        }
    }
    assert_eq!(app.items_of("ACCOUNT").await.len(), 1);
}

#[tokio::test]
async fn an_account_whose_locale_an_operator_wrote_stays_readable_and_can_be_changed() {
    let app = App::start().await;
    let ada = app.user(ADA).await;
    let odd = AttributeValue::S("419".to_owned());
    app.set_attribute(&ada.id(), "locale", odd).await;
    app.login(ADA, PASSWORD).await.expect(200);
    let shown = ada.get("/profile").send().await.expect(200);
    let tag = shown.header("etag").to_owned();
    let mended = ada.patch("/profile", json!({"locale": "de"}));
    let mended = mended.header("if-match", &tag).send().await.expect(200);
    assert_eq!(mended.json()["locale"], "de");
}

#[tokio::test]
async fn a_registration_that_waits_for_its_link_has_its_mail_and_its_account_in_its_language() {
    let app = App::with(&[
        ("MailFrom", "no-reply@example.com"),
        ("EmailVerification", "first"),
    ])
    .await;
    let body = with_locale(ADA, json!("DE-ch"));
    app.post("/register", body).send().await.expect(202);
    let mail = app.mail_to(ADA).await;
    assert_eq!(
        mail.subject,
        "Schließen Sie Ihre Registrierung bei Latchkey ab"
    );
    let confirmation = json!({"token": token_in(&mail), "password": PASSWORD});
    let opened = app.post("/register/confirm", confirmation).send().await;
    assert_eq!(opened.expect(201).json()["locale"], "de-CH");

    // Whoever registers the address again does not choose the language of its owner's mails.
    let body = with_locale(ADA, json!("en"));
    app.post("/register", body).send().await.expect(202);
    let note = app.mail_to(ADA).await;
    assert_eq!(note.subject, "Sie haben schon ein Konto bei Latchkey");
    let forgot = json!({ "email": ADA });
    app.post("/password/forgot", forgot)
        .send()
        .await
        .expect(202);
    assert_eq!(
        app.mail_to(ADA).await.subject,
        "Neues Passwort für Latchkey"
    );

    // Without a locale, mails are in the language of the deployment.
    let other = "eve@example.com";
    app.post("/register", registration(other))
        .send()
        .await
        .expect(202);
    let mail = app.mail_to(other).await;
    assert!(mail.html.as_ref().unwrap().contains("lang=\"en\""));
}
