//! `Custom::LatchkeyKeySet`: the set of public keys that verifies tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::aws::kms::Kms;
use shared::tokens::jwks::KeySet;
use shared::tokens::public_key::{PublicKey, jwks};

use crate::cloudformation::Resource;
use crate::{Keys, ResourceError};

impl Keys {
    pub(super) async fn key_set(
        &self,
        kms: &Kms,
        properties: &Value,
    ) -> Result<Resource, ResourceError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Properties {
            keys: Vec<String>,
        }
        const PROPERTY: ResourceError = ResourceError::Property(
            "Keys must list ARNs of KMS keys, or public keys of sealed ones, and the first signs",
        );
        let Properties { keys } = Properties::deserialize(properties).map_err(|_| PROPERTY)?;
        let mut read: Vec<(String, PublicKey)> = Vec::with_capacity(keys.len());
        for key in keys {
            let public = self.public_key(kms, &key).await?;
            if let Some((other, _)) = read.iter().find(|(_, other)| other.kid() == public.kid()) {
                return Err(ResourceError::Repeated(other.clone(), key));
            }
            read.push((key, public));
        }
        let (_, first) = read.first().ok_or(PROPERTY)?;
        let document = jwks(read.iter().map(|(_, public)| public));
        KeySet::parse(&document)?;
        Ok(Resource {
            // Always the same: a set of other keys is the same resource, updated.
            id: "latchkey-key-set".to_owned(),
            data: json!({ "Jwks": document, "SigningKid": first.kid() }),
        })
    }

    async fn public_key(&self, kms: &Kms, key: &str) -> Result<PublicKey, ResourceError> {
        let unusable = || ResourceError::Unusable(key.to_owned());
        let spki = if !key.starts_with("arn:") {
            STANDARD.decode(key).map_err(|_| unusable())?
        } else if key.contains(":key/") {
            let read = self.allowed(|| kms.public_key(key)).await;
            read.map_err(|source| ResourceError::Unreadable {
                key: key.to_owned(),
                source,
            })?
        } else {
            // An alias may refer to another key later without a deployment.
            return Err(ResourceError::Property(
                "Keys must name KMS keys by their own ARNs",
            ));
        };
        PublicKey::from_spki(&spki).ok_or_else(unusable)
    }
}
