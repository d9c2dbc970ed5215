//! Limits on guessing a password, and the time until the next guess is allowed.
//!
//! Guesses are counted at a place: the address that someone tries to log in with, whether it has an
//! account or not; or the session whose token someone has, if the password is asked for again.
//! Three counts limit them:
//!
//! - the attempts of each source at a place. A source that goes on guessing waits longer and longer,
//!   but only that source, so nobody can lock a stranger out.
//! - the attempts of all strangers at a place (NIST SP 800-63B-4 section 3.2.2), which are sources
//!   that have not succeeded there.
//! - the attempts of a source at all addresses.
//!
//! Only the first count applies to a source that has succeeded at the place before. The third applies
//! at addresses only. No success lowers a count of another source: someone who waits because of it
//! would notice.

mod entry;
mod policy;
mod record;
mod source;

#[cfg(test)]
mod tests;

pub use entry::{AtSource, NotAnEntry, Success};
pub use policy::AttemptPolicy;
pub use record::{AttemptId, Attempts, LastLogin, Strangers, Wait};
pub use source::{AttemptKey, Place, Source};
