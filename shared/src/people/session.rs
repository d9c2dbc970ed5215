//! Sessions: what a login leaves behind, and the refresh token that keeps it alive.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretBox};

use super::id::{SessionId, UserId};
use crate::config::{ConfigError, Env};
use crate::random;

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct SessionPolicy {
    /// How long a session lives after it was last used, in seconds.
    pub idle_seconds: u64,
}

impl SessionPolicy {
    /// Reads `REFRESH_IDLE_SECONDS`: one minute to 400 days, 30 days without it.
    ///
    /// # Errors
    ///
    /// Where it is not such a number.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        const DAY: u64 = 24 * 60 * 60;
        let idle_seconds = env.number("REFRESH_IDLE_SECONDS", 60..=400 * DAY, 30 * DAY)?;
        Ok(Self { idle_seconds })
    }
}

/// A session as it is stored. Nothing in it can be turned into a refresh token. Times are seconds
/// since the epoch.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose it is.
    pub user_id: UserId,
    /// The `sid` of its access tokens.
    pub id: SessionId,
    /// SHA-256 of the current refresh token's secret.
    pub refresh_hash: [u8; 32],
    /// How often the refresh token has been replaced.
    pub counter: u64,
    /// The key of the next replacement; it never leaves the table.
    pub nonce: [u8; 32],
    /// When it began.
    pub created_at: u64,
    /// When it was last used.
    pub last_used_at: u64,
    /// When it ends unless it is used before.
    pub expires_at: u64,
    /// What it was begun from.
    pub device: Device,
}

/// What a session was begun from, as the gateway saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The address of the client.
    pub ip: String,
    /// The client's name for itself, cut to [`Device::MAX_LENGTH`] characters.
    pub user_agent: String,
}

impl Device {
    /// The longest kept part of what a client says of itself, in code points.
    pub const MAX_LENGTH: usize = 256;

    /// Keeps what the gateway saw, cut to a length that an item can bear.
    pub fn new(ip: &str, user_agent: &str) -> Self {
        let cut = |text: &str| text.chars().take(Self::MAX_LENGTH).collect();
        Self {
            ip: cut(ip),
            user_agent: cut(user_agent),
        }
    }
}

impl Session {
    /// Begins a session at `millis` milliseconds since the epoch, and makes the refresh token that
    /// its owner is shown once.
    pub fn begin(
        user_id: UserId,
        device: Device,
        policy: &SessionPolicy,
        millis: u64,
    ) -> (Self, RefreshToken) {
        let now = millis / 1000;
        let id = SessionId::new(millis);
        let secret = random::octets::<32>();
        let mut refresh_hash = [0; 32];
        refresh_hash.copy_from_slice(digest(&SHA256, &secret).as_ref());
        let session = Self {
            user_id,
            id,
            refresh_hash,
            counter: 0,
            nonce: random::octets(),
            created_at: now,
            last_used_at: now,
            expires_at: now + policy.idle_seconds,
            device,
        };
        let token = RefreshToken {
            user_id,
            session_id: id,
            counter: 0,
            secret: SecretBox::new(Box::new(secret)),
        };
        (session, token)
    }
}

/// A refresh token (RFC 6749 section 1.5): opaque to clients, shown once, never stored.
///
/// Inside: whose session, which session, how many tokens came before, and 256 secret bits.
pub struct RefreshToken {
    user_id: UserId,
    session_id: SessionId,
    counter: u64,
    secret: SecretBox<[u8; 32]>,
}

impl RefreshToken {
    /// Marks the token for people and for secret scanners. Never change it: tokens live long.
    const PREFIX: &str = "lkr_";

    /// The token's text, for the one answer that carries it.
    pub fn expose(&self) -> String {
        let mut octets = Vec::with_capacity(16 + 16 + 8 + 32);
        octets.extend_from_slice(self.user_id.as_bytes());
        octets.extend_from_slice(self.session_id.as_bytes());
        octets.extend_from_slice(&self.counter.to_be_bytes());
        octets.extend_from_slice(self.secret.expose_secret());
        format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(octets))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> (Session, RefreshToken) {
        let policy = SessionPolicy { idle_seconds: 100 };
        Session::begin(UserId::new(5_000), Device::default(), &policy, 5_000)
    }

    #[test]
    fn a_session_keeps_a_hash_and_its_token_the_secret() {
        let (session, token) = begin();
        let text = token.expose();
        let octets = URL_SAFE_NO_PAD
            .decode(text.strip_prefix("lkr_").unwrap())
            .unwrap();
        assert_eq!(octets[..16], *session.user_id.as_bytes());
        assert_eq!(octets[16..32], *session.id.as_bytes());
        assert_eq!(octets[32..40], [0; 8]);
        assert_eq!(
            digest(&SHA256, &octets[40..]).as_ref(),
            session.refresh_hash
        );
        assert_eq!((session.created_at, session.expires_at), (5, 105));
    }

    #[test]
    fn no_two_sessions_share_a_secret_or_a_nonce() {
        let ((one, _), (two, _)) = (begin(), begin());
        assert_ne!(one.refresh_hash, two.refresh_hash);
        assert_ne!(one.nonce, two.nonce);
    }

    #[test]
    fn a_refresh_token_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", begin().1), "RefreshToken");
    }

    #[test]
    fn a_device_is_cut_to_what_an_item_can_bear() {
        assert_eq!(
            Device::new("::1", &"ü".repeat(300))
                .user_agent
                .chars()
                .count(),
            256
        );
    }
}
