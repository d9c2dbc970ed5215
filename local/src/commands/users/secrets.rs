//! New passwords: typed twice at a terminal, or read from a file descriptor. Never an argument,
//! which other users of the machine can see.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use shared::domain::{Account, Hasher, PasswordHash, PasswordPolicy, personal_words};

use super::super::target::Target;
use super::super::{Failure, terminal};

/// How often a password may be typed that the policy refuses.
const TRIES: usize = 3;

/// Where a password comes from. Without any of these: the terminal, which does not show it.
#[derive(clap::Args)]
pub(super) struct Source {
    /// Read the password from this file descriptor, up to the end of its first line.
    #[arg(long, value_name = "N", conflicts_with = "password_stdin")]
    password_fd: Option<u32>,
    /// Read the password from standard input, up to the end of its first line.
    #[arg(long)]
    password_stdin: bool,
}

impl Source {
    /// Reads a new password for `account`, checks it by the policy of the deployment, and returns
    /// its hash.
    ///
    /// # Errors
    ///
    /// Returns an error if there is nobody to ask, or if the policy refuses the password.
    pub(super) async fn hash(
        &self,
        target: &Target,
        account: &Account,
    ) -> Result<PasswordHash, Failure> {
        let policy = target.setting(PasswordPolicy::from_env)?;
        let hasher = target.setting(Hasher::from_env)?;
        let names = [Some(&account.first_name), Some(&account.last_name)];
        let words = personal_words(Some(&account.email), names);
        let given = self.given().await?;
        for _ in 0..TRIES {
            let text = match &given {
                Some(text) => text.clone(),
                None => match asked().await? {
                    Some(text) => text,
                    None => {
                        terminal::tell("The two are not the same.")?;
                        continue;
                    }
                },
            };
            match policy.choose(&text, &words) {
                Ok(password) => {
                    let hash = hasher.hash(&password).await;
                    return Ok(hash.map_err(anyhow::Error::from)?);
                }
                Err(reason) if given.is_none() => {
                    terminal::tell(&format!("The password {}.", reason.detail))?;
                }
                Err(reason) => {
                    return Err(Failure::Refused(format!("the password {}", reason.detail)));
                }
            }
        }
        Err(Failure::Refused("nothing was changed".to_owned()))
    }

    /// Returns the password that is not to be asked for.
    async fn given(&self) -> Result<Option<String>, Failure> {
        match self.password_fd {
            Some(number) => {
                let file = File::open(format!("/dev/fd/{number}")).map_err(|error| {
                    Failure::Refused(format!("cannot read file descriptor {number}: {error}"))
                })?;
                Ok(Some(first_line(file).await?))
            }
            None if self.password_stdin => Ok(Some(first_line(io::stdin()).await?)),
            None if terminal::is_there() => Ok(None),
            None => Err(Failure::Refused(
                "there is no terminal to ask for the password in: give --password-stdin or \
                 --password-fd"
                    .to_owned(),
            )),
        }
    }
}

async fn asked() -> io::Result<Option<String>> {
    let first = terminal::ask_secretly("Password:").await?;
    let again = terminal::ask_secretly("Password (again):").await?;
    Ok((first == again).then_some(first))
}

/// Returns the first line, without its end.
///
/// # Errors
///
/// Returns one sentence if somebody would have to type it where it is shown.
async fn first_line(input: impl Read + IsTerminal + Send + 'static) -> Result<String, Failure> {
    /// More than the longest password.
    const MOST: u64 = 4096;
    if input.is_terminal() {
        return Err(Failure::Refused(
            "a terminal would show the password: give no flag, and it is asked for".to_owned(),
        ));
    }
    let octets = terminal::first_line(input, MOST).await?;
    String::from_utf8(octets)
        .map_err(|_| Failure::Refused("the password is not in UTF-8".to_owned()))
}
