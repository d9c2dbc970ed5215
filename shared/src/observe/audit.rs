//! Security events, for operators and auditors. Each is one log line, whose field `event` is the
//! name below. docs/operations.md lists them, and a test compares the two.
//!
//! No line contains an e-mail address, an IP address or a secret. Accounts and sessions are named
//! by their ids.

mod kept;
mod metrics;
mod published;
mod reasons;

use std::fmt::Display;

pub use reasons::{EndedBy, LoginRefusal, RepeatedFrom, RepeatedWhen};

use crate::observe::request_log::{one_more, record, request};

pub use kept::Kept;

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
    /// The owner of an account asked for a link that moves it to a new address.
    EmailChangeRequested,
    /// An account was moved to a new address.
    EmailChanged,
    /// Somebody asked for a link that opens an account.
    RegistrationRequested,
    /// A link that sets a new password was asked for, at an address that may have no account.
    PasswordResetRequested,
    /// A password was set with a link.
    PasswordReset,
    /// A link that proves an address was asked for, at an address that may have no account.
    EmailVerificationRequested,
    /// An address was proven with a link.
    EmailVerified,
    /// A link was refused; `reason` is a `LinkRefusal`.
    LinkRefused,
    /// An account was deleted; `actor` is the operator who did it, if it was not its owner.
    AccountDeleted,
    /// An operator opened an account for somebody.
    AccountInvited,
    /// An operator changed names, the locale or the proof of an address.
    ProfileChanged,
    /// An operator disabled an account, which ends its sessions.
    AccountDisabled,
    /// An operator enabled a disabled account.
    AccountEnabled,
    /// An operator changed the roles of an account.
    RolesChanged,
    /// An operator changed the claims of an account.
    ClaimsChanged,
    /// The authorizer refused a token; `reason` says why.
    TokenRefused,
    /// A mail was passed to SES; `by` names the mail.
    MailSent,
    /// An event asked for the mail `by`, and none was sent; `reason` says why.
    MailSkipped,
    /// SES refused the mail `by` for good; `reason` says why.
    MailRejected,
    /// The mail `by` was not sent yet, and Lambda will try again; `reason` says why.
    MailFailed,
    /// The mail `by` came back: its address does not take mail.
    MailBounced,
    /// The mail `by` was called spam by whoever got it.
    MailComplained,
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
    actor: Option<String>,
}

impl AuditEvent {
    /// All variants.
    pub const ALL: [Self; 33] = [
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
        Self::EmailChangeRequested,
        Self::EmailChanged,
        Self::RegistrationRequested,
        Self::PasswordResetRequested,
        Self::PasswordReset,
        Self::EmailVerificationRequested,
        Self::EmailVerified,
        Self::LinkRefused,
        Self::AccountDeleted,
        Self::AccountInvited,
        Self::ProfileChanged,
        Self::AccountDisabled,
        Self::AccountEnabled,
        Self::RolesChanged,
        Self::ClaimsChanged,
        Self::TokenRefused,
        Self::MailSent,
        Self::MailSkipped,
        Self::MailRejected,
        Self::MailFailed,
        Self::MailBounced,
        Self::MailComplained,
    ];

    /// Returns the name in the log. It is stable, since queries and alarms use it.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Returns whether the event is a sign of an attack or of a failure, and therefore logged as a
    /// warning.
    pub fn is_warning(self) -> bool {
        matches!(
            self,
            Self::AttemptRefused
                | Self::RefreshTokenReused
                | Self::MailRejected
                | Self::MailFailed
                | Self::MailComplained
        )
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
            Self::EmailChangeRequested => (
                "email_change_requested",
                "a link was asked for that moves an account to a new address",
            ),
            Self::EmailChanged => ("email_changed", "an account has a new address"),
            Self::RegistrationRequested => (
                "registration_requested",
                "a link was asked for that opens an account",
            ),
            Self::PasswordResetRequested => (
                "password_reset_requested",
                "a link that sets a new password was asked for",
            ),
            Self::PasswordReset => ("password_reset", "a password was set with a link"),
            Self::EmailVerificationRequested => (
                "email_verification_requested",
                "a link that proves an address was asked for",
            ),
            Self::EmailVerified => ("email_verified", "an address was proven"),
            Self::LinkRefused => ("link_refused", "a link was refused"),
            Self::AccountDeleted => ("account_deleted", "an account was deleted"),
            Self::AccountInvited => ("account_invited", "an operator opened an account"),
            Self::ProfileChanged => ("profile_changed", "an operator changed a profile"),
            Self::AccountDisabled => ("account_disabled", "an account was disabled"),
            Self::AccountEnabled => ("account_enabled", "an account was enabled"),
            Self::RolesChanged => ("roles_changed", "the roles of an account were changed"),
            Self::ClaimsChanged => ("claims_changed", "the claims of an account were changed"),
            Self::TokenRefused => ("token_refused", "a token was refused"),
            Self::MailSent => ("mail_sent", "a mail was sent"),
            Self::MailSkipped => ("mail_skipped", "no mail was sent"),
            Self::MailRejected => ("mail_rejected", "SES refused a mail"),
            Self::MailFailed => ("mail_failed", "a mail was not sent yet"),
            Self::MailBounced => ("mail_bounced", "a mail came back"),
            Self::MailComplained => ("mail_complained", "a mail was called spam"),
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
            actor: None,
        }
    }

    /// Returns an entry about the account `user_id`.
    pub fn of(self, user_id: impl Display) -> Entry {
        Entry {
            user_id: Some(user_id.to_string()),
            ..self.of_nobody()
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

    /// Returns the operator who did it, if it was not the account's owner.
    pub fn operator(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// Sets the operator who did it: the id of an administrator's account, or the ARN of an identity
    /// of AWS.
    pub fn actor(self, actor: impl Display) -> Self {
        Self {
            actor: Some(actor.to_string()),
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
            actor,
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
                    actor,
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
