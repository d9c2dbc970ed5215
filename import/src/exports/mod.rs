//! The exports of other systems, read as streams in constant memory.
//!
//! [`read`] hands over one [`Entry`] after the other. What one of them lacks is a fault of that
//! entry, and does not end the reading. What an export tells of other accounts, such as names of
//! groups, is collected in a pass before; it takes at most some 40 octets for each account.

mod auth0;
mod better_auth;
mod cognito;
mod csv;
mod django;
mod entry;
mod fields;
mod firebase;
mod input;
mod json;
mod keycloak;
mod kratos;
mod latchkey;
mod lucia;
mod php;
mod places;
mod sql;
mod supabase;
mod wordpress;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use entry::{Entry, OMITTED};
pub use firebase::HashConfig;
pub use input::ExportError;

/// A system whose exports are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum System {
    /// Auth0.
    Auth0,
    /// better-auth.
    BetterAuth,
    /// Amazon Cognito.
    Cognito,
    /// Django.
    Django,
    /// Firebase Authentication.
    Firebase,
    /// Keycloak.
    Keycloak,
    /// Ory Kratos.
    Kratos,
    /// Latchkey, and whatever writes its form.
    Latchkey,
    /// Lucia.
    Lucia,
    /// Supabase Auth.
    Supabase,
    /// WordPress.
    WordPress,
}

impl System {
    /// All systems, in the order of their names.
    pub const ALL: [Self; 11] = [
        Self::Auth0,
        Self::BetterAuth,
        Self::Cognito,
        Self::Django,
        Self::Firebase,
        Self::Keycloak,
        Self::Kratos,
        Self::Latchkey,
        Self::Lucia,
        Self::Supabase,
        Self::WordPress,
    ];

    /// Returns the name that an operator types.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth0 => "auth0",
            Self::BetterAuth => "better-auth",
            Self::Cognito => "cognito",
            Self::Django => "django",
            Self::Firebase => "firebase",
            Self::Keycloak => "keycloak",
            Self::Kratos => "kratos",
            Self::Latchkey => "latchkey",
            Self::Lucia => "lucia",
            Self::Supabase => "supabase",
            Self::WordPress => "wordpress",
        }
    }

    /// Returns what the file is, in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Auth0 => "the password hashes that Auth0's support sends, or a bulk user export",
            Self::BetterAuth => "the tables user and account as one JSON object",
            Self::Cognito => "aws cognito-idp list-users (JSON), or a CSV of its columns",
            Self::Django => "manage.py dumpdata (JSON)",
            Self::Firebase => "firebase auth:export (JSON or CSV)",
            Self::Keycloak => "kc.sh export (JSON of a realm, or of its users)",
            Self::Kratos => "the identities of the admin API (JSON)",
            Self::Latchkey => "latchkey users export, or NDJSON of one's own",
            Self::Lucia => "the tables user and key as one JSON object",
            Self::Supabase => "the table auth.users (CSV or JSON)",
            Self::WordPress => {
                "mysqldump of wp_users and wp_usermeta, or wp user list (CSV or JSON)"
            }
        }
    }
}

/// An error: no system has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of a system")]
pub struct UnknownSystem;

impl FromStr for System {
    type Err = UnknownSystem;

    fn from_str(text: &str) -> Result<Self, UnknownSystem> {
        let mut all = Self::ALL.into_iter();
        all.find(|system| system.name() == text)
            .ok_or(UnknownSystem)
    }
}

/// What an export does not tell.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Firebase's password hash parameters.
    pub hash_config: Option<HashConfig>,
    /// The form of the passwords, in place of the system's own.
    pub password_format: Option<String>,
    /// The name of the site's secret, in place of the system's own.
    pub password_secret: Option<String>,
    /// What the names of claims begin with, such as `https://example.com/`, that are made of the
    /// attributes which only administrators of the old system could set. Without it, they are left
    /// out.
    pub claims_prefix: Option<String>,
    /// Whether addresses count as proven if the old system does not tell.
    pub assume_verified: bool,
    /// A second file: Auth0's password hashes if the first is a bulk user export.
    pub passwords: Option<PathBuf>,
    /// The present time in seconds since the epoch, by which a ban has ended or not.
    pub now: u64,
}

/// Hands over the entries of an export until `each` breaks.
///
/// # Errors
///
/// Returns an error if the file cannot be read, is not such an export, or breaks off. What was
/// handed over before remains valid.
pub fn read(
    system: System,
    path: &Path,
    options: &Options,
    each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<(), ExportError> {
    let each = &mut |mut entry: Entry| {
        entry.complete(system, options);
        each(entry)
    };
    match system {
        System::Auth0 => auth0::read(path, options, each),
        System::BetterAuth => better_auth::read(path, options, each),
        System::Cognito => cognito::read(path, options, each),
        System::Django => django::read(path, options, each),
        System::Firebase => firebase::read(path, options, each),
        System::Keycloak => keycloak::read(path, options, each),
        System::Kratos => kratos::read(path, options, each),
        System::Latchkey => latchkey::read(path, each),
        System::Lucia => lucia::read(path, options, each),
        System::Supabase => supabase::read(path, options, each),
        System::WordPress => wordpress::read(path, options, each),
    }
}

/// Takes the entries.
type Each<'a> = &'a mut dyn FnMut(Entry) -> ControlFlow<()>;
/// Whether the reading goes on.
type Flow = Result<ControlFlow<()>, ExportError>;
