//! The metrics that count security events.

use super::AuditEvent;
use crate::observe::request_log::RequestLog;

impl AuditEvent {
    /// Returns the metric that counts the event.
    pub(super) fn metric(self, log: &mut RequestLog) -> Option<&mut Option<u64>> {
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
            | Self::EmailChangeRequested
            | Self::EmailChanged
            | Self::RegistrationRequested
            | Self::PasswordResetRequested
            | Self::PasswordReset
            | Self::EmailVerificationRequested
            | Self::EmailVerified
            | Self::LinkRefused
            | Self::AccountDeleted
            | Self::AccountInvited
            | Self::ProfileChanged
            | Self::AccountDisabled
            | Self::AccountEnabled
            | Self::RolesChanged
            | Self::ClaimsChanged
            | Self::TokenRefused
            | Self::MailSkipped => None,
            Self::MailSent => Some(&mut log.mails_sent),
            Self::MailRejected => Some(&mut log.mails_rejected),
            Self::MailFailed => Some(&mut log.mails_failed),
            Self::MailBounced => Some(&mut log.mails_bounced),
            Self::MailComplained => Some(&mut log.mails_complained),
        }
    }
}
