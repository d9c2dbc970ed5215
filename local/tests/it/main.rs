//! Latchkey from outside: through the gateway where a user would notice, through events and the
//! table where only an operator would.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod cli;
mod consistency;
mod resilience;
mod routes;
mod security;
mod support;
