//! One public key that verifies tokens: a JSON Web Key (RFC 7517).

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::jwks::KeySetError;

/// The length of the longest name of a key, in octets. Tokens with a longer `kid` are refused, so no
/// key may have one.
pub(super) const MAX_KID_LENGTH: usize = 256;

/// A key and the one algorithm that it is used with.
pub struct Key {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    /// Parsed once: jsonwebtoken would parse it for each token, which takes a sixth of the time of
    /// a verification.
    pub(super) public: ParsedPublicKey,
}

/// The members of a JSON Web Key that matter here; others, such as `x5c`, are ignored.
#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The secret of a symmetric key (RFC 7518 section 6.4).
    k: Option<IgnoredAny>,
    // Members of a private key (RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2).
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
}

/// A key of a set, not parsed yet.
pub(super) struct Named {
    pub(super) kid: String,
    pub(super) public: Public,
}

/// The members that form a public key.
pub(super) enum Public {
    /// RFC 7518 section 6.3.1.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// RFC 7518 section 6.2.1.
    P256 { x: Vec<u8>, y: Vec<u8> },
    /// RFC 8037 section 2.
    Ed25519 { x: Vec<u8> },
}

impl Named {
    pub(super) fn from_jwk(jwk: Jwk) -> Result<Self, KeySetError> {
        let kid = jwk
            .kid
            .filter(|kid| !kid.is_empty())
            .ok_or(KeySetError::NoKid)?;
        if kid.len() > MAX_KID_LENGTH {
            return Err(KeySetError::LongKid);
        }
        if jwk.kty == "oct" || jwk.k.is_some() {
            return Err(KeySetError::Symmetric(kid));
        }
        let private = [jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi, jwk.oth];
        if private.iter().any(Option::is_some) {
            return Err(KeySetError::Private(kid));
        }
        let octets = |member: &Option<String>| -> Vec<u8> {
            let decoded = member.as_ref().map(|text| URL_SAFE_NO_PAD.decode(text));
            decoded.and_then(Result::ok).unwrap_or_default()
        };
        let [n, e, x, y] = [&jwk.n, &jwk.e, &jwk.x, &jwk.y].map(octets);
        let public = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            // AWS-LC refuses moduli below 2048 bits when it verifies; report them at the start.
            ("RSA", None) if n.len() >= 256 && !e.is_empty() => Public::Rsa { n, e },
            ("EC", Some("P-256")) if x.len() == 32 && y.len() == 32 => Public::P256 { x, y },
            ("OKP", Some("Ed25519")) if x.len() == 32 => Public::Ed25519 { x },
            _ => return Err(KeySetError::Unsupported(kid)),
        };
        let other_alg = jwk.alg.is_some_and(|alg| alg != name(public.algorithm()));
        if other_alg || jwk.usage.is_some_and(|usage| usage != "sig") {
            return Err(KeySetError::OtherUse(kid));
        }
        Ok(Self { kid, public })
    }

    #[cfg(feature = "accounts")]
    pub(super) fn published(&self, entry: &serde_json::Value) -> serde_json::Value {
        const MEMBERS: [&str; 7] = ["kty", "kid", "crv", "n", "e", "x", "y"];
        let members = MEMBERS
            .iter()
            .filter_map(|name| Some(((*name).into(), entry.get(name)?.clone())));
        let mut published: serde_json::Map<_, _> = members.collect();
        published.insert("use".into(), "sig".into());
        published.insert("alg".into(), name(self.public.algorithm()).into());
        published.into()
    }
}

impl Public {
    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::RS256,
            Self::P256 { .. } => Algorithm::ES256,
            Self::Ed25519 { .. } => Algorithm::EdDSA,
        }
    }

    /// Returns the length of the signatures of the key, in octets (RFC 7518 sections 3.3 and 3.4,
    /// RFC 8037 section 3.1).
    #[cfg(feature = "accounts")]
    pub(super) fn signature_length(&self) -> usize {
        match self {
            Self::Rsa { n, .. } => n.len(),
            Self::P256 { .. } | Self::Ed25519 { .. } => 64,
        }
    }

    /// Parses the key with AWS-LC.
    fn read(&self) -> Result<ParsedPublicKey, KeyRejected> {
        match self {
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
            // SEC 1 section 2.3.3: both coordinates, uncompressed.
            Self::P256 { x, y } => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], &**x, y].concat())
            }
            Self::Ed25519 { x } => ParsedPublicKey::new(&ED25519, x),
        }
    }
}

impl Key {
    pub(super) fn read(Named { kid, public }: Named) -> Result<Self, KeySetError> {
        match public.read() {
            Ok(read) => Ok(Self {
                kid,
                algorithm: public.algorithm(),
                public: read,
            }),
            Err(_) => Err(KeySetError::Unsupported(kid)),
        }
    }

    /// Returns the name of the key.
    #[cfg(feature = "accounts")]
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the one algorithm that the key is used with.
    #[cfg(feature = "accounts")]
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns whether `alg` of a token's header is exactly this key's algorithm.
    pub fn is_for(&self, alg: &str) -> bool {
        alg == name(self.algorithm)
    }

    /// Returns whether `signature` (base64url) is this key's signature of `message`.
    pub fn verify(&self, message: &str, signature: &str) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
            return false;
        };
        let verified = self.public.verify_sig(message.as_bytes(), &signature);
        verified.is_ok()
    }
}

/// Returns the name of a supported algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
pub(super) fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "ES256",
        Algorithm::EdDSA => "EdDSA",
        _ => "RS256",
    }
}
