//! Users of other systems: the exports that these write, and the forms in which they store
//! passwords.
//!
//! [`exports`] reads an export as a stream of [`Record`]s, and [`Record::parse`] makes a [`User`] of
//! one or tells every fault of it. [`forms`] parses a stored password into what a login verifies.

pub mod exports;
pub mod forms;
mod record;

pub use record::{Fault, Record, User};
