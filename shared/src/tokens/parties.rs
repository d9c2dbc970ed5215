//! Who issues tokens, and for whom.

use std::borrow::Cow;

use crate::config::{ConfigError, Env};

/// The `client_id` of every token (RFC 9068 section 2.2 requires one): Latchkey has first-party
/// clients only and does not tell them apart.
pub const CLIENT_ID: &str = "latchkey";

/// The `iss` and `aud` of the tokens that are issued and accepted (RFC 7519 section 4.1).
#[derive(Debug, Clone)]
pub struct Parties {
    issuer: Option<String>,
    /// The `aud`.
    pub audience: String,
}

impl Parties {
    /// Reads `ISSUER` (a URL; without it the issuer is derived from each request's domain name)
    /// and `AUDIENCE` (`latchkey` without it).
    ///
    /// # Errors
    ///
    /// Where `ISSUER` is no URL of a host, or ends with a slash.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let issuer = env.optional("ISSUER");
        if let Some(issuer) = &issuer {
            let host = issuer
                .strip_prefix("https://")
                .or_else(|| issuer.strip_prefix("http://"))
                .unwrap_or_default();
            if host.is_empty() || issuer.ends_with('/') || issuer.contains(['?', '#', ' ']) {
                return Err(ConfigError::new(format!(
                    "ISSUER is \"{issuer}\"; set it to a URL such as https://auth.example.com, \
                     without a slash at its end, or leave it out"
                )));
            }
        }
        let audience = env
            .optional("AUDIENCE")
            .unwrap_or_else(|| "latchkey".to_owned());
        Ok(Self { issuer, audience })
    }

    /// The issuer for a request that reached `domain_name`: API Gateway routes by that name, so a
    /// client cannot choose another. `None` where neither is known.
    pub fn issuer(&self, domain_name: Option<&str>) -> Option<Cow<'_, str>> {
        match (&self.issuer, domain_name) {
            (Some(issuer), _) => Some(Cow::Borrowed(issuer)),
            (None, Some(domain)) if !domain.is_empty() => Some(format!("https://{domain}").into()),
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parties(issuer: &str) -> Result<Parties, ConfigError> {
        let lookup = |name: &str| (name == "ISSUER").then(|| issuer.to_owned());
        Parties::from_env(&Env::new(&lookup))
    }

    #[test]
    fn a_configured_issuer_wins_over_the_domain_name() {
        let fixed = parties("https://auth.example.com").unwrap();
        assert_eq!(
            fixed.issuer(Some("x.example")).unwrap(),
            "https://auth.example.com"
        );
        let derived = parties("").unwrap();
        assert_eq!(
            derived.issuer(Some("x.example")).unwrap(),
            "https://x.example"
        );
        assert_eq!(derived.issuer(None), None);
        assert_eq!(derived.issuer(Some("")), None);
    }

    #[test]
    fn an_issuer_that_is_no_url_stops_the_start() {
        for issuer in [
            "auth.example.com",
            "https://",
            "https://a.example/",
            "https://a b",
        ] {
            let sentence = parties(issuer).unwrap_err().to_string();
            assert!(sentence.starts_with("ISSUER is"), "{sentence}");
        }
    }
}
