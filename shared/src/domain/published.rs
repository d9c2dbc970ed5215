//! What a stored event tells others.

use super::id::{EventId, SessionId, UserId};

/// An event as others get it: ids, and words from short lists. It holds no address, neither of a
/// person nor of a network, and nothing that a client has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedEvent {
    /// The event, which holds its time. It is the same each time the event is published.
    pub id: EventId,
    /// What happened: a name of [`AuditEvent::published`](crate::observe::AuditEvent::published).
    pub name: &'static str,
    /// The account.
    pub user_id: UserId,
    /// The session that it is about, or in which it happened.
    pub session_id: Option<SessionId>,
    /// What caused it.
    pub by: Option<String>,
    /// Why it happened.
    pub reason: Option<String>,
    /// Whether an operator did it, and not the account's owner. Who it was stays in the row: the
    /// identity of AWS may hold a person's name.
    pub is_by_operator: bool,
}

impl PublishedEvent {
    /// Returns the text if it is a word, such as `password_change`: nothing in which an address could
    /// stand.
    pub fn word(text: String) -> Option<String> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let is_word = (1..=64).contains(&text.len()) && text.bytes().all(is_plain);
        is_word.then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_are_published() {
        let word = |text: &str| PublishedEvent::word(text.to_owned());
        assert_eq!(word("email_change_2").as_deref(), Some("email_change_2"));
        for text in [
            "",
            "ada@example.com",
            "203.0.113.7",
            "2001:db8::1",
            "two words",
            "Ada",
            &"a".repeat(65),
        ] {
            assert_eq!(word(text), None, "{text:?}");
        }
    }
}
