//! The names of a template's parameters.

use std::collections::BTreeMap;

use anyhow::bail;
use serde_json::{Map, Value};

/// Checks that the template has all of the given parameters.
///
/// # Errors
///
/// Returns an error of one sentence if it lacks one. The sentence proposes the parameter with the
/// nearest name.
pub(super) fn check(document: &Value, given: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let declared = document["Parameters"].as_object();
    let declared = || declared.into_iter().flat_map(Map::keys);
    let Some(unknown) = given
        .keys()
        .find(|&name| declared().all(|known| known != name))
    else {
        return Ok(());
    };
    match nearest(unknown, declared()) {
        Some(near) => bail!("there is no parameter {unknown}; did you mean {near}?"),
        None => bail!("there is no parameter {unknown}; template.yaml lists them"),
    }
}

/// Returns the known name that is nearest to `name`, if one is near enough. Ignores letter case and
/// underscores, so that the name of a variable finds its parameter.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let wanted = plain(name);
    let most = wanted.chars().count() / 3;
    known
        .map(|known| (strsim::damerau_levenshtein(&wanted, &plain(known)), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
