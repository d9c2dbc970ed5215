//! Limits on guessing a password, and the time until the next guess is allowed.
//!
//! Three counts limit the guesses:
//!
//! - the attempts of each source at an address, whether it has an account or not. A source that
//!   goes on guessing waits longer and longer, but only that source, so nobody can lock a stranger
//!   out.
//! - the attempts of all sources at an address since its last login (NIST SP 800-63B-4 section
//!   3.2.2).
//! - the attempts of a source at all addresses.
//!
//! Only the first count applies to a source that has logged in at the address before.

mod policy;
mod record;
mod source;

#[cfg(test)]
mod tests;

pub use policy::AttemptPolicy;
pub use record::{AtSource, AttemptId, Attempts, LastLogin, NotAnEntry, Wait};
pub use source::{AttemptKey, Source};
