//! Guesses at a password, and how long the next one has to wait.
//!
//! Three counts bound them. One is of each source's attempts at an address, whether it has an account
//! or not: whoever goes on guessing from one place waits longer and longer, and only there, so that
//! nobody shuts a stranger out. One is of all sources' attempts at an address since its last login
//! (NIST SP 800-63B-4 section 3.2.2), one of a source's attempts at all addresses. A source that has
//! logged in at an address before is held up there by the first alone.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::email::Email;
use crate::platform::config::{ConfigError, Env};
use crate::platform::random;

/// Where an attempt comes from, as far as counting goes: an IPv4 address, or the /64 of an IPv6
/// address, all of which one subscriber has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source([u8; 16]);

impl Source {
    /// The source of a request from `ip`, as the gateway says. What is no address is one source.
    pub fn of(ip: &str) -> Self {
        // An IPv4 address in the other notation is the same place.
        Self(match ip.parse().map(|ip: IpAddr| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => ip.to_ipv6_mapped().octets(),
            Ok(IpAddr::V6(ip)) => {
                let mut octets = ip.octets();
                octets[8..].fill(0);
                octets
            }
            Err(_) => [0; 16],
        })
    }

    /// A name for a key of the table.
    pub fn fingerprint(&self) -> String {
        name(&[b"source", &self.0])
    }

    /// A name among the sources of one address; no two addresses call a source the same.
    fn at(&self, email: &Email) -> String {
        name(&[email.fingerprint().as_bytes(), &self.0])
    }
}

fn name(parts: &[&[u8]]) -> String {
    let hash = digest(&SHA256, &parts.concat());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12])
}

/// Names one attempt, so that an account's last login can say which it was. Nobody else learns it:
/// a guess of the same second is not mistaken for the login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptId(String);

impl AttemptId {
    fn new() -> Self {
        Self(URL_SAFE_NO_PAD.encode(random::octets::<9>()))
    }

    /// As it is kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AttemptId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// A login: when it was, and which attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLogin {
    /// When it was, in seconds since the epoch.
    pub at: u64,
    /// Which attempt it was.
    pub attempt: AttemptId,
}

/// How much guessing is borne.
#[derive(Debug, Clone, Copy)]
pub struct AttemptPolicy {
    free: u64,
    free_of_account: u64,
    /// How many attempts a source has in [`AttemptPolicy::window`], whatever the addresses.
    pub of_source: u64,
}

impl AttemptPolicy {
    /// The time over which a source's attempts at all addresses are counted, in seconds.
    const WINDOW: u64 = 5 * 60;
    /// The first wait, in seconds; each further one is twice as long.
    const FIRST_WAIT: u64 = 30;
    /// The longest wait, in seconds.
    const LONGEST_WAIT: u64 = 60 * 60;
    /// After how long without another attempt one is forgotten, in seconds.
    const FORGOTTEN_AFTER: u64 = 24 * 60 * 60;
    /// How long a source stays known that has logged in, in seconds.
    const KNOWN_FOR: u64 = 90 * 24 * 60 * 60;
    /// How many known sources an address has: the latest.
    const MOST_KNOWN: usize = 8;

    /// Reads `LOGIN_ATTEMPTS` (attempts at an address from one source before there are waits: 3 to
    /// 20, 5 without it), `LOGIN_ATTEMPTS_PER_ACCOUNT` (from all sources: 10 to 100, 50 without it)
    /// and `LOGIN_ATTEMPTS_PER_SOURCE` (of one source at all addresses in five minutes: 10 to
    /// 1,000,000, 300 without it).
    ///
    /// # Errors
    ///
    /// Where one of them is not such a number.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            free: env.number("LOGIN_ATTEMPTS", 3..=20, 5)?,
            free_of_account: env.number("LOGIN_ATTEMPTS_PER_ACCOUNT", 10..=100, 50)?,
            of_source: env.number("LOGIN_ATTEMPTS_PER_SOURCE", 10..=1_000_000, 300)?,
        })
    }

    /// When the window of `now` begins and ends, in seconds since the epoch.
    pub fn window(now: u64) -> (u64, u64) {
        let begin = now - now % Self::WINDOW;
        (begin, begin + Self::WINDOW)
    }

    /// How long a source has to wait that has made so many attempts in the window of `now`, in seconds,
    /// if it has to.
    pub fn source_waits(&self, made: u64, now: u64) -> Option<u64> {
        let (_, end) = Self::window(now);
        (made >= self.of_source).then(|| end - now)
    }

    /// How long after the last of `made` attempts the next may come, in seconds.
    fn wait(made: u64, free: u64) -> u64 {
        match made.checked_sub(free) {
            None => 0,
            Some(beyond) => 1_u64
                .checked_shl(u32::try_from(beyond).unwrap_or(u32::MAX))
                .map_or(Self::LONGEST_WAIT, |factor| {
                    Self::FIRST_WAIT
                        .saturating_mul(factor)
                        .min(Self::LONGEST_WAIT)
                }),
        }
    }
}

/// The attempts at one address, by source.
///
/// An attempt counts before its outcome is known, and a login need not be written here: the account's
/// last login tells that the source whose last attempt that was has begun anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts(Vec<AtSource>);

/// What one source has tried at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtSource {
    source: String,
    made: u64,
    last: u64,
    /// The last one.
    attempt: AttemptId,
    known: bool,
}

/// An attempt has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// For how long, in seconds.
    pub seconds: u64,
    /// Whether it is the address's wait, and not the source's own.
    pub of_account: bool,
}

impl Attempts {
    /// What is kept of them.
    pub fn new(sources: Vec<AtSource>) -> Self {
        Self(sources)
    }

    /// What to keep of them.
    pub fn sources(&self) -> &[AtSource] {
        &self.0
    }

    /// Whether `source` has logged in at the address.
    pub fn is_known(&self, email: &Email, source: &Source, now: u64) -> bool {
        let source = source.at(email);
        let mut sources = self.0.iter();
        sources.any(|at| at.source == source && at.known && at.expires_at() > now)
    }

    /// Whether `source` may try at all, whatever others have tried: a first look, which counts
    /// nothing.
    ///
    /// # Errors
    ///
    /// Where it has to wait.
    pub fn may_try(
        &self,
        email: &Email,
        source: &Source,
        policy: &AttemptPolicy,
        now: u64,
    ) -> Result<(), Wait> {
        let source = source.at(email);
        match self.0.iter().find(|at| at.source == source) {
            Some(at) => at.remembered(now).waits(policy, now),
            None => Ok(()),
        }
    }

    /// These and one more, at `now`; nothing is known yet of how it ends. `login` is the account's
    /// last, if it has one.
    ///
    /// # Errors
    ///
    /// Where it has to wait. An attempt that has to wait does not count.
    pub fn one_more(
        &self,
        email: &Email,
        source: &Source,
        policy: &AttemptPolicy,
        login: Option<&LastLogin>,
        now: u64,
    ) -> Result<Self, Wait> {
        let mut next = self.remembered(now);
        if let Some(login) = login {
            let of_login = next.0.iter_mut().find(|at| at.attempt == login.attempt);
            of_login.into_iter().for_each(|at| at.made = 0);
        }
        let since = login.map_or(0, |login| login.at);
        let after = next.0.iter().filter(|at| at.last >= since);
        let (made, last) = after.fold((0_u64, 0), |(made, last), at| {
            (made.saturating_add(at.made), last.max(at.last))
        });
        let at = next.at(email, source);
        at.waits(policy, now)?;
        if !at.known {
            let until = last.saturating_add(AttemptPolicy::wait(made, policy.free_of_account));
            Wait::until(until, now, true)?;
        }
        at.made = at.made.saturating_add(1);
        at.last = now;
        at.attempt = AttemptId::new();
        Ok(next)
    }

    /// These after the password was right for an attempt from `source`, which starts anew and is
    /// known from here on; what other sources have tried stays theirs. `None` where there is nothing
    /// to write: the account's last login says it.
    pub fn after_login(&self, email: &Email, source: &Source, now: u64) -> Option<Self> {
        let mut next = self.remembered(now);
        let at = next.at(email, source);
        if at.known && at.made <= 1 {
            return None;
        }
        at.made = 0;
        at.last = now;
        at.known = true;
        next.forget_oldest_known();
        Some(next)
    }

    /// The last attempt of a source.
    pub fn last_of(&self, email: &Email, source: &Source) -> AttemptId {
        let source = source.at(email);
        let at = self.0.iter().find(|at| at.source == source);
        at.map(|at| at.attempt.clone()).unwrap_or_default()
    }

    /// When all of this is forgotten, in seconds since the epoch.
    pub fn expires_at(&self) -> u64 {
        let sources = self.0.iter().map(AtSource::expires_at);
        sources.max().unwrap_or(0)
    }

    fn remembered(&self, now: u64) -> Self {
        let sources = self.0.iter().map(|at| at.remembered(now));
        Self(sources.filter(|at| at.expires_at() > now).collect())
    }

    /// What a source has tried, nothing where it is new.
    fn at(&mut self, email: &Email, source: &Source) -> &mut AtSource {
        let source = source.at(email);
        let place = self.0.iter().position(|at| at.source == source);
        let place = place.unwrap_or_else(|| {
            self.0.push(AtSource {
                source,
                made: 0,
                last: 0,
                attempt: AttemptId::new(),
                known: false,
            });
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    fn forget_oldest_known(&mut self) {
        while self.0.iter().filter(|at| at.known).count() > AttemptPolicy::MOST_KNOWN {
            let known = self.0.iter().enumerate().filter(|(_, at)| at.known);
            let Some((oldest, _)) = known.min_by_key(|(_, at)| at.last) else {
                return;
            };
            self.0.remove(oldest);
        }
    }
}

impl Wait {
    fn until(then: u64, now: u64, of_account: bool) -> Result<(), Self> {
        match then.saturating_sub(now) {
            0 => Ok(()),
            seconds => Err(Self {
                seconds,
                of_account,
            }),
        }
    }
}

impl AtSource {
    fn waits(&self, policy: &AttemptPolicy, now: u64) -> Result<(), Wait> {
        let wait = AttemptPolicy::wait(self.made, policy.free);
        Wait::until(self.last.saturating_add(wait), now, false)
    }

    fn remembered(&self, now: u64) -> Self {
        let forgotten = self.last.saturating_add(AttemptPolicy::FORGOTTEN_AFTER) <= now;
        Self {
            made: if forgotten { 0 } else { self.made },
            ..self.clone()
        }
    }

    fn expires_at(&self) -> u64 {
        self.last.saturating_add(if self.known {
            AttemptPolicy::KNOWN_FOR
        } else {
            AttemptPolicy::FORGOTTEN_AFTER
        })
    }
}

/// One line, as it is kept: source, count, time, attempt, and whether it is known.
impl fmt::Display for AtSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = if self.known { "known" } else { "-" };
        let attempt = self.attempt.as_str();
        write!(
            f,
            "{} {} {} {attempt} {known}",
            self.source, self.made, self.last
        )
    }
}

/// What is kept is no such line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a source, two numbers, an attempt and a mark")]
pub struct NoSource;

impl FromStr for AtSource {
    type Err = NoSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<_> = text.split(' ').collect();
        let [source, made, last, attempt, known] = words[..] else {
            return Err(NoSource);
        };
        Ok(Self {
            source: source.to_owned(),
            made: made.parse().map_err(|_| NoSource)?,
            last: last.parse().map_err(|_| NoSource)?,
            attempt: AttemptId(attempt.to_owned()),
            known: match known {
                "known" => true,
                "-" => false,
                _ => return Err(NoSource),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn policy() -> AttemptPolicy {
        AttemptPolicy::from_env(&Env::new(&|_| None)).unwrap()
    }

    fn ada() -> Email {
        Email::parse("ada@example.com").unwrap()
    }

    fn source(n: u32) -> Source {
        Source::of(&std::net::Ipv4Addr::from(n).to_string())
    }

    /// As many attempts as there may be, each as soon as it may come; and when the last one was.
    fn guess(mut attempts: Attempts, from: &Source, count: usize, mut now: u64) -> (Attempts, u64) {
        for _ in 0..count {
            attempts = match attempts.one_more(&ada(), from, &policy(), None, now) {
                Ok(next) => next,
                Err(wait) => {
                    now += wait.seconds;
                    let next = attempts.one_more(&ada(), from, &policy(), None, now);
                    next.expect("the wait is over")
                }
            };
        }
        (attempts, now)
    }

    #[test]
    fn after_five_attempts_each_waits_twice_as_long_up_to_an_hour() {
        let (mut attempts, mut now) = guess(Attempts::default(), &source(1), 5, NOW);
        assert_eq!(now, NOW, "five are free");
        for wait in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600] {
            let refused = attempts.one_more(&ada(), &source(1), &policy(), None, now);
            let of_account = false;
            assert_eq!(
                refused,
                Err(Wait {
                    seconds: wait,
                    of_account
                })
            );
            let early = attempts.one_more(&ada(), &source(1), &policy(), None, now + wait - 1);
            assert_eq!(
                early,
                Err(Wait {
                    seconds: 1,
                    of_account
                })
            );
            now += wait;
            attempts = attempts
                .one_more(&ada(), &source(1), &policy(), None, now)
                .unwrap();
        }
    }

    #[test]
    fn one_source_s_wait_is_not_another_s() {
        let (attempts, now) = guess(Attempts::default(), &source(1), 9, NOW);
        assert!(
            attempts
                .one_more(&ada(), &source(1), &policy(), None, now)
                .is_err()
        );
        let (_, then) = guess(attempts, &source(2), 5, now);
        assert_eq!(then, now);
    }

    #[test]
    fn guessing_from_many_sources_is_held_up_for_all_but_known_ones() {
        let home = source(0);
        let known = Attempts::default()
            .one_more(&ada(), &home, &policy(), None, NOW)
            .unwrap();
        let mut attempts = known.after_login(&ada(), &home, NOW).unwrap();
        for n in 1..=10 {
            (attempts, _) = guess(attempts, &source(n), 5, NOW);
        }
        let refused = attempts.one_more(&ada(), &source(11), &policy(), None, NOW);
        assert_eq!(
            refused,
            Err(Wait {
                seconds: 30,
                of_account: true
            })
        );
        // The owner, at home, has five attempts as ever.
        let (attempts, then) = guess(attempts, &home, 5, NOW);
        assert_eq!(then, NOW);
        let longest = (0..20).fold((attempts, NOW), |(attempts, now), n| {
            guess(attempts, &source(100 + n), 1, now)
        });
        let refused = longest
            .0
            .one_more(&ada(), &source(200), &policy(), None, longest.1);
        assert_eq!(
            refused,
            Err(Wait {
                seconds: 3600,
                of_account: true
            })
        );
    }

    #[test]
    fn a_login_resets_its_own_source_and_no_other() {
        let (attempts, _) = guess(Attempts::default(), &source(1), 5, NOW);
        let (attempts, _) = guess(attempts, &source(2), 3, NOW);
        let after = attempts.after_login(&ada(), &source(2), NOW).unwrap();
        assert_eq!(guess(after.clone(), &source(2), 5, NOW).1, NOW);
        assert!(
            after
                .one_more(&ada(), &source(1), &policy(), None, NOW)
                .is_err()
        );
    }

    #[test]
    fn a_login_ends_the_wait_of_all_sources_for_what_came_before_it() {
        let mut attempts = Attempts::default();
        for n in 1..=10 {
            (attempts, _) = guess(attempts, &source(n), 5, NOW);
        }
        let try_at = |last_login: Option<&LastLogin>, now| {
            attempts
                .one_more(&ada(), &source(11), &policy(), last_login, now)
                .is_ok()
        };
        let login = |at, attempt| LastLogin { at, attempt };
        assert!(!try_at(None, NOW + 1));
        assert!(!try_at(Some(&login(NOW - 1, AttemptId::new())), NOW + 1));
        assert!(try_at(Some(&login(NOW + 1, AttemptId::new())), NOW + 1));
        // Of the same second, only the attempt that was the login is left out.
        assert!(!try_at(Some(&login(NOW, AttemptId::new())), NOW + 1));
        let attempt = attempts.last_of(&ada(), &source(3));
        assert!(try_at(Some(&login(NOW, attempt)), NOW + 1));
    }

    #[test]
    fn logins_at_the_first_attempt_from_a_known_source_are_never_written() {
        let mut attempts = Attempts::default();
        let mut writes = Vec::new();
        let mut last_login = None;
        for now in NOW..NOW + 20 {
            attempts = attempts
                .one_more(&ada(), &source(1), &policy(), last_login.as_ref(), now)
                .unwrap();
            let attempt = attempts.last_of(&ada(), &source(1));
            let after = attempts.after_login(&ada(), &source(1), now);
            writes.push(after.is_some());
            attempts = after.unwrap_or(attempts);
            last_login = Some(LastLogin { at: now, attempt });
        }
        assert!(writes[0], "the source becomes known");
        assert!(!writes[1..].contains(&true), "{writes:?}");
    }

    #[test]
    fn logins_from_two_places_in_turn_never_wait() {
        let mut attempts = Attempts::default();
        let mut last_login = None;
        for now in NOW..NOW + 40 {
            let from = source(u32::try_from(now % 2).unwrap());
            attempts = attempts
                .one_more(&ada(), &from, &policy(), last_login.as_ref(), now)
                .unwrap();
            let attempt = attempts.last_of(&ada(), &from);
            attempts = attempts.after_login(&ada(), &from, now).unwrap_or(attempts);
            last_login = Some(LastLogin { at: now, attempt });
        }
    }

    #[test]
    fn a_guess_of_the_same_second_is_not_taken_for_the_login() {
        let (mut attempts, _) = guess(Attempts::default(), &source(1), 1, NOW);
        let attempt = attempts.last_of(&ada(), &source(1));
        let login = LastLogin { at: NOW, attempt };
        for n in 0..10 {
            let next = attempts.one_more(&ada(), &source(2), &policy(), Some(&login), NOW);
            assert_eq!(next.is_ok(), n < 5);
            attempts = next.unwrap_or(attempts);
        }
    }

    #[test]
    fn attempts_are_forgotten_after_a_day_and_known_sources_after_ninety() {
        let (attempts, _) = guess(Attempts::default(), &source(1), 5, NOW);
        let (_, then) = guess(attempts.clone(), &source(1), 5, NOW + 86_400);
        assert_eq!(then, NOW + 86_400);
        assert_eq!(attempts.expires_at(), NOW + 86_400);
        let after = attempts.after_login(&ada(), &source(1), NOW).unwrap();
        assert_eq!(after.expires_at(), NOW + 90 * 86_400);
        assert_eq!(after.remembered(NOW + 90 * 86_400), Attempts::default());
        assert!(after.is_known(&ada(), &source(1), NOW + 90 * 86_400 - 1));
        assert!(!after.is_known(&ada(), &source(1), NOW + 90 * 86_400));
        assert!(!after.is_known(&ada(), &source(2), NOW));
    }

    #[test]
    fn the_latest_eight_sources_are_known() {
        let mut attempts = Attempts::default();
        for n in 0..20 {
            let now = NOW + u64::from(n);
            attempts = attempts
                .one_more(&ada(), &source(n), &policy(), None, now)
                .unwrap();
            attempts = attempts.after_login(&ada(), &source(n), now).unwrap();
        }
        let known: Vec<_> = attempts.sources().iter().map(|at| at.last).collect();
        assert_eq!(known, (NOW + 12..NOW + 20).collect::<Vec<_>>());
    }

    #[test]
    fn a_subscriber_is_one_source_whatever_the_notation() {
        let same = [
            ["2001:db8::1", "2001:DB8:0:0:ffff:ffff:ffff:ffff"],
            ["203.0.113.7", "::ffff:203.0.113.7"],
            ["", "not an address"],
        ];
        for [one, other] in same {
            assert_eq!(Source::of(one), Source::of(other), "{one} {other}");
        }
        let different = [
            ["2001:db8::1", "2001:db8:0:1::1"],
            ["203.0.113.7", "203.0.113.8"],
            ["203.0.113.7", ""],
        ];
        for [one, other] in different {
            assert_ne!(Source::of(one), Source::of(other), "{one} {other}");
        }
        let other = Email::parse("grace@example.com").unwrap();
        assert_ne!(source(1).at(&ada()), source(1).at(&other));
    }

    #[test]
    fn what_is_kept_of_a_source_is_read_as_it_was_written() {
        let (attempts, _) = guess(Attempts::default(), &source(1), 3, NOW);
        let attempts = attempts.after_login(&ada(), &source(1), NOW).unwrap();
        for at in attempts.sources() {
            assert_eq!(at.to_string().parse(), Ok(at.clone()));
        }
        for text in [
            "",
            "a 1 2",
            "a 1 2 x -  ",
            "a x 2 x -",
            "a 1 -2 x -",
            "a 1 2 x maybe",
        ] {
            assert_eq!(text.parse::<AtSource>(), Err(NoSource), "{text}");
        }
    }
}
