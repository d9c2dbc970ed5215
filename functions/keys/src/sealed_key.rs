//! `Custom::LatchkeySealedKey`: a key pair whose private half nobody has seen.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use shared::aws::kms::Kms;
use shared::tokens::public_key::PublicKey;

use crate::cloudformation::{Event, Resource};
use crate::{Keys, ResourceError};

impl Keys {
    /// The key pairs that can be sealed. A sealed RSA key of 3072 bits would leave no room for the
    /// rest of an environment, which Lambda limits to 4 KB.
    const SPECS: [&str; 3] = ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519"];

    pub(super) async fn sealed_key(
        &self,
        kms: &Kms,
        event: &Event,
    ) -> Result<Resource, ResourceError> {
        #[derive(PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Properties {
            wrapping_key: String,
            spec: String,
        }
        let made_of = Properties::deserialize(&event.properties)
            .ok()
            .filter(|properties| Keys::SPECS.contains(&properties.spec.as_str()))
            .ok_or(ResourceError::Property(
                "WrappingKey must be the ARN of a symmetric KMS key, and Spec one of RSA_2048, \
             ECC_NIST_P256 and ECC_NIST_EDWARDS25519",
            ))?;
        // CloudFormation requires the attributes in each answer and does not return them to this
        // function. Another pair would replace the key of a stack for which only the timeout was
        // changed.
        if event.request_type == "Update"
            && Properties::deserialize(&event.old_properties).is_ok_and(|old| old == made_of)
        {
            return Err(ResourceError::Unchanged);
        }
        let Properties { wrapping_key, spec } = made_of;
        let pair = self.allowed(|| kms.sealed_pair(&wrapping_key, &spec)).await;
        let pair = pair.map_err(ResourceError::Pair)?;
        let public = PublicKey::from_spki(&pair.public);
        let public = public.ok_or_else(|| ResourceError::Unusable(spec.clone()))?;
        Ok(Resource {
            id: public.kid().to_owned(),
            data: json!({
                "PublicKey": STANDARD.encode(&pair.public),
                "SigningKey": format!("sealed:{}", STANDARD.encode(&pair.private)),
            }),
        })
    }
}
