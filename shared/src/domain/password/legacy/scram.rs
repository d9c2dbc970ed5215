//! SCRAM (RFC 5802 and RFC 7677).

use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::derivation::Derive;
use super::{Algorithm, Digest, LegacyError, Octets, Pbkdf2, Secrets, Work};

/// SCRAM's StoredKey, as PostgreSQL and Dovecot keep it. SASLprep is a [`super::Step`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scram {
    /// The hash function.
    #[serde(rename = "alg")]
    pub algorithm: Algorithm,
    /// The number of rounds.
    #[serde(rename = "n")]
    pub rounds: u32,
    /// The salt.
    pub salt: Octets,
}

impl Scram {
    fn salted_password(&self) -> Pbkdf2 {
        Pbkdf2 {
            algorithm: self.algorithm,
            rounds: self.rounds,
            salt: self.salt.clone(),
            salt_secret: None,
            length: u32::try_from(self.algorithm.length()).unwrap_or(0),
        }
    }
}

impl Derive for Scram {
    fn work(&self) -> Work {
        self.salted_password().work()
    }

    fn digest(&self, password: &[u8], secrets: &Secrets) -> Result<Option<Digest>, LegacyError> {
        let Some(salted) = self.salted_password().digest(password, secrets)? else {
            return Ok(None);
        };
        let client_key = self.algorithm.hmac(salted.expose_secret(), b"Client Key");
        let client_key = Zeroizing::new(client_key);
        Ok(Some(self.algorithm.digest(&client_key).into()))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_proofs_of_the_rfc_s_examples_come_from_the_stored_key() {
        // The examples of RFC 5802 section 5 and RFC 7677 section 3.
        let examples = [
            (
                Algorithm::Sha1,
                "QSXCR+Q6sek8bf92",
                "n=user,r=fyko+d2lbbFgONRv9qkxdawL,\
                 r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,\
                 c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
                "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            ),
            (
                Algorithm::Sha256,
                "W22ZaJ0SNY7soEsUEjb6gQ==",
                "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                 r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                 s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                 c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            ),
        ];
        for (algorithm, salt, messages, proof) in examples {
            let scram = Scram {
                algorithm,
                rounds: 4096,
                salt: Octets(STANDARD.decode(salt).unwrap()),
            };
            let stored = scram.digest(b"pencil", &Secrets::default());
            let stored = stored.unwrap().unwrap();
            // ClientKey is the proof XOR the signature, and StoredKey its digest.
            let signature = algorithm.hmac(stored.expose_secret(), messages.as_bytes());
            let proof = STANDARD.decode(proof).unwrap();
            let key: Vec<u8> = signature.iter().zip(proof).map(|(a, b)| a ^ b).collect();
            assert_eq!(
                algorithm.digest(&key),
                stored.expose_secret(),
                "{algorithm:?}"
            );
        }
    }
}
