//! The public keys that verify tokens: a JSON Web Key Set (RFC 7517).

use std::fs;

use serde::Deserialize;

use crate::platform::config::{ConfigError, Env};
use crate::platform::json;

use super::jwk::{Jwk, Key, MAX_KID_LENGTH, Named};

/// The keys whose signatures are accepted.
pub struct KeySet(Vec<Key>);

/// The reason why a key set cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// The document is not a JSON Web Key Set.
    #[error("is not a JSON Web Key Set (line {line}, column {column})")]
    Unreadable {
        /// The line at which parsing failed.
        line: usize,
        /// The column at which parsing failed.
        column: usize,
    },
    /// The set has no keys.
    #[error("has no keys")]
    Empty,
    /// A key has no `kid`.
    #[error("has a key without \"kid\"")]
    NoKid,
    /// The name of a key is so long that its tokens would be refused.
    #[error("has a \"kid\" of more than {MAX_KID_LENGTH} octets")]
    LongKid,
    /// Two keys have the same `kid`.
    #[error("has two keys named \"{0}\"")]
    Repeated(String),
    /// A key includes its private half.
    #[error("has the private half of the key \"{0}\"; publish public keys only")]
    Private(String),
    /// A key is a shared secret.
    #[error("has the symmetric key \"{0}\"; only RSA, P-256 and Ed25519 keys verify tokens")]
    Symmetric(String),
    /// A key is of an unsupported kind.
    #[error("has the key \"{0}\", which is not an RSA (2048 bits or more), P-256 or Ed25519 key")]
    Unsupported(String),
    /// A key is meant for another use.
    #[error("has the key \"{0}\", whose \"use\" or \"alg\" does not fit a key of its kind")]
    OtherUse(String),
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

impl KeySet {
    /// Reads `JWKS`: a key set, or the path of a file that holds one.
    ///
    /// # Errors
    ///
    /// Returns an error if it is missing, unreadable or unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Self::parse(&Self::document(env)?).map_err(unusable)
    }

    /// Returns the text that [`KeySet::from_env`] parses.
    ///
    /// # Errors
    ///
    /// Returns an error if it is missing or unreadable.
    pub fn document(env: &Env<'_>) -> Result<String, ConfigError> {
        let value = env.required("JWKS", "a JSON Web Key Set or the path of a file with one")?;
        if value.trim_start().starts_with('{') {
            return Ok(value);
        }
        fs::read_to_string(&value).map_err(|error| {
            ConfigError::new(format!(
                "JWKS names the file \"{value}\", which cannot be read ({error}); on a laptop \
                 `cargo run` makes it"
            ))
        })
    }

    /// Parses a key set.
    ///
    /// # Errors
    ///
    /// Returns an error if the document is not a key set, or if any of its keys is not a public key
    /// of a supported kind: a set that is only partly usable hides a mistake.
    pub fn parse(document: &str) -> Result<Self, KeySetError> {
        let named = named(document)?;
        let keys = named.into_iter().map(Key::read).collect::<Result<_, _>>();
        keys.map(Self)
    }

    /// Returns the key set to publish for `document`, with only the public members of its keys. The
    /// keys are not parsed, since that would add a megabyte to the binary.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`KeySet::parse`], except for a key whose members do not form a
    /// valid key.
    #[cfg(feature = "accounts")]
    pub fn published(document: &str) -> Result<String, KeySetError> {
        let keys = named(document)?;
        let read: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
        let entries = read["keys"].as_array().into_iter().flatten();
        let entries: Vec<_> = keys
            .iter()
            .zip(entries)
            .map(|(key, entry)| key.published(entry))
            .collect();
        Ok(serde_json::json!({ "keys": entries }).to_string())
    }

    /// Returns the key whose `kid` is exactly `kid`.
    pub fn get(&self, kid: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.kid == kid)
    }

    /// Returns the same key as [`KeySet::get`], for a caller that needs no other key.
    #[cfg(feature = "accounts")]
    pub(super) fn take(self, kid: &str) -> Option<Key> {
        self.0.into_iter().find(|key| key.kid == kid)
    }

    /// Returns the key if it is the only one.
    #[cfg(feature = "accounts")]
    pub(super) fn only(self) -> Option<Key> {
        <[Key; 1]>::try_from(self.0).ok().map(|[key]| key)
    }
}

/// Returns a deployment fault: the key set of `JWKS` cannot be used.
pub fn unusable(error: KeySetError) -> ConfigError {
    ConfigError::new(format!("JWKS {error}; set it to a usable key set"))
}

/// Returns the keys of a set. Each is checked to be public, named, and of a supported kind, but is
/// not parsed.
pub(super) fn named(document: &str) -> Result<Vec<Named>, KeySetError> {
    let jwks: Jwks = json::parse(document.as_bytes()).map_err(|error| KeySetError::Unreadable {
        line: error.line(),
        column: error.column(),
    })?;
    let mut keys: Vec<Named> = Vec::with_capacity(jwks.keys.len());
    for jwk in jwks.keys {
        let key = Named::from_jwk(jwk)?;
        if keys.iter().any(|other| other.kid == key.kid) {
            return Err(KeySetError::Repeated(key.kid));
        }
        keys.push(key);
    }
    if keys.is_empty() {
        Err(KeySetError::Empty)
    } else {
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn refusal(keys: &str) -> KeySetError {
        match KeySet::parse(&format!("{{\"keys\":[{keys}]}}")) {
            Ok(_) => panic!("accepted {keys}"),
            Err(error) => error,
        }
    }

    fn ed(members: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"{members}}}"#)
    }

    #[test]
    fn a_set_of_public_keys_is_taken() {
        let document = format!(
            r#"{{"keys":[{}]}}"#,
            ed(r#","kid":"a","use":"sig","alg":"EdDSA""#)
        );
        let keys = KeySet::parse(&document).unwrap();
        assert!(
            keys.get("a")
                .is_some_and(|key| key.is_for("EdDSA") && !key.is_for("eddsa"))
        );
        assert!(keys.get("A").is_none());
    }

    #[test]
    fn a_set_with_one_unusable_key_is_refused_with_the_reason() {
        let named = |kid: &str| ed(&format!(r#","kid":"{kid}""#));
        assert_eq!(refusal(""), KeySetError::Empty);
        assert_eq!(refusal(&ed("")), KeySetError::NoKid);
        assert_eq!(refusal(&named(&"k".repeat(257))), KeySetError::LongKid);
        assert_eq!(
            refusal(&format!("{},{}", named("a"), named("a"))),
            KeySetError::Repeated("a".to_owned())
        );
        assert_eq!(
            refusal(&ed(r#","kid":"a","d":"AA""#)),
            KeySetError::Private("a".to_owned())
        );
        // Test each private member alone, since one prime reveals the whole key.
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
            for key in [
                format!(
                    r#"{{"kty":"RSA","kid":"a","n":"{}","e":"AQAB"}}"#,
                    "A".repeat(342)
                ),
                format!(r#"{{"kty":"EC","crv":"P-256","kid":"a","x":"{X}","y":"{X}"}}"#),
            ] {
                for value in ["\"AA\"", "[]", "0"] {
                    let private = format!(r#""{member}":{value},"kid""#);
                    assert_eq!(
                        refusal(&key.replace("\"kid\"", &private)),
                        KeySetError::Private("a".to_owned()),
                        "{member} {value}"
                    );
                }
            }
        }
        assert_eq!(
            refusal(r#"{"kty":"oct","kid":"a","k":"AA"}"#),
            KeySetError::Symmetric("a".to_owned())
        );
        for key in [
            r#"{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}"#,
            &format!(r#"{{"kty":"RSA","kid":"a","n":"{}"}}"#, "w".repeat(342)),
            r#"{"kty":"EC","crv":"P-384","kid":"a","x":"AA","y":"AA"}"#,
            // Not a point of the curve.
            &format!(r#"{{"kty":"EC","crv":"P-256","kid":"a","x":"{X}","y":"{X}"}}"#),
            r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AA"}"#,
            r#"{"kty":"new","kid":"a"}"#,
        ] {
            assert_eq!(
                refusal(key),
                KeySetError::Unsupported("a".to_owned()),
                "{key}"
            );
        }
        for members in [r#","kid":"a","use":"enc""#, r#","kid":"a","alg":"RS256""#] {
            assert_eq!(refusal(&ed(members)), KeySetError::OtherUse("a".to_owned()));
        }
        assert!(matches!(
            KeySet::parse("[]"),
            Err(KeySetError::Unreadable { line: 1, .. })
        ));
    }

    #[test]
    fn a_set_is_looked_at_where_nobody_reads_it() {
        let key = ed(r#","kid":"a","x5c":["\ud800"]"#);
        let refused = KeySet::parse(&format!(r#"{{"keys":[{key}]}}"#));
        assert!(matches!(refused, Err(KeySetError::Unreadable { .. })));
    }

    #[test]
    #[cfg(feature = "accounts")]
    fn what_is_published_has_public_members_only() {
        let key = ed(r#","kid":"a","key_ops":["verify"],"x5c":["AA"],"internal":"secret""#);
        let document = KeySet::published(&format!(r#"{{"keys":[{key}],"note":1}}"#)).unwrap();
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        let half = format!(r#"{{"kty":"RSA","kid":"a","n":"{}"}}"#, "w".repeat(342));
        assert!(KeySet::published(&format!(r#"{{"keys":[{half}]}}"#)).is_err());
        let expected = serde_json::json!({
            "keys": [{"kty": "OKP", "kid": "a", "crv": "Ed25519", "x": X, "use": "sig", "alg": "EdDSA"}],
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn a_missing_file_is_one_sentence() {
        let lookup = |name: &str| (name == "JWKS").then(|| "no/such/file".to_owned());
        let Err(error) = KeySet::from_env(&Env::new(&lookup)) else {
            panic!("read a file that is not there");
        };
        let sentence = error.to_string();
        assert!(
            sentence.starts_with("JWKS names the file \"no/such/file\""),
            "{sentence}"
        );
    }
}
