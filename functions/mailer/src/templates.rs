//! The templates of the letters, compiled into the function.
//!
//! HTML is escaped, plain text is not. The first line of a plain text is the subject.

use askama::Template;

use crate::letter::Letter;
use crate::wording::Language;

/// What the templates can show. All of it is the deployment's, or computed here: no text that a
/// person has typed, since anybody can register with anybody's address.
pub struct Model<'a> {
    /// The name of the application.
    pub app: &'a str,
    /// When the request was made, in words.
    pub when: &'a str,
    /// The link, or nothing.
    pub link: &'a str,
    /// How long the link is good, in words.
    pub lifetime: &'a str,
    /// The address of the client, on the Internet.
    pub ip: &'a str,
}

macro_rules! templates {
    ($($letter:ident: $en_txt:tt, $en_html:tt, $de_txt:tt, $de_html:tt;)*) => {
        /// Returns the plain text and the HTML of a letter.
        ///
        /// # Errors
        ///
        /// Returns an error if a template fails, which only a value that fails to print causes.
        pub fn render(
            letter: Letter,
            language: Language,
            model: &Model<'_>,
        ) -> askama::Result<(String, String)> {
            match (letter, language) {
                $((Letter::$letter, Language::English) => both!(model, $en_txt, $en_html),
                (Letter::$letter, Language::German) => both!(model, $de_txt, $de_html),)*
            }
        }
    };
}

macro_rules! both {
    ($model:ident, $txt:tt, $html:tt) => {{
        #[derive(Template)]
        #[template(path = $txt)]
        struct Text<'a> {
            m: &'a Model<'a>,
        }
        #[derive(Template)]
        #[template(path = $html)]
        struct Html<'a> {
            m: &'a Model<'a>,
        }
        Ok((Text { m: $model }.render()?, Html { m: $model }.render()?))
    }};
}

templates! {
    PasswordReset: "en/password_reset.txt", "en/password_reset.html", "de/password_reset.txt", "de/password_reset.html";
    EmailVerification: "en/email_verification.txt", "en/email_verification.html", "de/email_verification.txt", "de/email_verification.html";
    Registration: "en/registration.txt", "en/registration.html", "de/registration.txt", "de/registration.html";
    AlreadyRegistered: "en/already_registered.txt", "en/already_registered.html", "de/already_registered.txt", "de/already_registered.html";
    EmailChange: "en/email_change.txt", "en/email_change.html", "de/email_change.txt", "de/email_change.html";
    EmailChangeTaken: "en/email_change_taken.txt", "en/email_change_taken.html", "de/email_change_taken.txt", "de/email_change_taken.html";
    EmailChangeAsked: "en/email_change_asked.txt", "en/email_change_asked.html", "de/email_change_asked.txt", "de/email_change_asked.html";
    PasswordChanged: "en/password_changed.txt", "en/password_changed.html", "de/password_changed.txt", "de/password_changed.html";
    EmailChanged: "en/email_changed.txt", "en/email_changed.html", "de/email_changed.txt", "de/email_changed.html";
    NewSource: "en/new_source.txt", "en/new_source.html", "de/new_source.txt", "de/new_source.html";
    TokenReused: "en/token_reused.txt", "en/token_reused.html", "de/token_reused.txt", "de/token_reused.html";
    Invitation: "en/invitation.txt", "en/invitation.html", "de/invitation.txt", "de/invitation.html";
}
