//! Sessions: what a login leaves behind, and the refresh token that keeps it alive.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretBox};

use crate::domain::account::Account;
use crate::domain::id::{SessionId, UserId};
use crate::domain::name::is_unprintable;
use crate::platform::config::{ConfigError, Env};
use crate::platform::random;

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct SessionPolicy {
    /// How long a session lives after it was last used, in seconds.
    pub idle_seconds: u64,
    /// How long a session lives in all, in seconds; use never extends it.
    pub max_seconds: u64,
}

impl SessionPolicy {
    /// Reads `REFRESH_IDLE_SECONDS` (one minute to 400 days, 30 days without it) and
    /// `REFRESH_MAX_SECONDS` (the same, 90 days without it).
    ///
    /// # Errors
    ///
    /// Where one of them is not such a number.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        const DAY: u64 = 24 * 60 * 60;
        Ok(Self {
            idle_seconds: env.number("REFRESH_IDLE_SECONDS", 60..=400 * DAY, 30 * DAY)?,
            max_seconds: env.number("REFRESH_MAX_SECONDS", 60..=400 * DAY, 90 * DAY)?,
        })
    }

    /// When a session that began at `created_at` and is used at `now` ends unless it is used again.
    fn end(&self, created_at: u64, now: u64) -> u64 {
        (now + self.idle_seconds).min(created_at + self.max_seconds)
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
    /// What each secret's successor is derived with; it never leaves the table.
    pub nonce: [u8; 32],
    /// When the refresh token was last replaced.
    pub rotated_at: u64,
    /// Which of the account's passwords it was begun with: a change of the password ends it.
    pub password_epoch: u64,
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

    /// Keeps what the gateway saw, cut to a length that an item can bear, without what would play
    /// tricks on whoever prints it.
    pub fn new(ip: &str, user_agent: &str) -> Self {
        let printable = |c: &char| !is_unprintable(*c);
        let cut = |text: &str| {
            text.chars()
                .filter(printable)
                .take(Self::MAX_LENGTH)
                .collect()
        };
        Self {
            ip: cut(ip),
            user_agent: cut(user_agent),
        }
    }
}

/// What a presented refresh token is worth.
#[derive(Debug)]
#[must_use]
pub enum Presented {
    /// It is the current one: keep the session as it is here, and give out the successor.
    Current {
        /// The session with its token replaced.
        next: Session,
        /// The token's successor.
        successor: RefreshToken,
    },
    /// It was replaced a moment ago, by another tab or in an answer that was lost: give out the
    /// successor that is already there.
    JustReplaced(RefreshToken),
    /// It was replaced, and comes again: somebody has a copy. End the session.
    Reused,
    /// It is none of this session's, or the session is over. Nothing follows.
    Unknown,
}

impl Session {
    /// Begins a session at `millis` milliseconds since the epoch, and makes the refresh token that
    /// its owner is shown once.
    pub fn begin(
        account: &Account,
        device: Device,
        policy: &SessionPolicy,
        millis: u64,
    ) -> (Self, RefreshToken) {
        let now = millis / 1000;
        let token = RefreshToken {
            user_id: account.id,
            session_id: SessionId::new(millis),
            counter: 0,
            secret: SecretBox::new(Box::new(random::octets())),
        };
        let session = Self {
            user_id: account.id,
            id: token.session_id,
            refresh_hash: token.hash(),
            counter: 0,
            nonce: random::octets(),
            rotated_at: now,
            password_epoch: account.password_epoch,
            created_at: now,
            last_used_at: now,
            expires_at: policy.end(now, now),
            device,
        };
        (session, token)
    }

    /// Whether the session is still on at `now`. DynamoDB removes what is over days later.
    pub fn is_live(&self, policy: &SessionPolicy, now: u64) -> bool {
        now < self.expires_at && now < self.created_at + policy.max_seconds
    }

    /// What `token` is worth at `now`. `grace_seconds` is how long after its replacement a token
    /// may still come.
    ///
    /// Nothing of old tokens is kept: each secret's successor is derived from it, so an old secret
    /// can be led forward to the current one and compared. However old a token is, it is
    /// recognised, and a guess is not mistaken for one.
    pub fn present(
        &self,
        token: &RefreshToken,
        policy: &SessionPolicy,
        grace_seconds: u64,
        now: u64,
    ) -> Presented {
        let of_this = (token.user_id, token.session_id) == (self.user_id, self.id);
        if !of_this || !self.is_live(policy, now) {
            return Presented::Unknown;
        }
        match self.counter.checked_sub(token.counter) {
            Some(0) if self.is_current(token) => {
                let successor = token.successor(&self.nonce);
                let next = Self {
                    refresh_hash: successor.hash(),
                    counter: successor.counter,
                    rotated_at: now,
                    last_used_at: now,
                    expires_at: policy.end(self.created_at, now),
                    ..self.clone()
                };
                Presented::Current { next, successor }
            }
            Some(1) if self.is_current(&token.successor(&self.nonce)) => {
                // At the very second of the replacement too where there is no grace.
                if grace_seconds > 0 && now <= self.rotated_at + grace_seconds {
                    Presented::JustReplaced(token.successor(&self.nonce))
                } else {
                    Presented::Reused
                }
            }
            Some(_) if self.is_ancestor(token) => Presented::Reused,
            _ => Presented::Unknown,
        }
    }

    /// Whether `token` is this session's, current or replaced, whatever the time.
    pub fn is_ours(&self, token: &RefreshToken) -> bool {
        (token.user_id, token.session_id) == (self.user_id, self.id)
            && (self.is_current(token) || self.is_ancestor(token))
    }

    fn is_current(&self, token: &RefreshToken) -> bool {
        token.counter == self.counter
            && verify_slices_are_equal(&token.hash(), &self.refresh_hash).is_ok()
    }

    fn is_ancestor(&self, token: &RefreshToken) -> bool {
        let Some(steps) = self.counter.checked_sub(token.counter) else {
            return false;
        };
        if steps == 0 || steps > RefreshToken::MAX_STEPS {
            return false;
        }
        let mut led = token.successor(&self.nonce);
        for _ in 1..steps {
            led = led.successor(&self.nonce);
        }
        self.is_current(&led)
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
    /// Its octets: two identifiers, the counter, the secret.
    const LENGTH: usize = 16 + 16 + 8 + 32;
    /// The furthest that an old token is led forward: about 30 ms of work. With the shortest access
    /// tokens, a session gets there in 45 days.
    pub const MAX_STEPS: u64 = 65_536;

    /// The token's text, for the one answer that carries it.
    pub fn expose(&self) -> String {
        let mut octets = Vec::with_capacity(Self::LENGTH);
        octets.extend_from_slice(self.user_id.as_bytes());
        octets.extend_from_slice(self.session_id.as_bytes());
        octets.extend_from_slice(&self.counter.to_be_bytes());
        octets.extend_from_slice(self.secret.expose_secret());
        format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(octets))
    }

    /// Reads a token that somebody presents; `None` where it is not even shaped like one.
    pub fn parse(text: &str) -> Option<Self> {
        let octets = URL_SAFE_NO_PAD
            .decode(text.strip_prefix(Self::PREFIX)?)
            .ok()?;
        let octets: &[u8; Self::LENGTH] = octets.as_slice().try_into().ok()?;
        let (user_id, rest) = octets.split_first_chunk()?;
        let (session_id, rest) = rest.split_first_chunk()?;
        let (counter, secret) = rest.split_first_chunk()?;
        Some(Self {
            user_id: UserId::from_bytes(*user_id),
            session_id: SessionId::from_bytes(*session_id),
            counter: u64::from_be_bytes(*counter),
            secret: SecretBox::new(Box::new(secret.try_into().ok()?)),
        })
    }

    /// Whose session it claims to be of.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Which session it claims to be of.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// How many tokens it claims to have come before it.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// SHA-256 of the secret: what is kept of it. A fast hash does for 256 random bits.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, self.secret.expose_secret()).as_ref());
        hash
    }

    /// The token that replaces it: its secret is HMAC-SHA256 of `nonce` under this one's. Whoever
    /// has only the table has no secret to start from.
    fn successor(&self, nonce: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose_secret());
        let mut secret = Box::new([0; 32]);
        secret.copy_from_slice(hmac::sign(&key, nonce).as_ref());
        Self {
            user_id: self.user_id,
            session_id: self.session_id,
            counter: self.counter.saturating_add(1),
            secret: SecretBox::new(secret),
        }
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::account::NewAccount;
    use crate::domain::email::Email;
    use crate::domain::name::Name;

    const POLICY: SessionPolicy = SessionPolicy {
        idle_seconds: 100,
        max_seconds: 250,
    };
    const GRACE: u64 = 10;
    const BEGAN: u64 = 1_000;

    fn begin() -> (Session, RefreshToken) {
        let new = NewAccount {
            email: Email::parse("ada@example.com").unwrap(),
            first_name: Name::parse("Ada").unwrap(),
            last_name: Name::parse("Lovelace").unwrap(),
        };
        let account = Account::open(new, BEGAN * 1000);
        Session::begin(&account, Device::default(), &POLICY, BEGAN * 1000)
    }

    /// Replaces the current token at `now`.
    #[track_caller]
    fn rotate(session: &mut Session, token: &RefreshToken, now: u64) -> RefreshToken {
        match session.present(token, &POLICY, GRACE, now) {
            Presented::Current { next, successor } => {
                *session = next;
                successor
            }
            other => panic!("{other:?}"),
        }
    }

    fn presented(session: &Session, token: &RefreshToken, now: u64) -> &'static str {
        match session.present(token, &POLICY, GRACE, now) {
            Presented::Current { .. } => "current",
            Presented::JustReplaced(_) => "just replaced",
            Presented::Reused => "reused",
            Presented::Unknown => "unknown",
        }
    }

    /// The same token with another counter or secret.
    fn altered(token: &RefreshToken, counter: u64, flip: u8) -> RefreshToken {
        let mut octets = URL_SAFE_NO_PAD.decode(&token.expose()[4..]).unwrap();
        octets[32..40].copy_from_slice(&counter.to_be_bytes());
        octets[71] ^= flip;
        RefreshToken::parse(&format!("lkr_{}", URL_SAFE_NO_PAD.encode(octets))).unwrap()
    }

    #[test]
    fn a_session_keeps_a_hash_and_its_token_the_secret() {
        let (session, token) = begin();
        let octets = URL_SAFE_NO_PAD.decode(&token.expose()[4..]).unwrap();
        let hash = digest(&SHA256, &octets[40..]);
        assert_eq!(hash.as_ref(), session.refresh_hash);
        assert!(session.is_ours(&token));
        assert_eq!(
            (session.created_at, session.expires_at),
            (BEGAN, BEGAN + 100)
        );
    }

    #[test]
    fn a_token_is_read_as_it_was_written_and_in_no_other_form() {
        let (session, token) = begin();
        let text = token.expose();
        let read = RefreshToken::parse(&text).unwrap();
        assert_eq!(
            (read.user_id(), read.session_id()),
            (session.user_id, session.id)
        );
        assert_eq!((read.counter(), read.hash()), (0, session.refresh_hash));
        for other in [
            "",
            "lkr_",
            &text[4..],
            &text.to_uppercase(),
            &format!("{text}="),
            &format!("{text}A"),
            &text[..text.len() - 1],
            &format!(" {text}"),
            &text.replace("lkr_", "lkr-"),
            "a.b.c",
        ] {
            assert!(RefreshToken::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn no_two_sessions_share_a_secret_or_a_nonce() {
        let ((one, _), (two, _)) = (begin(), begin());
        assert_ne!(one.refresh_hash, two.refresh_hash);
        assert_ne!(one.nonce, two.nonce);
    }

    #[test]
    fn a_token_is_replaced_by_one_that_only_it_leads_to() {
        let (mut session, first) = begin();
        let before = session.clone();
        let second = rotate(&mut session, &first, BEGAN + 5);
        assert_eq!(second.counter(), 1);
        assert_ne!(second.hash(), first.hash());
        assert_eq!(session.nonce, before.nonce);
        assert_eq!(
            (session.rotated_at, session.last_used_at),
            (BEGAN + 5, BEGAN + 5)
        );
        // Whoever presents the same token at the same session gets the same successor.
        let Presented::Current { successor, .. } = before.present(&first, &POLICY, GRACE, BEGAN)
        else {
            panic!("it was current");
        };
        assert_eq!(successor.expose(), second.expose());
    }

    #[test]
    fn within_the_grace_time_a_replaced_token_gets_its_successor_again() {
        let (mut session, first) = begin();
        let second = rotate(&mut session, &first, BEGAN);
        for now in [BEGAN, BEGAN + GRACE] {
            match session.present(&first, &POLICY, GRACE, now) {
                Presented::JustReplaced(again) => assert_eq!(again.expose(), second.expose()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(presented(&session, &first, BEGAN + GRACE + 1), "reused");
        // Without a grace time, at once.
        assert!(matches!(
            session.present(&first, &POLICY, 0, BEGAN),
            Presented::Reused
        ));
        assert_eq!(presented(&session, &second, BEGAN + GRACE + 1), "current");
    }

    #[test]
    fn an_old_token_is_recognised_however_old_it_is() {
        let (mut session, first) = begin();
        let mut tokens = vec![first];
        for _ in 0..1_000 {
            let next = rotate(&mut session, tokens.last().unwrap(), BEGAN);
            tokens.push(next);
        }
        for place in [0, 1, 500, 990, 998] {
            assert_eq!(
                presented(&session, &tokens[place], BEGAN),
                "reused",
                "{place}"
            );
            assert!(session.is_ours(&tokens[place]), "{place}");
        }
        assert_eq!(presented(&session, &tokens[999], BEGAN), "just replaced");
        assert_eq!(presented(&session, &tokens[1_000], BEGAN), "current");
    }

    #[test]
    fn a_guess_is_nobody_s_token() {
        let (mut session, first) = begin();
        let second = rotate(&mut session, &first, BEGAN);
        let third = rotate(&mut session, &second, BEGAN);
        let (other, others_token) = begin();
        for guess in [
            altered(&third, 2, 1),
            altered(&third, 1, 0),
            altered(&third, 3, 0),
            altered(&third, u64::MAX, 0),
            altered(&second, 1, 1),
            altered(&second, 0, 0),
            altered(&first, 0, 0x80),
            altered(&first, 2, 0),
        ] {
            assert_eq!(
                presented(&session, &guess, BEGAN),
                "unknown",
                "{}",
                guess.counter()
            );
            assert!(!session.is_ours(&guess));
        }
        assert_eq!(presented(&session, &others_token, BEGAN), "unknown");
        assert_eq!(presented(&other, &third, BEGAN), "unknown");
    }

    #[test]
    fn use_extends_the_idle_time_and_never_the_whole() {
        let (mut session, mut token) = begin();
        for now in [BEGAN + 99, BEGAN + 198] {
            token = rotate(&mut session, &token, now);
        }
        assert_eq!(session.expires_at, BEGAN + 250);
        assert_eq!(presented(&session, &token, BEGAN + 249), "current");
        assert_eq!(presented(&session, &token, BEGAN + 250), "unknown");
    }

    #[test]
    fn a_session_that_is_over_is_over_though_its_item_is_there() {
        let (session, token) = begin();
        assert_eq!(presented(&session, &token, BEGAN + 99), "current");
        assert_eq!(presented(&session, &token, BEGAN + 100), "unknown");
        // Also where the whole time was shortened after it began.
        let shorter = SessionPolicy {
            max_seconds: 60,
            ..POLICY
        };
        assert!(!session.is_live(&shorter, BEGAN + 60));
    }

    #[test]
    fn a_refresh_token_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", begin().1), "RefreshToken");
    }

    #[test]
    fn a_device_is_cut_and_stripped_to_what_is_safe_to_print() {
        let device = Device::new("::1", &"ü".repeat(300));
        assert_eq!(device.user_agent.chars().count(), Device::MAX_LENGTH);
        let device = Device::new("::1", "curl\u{1b}[31m\n8 \u{202e}x");
        assert_eq!(device.user_agent, "curl[31m8 x");
    }

    proptest! {
        #![proptest_config(crate::properties::cases())]

        #[test]
        fn a_token_is_read_as_it_was_shown_and_in_no_other_form(
            octets in proptest::collection::vec(any::<u8>(), RefreshToken::LENGTH),
            place in any::<prop::sample::Index>(),
            letter in any::<char>(),
        ) {
            let text = format!("{}{}", RefreshToken::PREFIX, URL_SAFE_NO_PAD.encode(octets));
            prop_assert_eq!(RefreshToken::parse(&text).unwrap().expose(), text.clone());
            let mut letters: Vec<char> = text.chars().collect();
            letters[place.index(text.len())] = letter;
            let other: String = letters.into_iter().collect();
            // Changed, it is another token or none: no two texts are one token.
            if let Some(token) = RefreshToken::parse(&other) {
                prop_assert_eq!(token.expose(), other);
            }
        }

        #[test]
        fn no_text_is_too_odd_to_be_refused(text in any::<String>()) {
            prop_assert!(RefreshToken::parse(&text).is_none());
            let marked = format!("lkr_{text}");
            prop_assert!(RefreshToken::parse(&marked).is_none());
        }
    }
}
