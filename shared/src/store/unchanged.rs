//! The condition that an account is still as it was read.

use std::collections::HashMap;

use super::accounts::write_account;
use super::item::Attributes;
use crate::domain::account::Account;

/// A condition of a write: the account is still as it was read, as far as its reader saw it.
pub(super) struct Unchanged {
    /// The condition, to be appended to others.
    pub(super) condition: String,
    /// The attributes that it names.
    pub(super) names: HashMap<String, String>,
    /// The values that it compares them with.
    pub(super) values: Attributes,
}

impl Unchanged {
    /// The attributes that [`Account::view`] shows and that can change.
    const SHOWN: [&str; 8] = [
        "version",
        "email",
        "first_name",
        "last_name",
        "locale",
        "last_login",
        "roles",
        "email_verified",
    ];

    /// The attributes that operators see besides. A change of the claims increments the version.
    const SHOWN_TO_OPERATORS: [&str; 2] = ["status", "password_epoch"];

    /// The owner would see the account as it was read.
    pub(super) fn since(read: &Account) -> Self {
        Self::of(read, &Self::SHOWN)
    }

    /// Operators would see the account as it was read, and it has the same password.
    pub(super) fn to_operators_since(read: &Account) -> Self {
        Self::of(
            read,
            &[&Self::SHOWN[..], &Self::SHOWN_TO_OPERATORS].concat(),
        )
    }

    fn of(read: &Account, shown: &[&str]) -> Self {
        let mut stored = write_account(read);
        let mut unchanged = Self {
            condition: String::new(),
            names: HashMap::new(),
            values: HashMap::new(),
        };
        for name in shown {
            let placeholder = format!("#{name}");
            let condition = match stored.remove(*name) {
                Some(value) => {
                    unchanged.values.insert(format!(":read_{name}"), value);
                    format!(" AND {placeholder} = :read_{name}")
                }
                None => format!(" AND attribute_not_exists({placeholder})"),
            };
            unchanged.condition.push_str(&condition);
            unchanged.names.insert(placeholder, (*name).to_owned());
        }
        unchanged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::NewAccount;
    use crate::domain::email::Email;
    use crate::domain::name::Name;

    #[test]
    fn a_conditional_write_compares_all_that_the_owner_sees_and_that_can_change() {
        let new = NewAccount {
            email: Email::parse("ada@example.com").unwrap(),
            first_name: Name::parse("Ada").unwrap(),
            last_name: Name::parse_last("").unwrap(),
            locale: None,
        };
        let account = Account::open(new, 1_700_000_000_000);
        let shown = serde_json::to_value(account.view()).unwrap();
        let can_change =
            |name: &&String| !["id", "external_id", "date_joined"].contains(&name.as_str());
        let shown = shown.as_object().unwrap().keys().filter(&can_change);
        let unchanged = Unchanged::since(&account);
        for name in shown {
            assert!(Unchanged::SHOWN.contains(&name.as_str()), "{name}");
            assert!(unchanged.condition.contains(&format!("#{name}")), "{name}");
        }
        assert!(
            unchanged
                .condition
                .contains("attribute_not_exists(#last_login)")
        );
        let shown = serde_json::to_value(account.operator_view()).unwrap();
        let compared = |name: &&String| can_change(name) && *name != "claims";
        let shown = shown.as_object().unwrap().keys().filter(compared);
        let unchanged = Unchanged::to_operators_since(&account);
        for name in shown {
            assert!(unchanged.condition.contains(&format!("#{name}")), "{name}");
        }
    }
}
