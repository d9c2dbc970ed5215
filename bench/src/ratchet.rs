//! The refresh token's ratchet: the cost of recognising an old token.

use std::time::Instant;

use anyhow::{Context as _, bail};
use shared::domain::account::{Account, NewAccount};
use shared::domain::email::Email;
use shared::domain::name::Name;
use shared::domain::session::{Device, Presented, RefreshToken, Session, SessionPolicy};
use shared::domain::throttle::Source;

use crate::median;
use crate::report::Report;

/// The number of refreshes in a session of 90 days whose client is always in use.
const GENERATIONS: u32 = 8_640;
const RUNS: usize = 20;

/// Adds the ratchet's row.
pub fn measure(report: &mut Report) -> anyhow::Result<()> {
    let policy = SessionPolicy {
        idle_seconds: 1000,
        max_seconds: 1000,
        grace_seconds: 0,
        repeats: 5,
    };
    let source = Source::of("203.0.113.7");
    let (mut session, first) = Session::begin(&account()?, Device::default(), &policy, 0);
    let mut current = RefreshToken::parse(&first.expose()).context("its own form")?;
    for _ in 0..GENERATIONS {
        match session.present(&current, &source, &policy, 0) {
            Presented::Current { next, successor } => (session, current) = (next, successor),
            other => bail!("{other:?}"),
        }
    }
    let (mut oldest, mut newest) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        for (token, times) in [(&first, &mut oldest), (&current, &mut newest)] {
            let began = Instant::now();
            let _ = std::hint::black_box(session.present(token, &source, &policy, 0));
            times.push(began.elapsed());
        }
    }
    let oldest = median(&mut oldest).context("nothing was measured")?;
    let newest = median(&mut newest).context("nothing was measured")?;
    let step = oldest.as_secs_f64() * 1e6 / f64::from(GENERATIONS);
    report.add_words(
        "refresh token: 8,640 generations old",
        format!("{:.0} µs, {step:.2} µs a step", oldest.as_secs_f64() * 1e6),
        format!("{:.1} µs, the current one", newest.as_secs_f64() * 1e6),
        oldest.as_secs_f64() / newest.as_secs_f64(),
    );
    Ok(())
}

/// Returns an account to measure with.
pub fn account() -> anyhow::Result<Account> {
    let refused =
        |reason: shared::domain::field_error::Violation| anyhow::anyhow!("{}", reason.detail);
    let new = NewAccount {
        email: Email::parse("ada@example.com").map_err(refused)?,
        first_name: Name::parse("Ada").map_err(refused)?,
        last_name: Name::parse("Lovelace").map_err(refused)?,
        locale: None,
    };
    Ok(Account::open(new, 0))
}
