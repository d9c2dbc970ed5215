//! Finds out whom a request for a mail concerns, and which letters follow from it.

use std::fmt;

use shared::domain::{Email, Link, Locale, Mail, MailRequest, Purpose, Recipient, Subject, UserId};
use shared::store::StoreError;

use crate::Mailer;
use crate::letter::{Letter, purpose_of};

/// A letter that is to be written.
#[derive(Debug)]
pub struct Draft {
    /// The letter.
    pub letter: Letter,
    /// Where it goes.
    pub to: Email,
    /// The account that it is about, or the one that a pending registration opens.
    pub user_id: UserId,
    /// The language that whoever it is written to has chosen, if any.
    pub locale: Option<Locale>,
    /// The link that gets a new secret for it.
    pub link: Option<Link>,
}

/// The reason why there is nothing to send. Whoever caused the event is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// The event is older than the link would be good for, or than a notice is of use.
    TooOld,
    /// The address has no account, or the account is gone.
    NoAccount,
    /// The account is disabled or being deleted.
    AccountDisabled,
    /// The account has another password or another address by now.
    AccountChanged,
    /// The address is proven.
    AlreadyVerified,
    /// There is no link or no pending registration, or no longer.
    Gone,
    /// The link was used.
    Used,
    /// A mail to the address came back, or its owner has complained.
    Unreachable,
    /// The address got as many such notices in this hour as it may.
    TooMany,
    /// The deployment sends no mail.
    Off,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooOld => "too_old",
            Self::NoAccount => "no_account",
            Self::AccountDisabled => "account_disabled",
            Self::AccountChanged => "account_changed",
            Self::AlreadyVerified => "already_verified",
            Self::Gone => "gone",
            Self::Used => "used",
            Self::Unreachable => "unreachable",
            Self::TooMany => "too_many",
            Self::Off => "off",
        })
    }
}

/// The reason why a look-up ended.
#[derive(Debug)]
pub enum Stop {
    /// There is nothing to send.
    Skip(Skip),
    /// The store did not answer, or an item is unreadable.
    Store(StoreError),
}

impl From<Skip> for Stop {
    fn from(skip: Skip) -> Self {
        Self::Skip(skip)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Mailer {
    /// The age at which a notice is of no use any more, in seconds.
    const NOTICE_SECONDS: u64 = 60 * 60;

    /// Returns the letters that a request leads to, first those with links.
    ///
    /// # Errors
    ///
    /// Returns the reason if there is none.
    pub(crate) async fn drafts(&self, request: &MailRequest, now: u64) -> Result<Vec<Draft>, Stop> {
        let purpose = purpose_of(request.mail);
        let lifetime = purpose.map_or(Self::NOTICE_SECONDS, Purpose::seconds);
        if now >= ends(request, lifetime) {
            return Err(Skip::TooOld.into());
        }
        match request.mail {
            Mail::PasswordReset => {
                let owner = self.owner_of(&request.subject).await?;
                Ok(vec![with_link(Letter::PasswordReset, owner, request)])
            }
            Mail::EmailVerification => {
                let owner = self.owner_of(&request.subject).await?;
                if owner.is_verified {
                    return Err(Skip::AlreadyVerified.into());
                }
                Ok(vec![with_link(Letter::EmailVerification, owner, request)])
            }
            Mail::Invitation => {
                let owner = self.owner_of(&request.subject).await?;
                // Its owner has set a password with another link.
                if owner.is_verified {
                    return Err(Skip::AlreadyVerified.into());
                }
                Ok(vec![with_link(Letter::Invitation, owner, request)])
            }
            Mail::Registration => Ok(vec![self.registration(request).await?]),
            Mail::EmailChange => self.email_change(request).await,
            Mail::PasswordChanged => self.notice(Letter::PasswordChanged, request).await,
            Mail::NewSource => self.notice(Letter::NewSource, request).await,
            Mail::TokenReused => self.notice(Letter::TokenReused, request).await,
            Mail::EmailChanged => {
                let owner = self.owner_of(&request.subject).await?;
                let link = request.link.ok_or(Skip::Gone)?;
                let link = self.store.link(owner.user_id, link).await?;
                let from = link.and_then(|link| link.from).ok_or(Skip::Gone)?;
                Ok(vec![Draft {
                    letter: Letter::EmailChanged,
                    to: from,
                    user_id: owner.user_id,
                    locale: owner.locale,
                    link: None,
                }])
            }
        }
    }

    /// Returns the owner of an active account.
    async fn owner_of(&self, subject: &Subject) -> Result<Recipient, Stop> {
        let user_id = match subject {
            Subject::User(user_id) => *user_id,
            Subject::Address(address) => self.store.owner(address).await?.ok_or(Skip::NoAccount)?,
        };
        let owner = self.store.recipient(user_id).await?;
        let owner = owner.ok_or(Skip::NoAccount)?;
        if let Subject::Address(address) = subject
            && owner.email.fingerprint() != *address
        {
            // Between the two reads, the account has moved to another address.
            return Err(Skip::AccountChanged.into());
        }
        match owner.is_active {
            true => Ok(owner),
            false => Err(Skip::AccountDisabled.into()),
        }
    }

    /// Returns the letter for a pending registration: its link, or the note that the address has an
    /// account, which goes to the address as the account has it.
    async fn registration(&self, request: &MailRequest) -> Result<Draft, Stop> {
        let user_id = request.pending.ok_or(Skip::Gone)?;
        let registrant = self.store.registrant(user_id).await?.ok_or(Skip::Gone)?;
        let address = registrant.email.fingerprint();
        if request.subject != Subject::Address(address.clone()) {
            return Err(Skip::Gone.into());
        }
        if self.store.owner(&address).await?.is_some() {
            let owner = self.owner_of(&request.subject).await?;
            // A note, which anybody causes who knows the address.
            if !owner.is_reachable {
                return Err(Skip::Unreachable.into());
            }
            return Ok(Draft {
                letter: Letter::AlreadyRegistered,
                to: owner.email,
                user_id: owner.user_id,
                locale: owner.locale,
                link: None,
            });
        }
        Ok(Draft {
            letter: Letter::Registration,
            to: registrant.email.clone(),
            user_id,
            locale: registrant.locale,
            link: Some(Link {
                user_id,
                id: request.id,
                purpose: Purpose::Registration,
                email: registrant.email,
                from: None,
                password_epoch: 0,
                session_id: None,
                told: false,
                expires_at: ends(request, Purpose::Registration.seconds()),
                hashes: Vec::new(),
            }),
        })
    }

    /// Returns the letter to the new address, unless it has got it, and the notice to the present one.
    async fn email_change(&self, request: &MailRequest) -> Result<Vec<Draft>, Stop> {
        let owner = self.owner_of(&request.subject).await?;
        let id = request.link.ok_or(Skip::Gone)?;
        let link = self.store.link(owner.user_id, id).await?;
        let link = link.filter(|link| link.purpose == Purpose::EmailChange);
        let link = link.ok_or(Skip::Gone)?;
        if link.password_epoch != owner.password_epoch {
            return Err(Skip::AccountChanged.into());
        }
        let from = link.from.clone().unwrap_or_else(|| owner.email.clone());
        let mut drafts = Vec::new();
        if !link.told
            && let Some(draft) = self.to_new_address(&owner, link).await?
        {
            drafts.push(draft);
        }
        if owner.is_reachable {
            drafts.push(Draft {
                letter: Letter::EmailChangeAsked,
                to: from,
                user_id: owner.user_id,
                locale: owner.locale,
                link: None,
            });
        }
        if drafts.is_empty() {
            return Err(Skip::Unreachable.into());
        }
        Ok(drafts)
    }

    /// Returns the letter to the new address: the link, or a note to the owner of the account that the
    /// address has, unless mails to it come back.
    async fn to_new_address(&self, owner: &Recipient, link: Link) -> Result<Option<Draft>, Stop> {
        let to = link.email.clone();
        let (letter, locale, link) = match self.store.owner(&to.fingerprint()).await? {
            // The letter is for somebody else, and in their language.
            Some(other) => match self.store.recipient(other).await? {
                Some(other) if !other.is_reachable => return Ok(None),
                other => {
                    let locale = other.and_then(|other| other.locale);
                    (Letter::EmailChangeTaken, locale, None)
                }
            },
            None => (Letter::EmailChange, owner.locale.clone(), Some(link)),
        };
        Ok(Some(Draft {
            letter,
            to,
            user_id: owner.user_id,
            locale,
            link,
        }))
    }

    async fn notice(&self, letter: Letter, request: &MailRequest) -> Result<Vec<Draft>, Stop> {
        let owner = self.owner_of(&request.subject).await?;
        if !owner.is_reachable {
            return Err(Skip::Unreachable.into());
        }
        Ok(vec![Draft {
            letter,
            to: owner.email,
            user_id: owner.user_id,
            locale: owner.locale,
            link: None,
        }])
    }
}

/// Returns when something that a request asks for ends, `lifetime` seconds after the request: a
/// delivery again computes the same.
fn ends(request: &MailRequest, lifetime: u64) -> u64 {
    (request.id.millis() / 1000).saturating_add(lifetime)
}

/// Returns a letter to the owner of an account, with a link.
fn with_link(letter: Letter, owner: Recipient, request: &MailRequest) -> Draft {
    let link = letter.purpose().map(|purpose| Link {
        user_id: owner.user_id,
        id: request.id,
        purpose,
        email: owner.email.clone(),
        from: None,
        password_epoch: owner.password_epoch,
        session_id: None,
        told: false,
        expires_at: ends(request, purpose.seconds()),
        hashes: Vec::new(),
    });
    Draft {
        letter,
        to: owner.email,
        user_id: owner.user_id,
        locale: owner.locale,
        link,
    }
}
