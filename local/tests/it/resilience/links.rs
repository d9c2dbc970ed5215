//! Links while DynamoDB fails.

use serde_json::{Value, json};
use shared::domain::Purpose;
use testkit::dynamodb::Fault;

use crate::support::app::{App, PASSWORD, event};
use crate::support::faulty_store::{FaultyStore, call};

const NEW: &str = "another good password";

async fn start() -> FaultyStore {
    FaultyStore::before(App::with_mail().await).await
}

async fn ask(faulty: &FaultyStore, function: &str, path: &str, body: &Value) -> u16 {
    let event = event("POST", path, body, None);
    call(&faulty.functions, function, event).await.0
}

#[tokio::test]
async fn a_use_whose_answer_was_lost_is_still_a_204() {
    for fault in [Fault::AnswerLost, Fault::Conflict, Fault::Throttled] {
        let faulty = start().await;
        let ada = faulty.app.user("ada@example.com").await;
        let token = faulty.app.mint(&ada.id(), Purpose::EmailVerification).await;
        let verify = json!({"token": token, "password": PASSWORD});
        faulty.inject("TransactWriteItems", &[fault]);
        let status = ask(&faulty, "links", "/email/verify", &verify).await;
        assert_eq!(status, 204, "{fault:?}");
        // It is the earlier try that is recognised, not the link.
        let again = ask(&faulty, "links", "/email/verify", &verify).await;
        assert_eq!(again, 400, "{fault:?}");
        assert_eq!(faulty.app.rows_of("email_verified").await.len(), 1);

        let token = faulty.app.mint(&ada.id(), Purpose::PasswordReset).await;
        let reset = json!({"token": token, "new_password": NEW});
        faulty.inject("TransactWriteItems", &[fault]);
        let status = ask(&faulty, "links", "/password/reset", &reset).await;
        assert_eq!(status, 204, "{fault:?}");
        assert_eq!(faulty.app.rows_of("password_reset").await.len(), 1);
        faulty.app.login(&ada.email, NEW).await.expect(200);
    }
}

#[tokio::test]
async fn a_reset_is_done_even_if_the_items_of_the_sessions_stay() {
    for request in ["Query", "BatchWriteItem"] {
        let faulty = start().await;
        let ada = faulty.app.user("ada@example.com").await;
        let token = faulty.app.mint(&ada.id(), Purpose::PasswordReset).await;
        faulty.inject(request, &[Fault::Broken; 40]);
        let reset = json!({"token": token, "new_password": NEW});
        let status = ask(&faulty, "links", "/password/reset", &reset).await;
        assert_eq!(status, 204, "{request}");
        assert_eq!(faulty.app.items_of("SESSION#").await.len(), 1);
        let refreshed = faulty.app.refresh(&ada.refresh_token).await;
        refreshed.problem(401, "invalid-refresh-token");
        faulty.app.login(&ada.email, PASSWORD).await.expect(401);
        faulty.app.login(&ada.email, NEW).await.expect(200);
    }
}

#[tokio::test]
async fn a_link_that_is_used_while_another_use_is_under_way_is_used_once() {
    let faulty = start().await;
    let ada = faulty.app.user("ada@example.com").await;
    let token = faulty.app.mint(&ada.id(), Purpose::PasswordReset).await;
    let first = json!({"token": token, "new_password": NEW});
    faulty.inject("TransactWriteItems", &[Fault::Held]);
    let under_way = ask(&faulty, "links", "/password/reset", &first);
    let meanwhile = async {
        faulty.proxy.held().await;
        let second = json!({"token": token, "new_password": "a third good password"});
        let second = faulty.app.post("/password/reset", second);
        second.send().await.expect(204);
        faulty.proxy.release();
    };
    let (status, ()) = tokio::join!(under_way, meanwhile);
    assert_eq!(status, 400);
    let third = "a third good password";
    faulty.app.login(&ada.email, third).await.expect(200);
}

#[tokio::test]
async fn a_mail_that_could_not_be_told_of_is_asked_for_again() {
    let faulty = start().await;
    let address = json!({"email": "ada@example.com"});
    faulty.inject("PutItem", &[Fault::Broken; 40]);
    assert_eq!(
        ask(&faulty, "forgot", "/password/forgot", &address).await,
        503
    );
    let told = faulty.app.rows_of("password_reset_requested").await;
    assert_eq!(told, []);
    faulty.inject("PutItem", &[]);
    assert_eq!(
        ask(&faulty, "forgot", "/password/forgot", &address).await,
        202
    );
}
