//! Latchkey: what `latchkey users export --with-hashes` writes.

use shared::domain::StoredPassword;

use super::text::{refuse, text};
use super::{Format, OldPassword};

pub(super) const FORMATS: &[Format] = &[Format {
    name: "latchkey",
    about: "Latchkey (users export --with-hashes); an imported password keeps the names of its secrets",
    parse: |stored, _| match StoredPassword::from_text(text(stored)?) {
        Ok(StoredPassword::Absent(_)) => Ok(OldPassword::Unusable),
        Ok(stored) => Ok(OldPassword::Stored(stored)),
        Err(unusable) => refuse(unusable.to_string()),
    },
}];

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::domain::password::legacy::SecretName;

    use super::super::{Site, parse};
    use super::*;

    const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                       MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";

    #[test]
    fn what_an_export_writes_comes_back_as_it_is() {
        let scheme = r#"{"steps":["utf16_le"],"derivation":"plain"}"#;
        let name: SecretName = "elsewhere".parse().unwrap();
        let site = Site { secret: Some(name) };
        for text in [PHC.to_owned(), format!("imported {PHC} {scheme}")] {
            let Ok(OldPassword::Stored(stored)) = parse("latchkey", &json!(text), &site) else {
                panic!("{text}");
            };
            assert_eq!(stored.to_text(), text);
        }
    }

    #[test]
    fn what_no_export_writes_is_refused_and_an_account_without_a_password_has_none() {
        let of = |stored| parse("latchkey", &stored, &Site::default());
        for stored in [
            json!(""),
            json!("plain"),
            json!("imported"),
            json!(format!("imported {PHC}")),
            json!(format!("imported {PHC} {{}}")),
            json!(PHC.replace("19456", "4194304")),
            json!({"hash": PHC}),
            json!(null),
        ] {
            assert!(of(stored.clone()).is_err(), "{stored}");
        }
        for stored in ["absent", "absent-told"] {
            assert!(matches!(of(json!(stored)), Ok(OldPassword::Unusable)));
        }
    }
}
