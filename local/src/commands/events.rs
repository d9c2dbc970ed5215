//! `latchkey events`: the rows of the event table.

use std::collections::BTreeMap;
use std::io::{BufWriter, Stdout, stdout};
use std::time::Duration;

use serde::Serialize;
use shared::domain::{EventId, SessionId, Subject, UserId, rfc3339};
use shared::platform::clock::Clock;
use shared::store::event_log::LoggedEvent;
use tokio::time::sleep;

use super::Failure;
use super::listing::{Format, Listing};
use super::target::{Target, TargetFlags, Who, who};

const COLUMNS: &[&str] = &[
    "time",
    "event",
    "account",
    "actor",
    "by",
    "reason",
    "ip",
    "session",
    "user agent",
];

/// How long what an event tells of may last before its row is written, in milliseconds.
const LATE: u64 = 30_000;

/// The number of events that are put in order at a time. More need another look at the table.
const HELD: usize = 50_000;

/// Shows what happened, earliest first: the security events.
#[derive(clap::Args)]
pub(super) struct Events {
    #[command(flatten)]
    target: TargetFlags,
    /// Only the events of this account, and those at its address.
    #[arg(long, value_name = "ID|EMAIL", value_parser = who)]
    user: Option<Who>,
    /// Only the events of this time until now, such as 90s, 15m, 12h or 7d [default: 1d, or all with
    /// --user, or none with --follow].
    #[arg(long, value_name = "TIME", value_parser = age)]
    since: Option<u64>,
    /// Go on with the events that happen, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct View<'a> {
    id: EventId,
    at: &'a str,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    /// SHA-256 of the address, of which nobody knows whether it has an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    ip: &'a str,
    user_agent: &'a str,
}

/// Shows events.
pub(super) async fn run(asked: Events) -> Result<(), Failure> {
    let Events {
        target,
        user,
        since,
        follow,
        format,
    } = asked;
    let target = target.open().await?;
    if follow && user.is_none() && !target.is_local {
        return Err(Failure::Refused(
            "give --user with --follow: in AWS, each look at the events of everybody reads the \
             whole table; CloudWatch's `aws logs tail --follow` shows them"
                .to_owned(),
        ));
    }
    let watched = Watched::of(&target, user.as_ref()).await?;
    let now = Clock::System.millis();
    let since = match (since, &user) {
        (Some(age), _) => now.saturating_sub(age),
        (None, _) if follow => now,
        (None, Some(_)) => 0,
        (None, None) => now.saturating_sub(24 * 60 * 60 * 1000),
    };
    let mut listing = Listing::new(BufWriter::new(stdout()), format, COLUMNS);
    let done = show(&target, watched, since, follow, &mut listing).await;
    target.close().await;
    done
}

async fn show(
    target: &Target,
    mut watched: Watched,
    mut since: u64,
    follow: bool,
    listing: &mut Listing<BufWriter<Stdout>>,
) -> Result<(), Failure> {
    /// How often to look.
    const EVERY: Duration = Duration::from_secs(1);
    // Those shown already that will be read again.
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        let looked_at = Clock::System.millis();
        let (mut from, mut last) = (since, None::<String>);
        loop {
            let found = watched.earliest(target, from, last.as_deref()).await?;
            for (id, event) in found.events {
                from = event.event.id.millis();
                let is_new = !follow || seen.insert(id.clone(), from).is_none();
                if is_new && event.event.expires_at > looked_at / 1000 {
                    row(listing, &event)?;
                }
                last = Some(id);
            }
            if !found.are_more {
                break;
            }
        }
        listing.flush()?;
        if !follow {
            return Ok(());
        }
        since = since.max(looked_at.saturating_sub(LATE));
        seen.retain(|_, millis| *millis >= since);
        sleep(EVERY).await;
        watched.refresh(target).await?;
    }
}

/// What to read.
struct Watched {
    /// The account, whose address may change.
    account: Option<UserId>,
    /// Everything, or an account and the addresses that it has had since.
    subjects: Vec<Option<Subject>>,
}

impl Watched {
    /// Finds what to read: everything, or an account and its address.
    async fn of(target: &Target, user: Option<&Who>) -> Result<Self, Failure> {
        let Some(user) = user else {
            return Ok(Self {
                account: None,
                subjects: vec![None],
            });
        };
        let (account, subjects) = match (target.account(user).await, user) {
            (Ok(account), _) => (
                Some(account.id),
                vec![Subject::User(account.id), Subject::address(&account.email)],
            ),
            // The account may be deleted, and its events are there.
            (Err(Failure::Missing(_)), Who::Id(id)) => (Some(*id), vec![Subject::User(*id)]),
            (Err(Failure::Missing(_)), Who::Email(email)) => (None, vec![Subject::address(email)]),
            (Err(failure), _) => return Err(failure),
        };
        Ok(Self {
            account,
            subjects: subjects.into_iter().map(Some).collect(),
        })
    }

    /// Adds the address of the account if it is another one by now.
    async fn refresh(&mut self, target: &Target) -> Result<(), Failure> {
        let Some(id) = self.account else {
            return Ok(());
        };
        let account = target.store.account(id).await?;
        let address = account.map(|account| Subject::address(&account.email));
        if address.is_some() && !self.subjects.contains(&address) {
            self.subjects.push(address);
        }
        Ok(())
    }

    /// Returns the earliest events from `since` on, in milliseconds, that come after the event `last`.
    async fn earliest(
        &self,
        target: &Target,
        since: u64,
        last: Option<&str>,
    ) -> Result<Earliest<LoggedEvent>, Failure> {
        let mut found = Earliest::new(HELD);
        for subject in &self.subjects {
            let mut after = None;
            loop {
                let page = target
                    .events
                    .logged(subject.as_ref(), since, after.as_ref())
                    .await?;
                let mut is_full = false;
                for event in page.events {
                    let id = event.event.id.to_string();
                    if last.is_none_or(|last| *id > *last) {
                        is_full = !found.add(id, event);
                    }
                }
                after = page.next;
                // Those of one subject come in order.
                if after.is_none() || (is_full && subject.is_some()) {
                    break;
                }
            }
        }
        Ok(found)
    }
}

/// The earliest of many events, by their identifiers, which are in the order of their times.
struct Earliest<T> {
    most: usize,
    events: BTreeMap<String, T>,
    /// Whether there were more than the most.
    are_more: bool,
}

impl<T> Earliest<T> {
    fn new(most: usize) -> Self {
        Self {
            most,
            events: BTreeMap::new(),
            are_more: false,
        }
    }

    /// Adds an event. Returns whether it is among the earliest so far.
    fn add(&mut self, id: String, event: T) -> bool {
        let full = self.events.len() >= self.most;
        if full
            && self
                .events
                .last_key_value()
                .is_some_and(|(last, _)| *last < id)
        {
            self.are_more = true;
            return false;
        }
        self.events.insert(id, event);
        if self.events.len() > self.most {
            self.events.pop_last();
            self.are_more = true;
        }
        true
    }
}

fn row(listing: &mut Listing<BufWriter<Stdout>>, logged: &LoggedEvent) -> Result<(), Failure> {
    let LoggedEvent { subject, event } = logged;
    let (user_id, address) = match subject {
        Subject::User(user) => (Some(*user), None),
        Subject::Address(address) => (None, Some(address.as_str())),
    };
    let at = time(event.id.millis());
    let view = View {
        id: event.id,
        at: &at,
        event: &event.name,
        user_id,
        address,
        session_id: event.session_id,
        actor: event.actor.as_deref(),
        by: event.by.as_deref(),
        reason: event.reason.as_deref(),
        ip: &event.device.ip,
        user_agent: &event.device.user_agent,
    };
    let whom = match subject {
        Subject::User(user) => user.to_string(),
        Subject::Address(address) => {
            let beginning: String = address.chars().take(12).collect();
            format!("address {beginning}…")
        }
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = vec![
        at.clone(),
        event.name.clone(),
        whom,
        text(&event.actor),
        text(&event.by),
        text(&event.reason),
        event.device.ip.clone(),
        event
            .session_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        event.device.user_agent.clone(),
    ];
    listing.row(cells, &view)
}

/// Returns a time with milliseconds, as RFC 3339 writes it.
fn time(millis: u64) -> String {
    let seconds = rfc3339(millis / 1000);
    let seconds = seconds.trim_end_matches('Z');
    format!("{seconds}.{:03}Z", millis % 1000)
}

/// Parses a length of time. Returns milliseconds.
fn age(text: &str) -> Result<u64, String> {
    let units = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60)];
    units
        .iter()
        .find_map(|(unit, seconds)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(seconds * 1000)
        })
        .ok_or_else(|| "give a length of time such as 90s, 15m, 12h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        for (text, millis) in [("90s", 90_000), ("15m", 900_000), ("12h", 43_200_000)] {
            assert_eq!(age(text), Ok(millis), "{text}");
        }
        for text in ["", "d", "7", "-1d", "1w", "1.5h", "99999999999999999d"] {
            assert!(age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn more_events_than_are_held_come_in_order_in_several_looks() {
        let ids = ["05", "01", "09", "02", "08", "03", "07", "04", "06"];
        let mut looks = Vec::new();
        let mut last: Option<String> = None;
        loop {
            let mut found = Earliest::new(4);
            for id in ids {
                if last.as_deref().is_none_or(|last| id > last) {
                    found.add(id.to_owned(), ());
                }
            }
            assert!(found.events.len() <= 4);
            last = found.events.last_key_value().map(|(id, ())| id.clone());
            looks.push(found.events.into_keys().collect::<Vec<_>>().join(" "));
            if !found.are_more {
                break;
            }
        }
        assert_eq!(looks, ["01 02 03 04", "05 06 07 08", "09"]);
    }

    #[test]
    fn a_time_has_milliseconds() {
        assert_eq!(time(1_700_000_000_007), "2023-11-14T22:13:20.007Z");
    }
}
