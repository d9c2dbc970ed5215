//! Which events are published for others, and under which names: the one list of them.

use super::AuditEvent;

impl AuditEvent {
    /// Returns the name under which the event is published on the bus, if it is. It is stable, since
    /// the rules of others match it. docs/events.md lists the names.
    ///
    /// What is published needs the account's own credentials or an operator, so that no stranger can
    /// have events published, and it tells of one account.
    pub fn published(self) -> Option<&'static str> {
        match self {
            Self::Registered => Some("account.registered"),
            Self::AccountInvited => Some("account.invited"),
            Self::AccountDeleted => Some("account.deleted"),
            Self::AccountDisabled => Some("account.disabled"),
            Self::AccountEnabled => Some("account.enabled"),
            Self::ProfileChanged => Some("account.profile_changed"),
            Self::RolesChanged => Some("account.roles_changed"),
            Self::ClaimsChanged => Some("account.claims_changed"),
            Self::PasswordChanged => Some("account.password_changed"),
            Self::PasswordReset => Some("account.password_reset"),
            Self::EmailChangeRequested => Some("account.email_change_requested"),
            Self::EmailChanged => Some("account.email_changed"),
            Self::EmailVerified => Some("account.email_verified"),
            Self::MailBounced => Some("account.mail_bounced"),
            Self::MailComplained => Some("account.mail_complained"),
            Self::LoggedIn => Some("session.started"),
            Self::SessionEnded => Some("session.ended"),
            Self::SessionsEnded => Some("account.sessions_ended"),
            Self::PasswordRefused => Some("session.password_refused"),
            Self::RefreshTokenReused => Some("session.reuse_detected"),
            // Whoever has a token could have one published for each request.
            Self::AttemptRefused => None,
            // Bad networks cause nearly all of them.
            Self::RefreshTokenRepeated => None,
            // They are about an address, which may have no account.
            Self::EmailTaken
            | Self::LoginRefused
            | Self::PasswordResetRequested
            | Self::EmailVerificationRequested
            | Self::RegistrationRequested => None,
            // They have no row.
            Self::TokenRefused
            | Self::LinkRefused
            | Self::MailSent
            | Self::MailSkipped
            | Self::MailRejected
            | Self::MailFailed => None,
        }
    }

    /// Returns the event whose row has this name, or `None` if a later version wrote it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::observe::audit::Kept;

    #[test]
    fn what_is_published_has_a_row_under_an_account_and_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for event in AuditEvent::ALL {
            assert_eq!(AuditEvent::named(event.name()), Some(event));
            let Some(name) = event.published() else {
                continue;
            };
            assert!(names.insert(name), "{name}");
            let kept = event.kept();
            assert!(
                matches!(kept, Kept::UnderAccount | Kept::UnderEither),
                "{name}"
            );
            let (subject, verb) = name.split_once('.').unwrap();
            assert!(["account", "session"].contains(&subject), "{name}");
            let is_plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
            assert!(!verb.is_empty() && verb.bytes().all(is_plain), "{name}");
        }
        assert_eq!(AuditEvent::named("of_a_later_version"), None);
    }
}
