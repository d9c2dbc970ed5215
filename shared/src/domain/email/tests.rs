use proptest::prelude::*;

use super::*;

#[test]
fn addresses_are_taken_as_typed_but_for_blanks_around_them() {
    for text in [
        "ada@example.com",
        "Ada.Lovelace+news@Sub.Example.co.uk",
        "o'brien_{x}@xn--bcher-kva.example",
        "1@2.c3",
    ] {
        assert_eq!(Email::parse(text).unwrap().as_str(), text);
    }
    assert_eq!(
        Email::parse(" ada@example.com ").unwrap().as_str(),
        "ada@example.com"
    );
}

#[test]
fn what_is_no_address_is_refused() {
    let long_local = format!("{}@example.com", "a".repeat(65));
    let long_label = format!("ada@{}.com", "a".repeat(64));
    for text in [
        "",
        "@",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "a@b@example.com",
        ".ada@example.com",
        "ada.@example.com",
        "a..b@example.com",
        "ada lovelace@example.com",
        "\"ada\"@example.com",
        "ada@exa mple.com",
        "ada@-example.com",
        "ada@example-.com",
        "ada@example..com",
        "ada@.com",
        "ada@127.0.0.1",
        "ada@[127.0.0.1]",
        "ada@example.com\n",
        "ada\0@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "adä@example.com",
        "ada@exam\u{212a}.com",
        "ada@ｅｘａｍｐｌｅ.com",
        "ada@exam\u{ad}ple.com",
        "ada@exam\u{200b}ple.com",
        "ada@ſample.com",
        "ada@①.example",
        "ada@bücher.ｃｏｍ",
        "ada@bücher",
        "ada@bücher..example",
        "ada@bücher.example.",
        "ada@-bücher.example",
        "ada@bü cher.example",
        "ada@bü_cher.example",
        "ada@bü@cher.example",
        "ada@bücher.127",
        "ada@xn--zz-bücher.example.\u{301}a",
        "ada@\u{301}a.example",
        "ada@a\u{200d}b.example",
        "ada@אa.example",
        "ada@\u{fffd}.example",
        "ada@\u{e000}.example",
        "ada@bü\u{202e}cher.example",
        "ada＠bücher.example",
        "adä@bücher.example",
        "<ada@example.com>",
        &long_local,
        &long_label,
    ] {
        assert_eq!(
            Email::parse(text).unwrap_err().code,
            "invalid-email",
            "{text:?}"
        );
    }
    let long = format!("ada@{}com", "example.".repeat(32));
    assert_eq!(Email::parse(&long).unwrap_err().code, "too-long");
    // 200 characters whose ASCII form is longer than an address may be.
    let long = format!("ada@{}example", "bücher.".repeat(28));
    assert_eq!(Email::parse(&long).unwrap_err().code, "too-long");
    assert_eq!(
        Email::parse(&"ü".repeat(1_000_000)).unwrap_err().code,
        "too-long"
    );
}

#[test]
fn letter_case_makes_no_second_account_and_nothing_else_is_folded() {
    let fingerprint = |text| Email::parse(text).unwrap().fingerprint();
    assert_eq!(
        fingerprint("ADA@Example.COM"),
        fingerprint("ada@example.com")
    );
    assert_eq!(fingerprint("ada@example.com").len(), 64);
    for other in ["a.da@example.com", "ada+x@example.com", "ada@example.org"] {
        assert_ne!(fingerprint(other), fingerprint("ada@example.com"));
    }
}

#[test]
fn a_domain_in_unicode_is_shown_as_typed_and_is_its_ascii_form() {
    for (typed, ascii) in [
        ("Ada@bücher.example", "Ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.Example", "ada@xn--bcher-kva.example"),
        ("ada@bu\u{308}cher.example", "ada@xn--bcher-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("ada@例え。テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("ada@пример.испытание", "ada@xn--e1afmkfd.xn--80akhbyknj4f"),
        ("ada@شبكة.example", "ada@xn--ngbc5azd.example"),
        ("ada@a.नेपाल.example", "ada@a.xn--l2bey1c2b.example"),
    ] {
        let email = Email::parse(typed).unwrap();
        assert_eq!((email.as_str(), email.ascii()), (typed, ascii));
        assert_eq!(email.unicode(), Some(typed));
        let plain = Email::parse(ascii).unwrap();
        assert_eq!(plain.unicode(), None);
        assert_eq!(email.fingerprint(), plain.fingerprint(), "{typed}");
        let stored = Email::stored(email.ascii(), email.unicode().map(str::to_owned));
        assert_eq!(stored.unwrap(), email);
    }
    assert!(Email::stored("ada@bücher.example", None).is_err());
}

#[test]
fn an_address_does_not_show_in_debug_output() {
    assert_eq!(
        format!("{:?}", Email::parse("ada@example.com").unwrap()),
        "Email"
    );
}

proptest! {
    #![proptest_config(crate::properties::cases())]

    #[test]
    fn whatever_is_accepted_is_one_plain_address(
        text in prop_oneof![
            any::<String>(),
            "[ -~]{0,30}@[ -~]{0,30}",
            "[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,70}@[A-Za-z0-9.-]{1,200}",
            "[a-zA-Z]{1,5}@[a-zA-ZüÜßéж例\u{300}-\u{30f}.-]{1,60}\\.[a-zäЖ]{1,5}",
            "a@(\\PC){1,10}\\.example",
        ],
    ) {
        let Ok(email) = Email::parse(&text) else {
            return Ok(());
        };
        prop_assert_eq!(email.as_str(), text.trim_matches(' '));
        let shown = email.ascii();
        prop_assert!(shown.len() <= 254 && shown.is_ascii());
        let (local, domain) = shown.split_once('@').unwrap();
        prop_assert!(!local.is_empty() && local.len() <= 64);
        prop_assert!(!domain.is_empty() && !domain.contains('@') && domain.contains('.'));
        prop_assert!(!shown.contains(|c: char| c.is_control() || "()<>[]:;\\,\" ".contains(c)));
        // The canonical form is an address too, and its own canonical form.
        let canonical = Email::parse(&email.canonical()).unwrap();
        prop_assert_eq!(canonical.canonical(), email.canonical());
        prop_assert_eq!(canonical.fingerprint(), email.fingerprint());
        let upper = Email::parse(&shown.to_ascii_uppercase()).unwrap();
        prop_assert_eq!(upper.fingerprint(), email.fingerprint());
    }
}

#[test]
fn a_prefix_is_what_the_canonical_forms_of_its_addresses_begin_with() {
    for (typed, prefix) in [
        ("", ""),
        (" Ada ", "ada"),
        ("ADA@Ex", "ada@ex"),
        ("ada@xn--BCH", "ada@xn--bch"),
        ("Ada@B\u{fc}cher", "ada@xn--bcher-kva"),
        ("ada@b\u{fc}cher.", "ada@xn--bcher-kva."),
        ("ada@b\u{fc}cher.ex", "ada@xn--bcher-kva.ex"),
        ("ada@mail.B\u{dc}CHER.ex", "ada@mail.xn--bcher-kva.ex"),
        // No address begins with these.
        ("\u{e4}da@b\u{fc}cher", "\u{e4}da@xn--bcher-kva"),
        ("ada@b\u{fc} cher", "ada@b\u{fc} cher"),
        ("ada@\u{ff41}", "ada@\u{ff41}"),
        ("\u{212a}", "\u{212a}"),
        ("begins_with(address, :a)", "begins_with(address, :a)"),
    ] {
        assert_eq!(Email::canonical_prefix(typed), prefix, "{typed}");
    }
}

proptest! {
    #![proptest_config(crate::properties::cases())]

    #[test]
    fn every_beginning_of_an_address_in_ascii_is_a_prefix(
        text in "[a-zA-Z0-9!#+._-]{1,12}@[a-z0-9]{1,8}\\.[a-z]{2,4}",
        length in 0_usize..30,
    ) {
        if let Ok(email) = Email::parse(&text) {
            let beginning: String = text.chars().take(length).collect();
            let prefix = Email::canonical_prefix(&beginning);
            prop_assert!(email.canonical().starts_with(&prefix), "{} {}", text, prefix);
        }
    }
}
