//! Argon2id with its memory reused, beside Argon2id that allocates for each hash.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use argon2::{Algorithm, Argon2, Params, Version};
use shared::config::Env;
use shared::people::hasher::Hasher;
use shared::people::password::Password;

use crate::others::Others;
use crate::{median, millis, row};

const HASHES: usize = 40;
const MEMORY_KIB: u32 = 19456;
const ITERATIONS: u32 = 2;

/// Prints the hash's line, and returns its time.
pub async fn measure(others: Option<&Others>) -> anyhow::Result<Duration> {
    let hasher = Hasher::from_env(&Env::new(&|_| None))?;
    let password = Password::presented("correct horse battery staple")
        .map_err(|reason| anyhow!("{}", reason.detail))?;
    let params =
        Params::new(MEMORY_KIB, ITERATIONS, 1, None).map_err(|error| anyhow!("{error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let arguments = [MEMORY_KIB, ITERATIONS].map(|number| number.to_string());
    let arguments = arguments.each_ref().map(String::as_str);
    let reference = |others: &Others| others.python("argon2_reference.py", &arguments);
    let mut reference = others.map(reference).transpose()?;
    let (mut reused, mut fresh, mut of_reference) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..HASHES {
        let began = Instant::now();
        hasher.hash(&password).await?;
        reused.push(began.elapsed());

        let began = Instant::now();
        let mut output = [0; 32];
        argon2
            .hash_password_into(
                b"correct horse battery staple",
                b"sixteen octets!!",
                &mut output,
            )
            .map_err(|error| anyhow!("{error}"))?;
        fresh.push(began.elapsed());

        if let Some(reference) = &mut reference {
            of_reference.push(reference.time()?);
        }
    }
    let reused = median(&mut reused).context("nothing was measured")?;
    let fresh = median(&mut fresh).context("nothing was measured")?;
    let compare = |theirs: Duration, name: &str, limit: &str| {
        row(
            "Argon2id hash, 19 MiB, t=2",
            millis(reused),
            format!("{}, {name}", millis(theirs)),
            reused.as_secs_f64() / theirs.as_secs_f64(),
            limit,
        );
    };
    compare(fresh, "allocating each time", "");
    if let Some(theirs) = median(&mut of_reference) {
        compare(theirs, "the C reference (argon2-cffi)", "0.85");
    }
    Ok(reused)
}
