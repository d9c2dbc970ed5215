//! The reasons and causes of security events: words from short lists.

use std::fmt::{self, Display};

/// The reason why a login was refused. The client is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// No account has the address.
    UnknownAddress,
    /// The account has another password.
    WrongPassword,
    /// The password was right, but the account is disabled or being deleted.
    AccountDisabled,
    /// The account was deleted, or its password was changed, during the login.
    AccountChanged,
}

/// The cause of a session's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The session's refresh token was sent to `POST /logout`.
    Logout,
    /// The account's owner ended it.
    Owner,
    /// The password was changed.
    PasswordChange,
    /// The password was reset.
    PasswordReset,
    /// The address was changed.
    EmailChange,
    /// A refresh token was reused.
    Reuse,
    /// The account was deleted.
    Deletion,
    /// The account was disabled.
    Disabling,
    /// An operator ended them.
    Operator,
}

/// The network in which a refresh token was presented again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatedFrom {
    /// In the network that had replaced it.
    SameNetwork,
    /// In another network.
    OtherNetwork,
}

/// When a refresh token was presented again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatedWhen {
    /// Within the grace time.
    WithinGrace,
    /// After the grace time.
    AfterGrace,
}

impl LoginRefusal {
    /// All variants.
    pub const ALL: [Self; 4] = [
        Self::UnknownAddress,
        Self::WrongPassword,
        Self::AccountDisabled,
        Self::AccountChanged,
    ];
}

impl Display for LoginRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownAddress => "unknown_address",
            Self::WrongPassword => "wrong_password",
            Self::AccountDisabled => "account_disabled",
            Self::AccountChanged => "account_changed",
        })
    }
}

impl Display for RepeatedFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SameNetwork => "same_network",
            Self::OtherNetwork => "other_network",
        })
    }
}

impl Display for RepeatedWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithinGrace => "within_grace",
            Self::AfterGrace => "after_grace",
        })
    }
}

impl Display for EndedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logout => "logout",
            Self::Owner => "owner",
            Self::PasswordChange => "password_change",
            Self::PasswordReset => "password_reset",
            Self::EmailChange => "email_change",
            Self::Reuse => "reuse",
            Self::Deletion => "deletion",
            Self::Disabling => "disabling",
            Self::Operator => "operator",
        })
    }
}
