//! Python, JavaScript, Firebase, Kratos, Supabase, Ruby, Java and .NET.

use serde_json::{Value, json};

use super::line::{Line, Row};

/// Returns how a line is imported, if it is of one of these systems.
pub fn row(line: &Line) -> Option<Row> {
    let version = |prefixes: &[&str]| {
        prefixes
            .iter()
            .any(|prefix| line.version.starts_with(prefix))
    };
    let (_, kind) = line.scheme.split_once(':').unwrap_or_default();
    let format = match line.system.as_str() {
        "Django" if version(&["5.1", "5.2", "6."]) => "django",
        "Django" => "django-4.2",
        "Werkzeug" if version(&["3."]) => "werkzeug",
        "Werkzeug" if version(&["2.3"]) => "werkzeug-2.3",
        "Werkzeug" => "werkzeug-2.2",
        "Flask-Bcrypt" if kind == "sha256hex" => "flask-bcrypt:long",
        "Flask-Bcrypt" => "flask-bcrypt",
        "Flask-Security" => return Some(flask_security(line)),
        "passlib" | "libpass" => return passlib(line, kind),
        "Odoo (context only)" => "odoo",
        "pwdlib" => "pwdlib",
        "FastAPI-Users" => "fastapi-users",
        "Matrix Synapse" => {
            let row = line.as_format("synapse");
            return Some(row.with_secret(line.param("password_pepper")));
        }
        "@node-rs/argon2" | "node argon2" => "argon2",
        "bcryptjs" | "node bcrypt" | "bcrypt-nodejs" | "@node-rs/bcrypt" => "bcrypt",
        "better-auth" => "better-auth",
        "lucia" if kind == "scrypt" => "lucia",
        "lucia" => "lucia-2",
        "oslo" => "oslo",
        "Convex Auth Password" => "convex",
        "AdonisJS hash" => "adonis",
        "nuxt-auth-utils" => "nuxt-auth-utils",
        "Payload CMS" => "payload",
        "passport-local-mongoose" => return Some(passport_local_mongoose(line)),
        "RedwoodJS dbAuth" => "redwood",
        "Medusa v2 auth-emailpass" => "medusa",
        "secure-password (npm; Blitz.js)" => "secure-password",
        "Meteor accounts-password (documented scheme)" => "meteor",
        "accounts-js password" => "accounts-js",
        "Directus" => "directus",
        "FeathersJS authentication-local" => "feathers",
        "Ghost" => "ghost",
        "KeystoneJS 6 password field" => "keystone",
        "Parse Server" => "parse",
        "Strapi users-permissions" => "strapi",
        "password-hash (npm)" => "password-hash",
        "pbkdf2-password (npm)" => "pbkdf2-password",
        system if system.starts_with("credential") => "credential",
        system if system.starts_with("LoopBack") => "loopback",
        "node crypto idiom" => match kind {
            "pbkdf2-passport-blob" => "node:passport",
            "pbkdf2-saltTextHex" => "node:pbkdf2",
            _ if kind.starts_with("scrypt-") => "node:scrypt",
            _ => return None,
        },
        "Firebase Auth" | "Firebase Auth (firebase-scrypt npm)" => return Some(firebase(line)),
        "Ory Kratos" => return Some(with_signer_key(line, "kratos")),
        "Supabase Auth (GoTrue)" => return Some(with_signer_key(line, "supabase")),
        "bcrypt-ruby" => "bcrypt-ruby",
        "Rails has_secure_password" => "rails",
        "Devise" => {
            let row = line.as_format("devise");
            return Some(row.with_secret(line.param("pepper")));
        }
        "Spring Security" => return spring(line, kind),
        "ASP.NET Core Identity" | "ASP.NET Core Identity (npm port)" => "aspnet",
        "Keycloak" => "keycloak",
        _ => return None,
    };
    Some(line.as_format(format))
}

/// `hash_password` normalises nothing.
fn flask_security(line: &Line) -> Row {
    let double = line.params.get("double_hash") == Some(&Value::Bool(true));
    let row = line.as_format(match double {
        true => "flask-security:unnormalised",
        false => "flask-security:single-unnormalised",
    });
    row.with_secret(
        double
            .then(|| line.param("SECURITY_PASSWORD_SALT"))
            .flatten(),
    )
}

fn passlib(line: &Line, kind: &str) -> Option<Row> {
    const TOLD_BY_THE_TEXT: [&str; 20] = [
        "argon2",
        "atlassian_pbkdf2_sha1",
        "bcrypt",
        "bcrypt_sha256",
        "cta_pbkdf2_sha1",
        "django_argon2",
        "django_bcrypt",
        "django_bcrypt_sha256",
        "django_disabled",
        "django_pbkdf2_sha1",
        "django_pbkdf2_sha256",
        "django_salted_md5",
        "django_salted_sha1",
        "dlitz_pbkdf2_sha1",
        "fshp",
        "grub_pbkdf2_sha512",
        "ldap_pbkdf2_sha1",
        "ldap_pbkdf2_sha256",
        "ldap_pbkdf2_sha512",
        "scrypt",
    ];
    let told = TOLD_BY_THE_TEXT.contains(&kind) || kind.starts_with("pbkdf2_");
    told.then(|| line.as_format("passlib"))
}

/// The fields of the row, and the settings that the site had.
fn with_params(line: &Line, names: &[(&str, &str)]) -> Value {
    let mut stored = match &line.stored {
        Value::Object(fields) => fields.clone(),
        text => serde_json::Map::from_iter([("hash".to_owned(), text.clone())]),
    };
    for (from, to) in names {
        if let Some(value) = line.params.get(from) {
            stored.insert((*to).to_owned(), value.clone());
        }
    }
    Value::Object(stored)
}

fn passport_local_mongoose(line: &Line) -> Row {
    let names = ["iterations", "keylen", "digest"].map(|name| (name, name));
    Row {
        stored: with_params(line, &names),
        ..line.as_format("passport-local-mongoose")
    }
}

fn firebase(line: &Line) -> Row {
    let names = ["memCost", "rounds", "saltSeparator"].map(|name| (name, name));
    Row {
        format: "firebase",
        stored: with_params(line, &names),
        secret: line.param("signerKey"),
    }
}

/// The operator stores the signer key of the texts as the site's secret.
fn with_signer_key(line: &Line, format: &'static str) -> Row {
    let text = line.stored.as_str().unwrap_or_default();
    let supabase = text
        .split([',', '$'])
        .find_map(|part| part.strip_prefix("sk="));
    let kratos = text
        .starts_with("$firescrypt$")
        .then(|| text.rsplit('$').next());
    let key = supabase.or(kratos.flatten()).map(str::to_owned);
    line.as_format(format).with_secret(key)
}

fn spring(line: &Line, kind: &str) -> Option<Row> {
    let row = line.as_format(match kind {
        "argon2" => "spring:argon2",
        "bcrypt" => "spring:bcrypt",
        "delegating" => "spring",
        "digest:MD5" => "spring:md5",
        "digest:SHA-1" => "spring:sha-1",
        "digest:SHA-256" => "spring:sha-256",
        "digest:SHA-512" => "spring:sha-512",
        "ldap" => "spring:ldap",
        "md4" => "spring:md4",
        "pbkdf2" => "spring:pbkdf2",
        "scrypt" => "spring:scrypt",
        "standard" => "spring:standard",
        _ => return None,
    });
    let names: &[(&str, &str)] = match kind {
        "pbkdf2" => &[
            ("alg", "algorithm"),
            ("iterations", "iterations"),
            ("salt_len", "salt_length"),
        ],
        _ if line.params.get("iterations").is_some() => &[("iterations", "iterations")],
        _ => return Some(row.with_secret(line.param("secret"))),
    };
    let stored = with_params(line, names);
    debug_assert_ne!(stored, json!({}));
    Some(Row { stored, ..row }.with_secret(line.param("secret")))
}
