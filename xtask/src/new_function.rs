//! `cargo xtask new-function NAME`: adds a function to every place that lists functions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};

use crate::generate;

/// The name of a function, and of its crate, its binary, its route and its folder of events.
#[derive(Debug, Clone)]
pub struct FunctionName(String);

impl FromStr for FunctionName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = text.bytes().all(|octet| octet.is_ascii_lowercase());
        if is_plain && (2..=32).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a function's name has 2 to 32 letters from a to z, such as notes")
        }
    }
}

impl FunctionName {
    /// Returns the name of the function's type and of its resource in template.yaml.
    fn type_name(&self) -> String {
        let (first, rest) = self.0.split_at(1);
        first.to_ascii_uppercase() + rest
    }

    /// Fills the name into a template.
    fn fill(&self, template: &str) -> String {
        let filled = template.replace("{{name}}", &self.0);
        filled.replace("{{Name}}", &self.type_name())
    }
}

/// The templates of new files, by their paths.
const FILES: [(&str, &str); 6] = [
    (
        "functions/{{name}}/Cargo.toml",
        include_str!("../templates/Cargo.toml.txt"),
    ),
    (
        "functions/{{name}}/src/lib.rs",
        include_str!("../templates/lib.rs.txt"),
    ),
    (
        "functions/{{name}}/src/main.rs",
        include_str!("../templates/main.rs.txt"),
    ),
    (
        "events/{{name}}/shown.json",
        include_str!("../templates/shown.json.txt"),
    ),
    (
        "events/{{name}}/missing-token.json",
        include_str!("../templates/missing-token.json.txt"),
    ),
    (
        "local/tests/it/routes/{{name}}.rs",
        include_str!("../templates/test.rs.txt"),
    ),
];

/// The place in an existing file where a text is inserted.
enum Place {
    /// Before the first line that begins with this prefix.
    Before(&'static str),
    /// After the last line that begins with this prefix.
    Behind(&'static str),
    /// Among the lines that begin with this prefix, in alphabetical order.
    Among(&'static str),
}

/// The texts that are inserted into existing files.
const ADDITIONS: [(&str, Place, &str); 16] = [
    (
        "Cargo.toml",
        Place::Before("local = { path"),
        "{{name}} = { path = \"functions/{{name}}\" }\n",
    ),
    (
        "local/Cargo.toml",
        Place::Before("matchit.workspace"),
        "{{name}}.workspace = true\n",
    ),
    (
        "local/src/functions.rs",
        Place::Before("use password::"),
        "use {{name}}::{{Name}};\n",
    ),
    (
        "local/src/functions.rs",
        Place::Before("    login => "),
        "    {{name}} => |env, clock| in_process({{Name}}::from_env(env, clock)?),\n",
    ),
    (
        "local/tests/it/routes/mod.rs",
        Place::Among("mod "),
        "mod {{name}};\n",
    ),
    (
        "template.yaml",
        Place::Before("  # cargo xtask new-function adds functions here."),
        include_str!("../templates/resource.yaml.txt"),
    ),
    (
        "template.yaml",
        Place::Behind("        Session: !Ref Session"),
        "        {{Name}}: !Ref {{Name}}\n",
    ),
    (
        "monitoring.yaml",
        Place::Behind("  Session: {Type: String}"),
        "  {{Name}}: {Type: String}\n",
    ),
    (
        "monitoring.yaml",
        Place::Behind("              Dimensions: [{Name: FunctionName, Value: !Ref Session}]"),
        include_str!("../templates/alarm-metric.yaml.txt"),
    ),
    (
        "monitoring.yaml",
        Place::Before(
            "              [\"AWS/Lambda\", \"Errors\", \"FunctionName\", \"${Authorizer}\"",
        ),
        "              [\"AWS/Lambda\", \"Errors\", \"FunctionName\", \"${{{Name}}}\"],\n",
    ),
    (
        "monitoring.yaml",
        Place::Before(
            "              [\"AWS/Lambda\", \"ConcurrentExecutions\", \"FunctionName\", \"${Authorizer}\"",
        ),
        "              [\"AWS/Lambda\", \"ConcurrentExecutions\", \"FunctionName\", \"${{{Name}}}\", {\"stat\": \"Maximum\"}],\n",
    ),
    (
        "monitoring.yaml",
        Place::Before(
            "              [\"AWS/Lambda\", \"Throttles\", \"FunctionName\", \"${Authorizer}\"",
        ),
        "              [\"AWS/Lambda\", \"Throttles\", \"FunctionName\", \"${{{Name}}}\"],\n",
    ),
    (
        "docs/openapi.yaml",
        Place::Behind("    description: Publishes the keys"),
        include_str!("../templates/openapi-tag.yaml.txt"),
    ),
    (
        "docs/openapi.yaml",
        Place::Before("components:"),
        include_str!("../templates/openapi-path.yaml.txt"),
    ),
    (
        "docs/openapi.yaml",
        Place::Behind("  schemas:"),
        include_str!("../templates/openapi-schema.yaml.txt"),
    ),
    (
        "docs/openapi.yaml",
        Place::Behind("  examples:"),
        include_str!("../templates/openapi-example.yaml.txt"),
    ),
];

/// The line that marks a private function in template.yaml.
const MARK: &str = "      Private: true # docs/openapi.yaml does not describe it\n";

/// Returns whether a file describes a function to others. A private function is in none of them.
fn is_description(path: &str) -> bool {
    path.starts_with("docs/") || path.starts_with("events/")
}

/// The words that no crate can have as its name: Rust's keywords, and the crates of its toolchain.
const RESERVED: &str = "abstract alloc as async await become box break const continue core crate do \
    dyn else enum extern false final fn for gen if impl in let loop macro match mod move mut override \
    priv pub ref return self static std struct super test trait true try type typeof unsafe unsized \
    use virtual where while yield";

/// Checks that nothing else has the name.
///
/// # Errors
///
/// Returns an error if Rust, a crate of Cargo.toml, or a parameter or resource of template.yaml has
/// it.
fn ensure_free(root: &Path, name: &FunctionName) -> anyhow::Result<()> {
    let FunctionName(word) = name;
    let taken = |by: &str| format!("{word} is taken by {by}: choose another name");
    ensure!(
        !RESERVED.split(' ').any(|reserved| reserved == word),
        taken("Rust")
    );
    let read = |file: &str| fs::read_to_string(root.join(file));
    let is_crate = |line: &str| line.split([' ', '.']).next() == Some(word.as_str());
    ensure!(
        !read("Cargo.toml")?.lines().any(is_crate),
        taken("Cargo.toml")
    );
    let entry = format!("  {}:", name.type_name());
    let is_entry = |line: &str| line.trim_end() == entry;
    ensure!(
        !read("template.yaml")?.lines().any(is_entry),
        taken("template.yaml")
    );
    Ok(())
}

/// Adds the function to the repository at `root`.
///
/// # Errors
///
/// Returns an error, and writes nothing, if the function exists already or a file is not as
/// expected.
pub fn add(root: &Path, name: &FunctionName, private: bool) -> anyhow::Result<()> {
    let folder = root.join("functions").join(&name.0);
    ensure!(!folder.exists(), "the function {} exists already", name.0);
    ensure_free(root, name)?;
    let mut changed = BTreeMap::new();
    let is_wanted = |path: &str| !(private && is_description(path));
    let mark = if private { MARK } else { "" };
    for (path, template) in FILES.iter().filter(|(path, _)| is_wanted(path)) {
        let path = name.fill(path);
        ensure!(!root.join(&path).exists(), "{path} exists already");
        changed.insert(path, name.fill(template));
    }
    for (path, place, template) in ADDITIONS.iter().filter(|(path, ..)| is_wanted(path)) {
        let text = match changed.remove(*path) {
            Some(text) => text,
            None => fs::read_to_string(root.join(path))
                .with_context(|| format!("cannot read {path}"))?,
        };
        let addition = name.fill(template).replace("{{mark}}", mark);
        let inserted = insert(&text, place, &addition);
        let inserted = inserted.with_context(|| format!("{path} is not as expected"))?;
        changed.insert((*path).to_owned(), inserted);
    }
    for (path, text) in &changed {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    // `use` lines have an order, which depends on the name.
    let formatted = cargo(root, &["fmt", "--all"]).status()?;
    ensure!(formatted.success(), "cargo fmt failed");
    generate::all(root, false)?;
    write_costs(root)?;
    println!(
        "Added GET /{name}: begin in functions/{name}/src/lib.rs.\n\n  cargo run\n  cargo test --workspace",
        name = name.0
    );
    Ok(())
}

/// Writes docs/cost.md again, since the alarms look at one more metric.
fn write_costs(root: &Path) -> anyhow::Result<()> {
    let mut cost = cargo(root, &["run", "--quiet", "-p", "bench", "--bin", "cost"]);
    let output = cost.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "docs/cost.md cannot be generated");
    Ok(fs::write(root.join("docs/cost.md"), output.stdout)?)
}

/// Returns a command of cargo in the repository.
fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).current_dir(root);
    cargo
}

/// Returns `text` with `addition` inserted at `place`.
fn insert(text: &str, place: &Place, addition: &str) -> anyhow::Result<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let begins = |prefix: &str| {
        let begins = move |line: &&str| line.starts_with(prefix);
        let of_them: Vec<usize> = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| begins(line))
            .map(|(n, _)| n)
            .collect();
        of_them
    };
    let at = match place {
        Place::Before(prefix) => begins(prefix).first().copied(),
        Place::Behind(prefix) => begins(prefix).last().map(|n| n + 1),
        Place::Among(prefix) => {
            let of_them = begins(prefix);
            let next = of_them
                .iter()
                .find(|n| lines.get(**n).is_some_and(|line| *line > addition));
            next.copied().or(of_them.last().map(|n| n + 1))
        }
    };
    let Some(at) = at else {
        let (Place::Before(prefix) | Place::Behind(prefix) | Place::Among(prefix)) = place;
        bail!("it has no line that begins with \"{}\"", prefix.trim());
    };
    let (before, behind) = lines.split_at(at);
    Ok([&before.concat(), addition, &behind.concat()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_that_a_crate_a_type_and_a_route_can_have() {
        assert_eq!(
            "notes".parse::<FunctionName>().unwrap().type_name(),
            "Notes"
        );
        for text in ["", "n", "Notes", "my-notes", "notes2", "../x", "n o"] {
            assert!(text.parse::<FunctionName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_that_something_else_has_is_refused() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let is_free = |name: &str| ensure_free(root, &name.parse().unwrap()).is_ok();
        for name in ["memos", "comments"] {
            assert!(is_free(name), "{name}");
        }
        for name in [
            "type", "test", "core", "shared", "local", "login", "tokio", "serde", "table", "issuer",
        ] {
            assert!(!is_free(name), "{name}");
        }
    }

    #[test]
    fn additions_find_their_place() {
        let text = "mod a;\nmod c;\nend\n";
        let inserted = |place| insert(text, &place, "mod b;\n").unwrap();
        assert_eq!(
            inserted(Place::Among("mod ")),
            "mod a;\nmod b;\nmod c;\nend\n"
        );
        assert_eq!(
            inserted(Place::Before("end")),
            "mod a;\nmod c;\nmod b;\nend\n"
        );
        assert_eq!(
            inserted(Place::Behind("mod ")),
            "mod a;\nmod c;\nmod b;\nend\n"
        );
        let error = insert(text, &Place::Before("  nothing"), "x").unwrap_err();
        assert_eq!(
            error.to_string(),
            "it has no line that begins with \"nothing\""
        );
    }

    #[test]
    fn every_file_of_the_repository_has_the_places() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (path, place, _) in &ADDITIONS {
            let text = fs::read_to_string(root.join(path)).unwrap();
            assert!(insert(&text, place, "").is_ok(), "{path}");
        }
    }
}
