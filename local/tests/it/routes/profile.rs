//! `GET PUT PATCH /profile`.

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::app::{App, PASSWORD, faults, text};

#[tokio::test]
async fn the_owner_sees_the_profile() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let answer = ada.get("/profile").send().await.expect(200);
    assert!(answer.header("etag").starts_with("\"1-"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let mut expected = ada.account.clone();
    expected["last_login"] = json!("2027-01-15T08:00:00Z");
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn a_replacement_changes_both_names_and_the_tag() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let names = json!({"first_name": "Augusta", "last_name": "King"});
    let answer = ada.put("/profile", names).send().await.expect(200);
    let tag = answer.header("etag");
    assert!(tag.starts_with("\"2-"));
    let changed = answer.json();
    assert_eq!(
        (&changed["first_name"], &changed["last_name"]),
        (&json!("Augusta"), &json!("King"))
    );
    assert_eq!(changed["email"], "ada@example.com");
    let seen = ada.get("/profile").send().await.expect(200);
    assert_eq!(seen.json(), changed);
    assert_eq!(seen.header("etag"), tag);
}

#[tokio::test]
async fn a_replacement_needs_both_names_and_a_patch_any() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let half = json!({"first_name": "Augusta"});
    let problem = ada
        .put("/profile", half.clone())
        .send()
        .await
        .problem(422, "invalid-fields");
    assert_eq!(
        faults(&problem),
        [("/last_name".to_owned(), "missing".to_owned())]
    );

    let patched = ada.patch("/profile", half).send().await.expect(200).json();
    assert_eq!(
        (&patched["first_name"], &patched["last_name"]),
        (&json!("Augusta"), &json!("Lovelace"))
    );
    let patched = ada.patch("/profile", json!({})).send().await.expect(200);
    let tag = patched.header("etag");
    assert!(tag.starts_with("\"2-"), "nothing changed: {tag}");
}

#[tokio::test]
async fn a_patch_may_be_called_a_merge_patch() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let call = |method, content_type: &str| {
        app.call(method, "/profile")
            .bearer(&ada.access_token)
            .header("content-type", content_type)
            .body(json!({"first_name": "A", "last_name": "B"}).to_string())
    };
    call(Method::PATCH, "application/merge-patch+json")
        .send()
        .await
        .expect(200);
    let refused = call(Method::PUT, "application/merge-patch+json")
        .send()
        .await;
    refused.problem(415, "unsupported-media-type");
    let refused = call(Method::PATCH, "application/json-patch+json")
        .send()
        .await;
    let accepted = "application/merge-patch+json, application/json";
    assert_eq!(refused.header("accept-patch"), accepted);
    refused.problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn only_names_can_be_changed() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let body = json!({
        "id": "x", "email": "eve@example.com", "password": PASSWORD, "roles": ["admin"],
        "status": "active", "version": 9, "date_joined": "2000-01-01T00:00:00Z",
        "last_login": null, "first_name": null, "last_name": " ",
    });
    let problem = ada
        .patch("/profile", body)
        .send()
        .await
        .problem(422, "invalid-fields");
    let faults = faults(&problem);
    assert_eq!(faults[0], ("/first_name".to_owned(), "null".to_owned()));
    assert_eq!(faults[1], ("/last_name".to_owned(), "blank".to_owned()));
    assert_eq!(faults.len(), 10);
    assert!(
        faults[2..].iter().all(|(_, code)| code == "unknown"),
        "{faults:?}"
    );
    let seen = ada.get("/profile").send().await.expect(200);
    assert_eq!(seen.json()["email"], "ada@example.com");
    assert!(seen.header("etag").starts_with("\"1-"));
}

#[tokio::test]
async fn users_see_and_change_only_their_own_profile() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let eve = app.user("eve@example.com").await;
    eve.patch("/profile", json!({"first_name": "Eve"}))
        .send()
        .await
        .expect(200);
    let with_hints = ada
        .get(&format!(
            "/profile?sub={0}&user_id={0}&access_token=x",
            eve.id()
        ))
        .header("x-user-id", &eve.id())
        .header("x-amzn-oidc-identity", &eve.id());
    let seen = with_hints.send().await.expect(200).json();
    assert_eq!(text(&seen, "id"), ada.id());
    assert_eq!(seen["first_name"], "Ada");
}

#[tokio::test]
async fn a_name_without_a_visible_character_is_blank_and_a_last_name_may_be_empty() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    for name in [
        "",
        " ",
        "\u{3164}",
        "\u{2800}",
        "\u{200d}\u{fe0f}",
        "\u{301}",
    ] {
        for (member, taken) in [("first_name", false), ("last_name", name.is_empty())] {
            let answer = ada.patch("/profile", json!({ member: name })).send().await;
            if taken {
                assert_eq!(answer.expect(200).json()[member], name);
                continue;
            }
            let problem = answer.problem(422, "invalid-fields");
            let expected = (format!("/{member}"), "blank".to_owned());
            assert_eq!(faults(&problem), [expected], "{name:?}");
        }
    }
    let one = json!({"first_name": "Suharto", "last_name": ""});
    assert_eq!(
        ada.put("/profile", one).send().await.expect(200).json()["last_name"],
        ""
    );
    assert_eq!(
        ada.get("/profile").send().await.expect(200).json()["last_name"],
        ""
    );
}

#[tokio::test]
async fn an_account_with_a_name_of_milder_rules_stays_readable() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let name = AttributeValue::S("\u{3164}".to_owned());
    app.set_attribute(&ada.id(), "first_name", name).await;
    let shown = ada.get("/profile").send().await.expect(200).json();
    assert_eq!(shown["first_name"], "\u{3164}");
    app.login(&ada.email, PASSWORD).await.expect(200);
    let mended = ada.patch("/profile", json!({"first_name": "Ada"}));
    mended.send().await.expect(200);
}

#[tokio::test]
async fn a_body_is_json_whatever_the_parameters_of_its_media_type() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let call = |content_type: &str| {
        let call = ada.call(Method::PATCH, "/profile");
        let call = call.header("content-type", content_type);
        call.body(r#"{"first_name":"Ada"}"#).send()
    };
    for content_type in [
        "application/json; charset=iso-8859-1",
        "application/json ; charset=\"utf-8\"",
        "application/merge-patch+json; profile=\"a;b\\\"c\"",
        "application/json;",
    ] {
        call(content_type).await.expect(200);
    }
    for content_type in [
        "application/json; charset",
        "application/json; a=\"b",
        "application/json, application/json",
        "text/plain; a=\"application/json\"",
    ] {
        call(content_type)
            .await
            .problem(415, "unsupported-media-type");
    }
    // It is read as UTF-8, and nothing else.
    let latin_1 = ada.call(Method::PATCH, "/profile");
    let latin_1 = latin_1.header("content-type", "application/json; charset=iso-8859-1");
    let latin_1 = latin_1.body(b"{\"first_name\":\"Ren\xe9\"}".to_vec());
    latin_1.send().await.problem(400, "malformed-json");
}

#[tokio::test]
async fn names_come_back_as_they_were_written() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    for name in [
        "<script>alert(1)</script>",
        "O'Brien\"; DROP TABLE",
        "李小龍",
        "{{7*7}}",
        "𝄞 👩‍💻",
    ] {
        let answer = ada
            .patch("/profile", json!({"first_name": name}))
            .send()
            .await
            .expect(200);
        assert_eq!(answer.json()["first_name"], name);
    }
}

#[tokio::test]
async fn a_token_of_a_disabled_or_missing_account_is_refused() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.set_attribute(
        &ada.id(),
        "status",
        AttributeValue::S("disabled".to_owned()),
    )
    .await;
    let refused = |problem: &Value| assert_eq!(problem["code"], "invalid-token");
    refused(
        &ada.get("/profile")
            .send()
            .await
            .problem(401, "invalid-token"),
    );
    let change = ada.patch("/profile", json!({"first_name": "A"}));
    refused(&change.send().await.problem(401, "invalid-token"));

    let delete = app.dynamodb();
    let delete = delete
        .delete_item()
        .table_name("latchkey")
        .key("pk", AttributeValue::S(format!("USER#{}", ada.id())))
        .key("sk", AttributeValue::S("ACCOUNT".to_owned()));
    delete.send().await.unwrap();
    refused(
        &ada.get("/profile")
            .send()
            .await
            .problem(401, "invalid-token"),
    );
    let change = ada.put("/profile", json!({"first_name": "A", "last_name": "B"}));
    refused(&change.send().await.problem(401, "invalid-token"));
    assert!(
        app.items_of("ACCOUNT").await.is_empty(),
        "a change makes no account"
    );
}

#[tokio::test]
async fn an_unreadable_item_is_a_500_that_tells_the_client_nothing() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    app.set_attribute(&ada.id(), "version", AttributeValue::S("many".to_owned()))
        .await;
    let problem = ada.get("/profile").send().await.problem(500, "internal");
    assert!(!problem.to_string().contains("many") && !problem.to_string().contains("version"));
}
