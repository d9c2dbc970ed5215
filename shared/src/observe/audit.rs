//! Security events: what an operator or an auditor asks the log for. Each is one line, whose field
//! `event` is the name below; docs/operations.md lists them, and a test holds the two together.
//!
//! No line holds an e-mail address, an IP address or anything secret. Accounts and sessions have
//! their ids.

use std::fmt::{self, Display};

use crate::observe::request_log::{RequestLog, one_more, record, request};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditEvent {
    /// An account was opened.
    Registered,
    /// A login succeeded.
    LoggedIn,
    /// A login was refused; the `reason` is a [`LoginRefusal`].
    LoginRefused,
    /// A password was not looked at, since too many had been tried; `by` says what has too many
    /// attempts, and `seconds` how long it has to wait.
    AttemptRefused,
    /// The password was wrong that was asked for again, before a change or a deletion.
    PasswordRefused,
    /// A refresh token came again after its replacement.
    RefreshTokenReused,
    /// A session ended; `by` is an [`EndedBy`].
    SessionEnded,
    /// All sessions of an account ended, or all but the one that asked; `by` is an [`EndedBy`].
    SessionsEnded,
    /// A password was changed.
    PasswordChanged,
    /// An account was deleted by its owner.
    AccountDeleted,
    /// The authorizer refused a token; `reason` says why.
    TokenRefused,
}

/// Why a login was refused. The client is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// No account has the address.
    UnknownAddress,
    /// The account has another password.
    WrongPassword,
    /// The password was right, and the account is shut, or being deleted.
    AccountDisabled,
    /// The account was deleted, or got another password, during the login.
    AccountChanged,
}

/// What ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// Its refresh token was given to `POST /logout`.
    Logout,
    /// The account's owner.
    Owner,
    /// A change of the password.
    PasswordChange,
    /// The reuse of a refresh token.
    Reuse,
    /// The account's deletion.
    Deletion,
}

/// An event and what is known of it, before it is written.
#[derive(Debug)]
#[must_use = "it is not in the log yet"]
pub struct Entry {
    event: AuditEvent,
    user_id: Option<String>,
    session_id: Option<String>,
    reason: Option<String>,
    by: Option<String>,
    seconds: Option<u64>,
}

impl LoginRefusal {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::UnknownAddress,
        Self::WrongPassword,
        Self::AccountDisabled,
        Self::AccountChanged,
    ];
}

impl AuditEvent {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Registered,
        Self::LoggedIn,
        Self::LoginRefused,
        Self::AttemptRefused,
        Self::PasswordRefused,
        Self::RefreshTokenReused,
        Self::SessionEnded,
        Self::SessionsEnded,
        Self::PasswordChanged,
        Self::AccountDeleted,
        Self::TokenRefused,
    ];

    /// The name in the log: stable, since queries and alarms look for it.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Whether it is a sign of an attack, and so a warning.
    pub fn is_warning(self) -> bool {
        matches!(self, Self::AttemptRefused | Self::RefreshTokenReused)
    }

    /// The name, and what a person reads.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Registered => ("registered", "an account was opened"),
            Self::LoggedIn => ("logged_in", "somebody logged in"),
            Self::LoginRefused => ("login_refused", "a login was refused"),
            Self::AttemptRefused => ("attempt_refused", "too many attempts"),
            Self::PasswordRefused => ("password_refused", "the password was wrong"),
            Self::RefreshTokenReused => (
                "refresh_token_reused",
                "a refresh token came again after its replacement; ending its session",
            ),
            Self::SessionEnded => ("session_ended", "a session ended"),
            Self::SessionsEnded => ("sessions_ended", "all sessions ended, or all others"),
            Self::PasswordChanged => ("password_changed", "a password was changed"),
            Self::AccountDeleted => ("account_deleted", "an account was deleted"),
            Self::TokenRefused => ("token_refused", "a token was refused"),
        }
    }

    /// Of nobody in particular.
    pub fn of_nobody(self) -> Entry {
        Entry {
            event: self,
            user_id: None,
            session_id: None,
            reason: None,
            by: None,
            seconds: None,
        }
    }

    /// Of that account.
    pub fn of(self, user_id: impl Display) -> Entry {
        Entry {
            user_id: Some(user_id.to_string()),
            ..self.of_nobody()
        }
    }

    /// The metric that counts it.
    fn metric(self, log: &mut RequestLog) -> Option<&mut Option<u64>> {
        match self {
            Self::LoggedIn => Some(&mut log.logins),
            Self::LoginRefused => Some(&mut log.logins_refused),
            Self::AttemptRefused => Some(&mut log.attempts_refused),
            Self::RefreshTokenReused => Some(&mut log.refresh_tokens_reused),
            Self::Registered
            | Self::PasswordRefused
            | Self::SessionEnded
            | Self::SessionsEnded
            | Self::PasswordChanged
            | Self::AccountDeleted
            | Self::TokenRefused => None,
        }
    }
}

impl Entry {
    /// The session that it is about.
    pub fn session(self, session_id: impl Display) -> Self {
        Self {
            session_id: Some(session_id.to_string()),
            ..self
        }
    }

    /// Why: a word of a short list, or an error's text.
    pub fn because(self, reason: impl Display) -> Self {
        Self {
            reason: Some(reason.to_string()),
            ..self
        }
    }

    /// What did it, or what it was about.
    pub fn by(self, by: impl Display) -> Self {
        Self {
            by: Some(by.to_string()),
            ..self
        }
    }

    /// How long there is to wait.
    pub fn wait(self, seconds: u64) -> Self {
        Self {
            seconds: Some(seconds),
            ..self
        }
    }

    /// Writes the line, with the name and the route of the request that is being answered, and
    /// counts the event for the line of that request.
    pub fn log(self) {
        debug_assert!(
            AuditEvent::ALL.contains(&self.event),
            "add it to AuditEvent::ALL"
        );
        let (request_id, route) = request().unzip();
        let (event, message) = self.event.words();
        let Self {
            user_id,
            session_id,
            reason,
            by,
            seconds,
            ..
        } = &self;
        // A level is part of where a line is written, so there are two places.
        macro_rules! write_at {
            ($level:ident) => {
                tracing::$level!(
                    event,
                    request_id,
                    route,
                    user_id,
                    session_id,
                    reason,
                    by,
                    seconds,
                    "{message}"
                )
            };
        }
        if self.event.is_warning() {
            write_at!(warn);
        } else {
            write_at!(info);
        }
        record(|log| {
            if let Some(count) = self.event.metric(log) {
                one_more(count);
            }
            if self.event == AuditEvent::LoginRefused {
                log.reason = self.reason;
            }
            if self.user_id.is_some() {
                log.user_id = self.user_id;
            }
        });
    }
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

impl Display for EndedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logout => "logout",
            Self::Owner => "owner",
            Self::PasswordChange => "password_change",
            Self::Reuse => "reuse",
            Self::Deletion => "deletion",
        })
    }
}
