//! Checks the `use crate::` lines of all files against the layers in the documentation of the
//! crate.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers in order. A file may use its own layer and those before it. (`properties` is only for
/// tests.)
const LAYERS: [&str; 8] = [
    "properties",
    "platform",
    "observe",
    "aws",
    "domain",
    "tokens",
    "store",
    "http",
];

/// Dependencies that the order would allow and the design forbids.
const FORBIDDEN: [(&str, &str); 2] = [("domain", "aws"), ("store", "tokens")];

fn layer_of(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| *layer == module)
        .unwrap_or_else(|| panic!("{module} has no layer: add it to the table"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn layers_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut seen = 0;
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap();
        let module = module.trim_end_matches(".rs");
        if matches!(module, "lib" | "layers") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for used in text.split("crate::").skip(1) {
            let used = used
                .split(|c: char| !c.is_ascii_lowercase() && c != '_')
                .next()
                .unwrap();
            seen += 1;
            assert!(
                layer_of(used) <= layer_of(module) && !FORBIDDEN.contains(&(module, used)),
                "{} uses crate::{used}: layers point one way",
                relative.display()
            );
        }
    }
    assert!(
        seen > 20,
        "found only {seen} uses: is the test still reading the files?"
    );
}
