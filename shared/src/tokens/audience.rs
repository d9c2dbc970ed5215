//! The issuer and the audience of tokens.

use std::borrow::Cow;

use crate::platform::config::{ConfigError, Env};

/// The `client_id` of every token (RFC 9068 section 2.2 requires one). Latchkey has only
/// first-party clients and does not distinguish them.
pub const CLIENT_ID: &str = "latchkey";

/// The issuer of tokens, the `iss` (RFC 7519 section 4.1.1).
#[derive(Debug, Clone)]
pub struct IssuerName(Option<String>);

impl IssuerName {
    /// Reads `ISSUER`, a URL. Without it, the issuer is derived from each request's domain name.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not a URL with a host, or ends with a slash.
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

    /// Returns the issuer for a request that reached `domain_name`, or `None` if neither is known.
    /// API Gateway routes by that name, so a client cannot choose another.
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
    /// Reads the same setting as [`IssuerName::from_env`], and `AUDIENCE` (default `latchkey`).
    ///
    /// # Errors
    ///
    /// Returns an error if the issuer is unusable.
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
