//! Functions that the template marks as private: routes of somebody's own beside Latchkey's.
//! docs/openapi.yaml does not describe them, they need no sample events, and the tests of
//! Latchkey's own calls leave them out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use local::template::{Route, Template};
use serde_json::Value;

use crate::support::app::{template, text};

/// Returns whether the template marks a resource as private.
pub fn is_marked(resource: &Value) -> bool {
    resource["Metadata"]["Private"] == true
}

/// Returns the names of the private functions.
pub fn private_functions() -> &'static BTreeSet<String> {
    static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let template = template([]);
        let marked = template.resources().values().filter(|it| is_marked(it));
        marked
            .map(|it| text(&it["Metadata"]["BuildProperties"], "Binary"))
            .collect()
    });
    &NAMES
}

/// Returns the routes of the functions that are not private.
pub fn own_routes(template: &Template) -> impl Iterator<Item = &Route> {
    let routes = template.routes().iter();
    routes.filter(|route| !private_functions().contains(&route.function))
}

/// Removes the private functions from what is known of each function.
pub fn without_private<T>(mut by_function: BTreeMap<String, T>) -> BTreeMap<String, T> {
    by_function.retain(|name, _| !private_functions().contains(name));
    by_function
}
