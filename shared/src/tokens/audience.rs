//! Who issues tokens, and for whom.

use std::borrow::Cow;

use crate::platform::config::{ConfigError, Env};

/// The `client_id` of every token (RFC 9068 section 2.2 requires one): Latchkey has first-party
/// clients only and does not tell them apart.
pub const CLIENT_ID: &str = "latchkey";

/// Who issues tokens: the `iss` (RFC 7519 section 4.1.1).
#[derive(Debug, Clone)]
pub struct IssuerName(Option<String>);

impl IssuerName {
    /// Reads `ISSUER`, a URL; without it the issuer is derived from each request's domain name.
    ///
    /// # Errors
    ///
    /// Where it is no URL of a host, or ends with a slash.
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
        Ok(Self(issuer))
    }

    /// The issuer for a request that reached `domain_name`: API Gateway routes by that name, so a
    /// client cannot choose another. `None` where neither is known.
    pub fn at(&self, domain_name: Option<&str>) -> Option<Cow<'_, str>> {
        match (&self.0, domain_name) {
            (Some(issuer), _) => Some(Cow::Borrowed(issuer)),
            (None, Some(domain)) if !domain.is_empty() => Some(format!("https://{domain}").into()),
            (None, _) => None,
        }
    }
}

/// The `iss` and `aud` of the tokens that are issued and accepted (RFC 7519 section 4.1).
#[derive(Debug, Clone)]
pub struct IssuerAndAudience {
    /// The `iss`.
    pub issuer: IssuerName,
    /// The `aud`.
    pub audience: String,
}

impl IssuerAndAudience {
    /// Reads what [`IssuerName::from_env`] reads, and `AUDIENCE` (`latchkey` without it).
    ///
    /// # Errors
    ///
    /// Where the issuer is unusable.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let audience = env
            .optional("AUDIENCE")
            .unwrap_or_else(|| "latchkey".to_owned());
        Ok(Self {
            issuer: IssuerName::from_env(env)?,
            audience,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(issuer: &str) -> Result<IssuerName, ConfigError> {
        let lookup = |name: &str| (name == "ISSUER").then(|| issuer.to_owned());
        IssuerName::from_env(&Env::new(&lookup))
    }

    #[test]
    fn a_configured_issuer_wins_over_the_domain_name() {
        let fixed = named("https://auth.example.com").unwrap();
        assert_eq!(
            fixed.at(Some("x.example")).unwrap(),
            "https://auth.example.com"
        );
        let derived = named("").unwrap();
        assert_eq!(derived.at(Some("x.example")).unwrap(), "https://x.example");
        assert_eq!(derived.at(None), None);
        assert_eq!(derived.at(Some("")), None);
    }

    #[test]
    fn an_issuer_that_is_no_url_stops_the_start() {
        for issuer in [
            "auth.example.com",
            "https://",
            "https://a.example/",
            "https://a b",
        ] {
            let sentence = named(issuer).unwrap_err().to_string();
            assert!(sentence.starts_with("ISSUER is"), "{sentence}");
        }
    }
}
