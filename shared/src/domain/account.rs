//! Accounts, and their public view.

mod operator;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::custom_claims::CustomClaims;
use super::email::Email;
use super::external_id::ExternalId;
use super::id::{Role, UserId};
use super::locale::Locale;
use super::name::Name;
use super::throttle::{AttemptId, LastLogin};

pub use operator::{AccountChange, OperatorView};

/// The data that a person gives to open an account, except the password.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The address to log in with.
    pub email: Email,
    /// The first name, as written.
    pub first_name: Name,
    /// The last name, as written.
    pub last_name: Name,
    /// The language of mails to the person, if they have chosen one.
    pub locale: Option<Locale>,
}

/// A stored account. Times are seconds since the epoch.
#[derive(Debug, Clone)]
pub struct Account {
    /// The identifier, never reassigned.
    pub id: UserId,
    /// The identifier in the system that the account was imported from, if it was.
    pub external_id: Option<ExternalId>,
    /// The address to log in with.
    pub email: Email,
    /// Whether its owner has proven that the address is theirs.
    pub email_verified: bool,
    /// The first name, as written.
    pub first_name: Name,
    /// The last name, as written.
    pub last_name: Name,
    /// The language of mails to the owner, if they have chosen one.
    pub locale: Option<Locale>,
    /// The time when the account was opened.
    pub date_joined: u64,
    /// The time of the last successful login.
    pub last_login: Option<u64>,
    /// The attempt that was the last successful login.
    pub login_attempt: Option<AttemptId>,
    /// The roles. Only operators assign them; no request sets them.
    pub roles: Vec<Role>,
    /// What operators have added to the access tokens of the account.
    pub claims: CustomClaims,
    /// Whether the account may be used.
    pub status: Status,
    /// The version of the profile, which its `ETag` shows. Each change increments it.
    pub version: u64,
    /// The number of passwords that the account has had. Credential, account and sessions store it;
    /// a session whose number differs from the account's has ended.
    pub password_epoch: u64,
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The account may be used.
    Active,
    /// An operator has disabled the account.
    Disabled,
    /// The account is being deleted; its remaining items are about to be removed.
    Deleting,
}

impl Status {
    /// Returns the name, as operators and the table know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Deleting => "deleting",
        }
    }
}

/// A change to a profile. A member that is `None` stays unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// The new first name.
    pub first_name: Option<Name>,
    /// The new last name.
    pub last_name: Option<Name>,
    /// The new language of mails. `Some(None)` removes the choice.
    pub locale: Option<Option<Locale>>,
}

/// An account as its owner sees it: the body of `POST /register` and of `/profile`.
#[derive(Debug, Serialize)]
pub struct AccountView<'a> {
    id: UserId,
    email: &'a str,
    email_verified: bool,
    first_name: &'a str,
    last_name: &'a str,
    locale: Option<&'a str>,
    date_joined: String,
    last_login: Option<String>,
    roles: &'a [Role],
}

impl Account {
    /// Opens an account at `millis` milliseconds since the epoch, with a new identifier.
    pub fn open(new: NewAccount, millis: u64) -> Self {
        Self {
            id: UserId::new(millis),
            external_id: None,
            email: new.email,
            email_verified: false,
            first_name: new.first_name,
            last_name: new.last_name,
            locale: new.locale,
            date_joined: millis / 1000,
            last_login: None,
            login_attempt: None,
            roles: Vec::new(),
            claims: CustomClaims::default(),
            status: Status::Active,
            version: 1,
            password_epoch: 1,
        }
    }

    /// Returns the last login, if there was one.
    pub fn login(&self) -> Option<LastLogin> {
        Some(LastLogin {
            at: self.last_login?,
            attempt: self.login_attempt.clone()?,
        })
    }

    /// Returns the account as its owner sees it.
    pub fn view(&self) -> AccountView<'_> {
        AccountView {
            id: self.id,
            email: self.email.as_str(),
            email_verified: self.email_verified,
            first_name: self.first_name.as_str(),
            last_name: self.last_name.as_str(),
            locale: self.locale.as_ref().map(Locale::as_str),
            date_joined: rfc3339(self.date_joined),
            last_login: self.last_login.map(rfc3339),
            roles: &self.roles,
        }
    }
}

impl ProfileChange {
    /// Returns whether `account` is what this change, and nothing else, made of `version`.
    pub fn was_made(&self, version: u64, account: &Account) -> bool {
        let is = |wanted: &Option<Name>, name| wanted.as_ref().is_none_or(|wanted| wanted == name);
        version.checked_add(1) == Some(account.version)
            && is(&self.first_name, &account.first_name)
            && is(&self.last_name, &account.last_name)
            && (self.locale.as_ref()).is_none_or(|wanted| *wanted == account.locale)
    }

    /// Returns whether the change leaves everything as it is.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Formats seconds since the epoch as RFC 3339 in UTC. Times past the year 9999, which no clock
/// returns, are formatted as the epoch.
pub fn rfc3339(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .format(&Rfc3339)
        .unwrap_or_default()
}

/// Formats milliseconds since the epoch as RFC 3339 in UTC, with three digits of the second.
pub fn rfc3339_millis(millis: u64) -> String {
    let seconds = rfc3339(millis / 1000);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn ada() -> Account {
        let new = NewAccount {
            email: Email::parse("Ada@example.com").unwrap(),
            first_name: Name::parse("Ada").unwrap(),
            last_name: Name::parse("Lovelace").unwrap(),
            locale: None,
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
                "email_verified": false,
                "first_name": "Ada",
                "last_name": "Lovelace",
                "locale": null,
                "date_joined": "2023-11-14T22:13:20Z",
                "last_login": null,
                "roles": [],
            })
        );
    }

    #[test]
    fn a_change_was_made_if_the_account_is_as_it_asks_and_one_version_later() {
        let german = Locale::parse("de").unwrap();
        let change = |locale| ProfileChange {
            locale,
            ..ProfileChange::default()
        };
        let (kept, removed) = (change(None), change(Some(None)));
        let chosen = change(Some(Some(german.clone())));
        assert!(kept.is_empty() && !removed.is_empty() && !chosen.is_empty());
        let mut ada = ada();
        ada.version = 7;
        let made = |account: &Account| {
            [&kept, &removed, &chosen].map(|change| change.was_made(6, account))
        };
        assert_eq!(made(&ada), [true, true, false]);
        assert!(!removed.was_made(7, &ada));
        ada.locale = Some(german);
        assert_eq!(made(&ada), [true, false, true]);
    }

    #[test]
    fn an_account_opens_active_and_without_roles() {
        let ada = ada();
        assert_eq!((ada.status, ada.version), (Status::Active, 1));
        assert!(ada.roles.is_empty() && ada.last_login.is_none());
    }
}
