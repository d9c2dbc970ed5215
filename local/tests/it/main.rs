//! Latchkey from outside: through the gateway where a user would notice, through events and the
//! table where only an operator would.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod agreement;
mod app;
mod authorizer;
mod bootstraps;
mod collection;
mod corpora;
mod described;
mod discovery;
mod emf;
mod events;
mod faults;
mod gateway;
mod guessing;
mod hostile;
mod keys;
mod kms;
mod login;
mod logs;
mod monitoring;
mod openapi;
mod password;
mod privileges;
mod profile;
mod properties;
mod refresh;
mod register;
mod rotation;
mod sessions;
mod signing;
mod stack;
mod start;
mod template;
mod warm;
