//! Whether the access token of an account would be too long to be of use.

use std::borrow::Cow;

use jsonwebtoken::Algorithm;

use super::audience::IssuerAndAudience;
use super::claims::Header;
use super::issued::Issue;
use super::jwk::{MAX_KID_LENGTH, Named, name};
use super::jwks::{KeySet, named, unusable};
use super::signer::Signer;
use super::verifier::Verifier;
use crate::domain::account::{Account, AccountChange};
use crate::domain::id::SessionId;
use crate::domain::scope::RoleScopes;
use crate::platform::config::{ConfigError, Env};

/// The length of access tokens. Whoever gives an account roles or claims asks it first: an account
/// whose tokens would be too long could not log in.
pub struct TokenSize {
    expected: IssuerAndAudience,
    role_scopes: RoleScopes,
    /// One for each key that may sign.
    frames: Vec<Frame>,
}

/// What a key adds to a token.
struct Frame {
    /// The length of the header, in base64url.
    header: usize,
    /// The length of the signature, in base64url.
    signature: usize,
    /// The length of the longest message that the key signs.
    most: usize,
}

impl TokenSize {
    /// The last second whose number has ten digits, in the year 2286.
    const LATE: u64 = 9_999_999_999;
    /// The length of the longest domain name, in octets (RFC 1035 section 2.3.4).
    const LONGEST_DOMAIN: usize = 253;
    /// The length of the longest signature: that of an RSA key of 8192 bits, in octets.
    const LONGEST_SIGNATURE: usize = 1024;
    /// The length of the longest signature of KMS: that of an RSA key of 4096 bits, in octets.
    const LONGEST_OF_KMS: usize = 512;

    /// Reads the same settings as [`IssuerAndAudience::from_env`] and [`RoleScopes::from_env`], and
    /// the keys of `JWKS` as [`KeySet::from_env`] does. Without `JWKS`, the keys are supposed to be
    /// those whose tokens may say least.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Self::supposing((Algorithm::EdDSA, Self::LONGEST_SIGNATURE), env)
    }

    /// Does the same for the keys that a stack has, of which none is of Ed25519.
    ///
    /// # Errors
    ///
    /// Returns an error if a setting is unusable.
    pub fn without_ed25519(env: &Env<'_>) -> Result<Self, ConfigError> {
        Self::supposing((Algorithm::RS256, Self::LONGEST_OF_KMS), env)
    }

    fn supposing(
        (algorithm, signature): (Algorithm, usize),
        env: &Env<'_>,
    ) -> Result<Self, ConfigError> {
        let frames = match env.optional("JWKS") {
            None => vec![Frame::of(algorithm, &"k".repeat(MAX_KID_LENGTH), signature)],
            Some(_) => {
                let keys = named(&KeySet::document(env)?).map_err(unusable)?;
                keys.iter().map(Frame::of_key).collect()
            }
        };
        Ok(Self {
            expected: IssuerAndAudience::from_env(env)?,
            role_scopes: RoleScopes::from_env(env)?,
            frames,
        })
    }

    /// Returns whether a change of the account that was `read` may be made: whether its tokens fit
    /// afterwards or are at least shorter than before, or the change is not about what they say.
    pub fn takes(&self, change: &AccountChange, read: &Account, domain_name: Option<&str>) -> bool {
        if change.roles.is_none() && change.claims.is_none() {
            return true;
        }
        let next = change.applied_to(read);
        let claims = self.claims(&next, domain_name);
        self.hold(claims) || claims < self.claims(read, domain_name)
    }

    /// Returns whether each access token of `account` would be issued and accepted, whichever of the
    /// keys signs it. `domain_name` is that which logins reach; without it and without a configured
    /// issuer, it is supposed to be as long as can be.
    pub fn fits(&self, account: &Account, domain_name: Option<&str>) -> bool {
        self.hold(self.claims(account, domain_name))
    }

    fn hold(&self, claims: usize) -> bool {
        self.frames.iter().all(|frame| frame.holds(claims))
    }

    /// Returns the length of the claims of an account's tokens, in base64url.
    fn claims(&self, account: &Account, domain_name: Option<&str>) -> usize {
        let issuer = self.expected.issuer.at(domain_name);
        let longest = || Cow::from(format!("https://{}", "d".repeat(Self::LONGEST_DOMAIN)));
        let issue = Issue {
            issuer: &issuer.unwrap_or_else(longest),
            audience: &self.expected.audience,
            session: SessionId::from_bytes([0; 16]),
            authenticated_at: Self::LATE,
            now: Self::LATE,
            lifetime: 0,
        };
        // Of the two words, the longer one.
        let account = Account {
            email_verified: false,
            ..account.clone()
        };
        let claims = issue.claims(&account, self.role_scopes.of(&account.roles));
        // Claims always serialize.
        serde_json::to_vec(&claims).map_or(usize::MAX, |json| base64url(json.len()))
    }
}

impl Frame {
    fn of_key(key: &Named) -> Self {
        let signature = key.public.signature_length();
        Self::of(key.public.algorithm(), &key.kid, signature)
    }

    fn of(algorithm: Algorithm, kid: &str, signature: usize) -> Self {
        let header = serde_json::to_vec(&Header::of(name(algorithm), kid));
        Self {
            // A header always serializes.
            header: header.map_or(usize::MAX, |json| base64url(json.len())),
            signature: base64url(signature),
            // The key may be in KMS, of which nothing in its public half tells.
            most: match algorithm {
                Algorithm::EdDSA => Signer::MOST_OF_ED25519,
                _ => usize::MAX,
            },
        }
    }

    /// Returns whether a token with claims of this length, in base64url, may be issued.
    fn holds(&self, claims: usize) -> bool {
        let message = self.header.saturating_add(1).saturating_add(claims);
        let token = message.saturating_add(1).saturating_add(self.signature);
        message <= self.most && token <= Verifier::MAX_LENGTH
    }
}

/// Returns the length of this many octets in base64url without padding.
fn base64url(octets: usize) -> usize {
    octets.saturating_mul(4).div_ceil(3)
}

#[cfg(test)]
mod tests;
