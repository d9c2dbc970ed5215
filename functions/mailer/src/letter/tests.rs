use shared::domain::{EventId, LinkToken, Locale, UserId};

use super::*;

const BASE: &str = "https://api.example.com/pages";
const MILLIS: u64 = 1_800_000_000_000;

fn writer(app: &str, language: &str) -> Writer {
    let lookup = |name: &str| match name {
        "APP_NAME" => Some(app.to_owned()),
        "MAIL_FROM" => Some("no-reply@example.com".to_owned()),
        "LINK_BASE" => Some(BASE.to_owned()),
        "MAIL_LANGUAGE" => Some(language.to_owned()),
        _ => None,
    };
    Writer::from_env(&Env::new(&lookup)).unwrap()
}

fn token() -> LinkToken {
    LinkToken::new(UserId::from_bytes([1; 16]), EventId::from_bytes([2; 16]))
}

/// Returns every letter in every language, with its token.
fn all(app: &str) -> Vec<(Letter, &'static str, String, Written)> {
    let mut written = Vec::new();
    for language in ["en", "de"] {
        for letter in Letter::ALL {
            let token = token();
            let content = Content {
                locale: None,
                token: Some(&token),
                millis: MILLIS,
                ip: "203.0.113.7",
            };
            let made = writer(app, language).write(letter, &content).unwrap();
            written.push((letter, language, token.expose(), made));
        }
    }
    written
}

/// Returns the texts of HTML between `before` and the next quotation mark or tag.
fn after<'a>(html: &'a str, before: &str) -> Vec<&'a str> {
    let rest = html.split(before).skip(1);
    rest.map(|rest| rest.split(['"', '<']).next().unwrap_or_default())
        .collect()
}

#[test]
fn every_letter_is_written_in_every_language_with_the_same_link_in_both_forms() {
    let mut subjects = std::collections::BTreeSet::new();
    for (letter, language, token, made) in all("Latchkey") {
        let shown = format!("{letter:?} {language}");
        assert!(subjects.insert(made.subject.clone()), "{shown}");
        assert!(made.subject.contains("Latchkey"), "{shown}");
        // RFC 5322 section 2.1.1.
        assert!(made.subject.len() <= 78, "{shown}: {}", made.subject);
        assert!(made.subject.chars().all(|c| !c.is_control()), "{shown}");
        for line in made.text.lines().chain(made.html.lines()) {
            assert!(line.len() <= 998, "{shown}: {line}");
        }
        let when = match language {
            "de" => "15. Januar 2027 um 08:00 Uhr (UTC)",
            _ => "15 January 2027 at 08:00 UTC",
        };
        let in_one_line = made.text.replace('\n', " ");
        assert!(in_one_line.contains(when), "{shown}: {}", made.text);
        assert!(made.html.replace('\n', " ").contains(when), "{shown}");
        assert!(
            made.html.contains(&format!("<html lang=\"{language}\">")),
            "{shown}"
        );

        let Some(purpose) = letter.purpose() else {
            let both = format!("{}{}", made.text, made.html);
            assert!(!both.contains("lkm_") && !both.contains("href"), "{shown}");
            continue;
        };
        let page = match purpose {
            Purpose::PasswordReset | Purpose::Invitation => "reset",
            Purpose::EmailVerification => "verify",
            Purpose::EmailChange => "email-change",
            Purpose::Registration => "register",
        };
        let link = format!("{BASE}/{page}#{token}");
        let lines: Vec<_> = made.text.lines().filter(|line| *line == link).collect();
        assert_eq!(lines.len(), 1, "{shown}: {}", made.text);
        // Neither rewritten by SES, nor fetched from elsewhere.
        assert_eq!(after(&made.html, "<a href=\""), [link.as_str()], "{shown}");
        assert!(
            made.html
                .contains(&format!("<a href=\"{link}\" ses:no-track ")),
            "{shown}"
        );
        assert_eq!(made.html.matches(link.as_str()).count(), 2, "{shown}");
        let time = match purpose {
            Purpose::Invitation => "7 ".to_owned(),
            _ => format!("{} ", purpose.seconds() / 3600),
        };
        assert!(in_one_line.contains(&time), "{shown}");
    }
    assert_eq!(subjects.len(), 24);
}

#[test]
fn html_fetches_nothing_and_runs_nothing() {
    for (letter, language, _, made) in all("Latchkey") {
        let html = made.html.to_ascii_lowercase();
        for remote in [
            "<img", "<script", "<link", "<iframe", "<form", "src=", "url(", "@import", "onload",
            "onclick",
        ] {
            assert!(!html.contains(remote), "{letter:?} {language}: {remote}");
        }
        assert!(html.starts_with("<!doctype html>"), "{letter:?} {language}");
    }
}

#[test]
fn no_name_of_an_application_breaks_out_of_its_place() {
    for app in [
        "<b>B</b>",
        "{{1337*1337}}",
        "{% include \"x\" %}",
        "a\" onmouseover=\"x",
        "a&b",
        "'a'",
        "Ä 🗝",
        "${1337*1337}",
    ] {
        for (letter, language, _, made) in all(app) {
            let shown = format!("{letter:?} {language} {app}");
            assert!(made.subject.contains(app), "{shown}: {}", made.subject);
            assert!(
                made.text.replace('\n', " ").contains(app),
                "{shown}: {}",
                made.text
            );
            assert!(!made.html.contains("<b>"), "{shown}");
            assert!(!made.html.contains("\" onmouseover"), "{shown}");
            assert!(!made.html.contains("1787569"), "{shown}");
            assert!(!made.html.contains("a&b"), "{shown}");
        }
    }
}

#[test]
fn what_a_client_sends_as_its_address_is_escaped() {
    let content = Content {
        locale: None,
        token: None,
        millis: MILLIS,
        ip: "<a href=\"https://evil.example\">1</a>",
    };
    for language in ["en", "de"] {
        let made = writer("Latchkey", language)
            .write(Letter::NewSource, &content)
            .unwrap();
        assert!(!made.html.contains("<a"), "{}", made.html);
    }
}

#[test]
fn a_letter_is_in_the_language_of_whom_it_is_for() {
    let locale = Locale::parse("de-CH").unwrap();
    let content = Content {
        locale: Some(&locale),
        token: None,
        millis: MILLIS,
        ip: "",
    };
    let made = writer("Latchkey", "en").write(Letter::PasswordChanged, &content);
    assert_eq!(
        made.unwrap().subject,
        "Ihr Passwort bei Latchkey wurde geändert"
    );
}

#[test]
fn a_base_that_is_no_plain_url_is_refused() {
    let of = |base: &str, from: &str| {
        let lookup = |name: &str| match name {
            "LINK_BASE" => Some(base.to_owned()),
            "MAIL_FROM" => Some(from.to_owned()),
            _ => None,
        };
        Writer::from_env(&Env::new(&lookup)).map(|_| ())
    };
    assert!(of("http://127.0.0.1:3000/pages", "a@b.example").is_ok());
    assert!(of("", "").is_ok(), "without mail, no link is written");
    for base in [
        "",
        "javascript:alert(1)",
        "api.example.com",
        "https://api.example.com/",
        "https://api.example.com/#x",
        "https://api.example.com/a b",
        "https://api.example.com/\"",
        "https://api.example.com/?x=",
    ] {
        let refused = of(base, "a@b.example").unwrap_err().to_string();
        assert!(refused.starts_with("LINK_BASE is "), "{refused}");
    }
}

#[test]
fn a_template_without_a_text_is_an_error_and_no_empty_mail() {
    assert_eq!(
        split("Subject\n\nText\n\nMore").unwrap(),
        ("Subject", "Text\n\nMore")
    );
    for text in ["", "Subject", "Subject\nText\n"] {
        let refused = split(text).unwrap_err().to_string();
        assert!(refused.contains("blank line"), "{refused}");
    }
}
