//! Administrators.

use aws_sdk_dynamodb::types::AttributeValue;
use local::dynamodb;

use crate::support::app::{App, PASSWORD, User, text};

impl App {
    /// Gives an account the role of administrators, and no other.
    pub async fn make_administrator(&self, user_id: &str) {
        self.set_roles(user_id, &["admin"]).await;
    }

    /// Gives an account these roles, and no others.
    pub async fn set_roles(&self, user_id: &str, roles: &[&str]) {
        let role = |role: &&str| AttributeValue::S((*role).to_owned());
        let roles = AttributeValue::L(roles.iter().map(role).collect());
        self.set_attribute(user_id, "roles", roles).await;
    }

    /// Puts copies of the session of a user into the table, under other identifiers.
    pub async fn copy_session_of(&self, user: &User<'_>, count: u32) {
        let sessions = self.items_of("SESSION#").await;
        let partition = AttributeValue::S(format!("USER#{}", user.id()));
        let session = sessions.iter().find(|item| item["pk"] == partition);
        for n in 0..count {
            let mut copy = session.unwrap().clone();
            let id = format!("SESSION#018bcfe5-687b-7000-8000-{n:012}");
            copy.insert("sk".to_owned(), AttributeValue::S(id));
            let put = self.dynamodb().put_item().table_name(dynamodb::TABLE);
            let put = put.set_item(Some(copy.into_iter().collect()));
            put.send().await.unwrap();
        }
    }

    /// Returns an administrator who has just logged in, and whose token says so.
    pub async fn administrator(&self, email: &str) -> User<'_> {
        let mut user = self.user(email).await;
        self.make_administrator(&user.id()).await;
        let tokens = self.login(email, PASSWORD).await.expect(200).json();
        user.access_token = text(&tokens, "access_token");
        user.refresh_token = text(&tokens, "refresh_token");
        user
    }
}
