//! What a session was begun from.

use crate::domain::name::is_unprintable;

/// What a session was begun from, as the gateway saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The address of the client.
    pub ip: String,
    /// The client's name for itself, cut to [`Device::MAX_LENGTH`] characters.
    pub user_agent: String,
}

impl Device {
    /// The longest kept part of what a client says of itself, in code points.
    pub const MAX_LENGTH: usize = 256;

    /// Keeps what the gateway saw, cut to a length that an item can bear, without what would play
    /// tricks on whoever prints it.
    pub fn new(ip: &str, user_agent: &str) -> Self {
        let printable = |c: &char| !is_unprintable(*c);
        let cut = |text: &str| {
            text.chars()
                .filter(printable)
                .take(Self::MAX_LENGTH)
                .collect()
        };
        Self {
            ip: cut(ip),
            user_agent: cut(user_agent),
        }
    }
}
