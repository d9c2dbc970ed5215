//! The values of accounts, sessions and passwords. Each is parsed once, when it enters, and then
//! trusted.

pub mod auth_method;
pub mod id;
pub mod scope;

#[cfg(feature = "accounts")]
pub mod account;
#[cfg(feature = "accounts")]
pub mod custom_claims;
#[cfg(feature = "accounts")]
pub mod email;
#[cfg(feature = "accounts")]
pub mod event;
#[cfg(feature = "accounts")]
pub mod external_id;
#[cfg(feature = "accounts")]
pub mod field_error;
#[cfg(feature = "accounts")]
pub mod link;
#[cfg(feature = "accounts")]
pub mod locale;
#[cfg(feature = "accounts")]
pub mod mail;
#[cfg(feature = "accounts")]
pub mod name;
#[cfg(feature = "accounts")]
pub mod password;
#[cfg(feature = "accounts")]
pub mod published;
#[cfg(feature = "accounts")]
pub mod recipient;
#[cfg(feature = "accounts")]
pub mod registration;
#[cfg(feature = "accounts")]
mod secret_text;
#[cfg(feature = "accounts")]
pub mod session;
#[cfg(feature = "accounts")]
pub mod throttle;

#[cfg(feature = "accounts")]
pub use account::{
    Account, AccountChange, NewAccount, ProfileChange, Status, rfc3339, rfc3339_millis,
};
pub use auth_method::AuthMethod;
#[cfg(feature = "accounts")]
pub use custom_claims::{ClaimsPatch, CustomClaims};
#[cfg(feature = "accounts")]
pub use email::Email;
#[cfg(feature = "accounts")]
pub use event::{Event, Origin, Subject};
#[cfg(feature = "accounts")]
pub use external_id::ExternalId;
#[cfg(feature = "accounts")]
pub use field_error::{FieldError, Violation};
pub use id::{EventId, Role, SessionId, UserId};
#[cfg(feature = "accounts")]
pub use link::{Link, LinkRefusal, LinkToken, Purpose};
#[cfg(feature = "accounts")]
pub use locale::Locale;
#[cfg(feature = "accounts")]
pub use mail::{Mail, MailPolicy, MailRequest};
#[cfg(feature = "accounts")]
pub use name::Name;
#[cfg(feature = "accounts")]
pub use password::hash::PasswordHash;
#[cfg(feature = "accounts")]
pub use password::hasher::Hasher;
#[cfg(feature = "accounts")]
pub use password::legacy;
#[cfg(feature = "accounts")]
pub use password::stored::StoredPassword;
#[cfg(feature = "accounts")]
pub use password::{Password, PasswordPolicy, personal_words};
#[cfg(feature = "accounts")]
pub use published::PublishedEvent;
#[cfg(feature = "accounts")]
pub use recipient::{EmailState, Recipient};
#[cfg(feature = "accounts")]
pub use registration::{EmailVerification, PendingRegistration, Registration};
pub use scope::{RoleScopes, Scope};
