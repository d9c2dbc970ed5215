//! Accounts as operators see them, and the changes that operators make.

use std::fmt::Display;

use serde::Serialize;
use serde_json::Value;

use super::{Account, Status, rfc3339};
use crate::domain::custom_claims::CustomClaims;
use crate::domain::event::{Event, Origin};
use crate::domain::external_id::ExternalId;
use crate::domain::field_error::Violation;
use crate::domain::id::{Role, UserId};
use crate::domain::locale::Locale;
use crate::domain::name::Name;
use crate::observe::AuditEvent;
use crate::observe::audit::EndedBy;

/// A change of an account by an operator. A member that is `None` stays unchanged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccountChange {
    /// Whether the account may be used.
    pub status: Option<Status>,
    /// The roles.
    pub roles: Option<Vec<Role>>,
    /// What is added to the access tokens of the account.
    pub claims: Option<CustomClaims>,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The language of mails. `Some(None)` removes the choice.
    pub locale: Option<Option<Locale>>,
}

impl AccountChange {
    /// Returns the members that differ from what `account` is.
    pub fn differing_from(self, account: &Account) -> Self {
        Self {
            status: self.status.filter(|status| *status != account.status),
            roles: self.roles.filter(|roles| *roles != account.roles),
            claims: self.claims.filter(|claims| *claims != account.claims),
            first_name: self.first_name.filter(|name| *name != account.first_name),
            last_name: self.last_name.filter(|name| *name != account.last_name),
            locale: self.locale.filter(|locale| *locale != account.locale),
        }
    }

    /// Returns whether the change leaves everything as it is.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the account as this change makes it. To disable it ends its sessions: they are of an
    /// earlier epoch.
    pub fn applied_to(&self, account: &Account) -> Account {
        let epochs = u64::from(self.ends_sessions());
        Account {
            status: self.status.unwrap_or(account.status),
            roles: self.roles.as_ref().unwrap_or(&account.roles).clone(),
            claims: self.claims.as_ref().unwrap_or(&account.claims).clone(),
            first_name: self
                .first_name
                .as_ref()
                .unwrap_or(&account.first_name)
                .clone(),
            last_name: self
                .last_name
                .as_ref()
                .unwrap_or(&account.last_name)
                .clone(),
            locale: self.locale.as_ref().unwrap_or(&account.locale).clone(),
            version: account.version.saturating_add(1),
            password_epoch: account.password_epoch.saturating_add(epochs),
            ..account.clone()
        }
    }

    /// Returns whether `account` is what this change, and nothing else, made of `version`.
    pub fn was_made(&self, version: u64, account: &Account) -> bool {
        version.checked_add(1) == Some(account.version)
            && self.clone().differing_from(account).is_empty()
    }

    /// Returns whether the change ends the sessions of the account.
    pub fn ends_sessions(&self) -> bool {
        self.status == Some(Status::Disabled)
    }

    /// Returns whether the change makes an administrator one no more.
    pub fn removes_administrator(&self) -> bool {
        let demotes = |roles: &Vec<Role>| !roles.iter().any(is_administrator);
        self.ends_sessions() || self.roles.as_ref().is_some_and(demotes)
    }

    /// Returns the events that tell of the change, by the operator `actor`.
    pub fn events(&self, user: UserId, actor: impl Display, origin: &Origin) -> Vec<Event> {
        let mut kinds = Vec::new();
        if self.first_name.is_some() || self.last_name.is_some() || self.locale.is_some() {
            kinds.push(AuditEvent::ProfileChanged.of(user));
        }
        if self.roles.is_some() {
            kinds.push(AuditEvent::RolesChanged.of(user));
        }
        if self.claims.is_some() {
            kinds.push(AuditEvent::ClaimsChanged.of(user));
        }
        match self.status {
            Some(Status::Active) => kinds.push(AuditEvent::AccountEnabled.of(user)),
            Some(Status::Disabled) => {
                kinds.push(AuditEvent::AccountDisabled.of(user));
                kinds.push(AuditEvent::SessionsEnded.of(user).by(EndedBy::Disabling));
            }
            Some(Status::Deleting) | None => {}
        }
        let event =
            |entry: crate::observe::audit::Entry| Event::new(entry.actor(&actor), user, origin);
        kinds.into_iter().map(event).collect()
    }
}

/// An account as operators see it.
#[derive(Debug, Serialize)]
pub struct OperatorView<'a> {
    id: UserId,
    external_id: Option<&'a str>,
    email: &'a str,
    email_verified: bool,
    status: &'static str,
    first_name: &'a str,
    last_name: &'a str,
    locale: Option<&'a str>,
    date_joined: String,
    last_login: Option<String>,
    roles: &'a [Role],
    claims: &'a CustomClaims,
}

impl Account {
    /// The role whose owners may administer accounts.
    pub const ADMINISTRATOR: &str = "admin";
    /// The greatest number of roles.
    pub const MAX_ROLES: usize = 32;

    /// Returns whether the account may be used and has the role of administrators.
    pub fn is_administrator(&self) -> bool {
        self.status == Status::Active && self.roles.iter().any(is_administrator)
    }

    /// Returns the account as operators see it.
    pub fn operator_view(&self) -> OperatorView<'_> {
        OperatorView {
            id: self.id,
            external_id: self.external_id.as_ref().map(ExternalId::as_str),
            email: self.email.as_str(),
            email_verified: self.email_verified,
            status: self.status.name(),
            first_name: self.first_name.as_str(),
            last_name: self.last_name.as_str(),
            locale: self.locale.as_ref().map(Locale::as_str),
            date_joined: rfc3339(self.date_joined),
            last_login: self.last_login.map(rfc3339),
            roles: &self.roles,
            claims: &self.claims,
        }
    }

    /// Parses the roles that an operator gives: a JSON array of strings.
    ///
    /// # Errors
    ///
    /// Returns a [`Violation`] if it is something else, if one of them is no role or is given twice,
    /// or if there are too many.
    pub fn parse_roles(value: &Value) -> Result<Vec<Role>, Violation> {
        let wrong_type = || Violation::new("wrong-type", "is not an array of strings");
        let values = value.as_array().ok_or_else(wrong_type)?;
        if values.len() > Self::MAX_ROLES {
            let most = Self::MAX_ROLES;
            let detail = format!("has more than {most} roles");
            return Err(Violation::new("too-long", detail));
        }
        let mut roles: Vec<Role> = Vec::with_capacity(values.len());
        for value in values {
            let role = value.as_str().ok_or_else(wrong_type)?.parse();
            let role = role.map_err(|_| {
                Violation::new(
                    "invalid-role",
                    "has a role that is not 1 to 64 of the characters a-z 0-9 . _ : -",
                )
            })?;
            if roles.contains(&role) {
                return Err(Violation::new("repeated", "has a role twice"));
            }
            roles.push(role);
        }
        Ok(roles)
    }
}

fn is_administrator(role: &Role) -> bool {
    role.as_str() == Account::ADMINISTRATOR
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::account::tests::ada;
    use crate::domain::session::Device;

    #[test]
    fn an_operator_sees_what_its_owner_sees_and_status_claims_and_external_id() {
        let ada = ada();
        let seen = serde_json::to_value(ada.operator_view()).unwrap();
        let mut expected = serde_json::to_value(ada.view()).unwrap();
        expected["status"] = json!("active");
        expected["claims"] = json!({});
        expected["external_id"] = json!(null);
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_change_is_what_differs_and_each_part_is_told() {
        let ada = ada();
        let names = |change: &AccountChange| {
            let origin = Origin {
                device: Device::new("::1", ""),
                millis: 1,
            };
            let events = change.events(ada.id, "eve", &origin);
            assert!(events.iter().all(|it| it.entry().operator() == Some("eve")));
            let names = events.iter().map(|event| event.kind().name());
            names.collect::<Vec<_>>()
        };
        let same = AccountChange {
            status: Some(Status::Active),
            roles: Some(Vec::new()),
            claims: Some(CustomClaims::default()),
            first_name: Some(ada.first_name.clone()),
            last_name: Some(ada.last_name.clone()),
            locale: Some(None),
        };
        assert!(same.differing_from(&ada).is_empty());
        let all = AccountChange {
            status: Some(Status::Disabled),
            roles: Some(vec!["admin".parse().unwrap()]),
            claims: Some(CustomClaims::parse(&json!({"urn:a:b": 1})).unwrap()),
            first_name: Some(Name::parse("Augusta").unwrap()),
            last_name: None,
            locale: Some(Some(Locale::parse("de-CH").unwrap())),
        };
        let all = all.differing_from(&ada);
        let expected = [
            "profile_changed",
            "roles_changed",
            "claims_changed",
            "account_disabled",
            "sessions_ended",
        ];
        assert_eq!(names(&all), expected);
        let changed = all.applied_to(&ada);
        assert_eq!((changed.version, changed.password_epoch), (2, 2));
        assert!(all.was_made(1, &changed) && !all.was_made(1, &ada));
        assert!(!changed.is_administrator(), "it is disabled");
        let enabled = AccountChange {
            status: Some(Status::Active),
            ..AccountChange::default()
        };
        assert_eq!(names(&enabled), ["account_enabled"]);
        assert!(enabled.applied_to(&changed).is_administrator());
    }

    #[test]
    fn roles_are_plain_words_each_given_once() {
        let roles = Account::parse_roles(&json!(["admin", "billing:read"])).unwrap();
        assert_eq!(roles.len(), 2);
        let many: Vec<_> = (0..33).map(|n| format!("role{n}")).collect();
        for (given, code) in [
            (json!("admin"), "wrong-type"),
            (json!({}), "wrong-type"),
            (json!([1]), "wrong-type"),
            (json!([null]), "wrong-type"),
            (json!(["Admin"]), "invalid-role"),
            (json!([""]), "invalid-role"),
            (json!(["a", "b", "a"]), "repeated"),
            (json!(many), "too-long"),
        ] {
            assert_eq!(Account::parse_roles(&given).unwrap_err().code, code);
        }
    }
}
