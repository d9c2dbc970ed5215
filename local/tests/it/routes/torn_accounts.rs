//! Accounts whose credential does not belong to them, such as after one of the two items was brought
//! back from a restored table: operators can do with them what they must.

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use local::dynamodb::TABLE;
use serde_json::json;
use shared::domain::Email;

use crate::commands::aws::on_tables;
use crate::support::app::{App, PASSWORD, User, text};

const ADA: &str = "ada@example.com";
const NEW: &str = "another good password";
const THIRD: &str = "analytical engine 1843";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Torn {
    /// The account is of an earlier password.
    OldAccount,
    /// The credential is of an earlier password.
    OldCredential,
    /// There is no credential.
    NoCredential,
    /// The credential is another account's.
    OtherCredential,
}

fn text_of(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn key_of_credential() -> String {
    format!("EMAIL#{}", Email::parse(ADA).unwrap().fingerprint())
}

impl Torn {
    const ALL: [Self; 4] = [
        Self::OldAccount,
        Self::OldCredential,
        Self::NoCredential,
        Self::OtherCredential,
    ];

    async fn happens(self, app: &App, ada: &User<'_>, other: &str) {
        let (name, value) = match self {
            Self::OldAccount => {
                let one = AttributeValue::N("1".to_owned());
                return app.set_attribute(&ada.id(), "password_epoch", one).await;
            }
            Self::NoCredential => {
                let delete = app.dynamodb().delete_item().table_name(TABLE);
                let delete = delete.key("pk", text_of(key_of_credential()));
                delete
                    .key("sk", text_of("CREDENTIAL"))
                    .send()
                    .await
                    .unwrap();
                return;
            }
            Self::OldCredential => ("password_epoch", AttributeValue::N("1".to_owned())),
            Self::OtherCredential => ("user_id", text_of(other)),
        };
        let update = app.dynamodb().update_item().table_name(TABLE);
        let update = update
            .key("pk", text_of(key_of_credential()))
            .key("sk", text_of("CREDENTIAL"))
            .update_expression(format!("SET {name} = :value"))
            .expression_attribute_values(":value", value);
        update.send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_credential_that_fits_is_stopped_mended_and_deleted() {
    for torn in Torn::ALL {
        let app = App::start().await;
        let root = app.administrator("root@example.com").await;
        let ada = app.user(ADA).await;
        let body = json!({"current_password": PASSWORD, "new_password": NEW});
        let changed = ada.post("/password/change", body).send().await;
        let session = text(&changed.expect(200).json(), "refresh_token");
        torn.happens(&app, &ada, &root.id()).await;
        let path = format!("/admin/users/{}", ada.id());
        let sign_out = root.call(Method::DELETE, &format!("{path}/sessions"));
        assert_eq!(sign_out.send().await.status, 204, "{torn:?}");
        for status in ["disabled", "active"] {
            let patch = root.patch(&path, json!({ "status": status })).send().await;
            assert_eq!(patch.status, 200, "{torn:?}");
        }
        // Nothing of it brings a session or a password back.
        assert_eq!(app.refresh(&session).await.status, 401, "{torn:?}");
        assert_eq!(app.login(ADA, NEW).await.status, 401, "{torn:?}");
        let id = ada.id();
        let password = ["password", &*id, "--password-stdin"];
        let set = on_tables(&app.local, &password, THIRD).await;
        if torn == Torn::OtherCredential {
            let refused = set.expect(4);
            let sentence = "another account has the address";
            assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
            torn.happens(&app, &ada, &root.id()).await;
        } else {
            set.expect(0);
            assert_eq!(app.login(ADA, THIRD).await.status, 200, "{torn:?}");
            torn.happens(&app, &ada, &root.id()).await;
        }
        let deleted = root.call(Method::DELETE, &path).send().await;
        assert_eq!(deleted.status, 204, "{torn:?}");
        let gone = root.get(&path).send().await;
        gone.problem(404, "not-found");
        let items = app.items().await;
        let key = text_of(key_of_credential());
        let left = items.iter().any(|item| item["pk"] == key);
        assert_eq!(left, torn == Torn::OtherCredential, "{torn:?}");
    }
}
