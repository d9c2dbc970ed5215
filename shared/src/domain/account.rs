//! Accounts, and what clients see of them.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::email::Email;
use super::id::{Role, UserId};
use super::name::Name;
use super::throttle::{AttemptId, LastLogin};

/// What a person gives to open an account, but for the password.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The address to log in with.
    pub email: Email,
    /// As written.
    pub first_name: Name,
    /// As written.
    pub last_name: Name,
}

/// An account as it is stored. Times are seconds since the epoch.
#[derive(Debug, Clone)]
pub struct Account {
    /// Never reassigned.
    pub id: UserId,
    /// The address to log in with.
    pub email: Email,
    /// As written.
    pub first_name: Name,
    /// As written.
    pub last_name: Name,
    /// When the account was opened.
    pub date_joined: u64,
    /// When a login last succeeded.
    pub last_login: Option<u64>,
    /// Which attempt that was.
    pub login_attempt: Option<AttemptId>,
    /// Given by operators only; no request sets them.
    pub roles: Vec<Role>,
    /// Whether it may be used.
    pub status: Status,
    /// How often the profile has changed: the number behind its `ETag`.
    pub version: u64,
    /// How often the password has changed. Credential, account and sessions carry it, and what
    /// carries another than the account has ended.
    pub password_epoch: u64,
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Active,
    /// An operator has shut it.
    Disabled,
    /// Its owner is deleting it; what is left of it is about to go.
    Deleting,
}

/// A change to a profile; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// The new first name.
    pub first_name: Option<Name>,
    /// The new last name.
    pub last_name: Option<Name>,
}

/// An account as its owner sees it: the body of `POST /register` and of `/profile`.
#[derive(Debug, Serialize)]
pub struct AccountView<'a> {
    id: UserId,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    date_joined: String,
    last_login: Option<String>,
    roles: &'a [Role],
}

impl Account {
    /// Opens an account at `millis` milliseconds since the epoch, under a new identifier.
    pub fn open(new: NewAccount, millis: u64) -> Self {
        Self {
            id: UserId::new(millis),
            email: new.email,
            first_name: new.first_name,
            last_name: new.last_name,
            date_joined: millis / 1000,
            last_login: None,
            login_attempt: None,
            roles: Vec::new(),
            status: Status::Active,
            version: 1,
            password_epoch: 1,
        }
    }

    /// The last login, if there was one.
    pub fn login(&self) -> Option<LastLogin> {
        Some(LastLogin {
            at: self.last_login?,
            attempt: self.login_attempt.clone()?,
        })
    }

    /// The account as its owner sees it.
    pub fn view(&self) -> AccountView<'_> {
        AccountView {
            id: self.id,
            email: self.email.as_str(),
            first_name: self.first_name.as_str(),
            last_name: self.last_name.as_str(),
            date_joined: rfc3339(self.date_joined),
            last_login: self.last_login.map(rfc3339),
            roles: &self.roles,
        }
    }
}

impl ProfileChange {
    /// Whether it leaves everything as it is.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Seconds since the epoch as RFC 3339 writes them in UTC. Seconds past the year 9999, which no
/// clock gives, are shown as the epoch.
pub fn rfc3339(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .format(&Rfc3339)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Account {
        let new = NewAccount {
            email: Email::parse("Ada@example.com").unwrap(),
            first_name: Name::parse("Ada").unwrap(),
            last_name: Name::parse("Lovelace").unwrap(),
        };
        Account::open(new, 1_700_000_000_123)
    }

    #[test]
    fn the_owner_sees_the_account_and_none_of_its_inner_state() {
        let ada = ada();
        let seen = serde_json::to_value(ada.view()).unwrap();
        assert_eq!(
            seen,
            serde_json::json!({
                "id": ada.id.to_string(),
                "email": "Ada@example.com",
                "first_name": "Ada",
                "last_name": "Lovelace",
                "date_joined": "2023-11-14T22:13:20Z",
                "last_login": null,
                "roles": [],
            })
        );
    }

    #[test]
    fn an_account_opens_active_and_without_roles() {
        let ada = ada();
        assert_eq!((ada.status, ada.version), (Status::Active, 1));
        assert!(ada.roles.is_empty() && ada.last_login.is_none());
    }
}
