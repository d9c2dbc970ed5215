//! Ruby.

use shared::domain::password::legacy::Step;

use super::common::{after_steps, bcrypt};
use super::text::text;
use super::{Format, OldPassword};

pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "bcrypt-ruby",
        about: "bcrypt-ruby",
        parse: |stored, _| after_steps(vec![Step::RefuseNul], bcrypt(text(stored)?)),
    },
    Format {
        name: "rails",
        about: "Rails: has_secure_password (password_digest)",
        parse: |stored, _| after_steps(vec![Step::RefuseNul], bcrypt(text(stored)?)),
    },
    Format {
        name: "devise",
        about: "Devise (encrypted_password); the secret is config.pepper, if there is one",
        parse: |stored, site| {
            let stored = text(stored)?;
            if stored.is_empty() {
                // Devise stores an empty text for accounts of OmniAuth.
                return Ok(OldPassword::Unusable);
            }
            let mut steps = vec![Step::RefuseNul];
            steps.extend(site.secret.clone().map(Step::AppendSecret));
            after_steps(steps, bcrypt(stored))
        },
    },
];
