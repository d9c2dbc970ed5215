//! Prints docs/latchkey.http.

use local::{collection, openapi};

fn main() -> anyhow::Result<()> {
    print!("{}", collection::of(&openapi::document()?)?);
    Ok(())
}
