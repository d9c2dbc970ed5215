//! The device on which a session began.

use crate::domain::name::is_unprintable;

/// The device on which a session began, as the gateway saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The address of the client.
    pub ip: String,
    /// The `User-Agent` of the client, cut to [`Device::MAX_LENGTH`] characters.
    pub user_agent: String,
}

impl Device {
    /// The length to which both texts are cut, in code points.
    pub const MAX_LENGTH: usize = 256;

    /// Returns the device with both texts cut to a length that fits in an item, and without
    /// characters that are unsafe to print.
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
