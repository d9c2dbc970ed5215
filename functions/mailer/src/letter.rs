//! The letters: which there are, and how one is written.

use shared::domain::{LinkToken, Locale, Mail, Purpose};
use shared::platform::{ConfigError, Env};

use crate::address::app_name;
use crate::templates::{self, Model};
use crate::wording::Language;

/// A letter. The request for one mail can lead to one or two of them, or to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// A link that sets a new password.
    PasswordReset,
    /// A link that proves an address.
    EmailVerification,
    /// A link that opens an account.
    Registration,
    /// In place of that link: the address has an account.
    AlreadyRegistered,
    /// A link that moves an account to this address.
    EmailChange,
    /// In place of that link: the address has an account of its own.
    EmailChangeTaken,
    /// To the present address: somebody has asked for another one.
    EmailChangeAsked,
    /// The password was changed.
    PasswordChanged,
    /// To the old address: the account has another one.
    EmailChanged,
    /// Somebody logged in from a source that the account does not know.
    NewSource,
    /// A session ended because its refresh token was used twice.
    TokenReused,
    /// A link that sets the first password of an account that an operator has opened.
    Invitation,
}

impl Letter {
    /// All variants.
    pub const ALL: [Self; 12] = [
        Self::PasswordReset,
        Self::EmailVerification,
        Self::Registration,
        Self::AlreadyRegistered,
        Self::EmailChange,
        Self::EmailChangeTaken,
        Self::EmailChangeAsked,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::NewSource,
        Self::TokenReused,
        Self::Invitation,
    ];

    /// Returns whether it tells of something that has happened. No request has counted it: whoever
    /// has an account at the address of somebody else can make as many happen as they like.
    pub fn is_notice(self) -> bool {
        match self {
            Self::PasswordReset
            | Self::EmailVerification
            | Self::Registration
            | Self::Invitation
            | Self::AlreadyRegistered
            | Self::EmailChange
            | Self::EmailChangeTaken => false,
            Self::EmailChangeAsked
            | Self::PasswordChanged
            | Self::EmailChanged
            | Self::NewSource
            | Self::TokenReused => true,
        }
    }

    /// Returns what the link in it is good for, if it has one.
    pub fn purpose(self) -> Option<Purpose> {
        match self {
            Self::PasswordReset => Some(Purpose::PasswordReset),
            Self::EmailVerification => Some(Purpose::EmailVerification),
            Self::Registration => Some(Purpose::Registration),
            Self::EmailChange => Some(Purpose::EmailChange),
            Self::Invitation => Some(Purpose::Invitation),
            Self::AlreadyRegistered
            | Self::EmailChangeTaken
            | Self::EmailChangeAsked
            | Self::PasswordChanged
            | Self::EmailChanged
            | Self::NewSource
            | Self::TokenReused => None,
        }
    }
}

/// Returns what the link of a mail is good for, if it has one.
pub fn purpose_of(mail: Mail) -> Option<Purpose> {
    match mail {
        Mail::PasswordReset => Some(Purpose::PasswordReset),
        Mail::EmailVerification => Some(Purpose::EmailVerification),
        Mail::Registration => Some(Purpose::Registration),
        Mail::EmailChange => Some(Purpose::EmailChange),
        Mail::Invitation => Some(Purpose::Invitation),
        Mail::PasswordChanged | Mail::EmailChanged | Mail::NewSource | Mail::TokenReused => None,
    }
}

/// A letter as it is sent. It may hold a secret, and does not print.
pub struct Written {
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// What a letter tells besides its own words.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// The language that whoever gets it has chosen, if any.
    pub locale: Option<&'a Locale>,
    /// The token in its link.
    pub token: Option<&'a LinkToken>,
    /// When its cause happened, in milliseconds since the epoch.
    pub millis: u64,
    /// The address of the client that caused it.
    pub ip: &'a str,
}

/// Writes letters.
pub struct Writer {
    app: String,
    /// The URL that the links begin with, without a slash at its end.
    base: String,
    language: Language,
}

impl Writer {
    /// Reads `APP_NAME`, `MAIL_LANGUAGE`, and `LINK_BASE`, which must be set if `MAIL_FROM` is.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        const MEANING: &str = "the URL that the links in mails begin with";
        let base = match env.optional("MAIL_FROM") {
            Some(_) => env.required("LINK_BASE", MEANING)?,
            None => env.optional("LINK_BASE").unwrap_or_default(),
        };
        let is_url = base.starts_with("https://") || base.starts_with("http://");
        let is_plain = |c: char| c.is_ascii_graphic() && !"#?\"<>\\".contains(c);
        let is_usable = is_url && !base.ends_with('/') && base.chars().all(is_plain);
        if !is_usable && !base.is_empty() {
            return Err(ConfigError::new(format!(
                "LINK_BASE is \"{base}\"; set it to a URL without a slash at its end"
            )));
        }
        Ok(Self {
            app: app_name(env)?,
            base,
            language: Language::from_env(env)?,
        })
    }

    /// Writes a letter, in the language of the recipient.
    ///
    /// # Errors
    ///
    /// Returns an error if a template fails or has no blank line, which no value here causes.
    pub fn write(&self, letter: Letter, content: &Content<'_>) -> askama::Result<Written> {
        let language = self.language.or_of(content.locale);
        let purpose = letter.purpose();
        let link = purpose.zip(content.token);
        let link = link.map(|(purpose, token)| self.link(purpose, token));
        let model = Model {
            app: &self.app,
            when: &language.time(content.millis),
            link: link.as_deref().unwrap_or_default(),
            lifetime: &purpose.map_or_else(String::new, |it| language.lifetime(it)),
            ip: content.ip,
        };
        let (text, html) = templates::render(letter, language, &model)?;
        let (subject, text) = split(&text)?;
        Ok(Written {
            subject: subject.to_owned(),
            text: text.to_owned(),
            html,
        })
    }

    /// Returns the link with a token. What is behind the `#` reaches no server, no log and no
    /// `Referer`.
    fn link(&self, purpose: Purpose, token: &LinkToken) -> String {
        let page = match purpose {
            Purpose::PasswordReset | Purpose::Invitation => "reset",
            Purpose::EmailVerification => "verify",
            Purpose::EmailChange => "email-change",
            Purpose::Registration => "register",
        };
        format!("{}/{page}#{}", self.base, token.expose())
    }
}

/// Returns the subject and the text, which a blank line separates in a template.
fn split(text: &str) -> askama::Result<(&str, &str)> {
    let parts = text.split_once("\n\n");
    parts.ok_or_else(|| askama::Error::custom("no blank line follows the subject"))
}

#[cfg(test)]
mod tests;
