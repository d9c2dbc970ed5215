//! Security events, for operators and auditors. Each is one log line, whose field `event` is the
//! name below. docs/operations.md lists them, and a test compares the two.
//!
//! No line contains an e-mail address, an IP address or a secret. Accounts and sessions are named
//! by their ids.

use std::fmt::{self, Display};

use crate::observe::request_log::{RequestLog, one_more, record, request};

/// A security event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditEvent {
    /// An account was opened.
    Registered,
    /// A registration was refused, since the address has an account.
    EmailTaken,
    /// A login succeeded.
    LoggedIn,
    /// A login was refused; `reason` is a [`LoginRefusal`].
    LoginRefused,
    /// A password was not verified because too many had been tried. `by` names what has too many
    /// attempts, and `seconds` is the time to wait.
    AttemptRefused,
    /// The password that confirms a change or a deletion was wrong.
    PasswordRefused,
    /// A replaced refresh token was presented again, and nobody has used its successor; `by` is a
    /// [`RepeatedFrom`], `reason` a [`RepeatedWhen`], `source` names the source in this session.
    RefreshTokenRepeated,
    /// A replaced refresh token was presented again after its successor had been used, or once too
    /// often.
    RefreshTokenReused,
    /// A session ended; `by` is an [`EndedBy`].
    SessionEnded,
    /// All sessions of an account ended, or all but the one of the request; `by` is an [`EndedBy`].
    SessionsEnded,
    /// A password was changed.
    PasswordChanged,
    /// An account was deleted by its owner.
    AccountDeleted,
    /// The authorizer refused a token; `reason` says why.
    TokenRefused,
}

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
    /// A refresh token was reused.
    Reuse,
    /// The account was deleted.
    Deletion,
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

/// Where an event is kept, besides the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nowhere.
    InLogOnly,
    /// In the event table, under the account.
    UnderAccount,
    /// In the event table, under the address: a stranger can cause it, or the request does not know
    /// or must not tell whether the address has an account.
    UnderAddress,
    /// In the event table: under the account if somebody with its token caused the event, else under
    /// the address.
    UnderEither,
}

/// An event and its fields, before it is written.
#[derive(Debug, Clone)]
#[must_use = "it is not in the log yet"]
pub struct Entry {
    event: AuditEvent,
    user_id: Option<String>,
    session_id: Option<String>,
    reason: Option<String>,
    by: Option<String>,
    source: Option<String>,
    seconds: Option<u64>,
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

impl AuditEvent {
    /// All variants.
    pub const ALL: [Self; 13] = [
        Self::Registered,
        Self::EmailTaken,
        Self::LoggedIn,
        Self::LoginRefused,
        Self::AttemptRefused,
        Self::PasswordRefused,
        Self::RefreshTokenRepeated,
        Self::RefreshTokenReused,
        Self::SessionEnded,
        Self::SessionsEnded,
        Self::PasswordChanged,
        Self::AccountDeleted,
        Self::TokenRefused,
    ];

    /// Returns the name in the log. It is stable, since queries and alarms use it.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Returns whether the event is a sign of an attack, and therefore logged as a warning.
    pub fn is_warning(self) -> bool {
        matches!(self, Self::AttemptRefused | Self::RefreshTokenReused)
    }

    /// Returns where the event is kept. `Events` and the time to live of rows can leave it out.
    pub fn kept(self) -> Kept {
        match self {
            Self::Registered
            | Self::LoggedIn
            | Self::PasswordRefused
            | Self::RefreshTokenRepeated
            | Self::RefreshTokenReused
            | Self::SessionEnded
            | Self::SessionsEnded
            | Self::PasswordChanged
            | Self::AccountDeleted => Kept::UnderAccount,
            Self::EmailTaken | Self::LoginRefused => Kept::UnderAddress,
            Self::AttemptRefused => Kept::UnderEither,
            // The authorizer has no table.
            Self::TokenRefused => Kept::InLogOnly,
        }
    }

    /// Returns the name, and the message for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Registered => ("registered", "an account was opened"),
            Self::EmailTaken => (
                "email_taken",
                "the address of a registration has an account",
            ),
            Self::LoggedIn => ("logged_in", "somebody logged in"),
            Self::LoginRefused => ("login_refused", "a login was refused"),
            Self::AttemptRefused => ("attempt_refused", "too many attempts"),
            Self::PasswordRefused => ("password_refused", "the password was wrong"),
            Self::RefreshTokenRepeated => (
                "refresh_token_repeated",
                "a replaced refresh token came again; its successor was not used",
            ),
            Self::RefreshTokenReused => (
                "refresh_token_reused",
                "a refresh token came again after its successor was used, or too often; \
                 ending its session",
            ),
            Self::SessionEnded => ("session_ended", "a session ended"),
            Self::SessionsEnded => ("sessions_ended", "all sessions ended, or all others"),
            Self::PasswordChanged => ("password_changed", "a password was changed"),
            Self::AccountDeleted => ("account_deleted", "an account was deleted"),
            Self::TokenRefused => ("token_refused", "a token was refused"),
        }
    }

    /// Returns an entry without an account.
    pub fn of_nobody(self) -> Entry {
        Entry {
            event: self,
            user_id: None,
            session_id: None,
            reason: None,
            by: None,
            source: None,
            seconds: None,
        }
    }

    /// Returns an entry about the account `user_id`.
    pub fn of(self, user_id: impl Display) -> Entry {
        Entry {
            user_id: Some(user_id.to_string()),
            ..self.of_nobody()
        }
    }

    /// Returns the metric that counts the event.
    fn metric(self, log: &mut RequestLog) -> Option<&mut Option<u64>> {
        match self {
            Self::Registered => Some(&mut log.registrations),
            Self::EmailTaken => Some(&mut log.emails_taken),
            Self::PasswordRefused => Some(&mut log.passwords_refused),
            Self::LoggedIn => Some(&mut log.logins),
            Self::LoginRefused => Some(&mut log.logins_refused),
            Self::AttemptRefused => Some(&mut log.attempts_refused),
            Self::RefreshTokenReused => Some(&mut log.refresh_tokens_reused),
            // The ones that are not free are counted where they are told apart.
            Self::RefreshTokenRepeated
            | Self::SessionEnded
            | Self::SessionsEnded
            | Self::PasswordChanged
            | Self::AccountDeleted
            | Self::TokenRefused => None,
        }
    }
}

impl Entry {
    /// Returns what happened.
    pub fn event(&self) -> AuditEvent {
        self.event
    }

    /// Returns the id of the session.
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// Returns the reason.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns the cause of the event, or its subject.
    pub fn cause(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// Sets the session.
    pub fn session(self, session_id: impl Display) -> Self {
        Self {
            session_id: Some(session_id.to_string()),
            ..self
        }
    }

    /// Sets the reason: a word from a short list, or the text of an error.
    pub fn because(self, reason: impl Display) -> Self {
        Self {
            reason: Some(reason.to_string()),
            ..self
        }
    }

    /// Sets the cause of the event, or its subject.
    pub fn by(self, by: impl Display) -> Self {
        Self {
            by: Some(by.to_string()),
            ..self
        }
    }

    /// Sets the source, by a name that tells nobody the address.
    pub fn source(self, source: impl Display) -> Self {
        Self {
            source: Some(source.to_string()),
            ..self
        }
    }

    /// Sets the time to wait.
    pub fn wait(self, seconds: u64) -> Self {
        Self {
            seconds: Some(seconds),
            ..self
        }
    }

    /// Writes the line, with the id and the route of the current request, and counts the event in
    /// the log of that request.
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
            source,
            seconds,
            ..
        } = &self;
        // A tracing level must be a constant, so each level has its own call.
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
                    source,
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
            Self::Reuse => "reuse",
            Self::Deletion => "deletion",
        })
    }
}
