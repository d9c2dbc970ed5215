//! From a record to the account that it becomes.

use import::exports::{Entry, System};
use import::forms::OldPassword;
use import::{Fault, Record, User};
use shared::domain::password::legacy::{Derivation, LegacyScheme, SecretName, Step, Work};
use shared::domain::password::stored::{Absent, Imported, StoredPassword};
use shared::domain::{Account, ExternalId, Hasher, PasswordHash, UserId};
use shared::tokens::TokenSize;

use super::super::super::Failure;
use super::repeats::Repeats;

/// What a record has to satisfy.
pub(super) struct Rules {
    /// The system that wrote the export.
    pub(super) system: System,
    /// The limit on access tokens.
    pub(super) tokens: TokenSize,
    /// The time of the import, in seconds since the epoch.
    pub(super) now: u64,
    /// What occurs more than once in the export.
    pub(super) repeats: Repeats,
}

/// A record that can be imported.
pub(super) struct Candidate {
    /// The record, for the report if the table refuses it.
    pub(super) record: Record,
    /// The account that it becomes.
    pub(super) account: Account,
    /// Its password.
    pub(super) password: Option<OldPassword>,
}

impl Candidate {
    /// Returns whether a hash is made of the password.
    pub(super) fn is_hashed(&self) -> bool {
        matches!(self.password, Some(OldPassword::Digest { .. }))
    }
}

impl Rules {
    /// Returns the account that an entry becomes, or its record with all faults.
    pub(super) fn check(&self, entry: Entry) -> Result<Candidate, Box<Record>> {
        let record = entry.record.clone();
        let is_repeated = self.repeats.has_address(&record);
        let mut faults = Vec::new();
        if is_repeated {
            faults.push(Fault::new(
                "email",
                "duplicate-address",
                "other records of this file have the address too, perhaps in another letter case",
            ));
        }
        let user = match entry.parse() {
            Ok(user) => user,
            Err(mut refused) => {
                refused.faults.extend(faults);
                return Err(refused);
            }
        };
        if self.repeats.has_id(user.id) {
            let detail = "other records of this file have the identifier too";
            faults.push(Fault::new("id", "duplicate-id", detail));
        }
        let (account, password) = self.account(user, &mut faults);
        if !self.tokens.fits(&account, None) {
            let detail = "the access tokens of the account would be too long: it has too many \
                          roles or claims";
            faults.push(Fault::new("claims", "too-long", detail));
        }
        match faults.is_empty() {
            true => Ok(Candidate {
                record,
                account,
                password,
            }),
            false => Err(Box::new(Record { faults, ..record })),
        }
    }

    fn account(&self, user: User, faults: &mut Vec<Fault>) -> (Account, Option<OldPassword>) {
        let external_id = user.external_id.as_deref();
        let id = user.id.unwrap_or_else(|| {
            let external = external_id.unwrap_or_default();
            let millis = user.date_joined.unwrap_or_default().saturating_mul(1000);
            // The same in each run, so that a second run finds what a first one wrote.
            UserId::derived(
                millis,
                [self.system.name(), external, &user.email.canonical()],
            )
        });
        let external_id = external_id.map(ExternalId::parse).transpose();
        let external_id = external_id.unwrap_or_else(|reason| {
            faults.push(Fault::new("external_id", reason.code, reason.detail));
            None
        });
        let account = Account {
            id,
            external_id,
            email: user.email,
            email_verified: user.email_verified,
            first_name: user.first_name,
            last_name: user.last_name,
            locale: user.locale,
            date_joined: user.date_joined.unwrap_or(self.now),
            last_login: user.last_login,
            login_attempt: None,
            roles: user.roles,
            claims: user.claims,
            status: user.status,
            version: 1,
            password_epoch: 1,
        };
        (account, user.password)
    }
}

/// Returns how an account's password is stored. A digest is hashed with Argon2id.
///
/// # Errors
///
/// Returns an error if the hashing itself fails.
pub(super) async fn stored(
    password: Option<OldPassword>,
    hasher: &Hasher,
) -> Result<StoredPassword, Failure> {
    Ok(match password {
        // The old system does not tell the password: its owner gets a mail.
        None => StoredPassword::Absent(Absent::Untold),
        // The old system has none either: its owner gets no mail that they did not ask for.
        Some(OldPassword::Unusable) => StoredPassword::Absent(Absent::Told),
        Some(OldPassword::Stored(stored)) => stored,
        Some(OldPassword::Argon2id { steps, hash }) => {
            let scheme = only(steps);
            StoredPassword::Imported(Imported { scheme, hash })
        }
        Some(OldPassword::Digest { scheme, digest }) => {
            let hash = hasher.wrap(&digest).await.map_err(anyhow::Error::from)?;
            StoredPassword::Imported(Imported { scheme, hash })
        }
    })
}

/// Returns the scheme of steps alone, behind which there is nothing but Argon2id.
fn only(steps: Vec<Step>) -> LegacyScheme {
    LegacyScheme {
        steps,
        ..LegacyScheme::of(Derivation::Plain)
    }
}

/// Returns the names of the secrets of the old site that a password was mixed with.
pub(super) fn secrets(password: &OldPassword) -> Vec<SecretName> {
    match password {
        OldPassword::Digest { scheme, .. } => scheme.secrets().cloned().collect(),
        OldPassword::Argon2id { steps, .. } => only(steps.clone()).secrets().cloned().collect(),
        OldPassword::Stored(StoredPassword::Imported(imported)) => {
            imported.scheme.secrets().cloned().collect()
        }
        OldPassword::Stored(_) | OldPassword::Unusable => Vec::new(),
    }
}

/// Returns the work that it takes to verify a password beyond that of an ordinary one, which takes
/// `ordinary`.
pub(in crate::commands::users) fn extra_work(password: &OldPassword, ordinary: Work) -> Work {
    match password {
        OldPassword::Unusable | OldPassword::Stored(StoredPassword::Absent(_)) => Work::NONE,
        OldPassword::Stored(StoredPassword::Own(hash)) => beyond(hash, ordinary),
        OldPassword::Stored(StoredPassword::Imported(Imported { scheme, hash })) => scheme
            .work()
            .unwrap_or(Work::MOST)
            .and(beyond(hash, ordinary)),
        // What is too costly was refused when it was parsed.
        OldPassword::Digest { scheme, .. } => scheme.work().unwrap_or(Work::MOST),
        OldPassword::Argon2id { hash, .. } => beyond(hash, ordinary),
    }
}

fn beyond(hash: &PasswordHash, ordinary: Work) -> Work {
    let work = hash.work();
    Work {
        nanos: work.nanos.saturating_sub(ordinary.nanos),
        ..work
    }
}
