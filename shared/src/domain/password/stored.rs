//! The password of a credential, as it is stored.

use std::fmt;

use super::hash::{PasswordHash, UnusableHash};
use super::legacy::LegacyScheme;

/// The password of a credential. It cannot be printed by accident.
#[derive(Clone, PartialEq)]
pub enum StoredPassword {
    /// Argon2id of the password.
    Own(PasswordHash),
    /// A password that was imported and has not been used since.
    Imported(Imported),
    /// An account that was imported without a password. No password matches.
    Absent(Absent),
}

/// An imported password: Argon2id of what another system made of the typed octets.
#[derive(Clone, PartialEq)]
pub struct Imported {
    /// What the other system made of the typed octets.
    pub scheme: LegacyScheme,
    /// Argon2id of that.
    pub hash: PasswordHash,
}

/// What has been done for the owner of an account without a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Nothing yet.
    Untold,
    /// The owner was sent a link to choose one.
    Told,
}

impl StoredPassword {
    const UNTOLD: &'static str = "absent";
    const TOLD: &'static str = "absent-told";
    const IMPORTED: &'static str = "imported ";

    /// Parses what [`StoredPassword::to_text`] returns.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not of this form, or costs more to verify than any password
    /// that is stored here.
    pub fn from_text(text: &str) -> Result<Self, UnusableHash> {
        if let Some(imported) = text.strip_prefix(Self::IMPORTED) {
            let (hash, scheme) = imported.split_once(' ').ok_or(UnusableHash)?;
            let scheme: LegacyScheme = serde_json::from_str(scheme).map_err(|_| UnusableHash)?;
            scheme.work().map_err(|_| UnusableHash)?;
            let hash = PasswordHash::imported(hash)?;
            return Ok(Self::Imported(Imported { scheme, hash }));
        }
        match text {
            Self::UNTOLD => Ok(Self::Absent(Absent::Untold)),
            Self::TOLD => Ok(Self::Absent(Absent::Told)),
            _ => PasswordHash::from_phc(text).map(Self::Own),
        }
    }

    /// Returns the text to store: a PHC string; or `imported`, a PHC string and the scheme in JSON,
    /// separated by blanks; or `absent`.
    pub fn to_text(&self) -> String {
        match self {
            Self::Own(hash) => hash.to_phc(),
            Self::Imported(Imported { scheme, hash }) => {
                // A scheme is made of numbers, texts and lists, all of which JSON can hold.
                let scheme = serde_json::to_string(scheme).unwrap_or_default();
                format!("{}{} {scheme}", Self::IMPORTED, hash.to_phc())
            }
            Self::Absent(Absent::Untold) => Self::UNTOLD.to_owned(),
            Self::Absent(Absent::Told) => Self::TOLD.to_owned(),
        }
    }
}

impl From<PasswordHash> for StoredPassword {
    fn from(hash: PasswordHash) -> Self {
        Self::Own(hash)
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredPassword")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::password::legacy::Derivation;

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                        MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";

    #[test]
    fn what_is_stored_is_read_back_as_it_was() {
        let hash = PasswordHash::from_phc(HASH).unwrap();
        let imported = Imported {
            scheme: LegacyScheme::of(Derivation::Plain),
            hash: hash.clone(),
        };
        for stored in [
            StoredPassword::Own(hash),
            StoredPassword::Imported(imported),
            StoredPassword::Absent(Absent::Untold),
            StoredPassword::Absent(Absent::Told),
        ] {
            let text = stored.to_text();
            assert!(
                StoredPassword::from_text(&text).unwrap() == stored,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_of_no_known_form_is_unusable() {
        for text in [
            "",
            "absent ",
            "imported",
            "imported  ",
            &format!("imported {HASH}"),
            &format!("imported {HASH} {{}}"),
            &format!("imported {HASH} {{\"derivation\":\"unknown\"}}"),
            "imported plain {\"derivation\":\"plain\"}",
        ] {
            assert_eq!(StoredPassword::from_text(text), Err(UnusableHash), "{text}");
        }
        assert!(
            StoredPassword::from_text(&format!("imported {HASH} {{\"derivation\":\"plain\"}}"))
                .is_ok()
        );
    }

    #[test]
    fn what_is_stored_does_not_show_in_debug_output() {
        let stored = StoredPassword::from_text(HASH).unwrap();
        assert_eq!(format!("{stored:?}"), "StoredPassword");
    }
}
