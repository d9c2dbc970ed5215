//! Finds the URLs in a mail.

/// Returns the URLs in `text`, or else in `html`, in their order and each once.
pub(super) fn of(text: &str, html: Option<&str>) -> Vec<String> {
    let found = find(text);
    let found = match html {
        Some(html) if found.is_empty() => find(&html.replace("&amp;", "&")),
        _ => found,
    };
    let mut links: Vec<String> = Vec::new();
    for link in found {
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

/// Splits `text` into what is no URL and what is one, which the second member says.
pub(super) fn parts(text: &str) -> Vec<(&str, bool)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = start(rest) {
        let (before, from) = rest.split_at(start);
        let (link, after) = from.split_at(length(from));
        parts.push((before, false));
        parts.push((link, true));
        rest = after;
    }
    parts.push((rest, false));
    parts.retain(|(part, _)| !part.is_empty());
    parts
}

fn find(text: &str) -> Vec<String> {
    let links = parts(text).into_iter().filter(|(_, is_link)| *is_link);
    links.map(|(link, _)| link.to_owned()).collect()
}

fn start(text: &str) -> Option<usize> {
    let starts = ["http://", "https://"].map(|scheme| text.find(scheme));
    starts.into_iter().flatten().min()
}

/// Returns the length of the URL at the beginning of `text`, without what ends a sentence.
fn length(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>\"'`".contains(c);
    let url = &text[..text.find(ends).unwrap_or(text.len())];
    url.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']'])
        .len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_found_without_what_ends_a_sentence() {
        let text = "Open (https://a.example/reset#lkm_A-_), or http://b.example/?x=1.\r\nBye";
        let both = ["https://a.example/reset#lkm_A-_", "http://b.example/?x=1"];
        assert_eq!(of(text, None), both);
        let joined: String = parts(text).into_iter().map(|(part, _)| part).collect();
        assert_eq!(joined, text);
    }

    #[test]
    fn html_is_searched_if_the_text_has_none() {
        let html = r#"<a href="https://a.example/?x=1&amp;y=2">https://a.example/?x=1&amp;y=2</a>"#;
        assert_eq!(of("", Some(html)), ["https://a.example/?x=1&y=2"]);
        assert_eq!(of("http://t.example", Some(html)), ["http://t.example"]);
        assert!(of("none", None).is_empty());
    }
}
