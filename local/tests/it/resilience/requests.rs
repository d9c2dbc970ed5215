//! The number of requests to DynamoDB for each call, and the capacity that they consume.

use std::time::Duration;

use mailer::Mailer;
use serde_json::{Value, json};
use shared::domain::Purpose;
use testkit::ses::Fault;

use crate::support::app::{App, PASSWORD, event, text};
use crate::support::faulty_store::{FaultyStore, ask, call};
use crate::support::post::Post;

#[tokio::test]
async fn each_call_costs_the_requests_of_the_design() {
    let faulty = FaultyStore::start().await;
    assert_eq!(faulty.register().await.0, 201);
    // Credential, account, attempts at the address, and the event, twice 4 as a transaction; and the
    // account in the directory.
    assert_eq!(faulty.seen(), ["TransactWriteItems 9", "UpdateItem 1"]);
    assert_eq!(faulty.register().await.0, 409);
    assert_eq!(
        faulty.seen(),
        [
            "PutItem 1", // the event
            "TransactWriteItems",
            "UpdateItem 1"
        ]
    );

    // From the source of the registration, which is known: one write for the attempt, and none for
    // its success.
    let (_, tokens) = faulty.login().await;
    for place in 0..3 {
        if place > 0 {
            assert_eq!(faulty.login().await.0, 200);
        }
        assert_eq!(
            faulty.seen(),
            [
                "BatchGetItem 3",
                "GetItem 1",
                "PutItem 1", // the attempt
                "PutItem 1", // session
                "PutItem 1", // the event
                "UpdateItem 1",
            ]
        );
    }
    let unknown = json!({"email": "nobody@example.com", "password": PASSWORD});
    assert_eq!(
        ask(&faulty.functions, "login", "POST", &unknown, None)
            .await
            .0,
        401
    );
    let refused = [
        "BatchGetItem 3",
        "GetItem 1",
        "PutItem 1", // the attempt
        "PutItem 1", // the event
        "UpdateItem 1",
    ];
    assert_eq!(faulty.seen(), refused);
    let wrong = json!({"email": "ada@example.com", "password": "not the password"});
    assert_eq!(
        ask(&faulty.functions, "login", "POST", &wrong, None)
            .await
            .0,
        401
    );
    assert_eq!(faulty.seen(), refused[..4], "its source is known");

    // From a new source: its own count, and the mark that it is known from now on.
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let mut login = event("POST", "/login", &credentials, None);
    login["requestContext"]["http"]["sourceIp"] = "198.51.100.1".into();
    assert_eq!(call(&faulty.functions, "login", login).await.0, 200);
    assert_eq!(
        faulty.seen(),
        [
            "BatchGetItem 3", // credential, attempts at the address, attempts of the source
            "GetItem 1",      // account
            "PutItem 1",      // the attempt
            "PutItem 1",      // the source is known
            "PutItem 1",      // session
            "PutItem 1",      // the event
            "UpdateItem 1",
            "UpdateItem 1",
        ]
    );

    let token = text(&tokens, "access_token");
    let profile = async |method, body: Value| {
        ask(&faulty.functions, "profile", method, &body, Some(&token))
            .await
            .0
    };
    assert_eq!(profile("GET", json!({})).await, 200);
    assert_eq!(faulty.seen(), ["BatchGetItem 2"], "session and account");
    assert_eq!(profile("PATCH", json!({"first_name": "A"})).await, 200);
    assert_eq!(faulty.seen(), ["BatchGetItem 2", "UpdateItem 1"]);

    // The authorizer makes no request.
    let asked = json!({"identitySource": [format!("Bearer {token}")]});
    faulty.functions.invoke("authorizer", asked).await.unwrap();
    assert!(faulty.seen().is_empty());
    // Nor does a request that is refused before the store is needed.
    assert_eq!(profile("PUT", json!({"first_name": ""})).await, 422);
    assert_eq!(
        ask(&faulty.functions, "register", "POST", &json!({}), None)
            .await
            .0,
        422
    );
    assert!(faulty.seen().is_empty());
}

#[tokio::test]
async fn sessions_cost_the_requests_of_the_design() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let token = Some(ada.access_token.as_str());
    let session = |event| call(&faulty.functions, "session", event);

    let (status, tokens) = faulty.refresh(&ada.refresh_token).await;
    assert_eq!(
        (status, faulty.seen()),
        (200, vec!["BatchGetItem 2".into(), "UpdateItem 1".into()])
    );
    // A repeat from the same network writes its event alone at once, and after the grace time its
    // count too, once.
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 200);
    assert_eq!(faulty.seen(), ["BatchGetItem 2", "PutItem 1"]);
    faulty.app.clock.advance(Duration::from_secs(11));
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 200);
    assert_eq!(
        faulty.seen(),
        ["BatchGetItem 2", "PutItem 1", "UpdateItem 1"]
    );
    assert_eq!(faulty.refresh(&ada.refresh_token).await.0, 200);
    assert_eq!(faulty.seen(), ["BatchGetItem 2", "PutItem 1"]);
    // A text without the form of a token causes no request.
    assert_eq!(faulty.refresh("lkr_x").await.0, 401);
    assert!(faulty.seen().is_empty());

    assert_eq!(
        session(event("GET", "/sessions", &Value::Null, token))
            .await
            .0,
        200
    );
    assert_eq!(faulty.seen(), ["Query 1"]);
    let activity = event("GET", "/activity", &Value::Null, token);
    let (status, _) = call(&faulty.functions, "activity", activity).await;
    assert_eq!(
        (status, faulty.seen()),
        (200, vec!["BatchGetItem 2".into(), "Query 1".into()])
    );
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(session(event("POST", "/logout", &body, None)).await.0, 204);
    assert_eq!(faulty.seen(), ["TransactWriteItems 4"], "session and event");
    // The account is gone from the first page of a long list.
    let ada = faulty.app.login(&ada.email, PASSWORD).await.expect(200);
    let token = text(&ada.json(), "access_token");
    let token = Some(token.as_str());
    faulty.app.copy_session(120).await;
    let _ = faulty.seen();
    let list = event("GET", "/sessions", &Value::Null, token);
    assert_eq!(session(list).await.0, 200);
    let mut seen = faulty.seen();
    assert_eq!(seen.remove(0), "BatchGetItem 2");
    assert_eq!(seen.len(), 1, "{seen:?}");
    let mut end = event("DELETE", "/sessions", &Value::Null, token);
    end["rawQueryString"] = json!("others=true");
    end["queryStringParameters"] = json!({"others": "true"});
    assert_eq!(session(end).await.0, 204);
    let _ = faulty.seen();
    let end = event("DELETE", "/sessions", &Value::Null, token);
    assert_eq!(session(end).await.0, 204);
    assert_eq!(
        faulty.seen(),
        ["BatchGetItem 2", "Query 1", "TransactWriteItems 4"]
    );
}

#[tokio::test]
async fn operations_that_need_the_password_cost_the_requests_of_the_design() {
    let faulty = FaultyStore::start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let token = Some(ada.access_token.as_str());
    let new = "another good password";
    let body = json!({"current_password": PASSWORD, "new_password": new});
    let change = event("POST", "/password/change", &body, token);
    assert_eq!(call(&faulty.functions, "password", change).await.0, 200);
    assert_eq!(
        faulty.seen(),
        [
            "BatchGetItem 2", // session and account
            "BatchGetItem 4", // credential, session, attempts in it, attempts of the source
            "PutItem 1",      // the attempt
            "Query 1",
            // The credential, the account, the session, and two events.
            "TransactWriteItems 10",
        ]
    );

    let delete = event("DELETE", "/profile", &json!({ "password": new }), token);
    assert_eq!(call(&faulty.functions, "profile", delete).await.0, 204);
    let expected = [
        "BatchGetItem 4",
        "BatchWriteItem 2", // the session, and the attempts in it
        "DeleteItem 1",
        "GetItem 1",
        "PutItem 1", // the attempt
        "PutItem 1", // its success: it was the second in this session
        "Query 1",
        // The credential, the account, the attempts at the address, and two events; and the account
        // leaves the directory.
        "TransactWriteItems 11",
    ];
    assert_eq!(faulty.seen(), expected);
}

#[tokio::test]
async fn links_cost_the_requests_of_the_design() {
    let faulty = FaultyStore::before(App::with_mail().await).await;
    let ada = faulty.app.user("ada@example.com").await;
    let ask = async |function, path, body: Value| {
        let event = event("POST", path, &body, None);
        call(&faulty.functions, function, event).await.0
    };
    let address = json!({ "email": ada.email });
    assert_eq!(ask("forgot", "/password/forgot", address).await, 202);
    let counted_and_told = ["PutItem 1", "UpdateItem 1", "UpdateItem 1"];
    assert_eq!(faulty.seen(), counted_and_told);

    let token = faulty.app.mint(&ada.id(), Purpose::EmailVerification).await;
    let verify = json!({"token": token, "password": PASSWORD});
    assert_eq!(ask("links", "/email/verify", verify.clone()).await, 204);
    let with_password = [
        "BatchGetItem 2", // link and account
        "BatchGetItem 3", // credential, attempts with the link, attempts of the source
        "PutItem 1",      // the attempt
    ];
    let seen = faulty.seen();
    assert_eq!(seen[..3], with_password);
    assert_eq!(seen[3..], ["TransactWriteItems 6"]);
    // No password is verified with a link that is not good.
    assert_eq!(ask("links", "/email/verify", verify).await, 400);
    assert_eq!(faulty.seen(), ["BatchGetItem 2"]);
    let malformed = json!({"token": "lkm_AAAA", "password": PASSWORD});
    assert_eq!(ask("links", "/email/verify", malformed).await, 400);
    assert!(faulty.seen().is_empty());

    let login = faulty.app.login(&ada.email, PASSWORD).await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    let change = faulty.app.post("/email/change", body);
    let change = change.bearer(&text(&login.expect(200).json(), "access_token"));
    change.send().await.expect(202);
    let token = faulty.app.mailed("email_change").await.unwrap();
    let _ = faulty.seen();
    let moved = json!({"token": token, "password": PASSWORD});
    assert_eq!(ask("links", "/email/change/confirm", moved).await, 204);
    let mut seen = faulty.seen();
    seen.retain(|request| !with_password.contains(&request.as_str()));
    let expected = [
        "BatchWriteItem 1", // the other session
        "Query 1",
        // Link, both credentials, account, attempts at both addresses, the session; two events; in the
        // directory, the old and the new entry.
        "TransactWriteItems 20",
    ];
    assert_eq!(seen, expected);

    let token = faulty.app.mint(&ada.id(), Purpose::PasswordReset).await;
    let reset = json!({"token": token, "new_password": "another good password"});
    assert_eq!(ask("links", "/password/reset", reset).await, 204);
    let expected = [
        "BatchGetItem 2",
        "BatchWriteItem 1", // the session
        "Query 1",
        "TransactWriteItems 12", // link, credential, account, attempts at the address; two events
    ];
    assert_eq!(faulty.seen(), expected);
}

#[tokio::test]
async fn no_mail_takes_more_requests_than_the_mailer_has_the_time_for() {
    let post = Post::start().await;
    let ada = post.app.register("ada@example.com").await.expect(201);
    let id = text(&ada.json(), "id");
    let link = post.ask_for_change(&id, "ada@example.com", "eve@example.com", 1);
    let link = link.await.to_string();
    let record = post.record(&format!("USER#{id}"), "email_change", &[("link", &link)]);
    // The link has as many secrets as it keeps: the next one is stored in another way.
    for _ in 0..8 {
        post.ses.inject(&[Fault::Throttled, Fault::Throttled]);
        assert!(!post.is_done(&record).await);
    }
    post.proxy.requests();
    post.ses
        .inject(&[Fault::Passes, Fault::Throttled, Fault::Throttled]);
    assert!(!post.is_done(&record).await);
    let requests = u32::try_from(post.proxy.requests().len());
    assert_eq!(requests, Ok(Mailer::STORE_REQUESTS));
}
