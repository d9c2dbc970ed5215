//! Least privilege: each function is allowed exactly the operations of DynamoDB that it uses.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use local::dynamodb::TABLE;
use serde_json::json;
use shared::domain::Purpose;
use testkit::dynamodb::Fault;

use crate::support::app::{App, PASSWORD, root, text};
use crate::support::private::without_private;
use crate::support::privileges::{allowed, behind_proxies, used};

#[tokio::test]
async fn every_function_may_do_what_it_does_and_nothing_else() {
    let (app, proxies) = behind_proxies().await;
    let ada = app.user("ada@example.com").await;
    app.register("ada@example.com").await.expect(409);
    app.login("ada@example.com", "not the password")
        .await
        .expect(401);
    app.login("nobody@example.com", PASSWORD).await.expect(401);

    ada.get("/activity").send().await.expect(200);
    ada.get("/profile").send().await.expect(200);
    ada.get("/profile/export").send().await.expect(200);
    ada.patch("/profile", json!({"first_name": "Augusta"}))
        .send()
        .await
        .expect(200);
    let names = json!({"first_name": "Ada", "last_name": "King"});
    ada.put("/profile", names).send().await.expect(200);

    let tokens = app.refresh(&ada.refresh_token).await.expect(200).json();
    app.refresh(&ada.refresh_token).await.expect(200);
    app.refresh("lkr_unknown").await.expect(401);
    // The list is longer than one page. Asks from its second page on.
    app.copy_session(150).await;
    let first = ada.get("/sessions").send().await.expect(200).json();
    let next = format!("/sessions?cursor={}", text(&first, "next_cursor"));
    ada.get(&next).send().await.expect(200);
    let body = json!({"refresh_token": tokens["refresh_token"]});
    app.post("/logout", body).send().await.expect(204);
    let tokens = app.login("ada@example.com", PASSWORD).await.json();
    let token = text(&tokens, "access_token");
    let body = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let change = app.post("/password/change", body).bearer(&token);
    change.send().await.expect(200);

    let eve = app.user("eve@example.com").await;
    eve.delete(&format!("/sessions/{}", eve.session_id()))
        .send()
        .await
        .expect(204);
    let eve_again = app
        .login("eve@example.com", PASSWORD)
        .await
        .expect(200)
        .json();
    let reused = text(&eve_again, "refresh_token");
    let next = app.refresh(&reused).await.expect(200).json();
    app.clock.advance(std::time::Duration::from_secs(60));
    app.refresh(&reused).await.expect(200);
    app.refresh(&text(&next, "refresh_token")).await.expect(200);
    app.refresh(&reused).await.expect(401);
    // Another session ends with the one that asks.
    app.login("eve@example.com", PASSWORD).await.expect(200);
    let tokens = app.login("eve@example.com", PASSWORD).await.expect(200);
    let end = app.call(Method::DELETE, "/sessions");
    let end = end.bearer(&text(&tokens.json(), "access_token"));
    end.send().await.expect(204);
    app.login("eve@example.com", PASSWORD).await.expect(200);
    let delete = eve.call(Method::DELETE, "/profile");
    delete
        .json(json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(204);
    app.register("bob@example.com").await.expect(201);
    // The account is deleted just before the login is recorded in it.
    proxies["login"].inject_at("UpdateItem", "ACCOUNT", Fault::ItemGone);
    app.login("bob@example.com", PASSWORD).await.expect(401);
    app.get("/.well-known/jwks.json").send().await.expect(200);
    use_links(&app).await;
    administer(&app).await;

    let mut actions = BTreeMap::new();
    let mut allowed = without_private(allowed());
    // No request over HTTP calls it: see `security::mailer`.
    allowed.remove("mailer");
    for (function, proxy) in proxies.iter().filter(|(name, _)| *name != "mailer") {
        let requests = proxy.requests();
        for request in &requests {
            if function == "register" && request.operation == "GetItem" {
                // Its role may read only this item.
                assert_eq!(request.body["Key"]["pk"]["S"], "NOTHING");
            }
            if function == "forgot" && request.operation == "UpdateItem" {
                // Its role may write only these, and read nothing.
                let key = request.body["Key"]["pk"]["S"].as_str().unwrap();
                assert!(key.starts_with("LIMIT#MAIL#"), "{key}");
            }
        }
        actions.insert(function.clone(), used(&requests));
    }
    assert_eq!(without_private(actions), allowed);
}

/// Asks for links and uses them.
async fn use_links(app: &App) {
    let grace = app.user("grace@example.com").await;
    for path in ["/password/forgot", "/email/verify/resend"] {
        let asked = app.post(path, json!({"email": grace.email}));
        asked.send().await.expect(202);
    }
    let token = app.mint(&grace.id(), Purpose::EmailVerification).await;
    let body = json!({"token": token, "password": PASSWORD});
    let verify = app.post("/email/verify", body);
    verify.send().await.expect(204);
    let body = json!({"email": "grace@example.org", "password": PASSWORD});
    let change = grace.post("/email/change", body);
    change.send().await.expect(202);
    let token = app.mailed("email_change").await.unwrap();
    let body = json!({"token": token, "password": PASSWORD});
    let moved = app.post("/email/change/confirm", body);
    moved.send().await.expect(204);
    let token = app.mint(&grace.id(), Purpose::PasswordReset).await;
    let body = json!({"token": token, "new_password": "another good password"});
    let reset = app.post("/password/reset", body);
    reset.send().await.expect(204);
}

/// Makes every call of administration.
async fn administer(app: &App) {
    let admin = app.administrator("root@example.com").await;
    let invitation = json!({"email": "alan@example.com", "first_name": "Alan", "last_name": ""});
    let invited = admin.post("/admin/users", invitation).send().await;
    let path = format!("/admin/users/{}", text(&invited.expect(201).json(), "id"));
    for query in ["", "?prefix=al", "?email=alan@example.com"] {
        let list = admin.get(&format!("/admin/users{query}"));
        list.send().await.expect(200);
    }
    admin.get(&path).send().await.expect(200);
    let patch = json!({"status": "disabled", "roles": ["editor"]});
    admin.patch(&path, patch).send().await.expect(200);
    let reset = admin.call(Method::POST, &format!("{path}/password-reset"));
    reset.send().await.expect(202);
    let activity = format!("{path}/activity");
    admin.get(&activity).send().await.expect(200);
    for path in [format!("{path}/sessions"), path] {
        admin.delete(&path).send().await.expect(204);
    }
    // Its items are removed in batches.
    let grace = app.user("hopper@example.com").await;
    let path = format!("/admin/users/{}", grace.id());
    admin.delete(&path).send().await.expect(204);
}

#[test]
fn forgot_may_read_nothing_and_write_no_item_but_counters_of_mails_and_events() {
    let template = crate::support::app::template([]);
    let policies = &template.resources()["Forgot"]["Properties"]["Policies"];
    let count = json!({
        "Effect": "Allow", "Action": "dynamodb:UpdateItem",
        "Resource": {"Fn::GetAtt": "Table.Arn"},
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "LIMIT#MAIL#*"}},
    });
    let tell = json!({
        "Effect": "Allow", "Action": "dynamodb:PutItem",
        "Resource": {"Fn::GetAtt": "EventTable.Arn"},
    });
    assert_eq!(*policies, json!([{ "Statement": [count, tell] }]));
}

#[test]
fn activity_reads_what_lies_under_accounts_and_writes_nothing() {
    let template = crate::support::app::template([]);
    let policies = &template.resources()["Activity"]["Properties"]["Policies"];
    let read = json!({
        "Effect": "Allow", "Action": "dynamodb:BatchGetItem",
        "Resource": {"Fn::GetAtt": "Table.Arn"},
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "USER#*"}},
    });
    let list = json!({
        "Effect": "Allow", "Action": "dynamodb:Query",
        "Resource": {"Fn::GetAtt": "EventTable.Arn"},
    });
    assert_eq!(*policies, json!([{ "Statement": [read, list] }]));
}

#[test]
fn register_may_read_no_item_but_the_one_that_is_never_there() {
    let template = crate::support::app::template([]);
    let policies = &template.resources()["Register"]["Properties"]["Policies"];
    let table = json!({"Fn::GetAtt": "Table.Arn"});
    let write = ["dynamodb:PutItem", "dynamodb:UpdateItem"];
    let write = json!({"Effect": "Allow", "Action": write, "Resource": table});
    let get = json!({
        "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": table,
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "NOTHING"}},
    });
    let events = json!({"Fn::GetAtt": "EventTable.Arn"});
    let tell = json!({"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": events});
    assert_eq!(*policies, json!([{ "Statement": [write, get, tell] }]));
}

#[test]
fn before_the_table_is_replaced_all_are_stopped_that_write_it() {
    const WRITES: [&str; 4] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"];
    let writes = |actions: &BTreeSet<String>| {
        let mut writes = WRITES.iter().map(|action| format!("{TABLE} {action}"));
        writes.any(|write| actions.contains(&write))
    };
    let allowed = allowed().into_iter();
    let writers: BTreeSet<_> = allowed
        .filter(|(_, actions)| writes(actions))
        .map(|(function, _)| function)
        .collect();
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, list) = page.split_once("Set the reserved concurrency of").unwrap();
    let (list, _) = list.split_once(" to 0 ").unwrap();
    let listed = list.split('`').skip(1).step_by(2).map(str::to_lowercase);
    assert_eq!(listed.collect::<BTreeSet<_>>(), writers);
}

#[test]
fn no_policy_has_a_wildcard_for_an_action_or_a_resource() {
    let yaml = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    for resource in yaml.split("\n\n  ") {
        // In a key's own policy, the resource "*" is the key, and administration has many verbs.
        if resource.contains("Type: AWS::KMS::Key") {
            continue;
        }
        for line in resource.lines() {
            let code = line.split(" #").next().unwrap();
            let of_policy = code.contains("Action:") || code.contains("Resource:");
            assert!(!(of_policy && code.contains('*')), "{line}");
            assert!(!code.contains("dynamodb:Scan"), "{line}");
        }
    }
}
