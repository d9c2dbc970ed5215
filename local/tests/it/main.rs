//! Tests Latchkey from outside: through the gateway if a user would notice the behaviour, through
//! events and the table if only an operator would.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends if something is not as it should be"
)]

mod cli;
mod commands;
mod consistency;
mod ending;
mod resilience;
mod routes;
mod security;
mod support;
