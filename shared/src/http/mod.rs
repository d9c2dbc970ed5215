//! HTTP: requests, responses, problems. No other layer knows HTTP.

pub mod authenticate;
pub mod etag;
pub mod fields;
pub mod handler;
mod json_body;
pub mod problem;
pub mod reauthenticate;
pub mod sanitize;
pub mod throttle;
pub mod token_response;
