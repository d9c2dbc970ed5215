//! `latchkey users import`.

mod check;
mod pipeline;
mod repeats;
mod report;
mod secrets;
mod source;
mod summary;
mod survey;

pub(super) use check::extra_work;

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use import::exports::{HashConfig, Options, System};
use shared::domain::Hasher;
use shared::domain::password::legacy::{SecretName, Work};
use shared::platform::clock::Clock;
use shared::platform::settings::{ARGON2_ITERATIONS, ARGON2_MEMORY_KIB, IMPORTED_HASH_MILLIS};
use shared::tokens::TokenSize;

use super::super::Failure;
use super::super::target::Target;
use super::progress::Progress;
use super::{Format, Sure, confirm};
use check::Rules;
use report::Report;
use secrets::SecretsFile;
use source::Source;
use summary::Summary;
use survey::Survey;

/// Imports the users of another system with their passwords, and never changes an account that is
/// there. It can be ended and run again at any time: what was imported is not imported twice.
#[derive(clap::Args)]
pub(super) struct Import {
    /// The system whose export it is; `latchkey` for JSON lines with our own names of members.
    #[arg(long, value_name = "SYSTEM", value_parser = systems())]
    from: System,
    /// The export.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Read and check everything, and write no account.
    #[arg(long)]
    dry_run: bool,
    /// Write the records that are refused into this new file, which only you can read, each with the
    /// reasons. Correct it, and import it with --from latchkey.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Firebase's password hash parameters, as the console shows them.
    #[arg(long, value_name = "FILE")]
    hash_config: Option<PathBuf>,
    /// A second export with the password hashes: what Auth0's support sends.
    #[arg(long, value_name = "FILE")]
    passwords: Option<PathBuf>,
    /// The form of the passwords, if it is not the system's own.
    #[arg(long, value_name = "FORMAT")]
    password_format: Option<String>,
    /// The name of the secret of the old site that the passwords were mixed with, such as a pepper.
    #[arg(long, value_name = "NAME")]
    secret: Option<SecretName>,
    /// Make claims of the attributes that only administrators could set: the beginning of their
    /// names, such as https://example.com/ [default: leave them out].
    #[arg(long, value_name = "TEXT")]
    claims_prefix: Option<String>,
    /// Take addresses for proven of which the export does not tell.
    #[arg(long)]
    assume_verified: bool,
    #[command(flatten)]
    sure: Sure,
    #[command(flatten)]
    format: Format,
}

/// Imports users, until `end` comes: what was begun is completed then.
pub(super) async fn run(
    target: &Target,
    asked: Import,
    end: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let mut end = pin!(end);
    let new_report = asked.report.as_deref();
    if let Some(path) = new_report.filter(|path| path.exists()) {
        let path = path.display();
        return Err(Failure::Refused(format!(
            "there is a file \"{path}\" already: give --report another name"
        )));
    }
    let source = source(&asked)?;
    let ordinary = ordinary_work(target)?;
    let survey = survey::survey(source.clone(), ordinary, end.as_mut()).await?;
    let level = level(target, &survey, ordinary)?;
    if !asked.dry_run {
        if let Some(millis) = level.filter(|_| !target.is_local) {
            return Err(Failure::Refused(unlevelled(millis)));
        }
        keep_secrets(target, &source, &survey)?;
        if !target.is_local {
            let question = format!("Import {} records into {}?", survey.records, target.place());
            tokio::select! {
                confirmed = confirm(&asked.sure, &question) => confirmed?,
                () = end.as_mut() => return Err(Failure::Interrupted),
            }
        }
    }
    let mut report = new_report.map(Report::create).transpose()?;
    let records = survey.records;
    let work = pipeline::Work {
        source,
        rules: Rules {
            system: asked.from,
            tokens: target.setting(TokenSize::from_env)?,
            now: Clock::System.now(),
            repeats: survey.repeats,
        },
        hasher: target.setting(Hasher::from_env)?,
        store: target.store.clone(),
        is_dry: asked.dry_run,
        stop: AtomicBool::new(false),
        was_hindered: AtomicBool::new(false),
    };
    let (tally, done) = import(work, records, &mut report, end).await;
    let summary = Summary {
        tally: &tally,
        records,
        is_dry: asked.dry_run,
        place: target.place(),
        report: report.map(Report::finish).transpose()?.flatten(),
        level,
        secrets: &survey.secrets,
    };
    summary.write(asked.format)?;
    done?;
    match tally.refused {
        0 => Ok(()),
        refused => Err(Failure::Partly(format!(
            "{refused} of {} records were refused",
            tally.read()
        ))),
    }
}

async fn import(
    work: pipeline::Work,
    records: u64,
    report: &mut Option<Report>,
    end: Pin<&mut impl Future<Output = ()>>,
) -> (report::Tally, Result<(), Failure>) {
    let what = match work.is_dry {
        true => "Checking",
        false => "Importing",
    };
    let mut progress = Progress::new(what, Some(records));
    let done = pipeline::run(Arc::new(work), report, &mut progress, end).await;
    progress.finish();
    done
}

/// Parses the name of a system.
fn systems() -> impl TypedValueParser<Value = System> {
    let names = System::ALL.map(|system| PossibleValue::new(system.name()).help(system.about()));
    let system = |name: String| name.parse::<System>();
    PossibleValuesParser::new(names).try_map(system)
}

fn source(asked: &Import) -> Result<Source, Failure> {
    let config = asked.hash_config.as_deref().map(|path| {
        let unreadable = |reason: String| {
            Failure::Refused(format!("cannot read \"{}\": {reason}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        HashConfig::parse(&text).map_err(|error| unreadable(error.to_string()))
    });
    Ok(Source {
        system: asked.from,
        path: asked.file.clone(),
        options: Options {
            hash_config: config.transpose()?,
            password_format: asked.password_format.clone(),
            password_secret: asked.secret.clone().map(String::from),
            claims_prefix: asked.claims_prefix.clone(),
            assume_verified: asked.assume_verified,
            passwords: asked.passwords.clone(),
            now: Clock::System.now(),
        },
    })
}

/// Keeps the signer key of Firebase on this machine, and checks that all secrets are there. Those of a
/// stack are where only its functions read them.
fn keep_secrets(target: &Target, source: &Source, survey: &Survey) -> Result<(), Failure> {
    let Some(data_dir) = &target.data_dir else {
        return Ok(());
    };
    let file = SecretsFile::of(data_dir);
    if let Some(config) = &source.options.hash_config {
        let name = source.options.password_secret.as_deref();
        file.keep(name.unwrap_or(HashConfig::SECRET), config.signer_key())?;
    }
    file.check(&survey.secrets)
}

/// Returns the work of verifying an ordinary password.
pub(super) fn ordinary_work(target: &Target) -> Result<Work, Failure> {
    let (memory, passes) = target.setting(|env| {
        Ok((
            env.setting(&ARGON2_MEMORY_KIB)?,
            env.setting(&ARGON2_ITERATIONS)?,
        ))
    })?;
    let [memory, passes] = [memory, passes].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    Ok(Work::of_argon2(memory, passes))
}

/// Returns how many milliseconds the costliest password takes to verify beyond an ordinary one, if
/// the deployment does not level the time of refused logins for it.
fn level(target: &Target, survey: &Survey, ordinary: Work) -> Result<Option<u64>, Failure> {
    let known = target.setting(|env| env.setting(&IMPORTED_HASH_MILLIS))?;
    let costliest = survey.costliest.nanos;
    // Nine tenths of an ordinary password more are within what the time may tell.
    let is_little = costliest.saturating_mul(10) < ordinary.nanos.saturating_mul(9);
    let millis = costliest.div_ceil(1_000_000);
    Ok((!is_little && millis > known).then_some(millis))
}

fn unlevelled(millis: u64) -> String {
    format!(
        "one of these passwords takes about {millis} ms to verify: first deploy with \
         ImportedHashMillis={millis}, so that the time of a refused login does not tell which \
         addresses were imported"
    )
}
