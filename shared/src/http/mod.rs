//! HTTP: requests, responses, problems. No other layer knows HTTP.

pub mod authenticate;
pub mod client_address;
pub mod cursor;
pub mod etag;
pub mod fields;
pub mod handler;
pub mod import_secrets;
mod json_body;
pub mod list_cursor;
pub mod live_session;
pub mod mail_throttle;
mod media_type;
pub mod preconditions;
pub mod problem;
pub mod reauthenticate;
pub mod sanitize;
pub mod throttle;
pub mod token_response;

pub use authenticate::{Authenticator, Identity, active, domain_name, gateway_context};
pub use client_address::ClientAddress;
pub use cursor::cursor;
pub use fields::{Fields, Media};
pub use handler::{Handler, accepted, json, no_content, serve};
pub use import_secrets::ImportSecrets;
pub use list_cursor::ListCursor;
pub use live_session::LiveSession;
pub use mail_throttle::MailThrottle;
pub use preconditions::Preconditions;
pub use problem::{Problem, TokenRejection};
pub use reauthenticate::Reauthentication;
pub use throttle::{AdmittedAttempt, ReservedAttempt, Throttle};
pub use token_response::tokens;
