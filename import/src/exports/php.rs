//! PHP's `serialize`, so far as WordPress stores roles in it.

/// Returns the names of the members of an array that are true, such as `a:1:{s:6:"editor";b:1;}`.
/// Returns `None` if the text is something else.
pub(super) fn true_members(text: &str) -> Option<Vec<String>> {
    let (count, rest) = text.strip_prefix("a:")?.split_once(":{")?;
    let count: usize = count.parse().ok()?;
    let mut rest = rest.strip_suffix('}')?;
    let mut names = Vec::new();
    for _ in 0..count {
        let (length, after) = rest.strip_prefix("s:")?.split_once(":\"")?;
        let length: usize = length.parse().ok()?;
        let name = after.get(..length)?;
        let value = after.get(length..)?.strip_prefix("\";")?;
        let (value, after) = value.split_once(';')?;
        if matches!(value, "b:1" | "i:1" | "s:1:\"1\"") {
            names.push(name.to_owned());
        }
        rest = after;
    }
    rest.is_empty().then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_true_members_are_named() {
        for (text, expected) in [
            ("a:0:{}", Some(vec![])),
            (
                "a:1:{s:13:\"administrator\";b:1;}",
                Some(vec!["administrator"]),
            ),
            (
                "a:3:{s:6:\"editor\";b:1;s:6:\"author\";b:0;s:7:\"f\u{f6}\u{f6}-x\";s:1:\"1\";}",
                Some(vec!["editor", "f\u{f6}\u{f6}-x"]),
            ),
            ("", None),
            ("a:1:{}", None),
            ("a:1:{s:5:\"a\";b:1;}", None),
            ("a:99999999999999999999:{}", None),
            ("a:1:{s:2:\"\u{20ac}\";b:1;}", None),
            ("O:1:\"X\":0:{}", None),
        ] {
            let names = true_members(text);
            let names = names
                .as_ref()
                .map(|names| names.iter().map(String::as_str).collect());
            assert_eq!(names, expected, "{text}");
        }
    }
}
