//! The address that mails come from, as the header `From` has it.

use aws_smithy_types::base64;
use shared::platform::{ConfigError, Env};

/// Returns the name of the application, `APP_NAME`.
///
/// # Errors
///
/// Returns an error if it has control characters or more than 64 characters.
pub fn app_name(env: &Env<'_>) -> Result<String, ConfigError> {
    const MAX_LENGTH: usize = 64;
    let name = env.optional("APP_NAME");
    let name = name.unwrap_or_else(|| "Latchkey".to_owned());
    if name.chars().any(char::is_control) || name.chars().count() > MAX_LENGTH {
        return Err(ConfigError::new(format!(
            "APP_NAME has control characters or more than {MAX_LENGTH} characters; set it to the \
             name of the application"
        )));
    }
    Ok(name)
}

/// Returns the address `MAIL_FROM` with the name of the application, or `None` if it is not set.
///
/// # Errors
///
/// Returns an error if it is not an address.
pub fn from(env: &Env<'_>) -> Result<Option<String>, ConfigError> {
    let Some(address) = env.optional("MAIL_FROM") else {
        return Ok(None);
    };
    if !is_plain(&address) {
        return Err(ConfigError::new(format!(
            "MAIL_FROM is \"{address}\"; set it to an e-mail address such as no-reply@example.com"
        )));
    }
    let name = display_name(&app_name(env)?);
    Ok(Some(format!("{name} <{address}>")))
}

/// Returns whether `address` is one address without a name, whatever SES may say of it.
fn is_plain(address: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !r#"<>()[],;:\""#.contains(c);
    let parts = address.split_once('@');
    parts.is_some_and(|(local, domain)| {
        let is_part = |part: &str| !part.is_empty() && part.chars().all(plain);
        is_part(local) && is_part(domain) && !domain.contains('@')
    })
}

/// Returns a display name (RFC 5322 section 3.4): a quoted string, or encoded words (RFC 2047
/// section 2) if it is not in ASCII.
fn display_name(name: &str) -> String {
    if name.is_ascii() {
        let escaped = name.replace('\\', r"\\").replace('"', "\\\"");
        return format!("\"{escaped}\"");
    }
    /// An encoded word has at most 75 characters.
    const OCTETS_OF_A_WORD: usize = 45;
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in name.chars() {
        if word.len() + letter.len_utf8() > OCTETS_OF_A_WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push(letter);
    }
    words.push(word);
    let encoded = words
        .iter()
        .map(|word| format!("=?UTF-8?B?{}?=", base64::encode(word)));
    encoded.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(app: &str, address: &str) -> Result<Option<String>, String> {
        let lookup = |name: &str| match name {
            "APP_NAME" => Some(app.to_owned()),
            "MAIL_FROM" => Some(address.to_owned()),
            _ => None,
        };
        from(&Env::new(&lookup)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_sender_is_one_header_s_value_whatever_the_application_s_name_is() {
        let address = "no-reply@example.com";
        for (app, name) in [
            ("Latchkey", "\"Latchkey\""),
            ("", "\"Latchkey\""),
            ("A, B <c@d.example>", "\"A, B <c@d.example>\""),
            (r#"a "b" \c"#, r#""a \"b\" \\c""#),
            ("Schlüssel", "=?UTF-8?B?U2NobMO8c3NlbA==?="),
        ] {
            let expected = format!("{name} <{address}>");
            assert_eq!(of(app, address), Ok(Some(expected)));
        }
        let long = of(&"ü".repeat(64), address).unwrap().unwrap();
        let words: Vec<_> = long.split(' ').collect();
        assert_eq!(words.len(), 4, "{long}");
        assert!(words.iter().all(|word| word.len() <= 75), "{long}");
    }

    #[test]
    fn a_sender_that_could_add_a_header_is_refused() {
        assert_eq!(of("Latchkey", ""), Ok(None));
        for app in [
            "a\r\nBcc: eve@example.com",
            "a\0",
            "a\u{85}b",
            "\u{9b}31m",
            &"a".repeat(65),
        ] {
            let refused = of(app, "no-reply@example.com").unwrap_err();
            assert!(refused.starts_with("APP_NAME "), "{refused}");
        }
        for address in [
            "no-reply",
            "@b.example",
            "a@",
            "a@b@c.example",
            "A <a@b.example>",
            "a@b.example\r\nBcc: c@d.example",
            "a@b.example, c@d.example",
            "a@b.example>",
        ] {
            let refused = of("Latchkey", address).unwrap_err();
            assert!(refused.starts_with("MAIL_FROM "), "{refused}");
        }
    }
}
