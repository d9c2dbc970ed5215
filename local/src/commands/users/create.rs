//! `latchkey users create`.

use shared::domain::throttle::{AttemptKey, Attempts, Place};
use shared::domain::{Account, Email, Locale, Name, NewAccount, Role};
use shared::observe::AuditEvent;
use shared::platform::clock::Clock;
use shared::store::Invited;

use super::super::Failure;
use super::super::target::Target;
use super::{Format, named, say, secrets, token_size};

/// Makes an account, such as the first administrator's, and asks for its password. The address
/// counts as proven.
#[derive(clap::Args)]
pub(super) struct Create {
    /// Give the role admin, whose owners may administer accounts.
    #[arg(long)]
    superuser: bool,
    /// The address to log in with.
    #[arg(long, value_parser = email)]
    email: Email,
    /// The first name [default: what stands before the @ of the address].
    #[arg(long, value_name = "NAME", value_parser = first_name)]
    first_name: Option<Name>,
    /// The last name [default: none].
    #[arg(long, value_name = "NAME", value_parser = last_name)]
    last_name: Option<Name>,
    /// The language of mails, such as de-CH (BCP 47) [default: the parameter MailLanguage].
    #[arg(long, value_name = "TAG", value_parser = locale)]
    locale: Option<Locale>,
    /// A role; may be repeated.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Vec<Role>,
    #[command(flatten)]
    password: secrets::Source,
    #[command(flatten)]
    format: Format,
}

/// Makes an account.
pub(super) async fn run(target: &Target, asked: Create) -> Result<(), Failure> {
    let account = account(&asked)?;
    token_size::check(target, &account)?;
    let taken = || {
        let address = account.email.as_str();
        Failure::Conflict(format!(
            "{address} has an account already; `latchkey users roles {address} --add` gives it roles"
        ))
    };
    // Before anybody types a password for nothing. The write decides.
    if target
        .store
        .owner(&account.email.fingerprint())
        .await?
        .is_some()
    {
        return Err(taken());
    }
    let hash = asked.password.hash(target, &account).await?;
    let actor = target.actor();
    let origin = target.origin();
    let key = AttemptKey::new(&account.email, Place::Address, &origin.source());
    let invited = AuditEvent::AccountInvited.of(account.id);
    let events = [target.event(invited, account.id, &actor)];
    let attempts = (&key, &Attempts::default());
    let made = target
        .store
        .invite(None, &account, &hash, attempts, &events);
    match made.await? {
        Invited::Done => {
            let named = named(&account);
            let what = match account.is_administrator() {
                true => ", an administrator,",
                false => "",
            };
            let sentence = format!("Made the account {named}{what} in {}.", target.place());
            say(asked.format, &account, &sentence)
        }
        Invited::EmailTaken => Err(taken()),
        // Nobody's rights are checked here.
        Invited::ActorGone => Err(Failure::Conflict("nothing was changed".to_owned())),
    }
}

fn account(asked: &Create) -> Result<Account, Failure> {
    let email = asked.email.clone();
    let local_part = email.ascii().split('@').next().unwrap_or_default();
    let first_name = match &asked.first_name {
        Some(name) => name.clone(),
        None => first_name(local_part).map_err(Failure::Refused)?,
    };
    let last_name = match &asked.last_name {
        Some(name) => name.clone(),
        None => last_name("").map_err(Failure::Refused)?,
    };
    let new = NewAccount {
        email,
        first_name,
        last_name,
        locale: asked.locale.clone(),
    };
    let mut account = Account::open(new, Clock::System.millis());
    account.email_verified = true;
    let admin = asked.superuser.then_some(Account::ADMINISTRATOR);
    account.roles = admin
        .into_iter()
        .filter_map(|role| role.parse().ok())
        .collect();
    for role in &asked.role {
        if !account.roles.contains(role) {
            account.roles.push(role.clone());
        }
    }
    Ok(account)
}

fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|reason| reason.detail.into_owned())
}

fn first_name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|reason| reason.detail.into_owned())
}

fn last_name(text: &str) -> Result<Name, String> {
    Name::parse_last(text).map_err(|reason| reason.detail.into_owned())
}

fn locale(text: &str) -> Result<Locale, String> {
    Locale::parse(text).map_err(|reason| reason.detail.into_owned())
}

/// Parses a role.
pub(super) fn role(text: &str) -> Result<Role, String> {
    text.parse()
        .map_err(|_| "a role has 1 to 64 of the characters a-z 0-9 . _ : -".to_owned())
}
