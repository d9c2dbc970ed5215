use proptest::prelude::*;

use regex_syntax::hir::{Class, HirKind};

use super::*;

#[test]
fn names_of_all_scripts_are_kept_as_written() {
    let longest = "ñ".repeat(100);
    for text in [
        "Ada",
        " O’Brien-Smith Jr. ",
        "李",
        "नरेन्द्र",
        "\u{3164}a",
        "e\u{301}",
        "👩\u{200d}💻",
        "\u{1f3f4}\u{e0067}\u{e007f}",
        "<b>&",
        &longest,
    ] {
        assert_eq!(Name::parse(text).unwrap().as_str(), text);
    }
}

#[test]
fn blank_long_and_unprintable_names_are_refused() {
    let long = "a".repeat(101);
    for (text, code) in [
        ("", "blank"),
        (" \u{3000}", "blank"),
        (long.as_str(), "too-long"),
        ("Ada\nLovelace", "control-character"),
        ("Ada\0", "control-character"),
        ("\u{202e}adA", "control-character"),
        ("\u{200b}", "control-character"),
        ("\u{3164}", "blank"),
        // Fillers, joiners, variation selectors and tags, which other rules let pass.
        ("\u{115f}\u{1160}\u{ffa0}", "blank"),
        (" \u{200c}\u{200d} \u{fe0f}", "blank"),
        ("\u{ad}\u{34f}\u{17b4}\u{180e}\u{1d173}\u{e0041}", "blank"),
        // Reserved for characters that show nothing, and never a character.
        ("\u{fff0}\u{e0fff}\u{2065}", "blank"),
        ("\u{ffff}\u{fdd0}", "blank"),
        // Marks without a letter.
        ("\u{301}", "blank"),
        (" \u{20dd}\u{903}", "blank"),
        ("\u{2800}\u{2800}", "blank"),
    ] {
        assert_eq!(Name::parse(text).unwrap_err().code, code, "{text:?}");
    }
}

#[test]
fn a_last_name_may_be_empty_and_must_else_be_a_name() {
    assert_eq!(Name::parse_last("").unwrap().as_str(), "");
    assert_eq!(Name::parse_last("Lovelace").unwrap().as_str(), "Lovelace");
    for text in [" ", "\u{3164}"] {
        assert_eq!(
            Name::parse_last(text).unwrap_err().code,
            "blank",
            "{text:?}"
        );
    }
}

#[test]
fn a_stored_name_stays_readable_if_the_rules_become_stricter() {
    for text in ["\u{3164}", "", "a\nb"] {
        assert_eq!(Name::stored(text).map(|name| name.0), Ok(text.to_owned()));
    }
}

/// Prints the table if it differs: copy it then.
#[test]
fn the_table_of_invisible_characters_is_unicode_s() {
    let class = r"[[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Noncharacter_Code_Point}]--\p{Prepended_Concatenation_Mark}]";
    let parsed = regex_syntax::parse(class).unwrap();
    let HirKind::Class(Class::Unicode(class)) = parsed.kind() else {
        panic!("{parsed:?}");
    };
    let expected: Vec<_> = class
        .ranges()
        .iter()
        .map(|range| (range.start(), range.end()))
        .collect();
    let lines = expected.iter().map(|(first, last)| {
        let [first, last] = [first, last].map(|c| c.escape_unicode());
        format!("    ('{first}', '{last}'),\n")
    });
    let lines: String = lines.collect();
    assert_eq!(invisible::INVISIBLE, expected, "it is now\n{lines}");
}

#[test]
fn whatever_is_white_or_a_mark_or_a_control_is_not_seen() {
    let visible = |c: char| Name::parse(&c.to_string()).is_ok();
    let count = (char::MIN..=char::MAX).filter(|c| visible(*c)).count();
    assert!(count > 900_000, "{count}");
    for text in ["a", "李", "1", "!", "\u{600}", "\u{e000}", "💩"] {
        assert!(Name::parse(text).is_ok(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(crate::properties::cases())]

    #[test]
    fn whatever_is_accepted_is_kept_as_written_and_can_be_shown(text in any::<String>()) {
        if let Ok(name) = Name::parse(&text) {
            prop_assert_eq!(name.as_str(), &text);
            prop_assert!(!text.trim().is_empty() && text.chars().count() <= 100);
            prop_assert!(!text.contains(char::is_control));
            prop_assert!(text.contains(is_visible));
        }
    }
}
