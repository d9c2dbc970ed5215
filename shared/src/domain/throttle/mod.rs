//! Guesses at a password, and how long the next one has to wait.
//!
//! Three counts bound them. One is of each source's attempts at an address, whether it has an account
//! or not: whoever goes on guessing from one place waits longer and longer, and only there, so that
//! nobody shuts a stranger out. One is of all sources' attempts at an address since its last login
//! (NIST SP 800-63B-4 section 3.2.2), one of a source's attempts at all addresses. A source that has
//! logged in at an address before is held up there by the first alone.

mod policy;
mod record;
mod source;

#[cfg(test)]
mod tests;

pub use policy::AttemptPolicy;
pub use record::{AtSource, AttemptId, Attempts, LastLogin, NoSource, Wait};
pub use source::{AttemptKey, Source};
