//! Argon2id with reused memory, compared with Argon2id that allocates for each hash.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use shared::domain::password::Password;
use shared::domain::password::hasher::Hasher;
use shared::platform::config::Env;
use tokio::process::Command;

use crate::others::Others;
use crate::report::{Amount, Most, Report};
use crate::{PASSWORD, median};

const HASHES: usize = 40;
const MEMORY_KIB: u32 = 19456;
const ITERATIONS: u32 = 2;

/// A hash as login makes it.
pub struct Hash {
    hasher: Hasher,
    password: Password,
}

impl Hash {
    /// Prepares the hash of a password with the template's parameters.
    ///
    /// # Errors
    ///
    /// Returns an error if the parameters are invalid.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            hasher: Hasher::from_env(&Env::new(&|_| None))?,
            password: Password::presented(PASSWORD)
                .map_err(|reason| anyhow!("{}", reason.detail))?,
        })
    }

    /// Measures the first hash of a process, which includes allocating its memory. Runs it in a new
    /// process.
    ///
    /// # Errors
    ///
    /// Returns an error if that process cannot be started or fails.
    pub async fn first() -> anyhow::Result<Duration> {
        let mut process = Command::new(std::env::current_exe()?);
        let output = process.arg("--hash").output().await?;
        ensure!(output.status.success(), "the process that hashes failed");
        let nanos = String::from_utf8(output.stdout)?;
        Ok(Duration::from_nanos(nanos.trim().parse()?))
    }

    /// Measures one hash.
    ///
    /// # Errors
    ///
    /// Returns an error if the hash fails.
    pub async fn time(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        self.hasher.hash(&self.password).await?;
        Ok(began.elapsed())
    }
}

/// Adds the hash's rows.
pub async fn measure(others: Option<&Others>, report: &mut Report) -> anyhow::Result<()> {
    let hash = Hash::new()?;
    let mut moved = (
        vec![1_u8; MEMORY_KIB as usize * 1024],
        vec![0_u8; MEMORY_KIB as usize * 1024],
    );
    let params =
        Params::new(MEMORY_KIB, ITERATIONS, 1, None).map_err(|error| anyhow!("{error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let arguments = [MEMORY_KIB, ITERATIONS].map(|number| number.to_string());
    let arguments = arguments.each_ref().map(String::as_str);
    let reference = |others: &Others| others.python("argon2_reference.py", &arguments);
    let mut reference = others.map(reference).transpose()?;
    let (mut reused, mut fresh, mut of_reference) = (Vec::new(), Vec::new(), Vec::new());
    let mut moves = Vec::new();
    for _ in 0..HASHES {
        reused.push(hash.time().await?);

        let began = Instant::now();
        let mut output = [0; 32];
        argon2
            .hash_password_into(PASSWORD.as_bytes(), b"sixteen octets!!", &mut output)
            .map_err(|error| anyhow!("{error}"))?;
        fresh.push(began.elapsed());

        let began = Instant::now();
        for _ in 0..ITERATIONS {
            moved.1.copy_from_slice(std::hint::black_box(&moved.0));
            std::hint::black_box(&mut moved.1);
        }
        moves.push(began.elapsed());

        if let Some(reference) = &mut reference {
            of_reference.push(reference.time()?);
        }
    }
    let reused = median(&mut reused).context("nothing was measured")?;
    let fresh = median(&mut fresh).context("nothing was measured")?;
    let moves = median(&mut moves).context("nothing was measured")?;
    let mut compare = |theirs: Duration, name: &str, most: Most| {
        let (ours, theirs) = (Amount::Time(reused), Amount::Time(theirs));
        report.add("Argon2id hash, 19 MiB, t=2", ours, theirs, name, most);
    };
    if let Some(theirs) = median(&mut of_reference) {
        compare(theirs, "the C reference (argon2-cffi)", Most::Ratio(0.85));
    }
    compare(fresh, "allocating each time", Most::Any);
    compare(moves, "moving 2 times 19 MiB in memory", Most::Any);
    Ok(())
}
