//! What an export says of an account, before and after it is checked.

mod date;
mod parse;

pub(crate) use date::seconds;
pub(crate) use parse::{language_tag, role_name};

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::domain::{CustomClaims, Email, Locale, Name, Role, Status, UserId};

use crate::forms::OldPassword;

/// A line of the import's own format, which each export is turned into. Every member but `email` may
/// be missing. What was refused is written in this form, so that it can be corrected and imported
/// again.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Record {
    /// The identifier. It is kept if it is a UUID; otherwise it becomes the `external_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The identifier in the old system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The address to log in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the old system had it proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// The first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The whole name, if the old system does not tell first and last name apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The language of mails (BCP 47).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// When the account was opened: RFC 3339, as PostgreSQL or MySQL writes times, or seconds or
    /// milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_joined: Option<Value>,
    /// When the last login was, in one of these forms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Value>,
    /// The roles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What access tokens get besides.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// `active` or `disabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The password as the old system stored it: a text, or an object of the fields that it keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<Value>,
    /// The form of `password_hash`, such as `django`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_format: Option<String>,
    /// The name of the secret of the old site that the password was mixed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<String>,
    /// Why it was refused. An import ignores it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// Its password, its address and its names stay out of logs.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record")
    }
}

/// Why a member of a record cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Fault {
    /// The member.
    pub field: String,
    /// The kind of fault, for counting.
    pub code: String,
    /// What is wrong, in words.
    pub detail: String,
}

impl Fault {
    /// Returns a fault of a member.
    pub fn new(field: &str, code: &str, detail: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            code: code.to_owned(),
            detail: detail.into(),
        }
    }
}

/// An account to import.
#[derive(Debug)]
pub struct User {
    /// The identifier of the old system, if it was a UUID.
    pub id: Option<UserId>,
    /// Another identifier of the old system.
    pub external_id: Option<String>,
    /// The address to log in with.
    pub email: Email,
    /// Whether the old system had it proven.
    pub email_verified: bool,
    /// The first name.
    pub first_name: Name,
    /// The last name.
    pub last_name: Name,
    /// The language of mails.
    pub locale: Option<Locale>,
    /// When the account was opened, in seconds since the epoch, if the old system tells.
    pub date_joined: Option<u64>,
    /// When the last login was, in seconds since the epoch.
    pub last_login: Option<u64>,
    /// The roles.
    pub roles: Vec<Role>,
    /// What access tokens get besides.
    pub claims: CustomClaims,
    /// `Active` or `Disabled`.
    pub status: Status,
    /// The password, or `None` if the old system does not tell it, as Cognito.
    pub password: Option<OldPassword>,
}
