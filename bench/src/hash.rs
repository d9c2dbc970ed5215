//! Argon2id with its memory reused, beside Argon2id that allocates for each hash.

use std::time::Instant;

use anyhow::{Context as _, anyhow};
use argon2::{Algorithm, Argon2, Params, Version};
use shared::config::Env;
use shared::people::hasher::Hasher;
use shared::people::password::Password;

use crate::{median, millis, row};

const HASHES: usize = 40;

/// Prints the hash's line.
pub async fn measure() -> anyhow::Result<()> {
    let hasher = Hasher::from_env(&Env::new(&|_| None))?;
    let password = Password::presented("correct horse battery staple")
        .map_err(|reason| anyhow!("{}", reason.detail))?;
    let params = Params::new(19456, 2, 1, None).map_err(|error| anyhow!("{error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (mut reused, mut fresh) = (Vec::new(), Vec::new());
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
    }
    let reused = median(&mut reused).context("nothing was measured")?;
    let fresh = median(&mut fresh).context("nothing was measured")?;
    let ratio = reused.as_secs_f64() / fresh.as_secs_f64();
    let beside = format!("{}, allocating each time", millis(fresh));
    row(
        "Argon2id hash, 19 MiB, t=2",
        millis(reused),
        beside,
        ratio,
        "1.00",
    );
    Ok(())
}
