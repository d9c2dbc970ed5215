//! docs/import.md says what the code does.

use std::path::Path;

use import::exports::{OMITTED, System};
use import::forms;

fn document() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(folder.join("../docs/import.md")).unwrap()
}

/// Returns the rows of the table whose heading has these cells.
fn rows<'a>(document: &'a str, heading: &str) -> Vec<&'a str> {
    let (_, table) = document.split_once(heading).unwrap();
    let rows = table.lines().skip(2);
    rows.take_while(|line| line.starts_with('|')).collect()
}

#[test]
fn the_document_lists_every_format() {
    let document = document();
    let mut formats: Vec<_> = forms::formats().collect();
    formats.sort_by_key(|format| format.name);
    let formats = formats.into_iter();
    let expected: Vec<_> = formats
        .map(|format| format!("| `{}` | {} |", format.name, format.about))
        .collect();
    let listed = rows(&document, "| format | what stores so |");
    let text = expected.join("\n");
    assert_eq!(listed, expected, "the table has to be:\n{text}");
}

#[test]
fn the_document_lists_what_is_left_out() {
    let document = document();
    let omitted = OMITTED.iter();
    let expected: Vec<_> = omitted
        .map(|(code, about)| format!("| `{code}` | {about} |"))
        .collect();
    assert_eq!(rows(&document, "| code | what is left out |"), expected);
}

#[test]
fn the_document_has_a_section_for_every_system() {
    let document = document();
    let listed = rows(&document, "| system | the file |");
    assert_eq!(listed.len(), System::ALL.len());
    for (row, system) in listed.iter().zip(System::ALL) {
        assert!(row.starts_with(&format!("| [`{}`](#", system.name())));
        assert!(row.ends_with(&format!(") | {} |", system.about())));
        let command = format!("--from {} ", system.name());
        assert!(
            document.contains(&command) || system == System::Latchkey,
            "{command}"
        );
    }
}

/// GitHub makes the anchors of headings so: in lower case, with hyphens for blanks.
#[test]
fn every_anchor_of_the_document_is_a_heading() {
    let document = document();
    let headings = document.lines().filter_map(|line| line.strip_prefix("## "));
    let headings: Vec<_> = headings
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    let anchors = document.split("](#").skip(1);
    for anchor in anchors.filter_map(|rest| rest.split(')').next()) {
        assert!(headings.iter().any(|heading| heading == anchor), "{anchor}");
    }
}

#[test]
fn the_document_tells_every_member_of_a_line() {
    let document = document();
    let listed = rows(&document, "| member | what it is |").join("\n");
    let source = include_str!("../../src/exports/latchkey.rs");
    let members = source.lines().filter_map(|line| {
        let (name, rest) = line.trim().strip_prefix('"')?.split_once('"')?;
        rest.starts_with(" => record.").then_some(name)
    });
    let members: Vec<_> = members.collect();
    assert_eq!(members.len(), 16);
    for member in members {
        assert!(listed.contains(&format!("`{member}`")), "{member}");
    }
}
