//! The mailbox of local runs: it stands in for Amazon SES, keeps what the functions send, and shows
//! it at the gateway.
//!
//! - `message`: reads and checks a request of SES v2, as SES does.
//! - `server`: the endpoint that the functions send to.
//! - `fault`: the faults that can be tried.
//! - `file`: stores the mails beside the tables.
//! - `pages`: `/mailbox` at the gateway.

pub mod fault;
mod file;
mod links;
mod message;
mod pages;
mod server;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::domain::email::Email;
use shared::platform::clock::Clock;
use shared::platform::{hex, random};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::streams::Outbox;

use self::fault::{Fault, Planned};
use self::file::MailFile;
use self::message::Message;
pub(crate) use self::pages::{only_private, pages, problem};
pub(crate) use self::server::{no_page, operations};

/// How many mails are kept.
pub const KEPT: usize = 200;

/// A mail that was accepted.
#[derive(Clone, Serialize, Deserialize)]
pub struct Mail {
    /// Its identifier, as SES answered.
    pub id: String,
    /// The addresses that it was sent to, separated by commas.
    pub to: String,
    /// The address that it comes from, with its name if it has one.
    pub from: String,
    /// Its subject.
    pub subject: String,
    /// Its text. It is empty if the mail has HTML only.
    pub text: String,
    /// Its HTML, if it has any.
    pub html: Option<String>,
    /// Its further headers.
    pub headers: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The configuration set, if it names one.
    pub configuration_set: Option<String>,
    /// The URLs in its text, or else in its HTML, in their order.
    pub links: Vec<String>,
    /// When it was sent, as in RFC 3339.
    pub sent_at: String,
}

/// Mails hold secrets and addresses, which stay out of logs.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail")
    }
}

impl Mail {
    /// Returns whether it was sent to `address`, which the mailbox compares as logins do.
    pub fn is_to(&self, address: &str) -> bool {
        let wanted = identity(address);
        self.to.split(", ").any(|to| identity(to) == wanted)
    }
}

/// The mails, and what goes wrong with the next ones.
pub struct Mailbox {
    /// The URL of the stand-in for SES.
    pub url: String,
    clock: Clock,
    state: Mutex<State>,
    /// How many mails have ever been accepted.
    arrived: watch::Sender<u64>,
    fault: Mutex<Option<Planned>>,
    /// Where the events go that SES publishes.
    rules: Outbox,
}

#[derive(Default)]
struct State {
    mails: VecDeque<Arc<Mail>>,
    file: Option<MailFile>,
}

impl Mailbox {
    /// Returns a mailbox whose stand-in for SES is at `url`, and publishes its events to `rules`. With
    /// a `path`, the mails are in that file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or written.
    pub(crate) fn open(
        url: String,
        clock: Clock,
        path: Option<&Path>,
        rules: Outbox,
    ) -> anyhow::Result<Arc<Self>> {
        let mut state = State::default();
        if let Some(path) = path {
            let (file, mails) = MailFile::open(path)?;
            state.mails = mails;
            state.file = Some(file);
        }
        let (arrived, _) = watch::channel(state.mails.len() as u64);
        let mailbox = Self {
            url,
            clock,
            state: Mutex::new(state),
            arrived,
            fault: Mutex::default(),
            rules,
        };
        Ok(Arc::new(mailbox))
    }

    /// Returns the mails, oldest first.
    pub fn mails(&self) -> Vec<Arc<Mail>> {
        self.state().mails.iter().cloned().collect()
    }

    /// Returns the mail `id`, if it is kept.
    pub fn mail(&self, id: &str) -> Option<Arc<Mail>> {
        self.state().mails.iter().find(|it| it.id == id).cloned()
    }

    /// Returns the latest mail to `to` of those after the mail `after`. Without an address, mails to
    /// all addresses count. If `after` is not kept, all mails came after it.
    pub fn latest(&self, to: Option<&str>, after: Option<&str>) -> Option<Arc<Mail>> {
        let state = self.state();
        let latest_first = state.mails.iter().rev();
        let mut later = latest_first.take_while(|mail| after != Some(mail.id.as_str()));
        let found = later.find(|mail| to.is_none_or(|to| mail.is_to(to)));
        found.cloned()
    }

    /// Returns the same, and waits for such a mail if there is none yet, but no longer than `wait`.
    pub async fn wait(
        &self,
        to: Option<&str>,
        after: Option<&str>,
        wait: Duration,
    ) -> Option<Arc<Mail>> {
        let mut arrivals = self.arrived.subscribe();
        let found = async {
            loop {
                arrivals.mark_unchanged();
                if let Some(mail) = self.latest(to, after) {
                    return Some(mail);
                }
                arrivals.changed().await.ok()?;
            }
        };
        timeout(wait, found).await.ok().flatten()
    }

    /// Returns how many mails have ever arrived.
    pub fn arrived(&self) -> u64 {
        *self.arrived.borrow()
    }

    /// Waits until more than `seen` mails have arrived, and returns those after the first `seen`
    /// that are still kept, and how many have arrived.
    pub async fn next(&self, seen: u64) -> (Vec<Arc<Mail>>, u64) {
        let mut arrivals = self.arrived.subscribe();
        // The sender is `self`, so this cannot fail.
        let _ = arrivals.wait_for(|arrived| *arrived > seen).await;
        let state = self.state();
        let arrived = self.arrived();
        let new = usize::try_from(arrived.saturating_sub(seen)).unwrap_or(KEPT);
        let old = state.mails.len().saturating_sub(new);
        (state.mails.iter().skip(old).cloned().collect(), arrived)
    }

    /// Lets mails go wrong from now on, as `fault` says, in place of the fault that was set before.
    pub fn fail(&self, fault: impl Into<Planned>) {
        *self.fault() = Some(fault.into());
    }

    /// Lets no mail go wrong from now on.
    pub fn heal(&self) {
        *self.fault() = None;
    }

    /// Returns what is to go wrong with the next mail.
    fn next_fault(&self) -> Option<Fault> {
        let mut planned = self.fault();
        let fault = planned.as_mut()?.take();
        if fault.is_none() {
            *planned = None;
        }
        fault
    }

    /// Keeps a mail and returns it.
    fn accept(&self, message: Message) -> Arc<Mail> {
        let millis = self.clock.millis();
        let mail = Arc::new(Mail {
            id: format!("{millis:016x}-{}-000000", hex(&random::octets::<16>())),
            links: links::of(&message.text, message.html.as_deref()),
            to: message.recipients.join(", "),
            from: message.from,
            subject: message.subject,
            text: message.text,
            html: message.html,
            headers: message.headers,
            tags: message.tags,
            configuration_set: message.configuration_set,
            sent_at: rfc3339(millis),
        });
        let mut state = self.state();
        if let Some(file) = &mut state.file
            && let Err(error) = file.append(&mail)
        {
            tracing::error!(%error, "cannot store a mail, so it is lost at the next start");
        }
        state.mails.push_back(Arc::clone(&mail));
        while state.mails.len() > KEPT {
            state.mails.pop_front();
        }
        // While the state is locked, so that `next` sees both or neither.
        self.arrived.send_modify(|arrived| *arrived += 1);
        mail
    }

    /// Publishes the event of a bounce or of a complaint, as SES does on EventBridge. SES publishes
    /// none if the mail has no configuration set.
    fn publish(&self, mail: &Mail, detail_type: &str, (name, detail): (&str, Value)) {
        let Some(configuration_set) = &mail.configuration_set else {
            tracing::warn!(
                id = mail.id,
                "SES publishes no event of a mail without a configuration set, and neither does this"
            );
            return;
        };
        let mut tags: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        tags.insert("ses:configuration-set", vec![configuration_set]);
        let given = mail.tags.iter();
        tags.extend(given.map(|(name, value)| (name.as_str(), vec![value.as_str()])));
        let destination: Vec<_> = mail.to.split(", ").collect();
        let now = rfc3339(self.clock.millis());
        let mut event = json!({
            "version": "0",
            "id": hex(&random::octets::<16>()),
            "detail-type": detail_type,
            "source": "aws.ses",
            "account": "000000000000",
            "time": now,
            "region": "local",
            "resources": [format!(
                "arn:aws:ses:local:000000000000:configuration-set/{configuration_set}"
            )],
            "detail": {
                "eventType": name,
                "mail": {
                    "timestamp": mail.sent_at,
                    "source": mail.from,
                    "sendingAccountId": "000000000000",
                    "messageId": mail.id,
                    "destination": destination,
                    "headersTruncated": false,
                    "headers": [],
                    "commonHeaders": {
                        "from": [mail.from],
                        "to": destination,
                        "messageId": mail.id,
                        "subject": mail.subject,
                    },
                    "tags": tags,
                },
            },
        });
        let mut detail = detail;
        detail["timestamp"] = json!(now);
        detail["feedbackId"] = json!(hex(&random::octets::<16>()));
        event["detail"][name.to_ascii_lowercase()] = detail;
        self.rules.pass(None, event);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self) -> MutexGuard<'_, Option<Planned>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what identifies an address: its fingerprint, as for accounts, or else its lower case.
fn identity(address: &str) -> String {
    match Email::parse(address) {
        Ok(email) => email.fingerprint(),
        Err(_) => address.trim().to_ascii_lowercase(),
    }
}

fn rfc3339(millis: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok();
    let text = time.and_then(|time| time.format(&Rfc3339).ok());
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests;
