//! crypt(3), PHP, content management, directories, mail servers, databases, and the older schemes of
//! passlib.

use import::forms;
use serde_json::Value;

use super::line::{Line, Row};

/// Returns how a line is imported, if it is of one of these systems.
pub fn row(line: &Line) -> Option<Row> {
    let format = match line.system.as_str() {
        "Apache htpasswd" => "htpasswd",
        "AuthEncoding (Zope/Plone)" => "zope",
        "DokuWiki" => "dokuwiki",
        "Dovecot" => "dovecot",
        "Laravel" => "laravel",
        "libxcrypt (mkpasswd)" => "crypt",
        "MediaWiki" => "mediawiki",
        "OpenLDAP" => "openldap",
        "PHP" => "php",
        "phpass" => "phpass",
        "PostgreSQL" => "postgres",
        "Symfony" => return Some(symfony(line)),
        "WordPress" if newer_than_6_7(&line.version) => "wordpress",
        "WordPress" => "wordpress-6.7",
        // What the text does not tell is a format of its own.
        "passlib" | "libpass" => {
            let named = forms::formats().find(|format| format.name == line.scheme);
            named.map_or("passlib", |format| format.name)
        }
        _ => return None,
    };
    Some(line.as_format(format))
}

fn newer_than_6_7(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next(), numbers.next()) > (Some(6), Some(7))
}

/// The settings of a hasher of Symfony are in the code of the site.
fn symfony(line: &Line) -> Row {
    let kind = line.scheme.strip_prefix("symfony:").unwrap_or_default();
    let format = match kind {
        _ if kind.starts_with("digest") => "symfony:digest",
        _ if kind.starts_with("pbkdf2") => "symfony:pbkdf2",
        _ => "symfony",
    };
    let mut row = line.as_format(format);
    if let (Value::Object(fields), Value::Object(params)) = (&mut row.stored, &line.params) {
        fields.extend(params.clone());
    }
    if let (Value::Object(fields), "pbkdf2_hex1000_20") = (&mut row.stored, kind) {
        fields.insert("algorithm".to_owned(), Value::from("sha256"));
    }
    row
}
