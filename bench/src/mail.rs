//! Measures what a request for a mail costs, and whether its time reveals that an account exists.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use local::Local;
use serde_json::{Value, json};
use shared::domain::throttle::{AttemptKey, Attempts, Place, Source};
use shared::domain::{Account, Email, Hasher, Name, NewAccount, Password, PasswordHash};
use shared::platform::{Clock, Env};
use shared::store::{Created, Store};

use crate::accounts::{guessed_right, quartiles};
use crate::report::{Amount, Most, Report};
use crate::{PASSWORD, ask, median, with_local_of};

/// The number of requests of each kind.
const REQUESTS: u32 = 400;
/// How often a guess by time may be right, in percent.
const GUESS: f64 = 55.0;

/// Adds the rows of the requests for mails.
pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    // Weak hashes leave the requests of a login almost alone.
    let off = with_local_of(&[], true, async |local| {
        compare_with_login(local, report).await?;
        for path in ["/password/forgot", "/email/verify/resend"] {
            uniform(local, path, report).await?;
        }
        Ok(())
    });
    off.await?;
    let first = [("EmailVerification", "first")];
    with_local_of(&first, true, async |local| {
        uniform(local, "/register", report).await
    })
    .await
}

/// Compares a forgotten password with a refused login, which makes the same kind of requests.
async fn compare_with_login(local: &Local, report: &mut Report) -> anyhow::Result<()> {
    let (mut forgotten, mut refused) = (Vec::new(), Vec::new());
    for n in 0..REQUESTS {
        let email = format!("nobody{n}@example.com");
        let body = json!({ "email": email });
        forgotten.push(time(local, "/password/forgot", &body, 2 * n, 202).await?);
        let body = json!({ "email": email, "password": PASSWORD });
        refused.push(time(local, "/login", &body, 2 * n + 1, 401).await?);
    }
    report.add(
        "forgotten password: the whole request",
        Amount::Time(median(&mut forgotten).context("nothing was measured")?),
        Amount::Time(median(&mut refused).context("nothing was measured")?),
        "a refused login with a hash of 8 KiB",
        Most::Ratio(1.2),
    );
    Ok(())
}

/// Compares the times for addresses with and without an account.
async fn uniform(local: &Local, path: &str, report: &mut Report) -> anyhow::Result<()> {
    let variables = local.environment.get("register").context("no register")?;
    let lookup = |name: &str| variables.get(name).cloned();
    let store = Store::from_env(&Env::new(&lookup))?;
    let password = Password::presented(PASSWORD);
    let password = password.map_err(|fault| anyhow!("a password: {}", fault.code))?;
    let hasher = Hasher::from_env(&Env::new(&|_| None))?;
    let hash = hasher.hash(&password).await?;
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..REQUESTS {
        for place in 0..2 {
            // Each kind is equally often first.
            let kind = (place + n as usize) % 2;
            let name = path.replace('/', ".");
            let email = format!("user{n}.{kind}{name}@example.com");
            // An account is opened before each request, so that caches are in the same state.
            let opened = if kind == 0 {
                email.clone()
            } else {
                format!("another.{email}")
            };
            open(&store, &hash, &opened).await?;
            let body = match path {
                "/register" => registration(&email),
                _ => json!({ "email": email }),
            };
            let source = 2 * n + u32::try_from(kind)?;
            times[kind].push(time(local, path, &body, source, 202).await?);
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort_unstable();
        times
    });
    let right = guessed_right(&known, &unknown);
    report.add_share(
        &format!("POST {path}: a guess by time whether the address has an account is right"),
        right,
        format!(
            "{}, no account: {}",
            quartiles(&known)?,
            quartiles(&unknown)?
        ),
        GUESS,
    );
    Ok(())
}

/// Opens an account as the function does once an address is proven, whatever the deployment asks of
/// registrations.
async fn open(store: &Store, hash: &PasswordHash, email: &str) -> anyhow::Result<()> {
    let email = Email::parse(email).map_err(|fault| anyhow!("{email}: {}", fault.code))?;
    let source = Source::of("203.0.113.7");
    let key = AttemptKey::new(&email, Place::Address, &source);
    let name = || Name::parse("Ada").map_err(|fault| anyhow!("a name: {}", fault.code));
    let new = NewAccount {
        email,
        first_name: name()?,
        last_name: name()?,
        locale: None,
    };
    let now = Clock::System.millis();
    let account = Account::open(new, now);
    let attempts = Attempts::of_new_account(&key, now / 1000);
    let created = store.create_account(&account, hash, (&key, &attempts), &[]);
    ensure!(created.await? == Created::Done, "an address has an account");
    Ok(())
}

fn registration(email: &str) -> Value {
    json!({
        "email": email, "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace",
    })
}

/// Returns how long a request takes.
async fn time(
    local: &Local,
    path: &str,
    body: &Value,
    source: u32,
    status: u16,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let (answered, answer) = ask(local, path, body, source).await?;
    let took = began.elapsed();
    ensure!(answered == status, "{path}: {answered} {answer}");
    // In AWS the mailer runs elsewhere. Here it would slow down the next request.
    local.streams.settle().await;
    Ok(took)
}
