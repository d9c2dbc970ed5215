//! The numbers that tune a deployment, in one table.
//!
//! Each is a parameter of template.yaml, which the template passes to all functions as a variable.
//! A test compares the two.

use std::ops::RangeInclusive;

const DAY: u64 = 24 * 60 * 60;

/// A number that tunes a deployment.
#[derive(Debug)]
pub struct Setting {
    /// The environment variable.
    pub variable: &'static str,
    /// The parameter of template.yaml.
    pub parameter: &'static str,
    /// The allowed values.
    pub range: RangeInclusive<u64>,
    /// The value if the variable is missing.
    pub default: u64,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $variable:ident, $parameter:literal, $range:expr, $default:expr;)*) => {
        $($(#[$doc])*
        pub const $variable: Setting = Setting {
            variable: stringify!($variable),
            parameter: $parameter,
            range: $range,
            default: $default,
        };)*

        /// All settings.
        pub const ALL: &[Setting] = &[$($variable),*];
    };
}

settings! {
    /// The lifetime of an access token, in seconds.
    ACCESS_TOKEN_SECONDS, "AccessTokenSeconds", 60..=3600, 900;
    /// How long a session lives after it was last used, in seconds.
    REFRESH_IDLE_SECONDS, "RefreshIdleSeconds", 60..=400 * DAY, 30 * DAY;
    /// How long a session lives in all, in seconds.
    REFRESH_MAX_SECONDS, "RefreshMaxSeconds", 60..=400 * DAY, 90 * DAY;
    /// How long repeats of a replaced refresh token are free from the network that replaced it, in
    /// seconds.
    REFRESH_GRACE_SECONDS, "RefreshGraceSeconds", 0..=60, 10;
    /// The repeats from other networks that a session survives; ten times as many from the same.
    REFRESH_REPEATS, "RefreshRepeats", 1..=50, 5;
    /// The least length of a new password, in code points. NIST SP 800-63B-4 section 3.1.1.2 asks
    /// for 15 if the password is the only factor.
    PASSWORD_MIN_LENGTH, "PasswordMinLength", 8..=64, 15;
    /// The memory of one password hash, in KiB.
    ARGON2_MEMORY_KIB, "Argon2MemoryKib", 7168..=65536, 19456;
    /// The passes of one password hash over its memory.
    ARGON2_ITERATIONS, "Argon2Iterations", 1..=10, 2;
    /// How long the costliest imported password takes to verify, in milliseconds: what `latchkey
    /// users import` says. Each refused login then takes about as long.
    IMPORTED_HASH_MILLIS, "ImportedHashMillis", 0..=2500, 0;
    /// The attempts at an address from one source before there are waits.
    LOGIN_ATTEMPTS, "LoginAttempts", 3..=20, 5;
    /// The attempts at an address from all sources before there are waits. NIST SP 800-63B-4
    /// section 3.2.2 allows 100.
    LOGIN_ATTEMPTS_PER_ACCOUNT, "LoginAttemptsPerAccount", 10..=100, 50;
    /// The attempts of one source at all addresses in five minutes.
    LOGIN_ATTEMPTS_PER_SOURCE, "LoginAttemptsPerSource", 10..=1_000_000, 300;
    /// The mails that may be asked for to one address in an hour.
    MAILS_PER_ADDRESS, "MailsPerAddress", 1..=100, 5;
    /// The mails that one source may ask for in an hour.
    MAILS_PER_SOURCE, "MailsPerSource", 1..=1_000_000, 50;
    /// How long events are stored, in days.
    EVENT_DAYS, "EventDays", 1..=3650, 90;
}
