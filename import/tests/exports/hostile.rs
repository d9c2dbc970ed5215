//! Files that are broken, or made to break the reader.

use std::ops::ControlFlow;

use import::exports::{self, ExportError, Options, System};

use super::{File, codes, emails, members, only, read, sample};

const LONG: usize = 2 << 20;

#[test]
fn a_broken_line_is_one_fault_and_the_next_line_is_read() {
    let long = "x".repeat(LONG);
    let deep = "[".repeat(100_000);
    let file = format!(
        "\u{feff}{{\"email\": \"a@example.com\"}}\r\n\
         {{broken\r\n\
         \r\n\
         \"text\"\n\
         {{\"email\": \"{long}\"}}\n\
         {deep}\n\
         {{\"email\": \"b@example.com\", \"unknown\": 1, \"email_verified\": \"yes\"}}\n\
         {{\"email\": \"c@example.com\"}}"
    );
    for system in [System::Latchkey, System::Auth0] {
        let entries = read(system, &file).unwrap();
        let lines: Vec<_> = entries.iter().map(|entry| entry.line).collect();
        assert_eq!(lines, [1, 2, 4, 5, 6, 7, 8]);
        let addresses = [
            "a@example.com",
            "",
            "",
            "",
            "",
            "b@example.com",
            "c@example.com",
        ];
        assert_eq!(emails(&entries), addresses);
        let faults: Vec<_> = entries.iter().map(codes).collect();
        let [first, broken, text, long, deep, second, third] = &faults[..] else {
            panic!("{faults:?}");
        };
        assert!(first.is_empty() && third.is_empty());
        assert_eq!([broken, text, deep], [&["broken"]; 3]);
        assert_eq!(long, &["too-long"]);
        if system == System::Latchkey {
            assert_eq!(second, &["wrong-type", "unknown"]);
        }
    }
}

#[test]
fn a_fault_does_not_quote_what_is_broken() {
    for line in [
        "\"correct horse\"",
        "{\"a\": correct horse",
        "[\"correct horse\"]",
    ] {
        let entry = only(System::Latchkey, line.replace('[', " ["));
        let fault = entry.faults.first();
        assert!(
            fault.is_none_or(|fault| !fault.detail.contains("horse")),
            "{fault:?}"
        );
    }
}

#[test]
fn octets_that_are_no_text_are_one_fault() {
    let entries = read(
        System::Latchkey,
        b"{\"email\": \"\xff\"}\n{\"email\": \"a@b.example\"}\n",
    );
    let entries = entries.unwrap();
    assert_eq!(codes(&entries[0]), ["broken"]);
    assert_eq!(emails(&entries), ["", "a@b.example"]);
    let csv = b"id,email,encrypted_password\n1,\xff,\n2,a@b.example,\n3,a@b.example\n";
    let entries = read(System::Supabase, csv).unwrap();
    assert_eq!(codes(&entries[0]), ["not-utf8"]);
    assert!(codes(&entries[1]).is_empty());
    assert_eq!(codes(&entries[2]), ["broken"]);
}

#[test]
fn utf_16_is_told() {
    for octets in [b"\xff\xfe{\0", b"\xfe\xff\0{"] {
        for system in System::ALL {
            let refused = read(system, octets);
            assert!(matches!(refused, Err(ExportError::Utf16)), "{system:?}");
        }
    }
}

#[test]
fn an_element_that_is_broken_or_too_long_is_one_fault() {
    let long = "x".repeat(LONG);
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let user = |email: &str| format!("{{\"email\": \"{email}\", \"name\": \"a]}}\\\"\\\\\"}}");
    let file = format!(
        "{{\"version\": [1, {{\"users\": []}}, \"]\"], \"users\": [{}, {{\"a\":, }},\n\
         {{\"email\": \"{long}\"}}, {deep}, 5, \"text\", null,\n{}], \"deep\": {deep}}}",
        user("a@example.com"),
        user("b@example.com"),
    );
    let entries = read(System::Keycloak, file).unwrap();
    let addresses = ["a@example.com", "", "", "", "", "", "", "b@example.com"];
    assert_eq!(emails(&entries), addresses);
    let faults: Vec<_> = entries.iter().flat_map(|entry| codes(entry)).collect();
    let expected = ["broken", "too-long", "broken", "broken", "broken", "broken"];
    assert_eq!(faults, expected);
    assert_eq!(entries.last().unwrap().line, 3);
}

#[test]
fn a_file_that_breaks_off_is_an_error_after_what_was_whole() {
    let file = File::of("{\"users\": [{\"email\": \"a@example.com\"}, {\"email\": \"b@exa");
    let mut count = 0;
    let read = exports::read(System::Keycloak, &file.0, &Options::default(), &mut |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    assert!(matches!(read, Err(ExportError::Broken { line: 1, .. })));
    assert_eq!(count, 1);
    for broken in [
        "{\"users\": [",
        "{\"users\": [1",
        "{\"users\"",
        "{\"users\": [1]",
        "{",
        "[",
    ] {
        assert!(super::read(System::Keycloak, broken).is_err(), "{broken}");
    }
}

#[test]
fn reading_ends_if_it_is_told_to() {
    let file = File::of("{\"email\": \"a@example.com\"}\n".repeat(3));
    let mut count = 0;
    exports::read(System::Latchkey, &file.0, &Options::default(), &mut |_| {
        count += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(count, 1);
}

#[test]
fn what_is_no_such_export_is_told() {
    for system in System::ALL {
        for text in [
            "[1, 2, 3]",
            "{}",
            "42",
            "hello",
            "a,b\n1,2\n",
            "{\"a\": {\"b\": []}}",
        ] {
            match read(system, text) {
                Ok(entries) => assert!(
                    entries.into_iter().all(|entry| entry.parse().is_err()),
                    "{system:?} {text}"
                ),
                Err(error) => assert!(!matches!(error, ExportError::Io(_)), "{error}"),
            }
        }
    }
}

#[test]
fn a_quote_without_an_end_in_a_csv_is_an_error() {
    let row = "1,a@example.com,\"$2a$10$x\n";
    let file = format!(
        "id,email,encrypted_password\n{row}{}",
        "2,b@example.com,x\n".repeat(LONG)
    );
    let error = read(System::Supabase, file).unwrap_err();
    assert!(error.to_string().contains("quote"), "{error}");
}

#[test]
fn a_missing_column_or_table_is_named() {
    let error = read(System::Supabase, "id,email\n1,a@example.com\n").unwrap_err();
    assert!(error.to_string().contains("encrypted_password"), "{error}");
    let error = read(
        System::BetterAuth,
        "{\"user\": [{\"email\": \"a@b.example\"}]}",
    )
    .unwrap_err();
    assert!(error.to_string().contains("account"), "{error}");
    let error = read(System::BetterAuth, "{\"account\": [{\"userId\": \"1\"}]}").unwrap_err();
    assert!(error.to_string().contains("list user or users"), "{error}");
    let error = read(System::Lucia, "[{\"email\": \"a@b.example\"}]").unwrap_err();
    assert!(error.to_string().contains("tables"), "{error}");
    let error = read(System::WordPress, "INSERT INTO `wp_posts` VALUES (1);").unwrap_err();
    assert!(error.to_string().contains("wp_users"), "{error}");
    let error = read(
        System::Firebase,
        "{\"users\": [{\"passwordHash\": \"a\", \"salt\": \"b\"}]}",
    );
    assert!(matches!(error, Err(ExportError::NoHashConfig)));
}

#[test]
fn a_dump_has_mysql_s_escapes_comments_and_triggers() {
    let long = "x".repeat(LONG);
    let dump = format!(
        "-- MySQL dump; INSERT INTO `wp_users` VALUES (1)\n\
         /*M!999999\\- enable the sandbox mode */ \n\
         /*!40101 SET NAMES utf8mb4 */;\n# another; comment '\n\
         DROP TABLE IF EXISTS `wp_users`;\n\
         CREATE TABLE IF NOT EXISTS `site`.`x_users` (\n  `ID` bigint(20) unsigned NOT NULL,\n\
         `user_email` varchar(100) COMMENT 'a, `b` (c',\n  `user_pass` varchar(255),\n\
         `display_name` enum('a','b'), PRIMARY KEY (`ID`), KEY `k` (`user_email`)) ENGINE=InnoDB;\n\
         DELIMITER ;;\nCREATE TRIGGER t BEFORE INSERT ON x_users FOR EACH ROW BEGIN\n\
         INSERT INTO x_users VALUES (9,'trigger@example.com','x','');\n;\nEND ;;\nDELIMITER ;\n\
         INSERT INTO `x_wc_users` VALUES (1,'other');\n\
         INSERT IGNORE INTO `site`.`x_users` VALUES \
         (1,'a@example.com','p',_utf8mb4'O\\'Brien \\\"\\\\ '' \\0\\n\\% (;),'),\
         (2,'b@example.com',NULL,0x4164610A),\
         (3,'{long}','p','d'),\n\
         (4,concat('a','b'),'p','d'),\
         (5,'e@example.com','p'),\
         (-6,\"f@example.com\",'p',X'41') ON DUPLICATE KEY UPDATE ID=1;\n\
         REPLACE INTO x_users (`user_email`,`ID`,user_pass) VALUES ('g@example.com',7,'p');\n\
         INSERT INTO x_users SELECT * FROM y;\n"
    );
    let entries = read(System::WordPress, dump).unwrap();
    let addresses = [
        "a@example.com",
        "b@example.com",
        "",
        "",
        "",
        "f@example.com",
        "g@example.com",
    ];
    assert_eq!(emails(&entries), addresses);
    assert_eq!(members(&entries[0])["name"], "O'Brien \"\\ ' \0\n\\% (;),");
    assert_eq!(members(&entries[1])["name"], "Ada\n");
    assert!(entries[1].record.password_hash.is_none());
    let faults: Vec<_> = entries.iter().flat_map(|entry| codes(entry)).collect();
    assert_eq!(faults, ["too-long", "broken", "broken"]);
    assert_eq!(members(&entries[5])["external_id"], "-6");
    assert_eq!(members(&entries[6])["external_id"], "7");
}

#[test]
fn a_dump_that_breaks_off_or_has_two_sites_is_an_error() {
    for broken in [
        "INSERT INTO wp_users VALUES (1,'a",
        "INSERT INTO wp_users VALUES (1,",
    ] {
        assert!(matches!(
            read(System::WordPress, broken),
            Err(ExportError::Broken { .. })
        ));
    }
    let row = "1,'a','p','a','a@example.com','','2020-01-01','',0,'A'";
    let dump = format!("INSERT INTO wp_users VALUES ({row});INSERT INTO b_users VALUES ({row});");
    let error = read(System::WordPress, dump).unwrap_err();
    assert!(error.to_string().contains("two sites"), "{error}");
}

#[test]
fn no_octets_panic_a_reader() {
    let samples = [
        (System::Auth0, "auth0_password_hashes.ndjson"),
        (System::BetterAuth, "better_auth_tables.json"),
        (System::Django, "django_dumpdata.json"),
        (System::Firebase, "firebase_auth_export.json"),
        (System::Keycloak, "keycloak_realm.json"),
        (System::Supabase, "supabase_auth_users.csv"),
        (System::WordPress, "wordpress_wp_users.sql"),
    ];
    // Octets that mean something to one of the readers, in place of one of the file's.
    let meant = b"\0\"\\'`,:;(){}[]\n-/#\xff";
    for (system, name) in samples {
        let whole = std::fs::read(sample(name)).unwrap();
        let step = whole.len() / 200;
        for (number, place) in (0..whole.len()).step_by(step).enumerate() {
            let mut changed = whole.clone();
            changed[place] = meant[number % meant.len()];
            for octets in [&whole[..place], &changed] {
                let file = File::of(octets);
                for system in [system, System::Latchkey] {
                    let options = &Options::default();
                    let _ = exports::read(system, &file.0, options, &mut |entry| {
                        let _ = entry.parse();
                        ControlFlow::Continue(())
                    });
                }
            }
        }
    }
}
