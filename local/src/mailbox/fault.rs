//! The faults of mail that can be tried: `--mail-fault`.

use std::str::FromStr;

/// A fault of SES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SES refuses the mail because there are too many at once.
    Throttle,
    /// SES refuses the mail because of its content.
    Reject,
    /// SES refuses the mail because the account may not send for now.
    Paused,
    /// SES refuses the mail because the domain of the sender is not verified.
    Unverified,
    /// SES has an internal error.
    Broken,
    /// SES never answers, and does not send the mail.
    Timeout,
    /// SES sends the mail, but its answer never arrives.
    Late,
    /// SES sends the mail, and the address does not exist.
    Bounce,
    /// SES sends the mail, and who gets it calls it spam.
    Complaint,
}

impl Fault {
    /// All variants.
    pub const ALL: [Self; 9] = [
        Self::Throttle,
        Self::Reject,
        Self::Paused,
        Self::Unverified,
        Self::Broken,
        Self::Timeout,
        Self::Late,
        Self::Bounce,
        Self::Complaint,
    ];

    /// Returns the name, as `--mail-fault` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Reject => "reject",
            Self::Paused => "paused",
            Self::Unverified => "unverified",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::Late => "late",
            Self::Bounce => "bounce",
            Self::Complaint => "complaint",
        }
    }

    /// Returns a plan for the next mail only.
    pub fn once(self) -> Planned {
        self.times(1)
    }

    /// Returns a plan for the next `times` mails.
    pub fn times(self, times: u32) -> Planned {
        Planned {
            fault: self,
            left: Some(times),
        }
    }
}

/// A fault, and how many mails it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    fault: Fault,
    /// `None` if it is for all.
    left: Option<u32>,
}

impl Planned {
    /// Returns the fault of the next mail, or `None` if none is left.
    pub(super) fn take(&mut self) -> Option<Fault> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        Some(self.fault)
    }
}

impl From<Fault> for Planned {
    fn from(fault: Fault) -> Self {
        Self { fault, left: None }
    }
}

impl FromStr for Planned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, times) = match text.split_once(':') {
            Some((name, times)) => (name, Some(times)),
            None => (text, None),
        };
        let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
        let fault = fault.ok_or_else(|| {
            let names = Fault::ALL.map(Fault::name);
            format!("give one of {}", names.join(", "))
        })?;
        match times {
            None => Ok(fault.into()),
            Some("once") => Ok(fault.once()),
            Some(times) => match times.parse() {
                Ok(times) => Ok(fault.times(times)),
                Err(_) => Err(format!("give {name}, {name}:once or {name}:3")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_for_all_mails_or_for_so_many() {
        let mut always: Planned = "throttle".parse().unwrap();
        assert_eq!([always.take(), always.take()], [Some(Fault::Throttle); 2]);
        let mut once: Planned = "bounce:once".parse().unwrap();
        assert_eq!([once.take(), once.take()], [Some(Fault::Bounce), None]);
        let mut twice: Planned = "late:2".parse().unwrap();
        assert_eq!([twice.take(), twice.take()], [Some(Fault::Late); 2]);
        assert_eq!(twice.take(), None);
        for wrong in ["", "other", "reject:", "reject:-1", "reject:often"] {
            assert!(wrong.parse::<Planned>().is_err(), "{wrong}");
        }
    }
}
