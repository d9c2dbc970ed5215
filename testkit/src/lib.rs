//! Stand-ins for what the functions have in AWS, for tests and benchmarks.
//!
//! # Layout
//!
//! - [`runtime_api`]: Lambda's runtime API, which runs a function's binary as a process.

pub mod runtime_api;
