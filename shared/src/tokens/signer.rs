//! The key that signs tokens, in memory or in KMS.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use tokio::sync::OnceCell;

use super::claims::Header;
use super::issued::IssuedClaims;
use super::jwk::{Key, name};
use super::jwks::KeySet;
use super::private_key::PrivateKey;
use crate::aws::kms::{Kms, KmsError};
use crate::platform::config::{ConfigError, Env};

/// The key that signs tokens. Its algorithm is the key's own: RS256 for RSA, ES256 for P-256,
/// EdDSA for Ed25519.
pub struct Signer {
    kid: String,
    algorithm: Algorithm,
    custody: Custody,
}

/// The place of the private half.
enum Custody {
    /// In memory, read from a file.
    Held(PrivateKey),
    /// In KMS, which signs. Its signatures must verify with the public half.
    Kms { kms: Kms, arn: String, public: Key },
    /// In memory, after KMS has decrypted it.
    Sealed {
        kms: Kms,
        sealed: Vec<u8>,
        key: OnceCell<PrivateKey>,
    },
}

/// The reason why a token was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims cannot be serialized.
    #[error("the claims were not written")]
    Claims(#[from] serde_json::Error),
    /// The key failed.
    #[error("the key failed")]
    Key(#[from] aws_lc_rs::error::Unspecified),
    /// KMS failed.
    #[error("the key failed")]
    Kms(#[from] KmsError),
    /// KMS does not sign a message of this length with an Ed25519 key, because Ed25519 hashes the
    /// message itself. The account has too many roles, scopes or claims.
    #[error(
        "the token has {octets} octets before its signature, and KMS signs at most {most} with an \
         Ed25519 key: give the account fewer roles or claims, or sign with a key of another kind",
        most = Signer::MOST_OF_ED25519
    )]
    TooLong {
        /// The length of the message.
        octets: usize,
    },
    /// The key is not the one that is published under its name, so nobody would accept its tokens.
    #[error("SIGNING_KEY is not the key that JWKS publishes as \"{kid}\"")]
    OtherKey {
        /// The name under which it should sign.
        kid: String,
    },
}

impl Signer {
    /// The longest message that KMS accepts without hashing (`Sign`, `MessageType` RAW), in octets.
    pub(super) const MOST_OF_ED25519: usize = 4096;

    /// Reads `SIGNING_KEY`: the ARN of a KMS key that signs, or `sealed:` and a private key that
    /// KMS has encrypted (base64), or the path of one in PEM (PKCS#8). Reads `JWKS` as
    /// [`KeySet::from_env`] does, and, for the first two, `SIGNING_KID`, the name of the key's
    /// public half in that set; a set of one key needs no name.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable, or if `JWKS` does not publish the
    /// key.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let published = KeySet::from_env(env)?;
        let key = env.required(
            "SIGNING_KEY",
            "the ARN of a KMS key, or the path of a private key in PEM (PKCS#8)",
        )?;
        let kid = env.optional("SIGNING_KID");
        let sealed = key.strip_prefix("sealed:").map(|sealed| {
            STANDARD.decode(sealed).map_err(|_| {
                ConfigError::new(
                    "SIGNING_KEY begins with \"sealed:\", but the rest is not base64; set it to the \
                     value that the custom resource returned",
                )
            })
        });
        let sealed = sealed.transpose()?;
        if sealed.is_some() || key.starts_with("arn:") {
            let public = named(published, kid)?;
            let kms = Kms::from_env(env)?;
            return Ok(Self {
                kid: public.kid().to_owned(),
                algorithm: public.algorithm(),
                custody: match sealed {
                    Some(sealed) => Custody::Sealed {
                        kms,
                        sealed,
                        key: OnceCell::new(),
                    },
                    None => Custody::Kms {
                        kms,
                        arn: key,
                        public,
                    },
                },
            });
        }
        let signer = Self::held(from_file(&key)?);
        if published.get(&signer.kid).is_none() {
            return Err(ConfigError::new(format!(
                "SIGNING_KEY names the file \"{key}\", whose key \"{}\" is not in JWKS; set both to \
                 files of one key",
                signer.kid
            )));
        }
        Ok(signer)
    }

    /// Returns a signer with a key in memory.
    pub fn held(key: PrivateKey) -> Self {
        Self {
            kid: key.public().kid().to_owned(),
            algorithm: key.algorithm(),
            custody: Custody::Held(key),
        }
    }

    /// Does work in advance that the first signature would otherwise wait for: opens the connection
    /// to KMS, or unseals a sealed key. A key in memory makes a signature, since AWS-LC prepares
    /// the key's numbers in the first one.
    ///
    /// # Errors
    ///
    /// Returns an error if KMS fails; the first signature then tries again.
    pub async fn warm_up(&self) -> Result<(), SignError> {
        match &self.custody {
            Custody::Kms { kms, arn, .. } => kms.warm_up(arn, self.algorithm).await?,
            Custody::Sealed { kms, sealed, key } => {
                let key = self.unsealed(kms, sealed, key).await?;
                key.sign("").map(drop)?;
            }
            Custody::Held(key) => key.sign("").map(drop)?,
        }
        Ok(())
    }

    /// Signs `claims` as an access token.
    ///
    /// # Errors
    ///
    /// Returns an error if the key does not sign.
    pub(super) async fn sign(&self, claims: &IssuedClaims<'_>) -> Result<String, SignError> {
        let header = Header::of(name(self.algorithm), &self.kid);
        let mut token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?));
        let signature = match &self.custody {
            Custody::Held(key) => key.sign(&token)?,
            Custody::Sealed { kms, sealed, key } => {
                self.unsealed(kms, sealed, key).await?.sign(&token)?
            }
            // Refused here because a refusal by KMS looks like an outage, and this one is
            // permanent.
            Custody::Kms { .. }
                if self.algorithm == Algorithm::EdDSA && token.len() > Self::MOST_OF_ED25519 =>
            {
                return Err(SignError::TooLong {
                    octets: token.len(),
                });
            }
            Custody::Kms { kms, arn, public } => {
                let signature = kms.sign(arn, self.algorithm, token.as_bytes()).await?;
                let signature = URL_SAFE_NO_PAD.encode(signature);
                // Verifying takes tens of microseconds, little beside the call to KMS, and no token
                // is returned that verifiers would refuse.
                if !public.verify(&token, &signature) {
                    return Err(self.other_key());
                }
                signature
            }
        };
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }

    async fn unsealed<'a>(
        &self,
        kms: &Kms,
        sealed: &[u8],
        key: &'a OnceCell<PrivateKey>,
    ) -> Result<&'a PrivateKey, SignError> {
        let unseal = || async {
            let key = PrivateKey::from_pkcs8(&kms.unseal(sealed).await?);
            key.filter(|key| key.public().kid() == self.kid)
                .ok_or_else(|| self.other_key())
        };
        key.get_or_try_init(unseal).await
    }

    fn other_key(&self) -> SignError {
        SignError::OtherKey {
            kid: self.kid.clone(),
        }
    }
}

/// Returns the key named `kid`, or the only key if there is no name.
fn named(published: KeySet, kid: Option<String>) -> Result<Key, ConfigError> {
    match kid {
        Some(kid) => published.take(&kid).ok_or_else(|| {
            ConfigError::new(format!(
                "SIGNING_KID is \"{kid}\", which JWKS does not have; set it to the kid of \
                 SIGNING_KEY in JWKS"
            ))
        }),
        None => published.only().ok_or_else(|| {
            ConfigError::new(
                "SIGNING_KID is not set; set it to the kid of SIGNING_KEY in JWKS, which has \
                 several keys",
            )
        }),
    }
}

fn from_file(path: &str) -> Result<PrivateKey, ConfigError> {
    let pem = fs::read_to_string(path).map_err(|error| {
        ConfigError::new(format!(
            "SIGNING_KEY names the file \"{path}\", which cannot be read ({error}); on a laptop \
             `cargo run` makes it"
        ))
    })?;
    PrivateKey::from_pem(&pem).ok_or_else(|| {
        ConfigError::new(format!(
            "SIGNING_KEY names the file \"{path}\", which is not an RSA (2048 bits or more), P-256 \
             or Ed25519 private key in PEM (PKCS#8)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use pem::Pem;

    use super::*;
    use crate::tokens::public_key::jwks;

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn made() -> PrivateKey {
        let key = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
        PrivateKey::from_pkcs8(key.to_pkcs8v1().unwrap().as_ref()).unwrap()
    }

    /// Returns the error of a function that starts with these variables.
    fn refusal(variables: &[(&str, &str)]) -> String {
        let lookup = |name: &str| {
            let given = variables.iter().find(|(given, _)| *given == name);
            given.map(|(_, value)| (*value).to_owned())
        };
        match Signer::from_env(&Env::new(&lookup)) {
            Ok(_) => panic!("took {variables:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_key_that_cannot_be_used_is_one_sentence_that_says_what_to_set() {
        let (first, second) = (made(), made());
        let one = jwks([first.public()]);
        let two = jwks([first.public(), second.public()]);
        for (variables, sentence) in [
            (
                vec![],
                "SIGNING_KEY is not set; set it to the ARN of a KMS key, or",
            ),
            (
                vec![("SIGNING_KEY", "no/such/file")],
                "SIGNING_KEY names the file \"no/such/file\", which cannot be read",
            ),
            (
                vec![("SIGNING_KEY", "Cargo.toml")],
                "SIGNING_KEY names the file \"Cargo.toml\", which is not an RSA",
            ),
            (
                vec![("SIGNING_KEY", ARN), ("SIGNING_KID", "other")],
                "SIGNING_KID is \"other\", which JWKS does not have",
            ),
            (
                vec![("SIGNING_KEY", ARN), ("JWKS", &two)],
                "SIGNING_KID is not set; set it to the kid of SIGNING_KEY in JWKS, which has",
            ),
            (vec![("SIGNING_KEY", ARN)], "AWS_ACCESS_KEY_ID is not set"),
            (
                vec![("SIGNING_KEY", "sealed:!")],
                "SIGNING_KEY begins with \"sealed:\", but the rest is not base64",
            ),
        ] {
            let mut all = vec![("JWKS", one.as_str())];
            all.splice(0..0, variables);
            let refusal = refusal(&all);
            assert!(refusal.starts_with(sentence), "{refusal}");
        }
        assert!(refusal(&[("SIGNING_KEY", ARN)]).starts_with("JWKS is not set"));
    }

    #[test]
    fn a_file_s_key_must_be_published() {
        let folder = std::env::temp_dir().join(format!("latchkey-signer-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("key.pem");
        let key = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
        let der = key.to_pkcs8v1().unwrap();
        fs::write(&file, pem::encode(&Pem::new("PRIVATE KEY", der.as_ref()))).unwrap();
        let path = file.display().to_string();
        let other = jwks([made().public()]);
        let refusal = refusal(&[("SIGNING_KEY", &path), ("JWKS", &other)]);
        fs::remove_dir_all(folder).unwrap();
        assert!(
            refusal.contains("is not in JWKS; set both to files of one key"),
            "{refusal}"
        );
    }
}
