//! The page on the architecture, compared with the items that the functions write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use shared::domain::Purpose;

use crate::support::app::{App, PASSWORD, registration, root};
use crate::support::links::MAIL;
use crate::support::mails::settle;

/// Returns the texts between backquotes.
pub(super) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[tokio::test]
async fn the_page_on_the_architecture_lists_the_items_of_the_table() {
    let app = App::with_mail().await;
    let ada = app.user("ada@bücher.example").await;
    app.refresh(&ada.refresh_token).await.expect(200);
    let wrong = json!({"password": "not the password"});
    let call = ada.call(Method::DELETE, "/profile").json(wrong);
    call.send().await.expect(403);
    // A repeat that counts.
    app.clock.advance(Duration::from_secs(60));
    app.refresh(&ada.refresh_token).await.expect(200);
    let asked = json!({ "email": ada.email });
    let asked = app.post("/email/verify/resend", asked);
    asked.send().await.expect(202);
    let token = app.mint(&ada.id(), Purpose::EmailVerification).await;
    let body = json!({"token": token, "password": PASSWORD});
    let verify = app.post("/email/verify", body);
    verify.send().await.expect(204);
    let event = app.event_now();
    let user = ada.id();
    app.mint_for(&user, Purpose::PasswordReset, event).await;
    let (store, id) = (app.store(), user.parse().unwrap());
    store.note_told(id, event).await.unwrap();
    let german = json!({"locale": "de"});
    ada.patch("/profile", german).send().await.expect(200);
    let body = json!({"email": "ada@straße.example", "password": PASSWORD});
    let change = ada.post("/email/change", body);
    change.send().await.expect(202);
    let admin = app.administrator("root@example.com").await;
    let claims = json!({"claims": {"urn:example:plan": "gold"}});
    let path = format!("/admin/users/{user}");
    admin.patch(&path, claims).send().await.expect(200);
    let eve = app.user("eve@example.com").await;
    let body = json!({"current_password": PASSWORD, "new_password": "another good password"});
    let change = eve.post("/password/change", body);
    change.send().await.expect(200);
    // A registration that waits.
    let first = App::with(&[MAIL, ("EmailVerification", "first")]).await;
    let mut body = registration("ada@bücher.example");
    body["locale"] = json!("de");
    first.post("/register", body).send().await.expect(202);
    // Until the mailer has counted its notices.
    settle(&app.local).await;
    let items = [app.all_items().await, first.all_items().await].concat();
    let mut there: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for item in items {
        let prefix = |name: &str| {
            let key = item[name].as_s().unwrap();
            match key.rsplit_once('#') {
                Some((start, _)) => format!("{start}#"),
                None if key.bytes().all(|b| b.is_ascii_digit()) => "<window start>".to_owned(),
                None => key.clone(),
            }
        };
        let names = item
            .keys()
            .filter(|name| !["pk", "sk"].contains(&name.as_str()));
        let known = there.entry((prefix("pk"), prefix("sk"))).or_default();
        known.extend(names.cloned());
    }
    // A completed deletion leaves no trace.
    let account = ("USER#".to_owned(), "ACCOUNT".to_owned());
    there
        .get_mut(&account)
        .unwrap()
        .insert("expires_at".to_owned());

    assert_eq!(rows_of("## The table"), there);
}

/// Returns the attributes of the items in a section of the page on the architecture, by their keys.
pub(super) fn rows_of(section: &str) -> BTreeMap<(String, String), BTreeSet<String>> {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (_, page) = page.split_once(&format!("\n{section}\n")).unwrap();
    let page = page.split("\n## ").next().unwrap();
    let page = page.split("\n### ").next().unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let named = rows.filter_map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        let key = |n: usize| quoted(cells[n]).next().map(str::to_owned);
        let names = quoted(cells[3]).map(str::to_owned).collect();
        Some(((key(1)?, key(2)?), names))
    });
    named.filter(|((pk, _), _)| pk != "pk").collect()
}
