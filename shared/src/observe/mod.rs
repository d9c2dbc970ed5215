//! The log: security events, one line for each request, and the metrics in it.

pub mod after_response;
pub mod audit;
pub mod emf;
pub mod logging;
pub mod request_log;
pub mod spanless;

pub use audit::{AuditEvent, EndedBy, LoginRefusal};
