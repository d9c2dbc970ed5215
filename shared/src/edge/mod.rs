//! The edge: the one place that knows HTTP.

pub mod confirm;
mod document;
pub mod event;
pub mod fields;
pub mod http;
pub mod identity;
pub mod if_match;
pub mod problem;
pub mod throttle;
pub mod tokens;
