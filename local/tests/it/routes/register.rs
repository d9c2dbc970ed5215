//! `POST /register`.

use axum::http::Method;
use serde_json::json;

use crate::support::app::{App, PASSWORD, faults, join_all, registration, text};

#[tokio::test]
async fn an_account_is_opened_and_shown_without_its_password() {
    let app = App::start().await;
    let answer = app.register("Ada@Example.com").await.expect(201);
    assert_eq!(answer.header("location"), "profile");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    let account = answer.json();
    let id = text(&account, "id");
    assert_eq!(
        account,
        json!({
            "id": id,
            "email": "Ada@Example.com",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "locale": null,
            "date_joined": "2027-01-15T08:00:00Z",
            "last_login": null,
            "roles": [],
            "email_verified": false,
        })
    );
    assert_eq!(id.as_bytes()[14], b'7', "a UUIDv7");
}

#[tokio::test]
async fn a_password_is_stored_as_a_hash_under_keys_without_personal_data() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let items = app.items().await;
    assert_eq!(items.len(), 2);
    for item in &items {
        let keys = format!("{:?} {:?}", item["pk"], item["sk"]);
        assert!(!keys.contains("ada@"), "{keys}");
    }
    let credential = &app.items_of("CREDENTIAL").await[0];
    let hash = credential["password"].as_s().unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
    assert!(!format!("{items:?}").contains(PASSWORD));
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let app = App::start().await;
    let body = json!({
        "email": "not an address",
        "password": "short",
        "first_name": 7,
        "is_admin": true,
        "roles": ["admin"],
    });
    let problem = app
        .post("/register", body)
        .send()
        .await
        .problem(422, "invalid-fields");
    let expected = [
        ("/email", "invalid-email"),
        ("/first_name", "wrong-type"),
        ("/last_name", "missing"),
        ("/password", "too-short"),
        ("/is_admin", "unknown"),
        ("/roles", "unknown"),
    ];
    assert_eq!(
        faults(&problem),
        expected.map(|(p, c)| (p.to_owned(), c.to_owned()))
    );
    assert!(app.items().await.is_empty());
}

#[tokio::test]
async fn no_member_is_assigned_that_the_contract_does_not_name() {
    let app = App::start().await;
    for member in [
        "id",
        "sub",
        "roles",
        "role",
        "is_admin",
        "is_superuser",
        "status",
        "version",
        "date_joined",
        "last_login",
        "pk",
        "sk",
        "expires_at",
        "password_hash",
        "__proto__",
    ] {
        let mut body = registration("ada@example.com");
        body[member] = json!("admin");
        let problem = app
            .post("/register", body)
            .send()
            .await
            .problem(422, "invalid-fields");
        assert_eq!(
            faults(&problem),
            [(format!("/{member}"), "unknown".to_owned())]
        );
    }
    assert!(app.items().await.is_empty());
}

#[tokio::test]
async fn an_address_has_one_account_whatever_its_letter_case() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    for email in ["ada@example.com", "ADA@EXAMPLE.COM", " Ada@Example.com "] {
        app.register(email).await.problem(409, "email-taken");
    }
    assert_eq!(app.items().await.len(), 2);
    app.register("ada+other@example.com").await.expect(201);
}

#[tokio::test]
async fn the_location_survives_the_base_path_of_a_custom_domain() {
    let app = App::start().await;
    let answer = app.register("ada@example.com").await.expect(201);
    for (registered, profile) in [
        ("https://a.example/register", "https://a.example/profile"),
        (
            "https://a.example/auth/register",
            "https://a.example/auth/profile",
        ),
        (
            "https://a.example/auth/v1/register",
            "https://a.example/auth/v1/profile",
        ),
    ] {
        let registered = url::Url::parse(registered).unwrap();
        let resolved = registered.join(answer.header("location")).unwrap();
        assert_eq!(resolved.as_str(), profile);
    }
}

#[tokio::test]
async fn a_domain_in_unicode_and_in_ascii_is_one_account_that_shows_what_was_typed() {
    let app = App::start().await;
    let typed = "Ada@BÜCHER.example";
    let account = app.register(typed).await.expect(201).json();
    assert_eq!(account["email"], typed);
    let forms = [
        typed,
        "ada@bücher.example",
        "ada@bu\u{308}cher.example",
        "ada@xn--bcher-kva.example",
        "ADA@XN--BCHER-KVA.EXAMPLE",
    ];
    for form in forms {
        app.register(form).await.problem(409, "email-taken");
        let tokens = app.login(form, PASSWORD).await.expect(200).json();
        let profile = app.get("/profile").bearer(&text(&tokens, "access_token"));
        assert_eq!(profile.send().await.expect(200).json()["email"], typed);
    }
    let stored = &app.items_of("ACCOUNT").await[0];
    assert_eq!(stored["email"].as_s().unwrap(), "Ada@xn--bcher-kva.example");
    for other in ["ada@bucher.example", "ada@buecher.example"] {
        app.login(other, PASSWORD).await.expect(401);
    }
    let tokens = app.login(forms[1], PASSWORD).await.expect(200).json();
    let deletion = app.call(Method::DELETE, "/profile");
    let deletion = deletion.bearer(&text(&tokens, "access_token"));
    let deletion = deletion.json(json!({ "password": PASSWORD }));
    deletion.send().await.expect(204);
    assert!(app.items().await.is_empty());

    let account = app.register(forms[3]).await.expect(201).json();
    assert_eq!(account["email"], forms[3]);
    app.login(typed, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn no_letters_stand_for_those_of_ascii() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    for email in [
        "ada@ｅｘａｍｐｌｅ.com",
        "ada@examp\u{2113}e.com",
        "ada@exam\u{ad}ple.com",
        "ada@example。com.",
        "adа@example.com",
    ] {
        let problem = app.register(email).await.problem(422, "invalid-fields");
        let expected = ("/email".to_owned(), "invalid-email".to_owned());
        assert_eq!(faults(&problem), [expected], "{email}");
        app.login(email, PASSWORD).await.expect(422);
    }
    assert_eq!(app.items().await.len(), 2);
}

#[tokio::test]
async fn a_person_may_have_one_name() {
    let app = App::start().await;
    let mut body = registration("suharto@example.com");
    body["last_name"] = json!("");
    let account = app.post("/register", body.clone()).send().await;
    assert_eq!(account.expect(201).json()["last_name"], "");
    body["email"] = json!("other@example.com");
    body["first_name"] = json!("");
    let problem = app.post("/register", body.clone()).send().await;
    let problem = problem.problem(422, "invalid-fields");
    assert_eq!(
        faults(&problem),
        [("/first_name".to_owned(), "blank".to_owned())]
    );
    body["first_name"] = json!("Other");
    body.as_object_mut().unwrap().remove("last_name");
    let problem = app
        .post("/register", body)
        .send()
        .await
        .problem(422, "invalid-fields");
    assert_eq!(
        faults(&problem),
        [("/last_name".to_owned(), "missing".to_owned())]
    );
}

#[tokio::test]
async fn a_taken_address_keeps_its_account_and_its_password() {
    let app = App::start().await;
    app.register("ada@example.com").await.expect(201);
    let mut body = registration("ADA@example.com");
    body["password"] = json!("another good password");
    app.post("/register", body)
        .send()
        .await
        .problem(409, "email-taken");
    app.login("ada@example.com", "another good password")
        .await
        .expect(401);
    app.login("ada@example.com", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_hundred_concurrent_registrations_succeeds_and_no_item_is_orphaned() {
    let app = App::start().await;
    let calls = (0..100).map(|n| {
        // The letter case differs, but the address is the same.
        let email = if n % 2 == 0 {
            "ada@example.com"
        } else {
            "ADA@example.com"
        };
        app.register(email)
    });
    let mut answers = join_all(calls).await;
    // All of them share one embedded DynamoDB. On a busy machine some wait for longer than the SDK's
    // timeouts, which caused every 503 that was seen here. No conflict does: a loser's transaction
    // tells that the address is taken. Such a client tries again.
    let mut is_one_lost = false;
    for answer in &mut answers {
        while answer.status == 503 {
            is_one_lost = true;
            *answer = app.register("ada@example.com").await;
        }
    }
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|it| it.status == 201);
    // The answer that was lost may be that of the winner.
    assert!(won.len() == 1 || (won.is_empty() && is_one_lost), "{won:?}");
    for answer in lost {
        answer.problem(409, "email-taken");
    }

    let credential = app.items_of("CREDENTIAL").await;
    let accounts = app.items_of("ACCOUNT").await;
    assert_eq!(
        (credential.len(), accounts.len(), app.items().await.len()),
        (1, 1, 2)
    );
    let id = credential[0]["user_id"].as_s().unwrap();
    assert_eq!(*accounts[0]["pk"].as_s().unwrap(), format!("USER#{id}"));
    for winner in won {
        assert_eq!(text(&winner.json(), "id"), *id);
    }
}

#[tokio::test]
async fn passwords_are_taken_as_typed() {
    let app = App::start().await;
    let passwords = [
        "  blanks on both ends  ",
        "nul\u{0}inside is a character",
        "пароль из шестнадцати 🔑",
    ];
    for (n, password) in passwords.into_iter().enumerate() {
        let email = format!("ada{n}@example.com");
        let mut body = registration(&email);
        body["password"] = json!(password);
        app.post("/register", body).send().await.expect(201);
        app.login(&email, password).await.expect(200);
        app.login(&email, password.trim_matches([' ', '🔑'])).await;
    }
    app.login("ada0@example.com", "blanks on both ends")
        .await
        .expect(401);
    app.login("ada1@example.com", "nul").await.expect(401);
}

#[tokio::test]
async fn the_least_length_of_passwords_is_a_parameter() {
    let app = App::with(&[("PasswordMinLength", "8")]).await;
    let mut body = registration("ada@example.com");
    body["password"] = json!("q7#Wv!2z");
    app.post("/register", body).send().await.expect(201);
    let mut body = registration("bob@example.com");
    body["password"] = json!("7 chars");
    let problem = app
        .post("/register", body)
        .send()
        .await
        .problem(422, "invalid-fields");
    assert_eq!(
        problem["errors"][0]["detail"],
        "has fewer than 8 characters"
    );
}

#[tokio::test]
async fn bodies_that_are_no_json_objects_are_refused_in_the_contract_s_order() {
    let app = App::start().await;
    let post = || app.call(axum::http::Method::POST, "/register");
    let json = || post().header("content-type", "application/json");

    post()
        .body("{}")
        .send()
        .await
        .problem(415, "unsupported-media-type");
    post()
        .header("content-type", "text/plain")
        .body("{}")
        .send()
        .await
        .expect(415);
    json()
        .body("{\"email\": ")
        .send()
        .await
        .problem(400, "malformed-json");
    json().body("").send().await.problem(400, "malformed-json");
    json()
        .body(vec![b'"', 0xff, b'"'])
        .send()
        .await
        .problem(400, "malformed-json");
    let problem = json()
        .body("[]")
        .send()
        .await
        .problem(422, "invalid-fields");
    assert_eq!(faults(&problem), [(String::new(), "wrong-type".to_owned())]);

    let fits = format!("{{}}{}", " ".repeat(16 * 1024 - 2));
    json()
        .body(fits.clone())
        .send()
        .await
        .problem(422, "invalid-fields");
    json()
        .body(fits + " ")
        .send()
        .await
        .problem(413, "body-too-large");
    assert!(app.items().await.is_empty());
}

#[tokio::test]
async fn no_answer_echoes_a_password() {
    let app = App::start().await;
    let secret = "a very secret password indeed";
    let bodies = [
        format!("{{\"email\":\"ada@example.com\",\"password\":\"{secret}\""),
        format!("{{\"password\":\"{secret}\",\"password\":\"{secret}\"}}"),
        format!("{{\"password\":[\"{secret}\"]}}"),
        json!({"email": "x", "password": secret.repeat(9)}).to_string(),
    ];
    for body in bodies {
        let call = app.call(axum::http::Method::POST, "/register");
        let answer = call
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        assert!(!answer.body.contains(secret), "{answer:?}");
    }
}

#[tokio::test]
async fn a_closed_registration_refuses_everybody_alike_and_hashes_nothing() {
    let app = App::with(&[("Registration", "closed")]).await;
    app.register("ada@example.com")
        .await
        .problem(403, "registration-closed");
    let empty = app.post("/register", json!({})).send().await;
    empty.problem(403, "registration-closed");
    assert!(app.all_items().await.is_empty());
    // It closes nothing else.
    app.login("ada@example.com", PASSWORD)
        .await
        .problem(401, "invalid-credentials");
}
