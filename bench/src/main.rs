//! Measures, in one run, what Latchkey's parts cost beside their limits, and prints a table.
//!
//! Read the ratios: machines are shared and noisy, and both sides of a ratio are measured in turn.

mod accounts;
mod hash;
mod lambda;
mod ratchet;

use std::time::Duration;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("| what | Latchkey | beside | ratio | limit |");
    println!("|---|---|---|---|---|");
    lambda::measure().await?;
    hash::measure().await?;
    ratchet::measure()?;
    accounts::measure().await?;
    Ok(())
}

/// One line of the table. `limit` is a ratio or, for sizes, in words.
fn row(what: &str, ours: String, beside: String, ratio: f64, limit: &str) {
    println!("| {what} | {ours} | {beside} | {ratio:.2} | {limit} |");
}

/// The middle one: what is left when a noisy machine's hiccups are set aside.
fn median<T: Copy + Ord>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}
