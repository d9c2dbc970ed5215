//! Where events are kept: the one list of those that have a row in the event table.

use super::AuditEvent;

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
    /// In the event table: under the account if somebody with its token or an operator caused the
    /// event, else under the address.
    UnderEither,
}

impl AuditEvent {
    /// Returns where the event is kept. With the parameter `Events`, an operator can leave rows out.
    pub fn kept(self) -> Kept {
        match self {
            Self::Registered
            | Self::LoggedIn
            | Self::RefreshTokenRepeated
            | Self::RefreshTokenReused
            | Self::SessionEnded
            | Self::SessionsEnded
            | Self::PasswordChanged
            | Self::PasswordReset
            | Self::EmailVerified
            | Self::EmailChangeRequested
            | Self::EmailChanged
            | Self::AccountDeleted
            | Self::AccountInvited
            | Self::ProfileChanged
            | Self::AccountDisabled
            | Self::AccountEnabled
            | Self::RolesChanged
            | Self::ClaimsChanged
            | Self::MailBounced
            | Self::MailComplained => Kept::UnderAccount,
            Self::EmailTaken
            | Self::LoginRefused
            | Self::EmailVerificationRequested
            | Self::RegistrationRequested => Kept::UnderAddress,
            // A registration that waits for its link has no account yet. An operator may ask for a
            // reset of an account; whoever else asks for one names an address.
            Self::AttemptRefused | Self::PasswordRefused | Self::PasswordResetRequested => {
                Kept::UnderEither
            }
            // The authorizer has no table. Anybody can present tokens of any account.
            Self::TokenRefused | Self::LinkRefused => Kept::InLogOnly,
            // Their rows would be records of the stream that caused them.
            Self::MailSent | Self::MailSkipped | Self::MailRejected | Self::MailFailed => {
                Kept::InLogOnly
            }
        }
    }
}
