//! The signing key of local runs: generated at the first start, stored in a file that only its
//! owner can read.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use pem::{EncodeConfig, LineEnding, Pem};
use shared::tokens::private_key::PrivateKey;
use shared::tokens::public_key;

/// Generates the private key at `pem` unless there is one, and writes its public half to `jwks`.
///
/// # Errors
///
/// Returns an error if a file cannot be written, or if `pem` contains no key that can sign tokens.
pub fn ensure(pem: &Path, jwks: &Path) -> anyhow::Result<()> {
    let text = match fs::read_to_string(pem) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = generate()?;
            write_privately(pem, &text)?;
            text
        }
        Err(error) => return Err(error).with_context(|| cannot("read", pem)),
    };
    let key = PrivateKey::from_pem(&text).with_context(|| {
        format!(
            "\"{}\" is not an RSA, P-256 or Ed25519 private key in PEM (PKCS#8): move it away and \
             start again for a new one",
            pem.display()
        )
    })?;
    let published = public_key::jwks([key.public()]);
    if fs::read_to_string(jwks).is_ok_and(|there| there == published) {
        return Ok(());
    }
    fs::write(jwks, published).with_context(|| cannot("write", jwks))
}

/// Generates an RSA key of 2048 bits, in PEM (PKCS#8).
fn generate() -> anyhow::Result<String> {
    let made = || -> Result<Pkcs8V1Der<'static>, aws_lc_rs::error::Unspecified> {
        KeyPair::generate(KeySize::Rsa2048)?.as_der()
    };
    let der = made().map_err(|_| anyhow!("AWS-LC made no RSA key"))?;
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    Ok(pem::encode_config(
        &Pem::new("PRIVATE KEY", der.as_ref()),
        lines,
    ))
}

/// Writes a file that only its owner can read, atomically.
pub(crate) fn write_privately(path: &Path, text: &str) -> anyhow::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let write = || {
        // An interrupted start may have left the file behind.
        let _ = fs::remove_file(&unfinished);
        let mut file = private_file().write(true).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| cannot("write", path))
}

/// Returns options that open a file and, if it does not exist, create it for its owner only.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn cannot(verb: &str, path: &Path) -> String {
    format!(
        "cannot {verb} \"{}\": choose another folder with --data-dir",
        path.display()
    )
}
