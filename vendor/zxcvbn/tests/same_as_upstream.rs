//! This crate judges as upstream does.
//!
//! Upstream walks through hash maps in a random order, so for some passwords its own answer differs
//! from call to call, or from process to process. This crate always takes one of those orders.
//! Where the answers differ, the tests therefore ask upstream again, if need be in other processes,
//! and fail if it never gives the same answer.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, io};

/// Only the real upstream has this: nothing can put this crate in its place.
const _: fn(u64) -> upstream::time_estimates::CrackTimes =
    upstream::time_estimates::CrackTimes::new;

/// As many characters as Latchkey judges.
const MAX_CHARS: usize = 32;
/// How often upstream is asked for the same answer in one process.
const MAX_CALLS: usize = 300;
/// How many other processes are asked.
const MAX_PROCESSES: usize = 50;

const LISTS: [&str; 6] = [
    include_str!("../data/passwords.txt"),
    include_str!("../data/english_wiki.txt"),
    include_str!("../data/female_names.txt"),
    include_str!("../data/male_names.txt"),
    include_str!("../data/surnames.txt"),
    include_str!("../data/us_tv_and_film.txt"),
];

/// All that a judgement says.
#[derive(Debug, PartialEq)]
struct Answer {
    guesses: u64,
    guesses_log10: u64,
    score: u8,
    /// The warning and the suggestions.
    feedback: Option<String>,
}

macro_rules! answer {
    ($zxcvbn:path, $password:expr, $user_inputs:expr) => {{
        let entropy = $zxcvbn($password, $user_inputs);
        Answer {
            guesses: entropy.guesses(),
            guesses_log10: entropy.guesses_log10().to_bits(),
            score: entropy.score().into(),
            feedback: entropy
                .feedback()
                .map(|x| format!("{:?} {:?}", x.warning(), x.suggestions())),
        }
    }};
}

/// When upstream gave the same answer.
#[derive(Debug, PartialEq)]
enum Same {
    AtOnce,
    InALaterCall,
    InAnotherProcess,
}

/// Compares the answers in this process.
fn compare_here(password: &str, user_inputs: &[&str]) -> Result<Same, String> {
    let ours = answer!(zxcvbn::zxcvbn, password, user_inputs);
    let mut theirs = Vec::new();
    for call in 0..MAX_CALLS {
        let answer = answer!(upstream::zxcvbn, password, user_inputs);
        if answer == ours {
            return Ok(if call == 0 {
                Same::AtOnce
            } else {
                Same::InALaterCall
            });
        }
        if !theirs.contains(&answer) {
            theirs.push(answer);
        }
    }
    Err(format!(
        "{password:?} {user_inputs:?}\nhere: {ours:?}\nupstream: {theirs:?}"
    ))
}

/// Compares the answers, if need be in other processes.
fn compare(password: &str, user_inputs: &[&str]) -> Result<Same, String> {
    let message = match compare_here(password, user_inputs) {
        Ok(same) => return Ok(same),
        Err(message) => message,
    };
    let question: String = [password]
        .iter()
        .chain(user_inputs)
        .map(|text| {
            text.chars()
                .map(|c| format!("{} ", c as u32))
                .collect::<String>()
                + "\n"
        })
        .collect();
    let ask = || -> io::Result<bool> {
        let mut child = Command::new(env::current_exe()?)
            .args(["--ignored", "--exact", "another_process"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(question.as_bytes())?;
        }
        Ok(child.wait()?.success())
    };
    for _ in 0..MAX_PROCESSES {
        if ask().map_err(|error| error.to_string())? {
            return Ok(Same::InAnotherProcess);
        }
    }
    Err(message)
}

#[test]
#[ignore = "asked by the other tests only"]
fn another_process() {
    let mut question = String::new();
    io::stdin().read_to_string(&mut question).unwrap();
    let texts: Vec<String> = question
        .lines()
        .map(|line| {
            line.split_whitespace()
                .filter_map(|number| char::from_u32(number.parse().ok()?))
                .collect()
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let [password, user_inputs @ ..] = texts.as_slice() else {
        panic!("nothing was asked");
    };
    compare_here(password, user_inputs).unwrap();
}

fn word() -> impl Strategy<Value = String> {
    let lists = LISTS.map(|list| list.lines().collect::<Vec<_>>());
    (select(lists.to_vec()), any::<prop::sample::Index>(), 0..3u8).prop_map(
        |(list, index, common)| {
            // The common words are the short ones.
            let index = index.index(list.len());
            list[if common == 0 { index } else { index % 500 }].to_string()
        },
    )
}

fn with_case(strategy: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (strategy, 0..6u8, any::<u32>()).prop_map(|(text, way, mask)| match way {
        0 => text.to_uppercase(),
        1 => {
            let mut chars = text.chars();
            let first = chars.next().map(|c| c.to_uppercase().to_string());
            first.unwrap_or_default() + chars.as_str()
        }
        2 => text
            .chars()
            .enumerate()
            .map(|(i, c)| {
                if mask >> (i % 32) & 1 == 1 {
                    c.to_uppercase().to_string()
                } else {
                    c.to_string()
                }
            })
            .collect(),
        3 => text.chars().rev().collect(),
        _ => text,
    })
}

fn leet(strategy: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (strategy, any::<u64>()).prop_map(|(text, mask)| {
        text.chars()
            .enumerate()
            .map(|(i, c)| {
                let subs = match c.to_ascii_lowercase() {
                    'a' => "4@",
                    'b' => "8",
                    'c' => "({[<",
                    'e' => "3",
                    'g' => "69",
                    'i' => "1!|",
                    'l' => "1|7",
                    'o' => "0",
                    's' => "$5",
                    't' => "+7",
                    'x' => "%",
                    'z' => "2",
                    _ => return c,
                };
                let mask = mask.rotate_right(3 * i as u32 % 64);
                if mask & 1 == 0 {
                    return c;
                }
                subs.chars()
                    .cycle()
                    .nth(mask as usize >> 1 & 3)
                    .unwrap_or(c)
            })
            .collect()
    })
}

fn part() -> impl Strategy<Value = String> {
    let keys =
        "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./ ~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:\"\
        ZXCVBNM<>? 7894561230 963852741 =/*789+456123 ',.pyfgcrl/=aoeuidhtns-;qjkxbmwvz qazwsxedc \
        1qaz2wsx3edc zaq12wsx !QAZ@WSX$RFV zxcft6yhn abcdefghijklmnopqrstuvwxyz zyxwvutsrqponml \
        ACEGIKMO 97531 αβγδεζηθ абвгдежз";
    let keys: Vec<char> = keys.chars().collect();
    let separators = vec![
        "", "", "/", "-", ".", "_", "\\", " ", "\n", "\u{a0}", "\u{3000}", ",",
    ];
    let odd = "\n\r\t \u{85}\u{2028}İıßẞΣσςſKÅǅﬀéäöü𐰊𐰂🐱🐶\0\u{7f}\u{301}";
    let date = (1..32u32, 1..14u32, 980..2070u32, select(separators), 0..8u8);
    prop_oneof![
        4 => with_case(word()),
        3 => leet(with_case(word())),
        2 => date.prop_map(|(day, month, year, sep, form)| {
            let (short, long) = (year % 100, year);
            match form {
                0 => format!("{day}{sep}{month}{sep}{long}"),
                1 => format!("{month}{sep}{day}{sep}{short}"),
                2 => format!("{long}{sep}{month:02}{sep}{day:02}"),
                3 => format!("{day:02}{sep}{month:02}{sep}{long}"),
                4 => format!("{short:02}{sep}{month:02}{sep}{day}"),
                5 => format!("{long}"),
                6 => format!("{}", 1900 + year % 200),
                _ => format!("{day}{sep}{month}"),
            }
        }),
        2 => (0..keys.len(), 2..14usize, any::<bool>()).prop_map(move |(start, len, back)| {
            let mut run: Vec<char> = keys.iter().skip(start).take(len).copied().collect();
            if back {
                run.reverse();
            }
            run.into_iter().collect()
        }),
        2 => "[ -~]{1,8}",
        1 => "[0-9]{1,8}",
        1 => "[a-c@4({1|!7+$5]{1,10}",
        1 => prop::collection::vec(any::<char>(), 1..4).prop_map(String::from_iter),
        1 => prop::collection::vec(select(odd.chars().collect::<Vec<_>>()), 1..4)
            .prop_map(String::from_iter),
    ]
}

fn password_and_user_inputs() -> impl Strategy<Value = (String, Vec<String>)> {
    let piece = prop_oneof![
        5 => part(),
        1 => (part(), 2..5usize).prop_map(|(part, count)| part.repeat(count)),
    ];
    let pieces = prop::collection::vec(piece, 0..5);
    let user_inputs = prop::collection::vec(
        prop_oneof![
            2 => part(),
            2 => (part(), part()).prop_map(|(a, b)| a + &b),
            1 => Just(String::new()),
            1 => Just("alice@example.org".to_string()),
        ],
        0..4,
    );
    // Which user input goes where in the password, and how.
    let insert = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0..5u8,
        any::<u64>(),
    );
    (pieces, user_inputs, insert).prop_map(|(mut pieces, inputs, (which, place, way, mask))| {
        if let (false, false) = (inputs.is_empty(), way == 0) {
            let input = which.get(&inputs).clone();
            let input = match way {
                1 => input.to_uppercase(),
                2 => input.chars().rev().collect(),
                3 => input
                    .chars()
                    .enumerate()
                    .map(|(i, c)| match c {
                        'a' if mask >> (i % 64) & 1 == 1 => '@',
                        'e' if mask >> (i % 64) & 1 == 1 => '3',
                        'l' if mask >> (i % 64) & 1 == 1 => '1',
                        c => c,
                    })
                    .collect(),
                _ => input,
            };
            pieces.insert(place.index(pieces.len() + 1), input);
        }
        let password = pieces.concat().chars().take(MAX_CHARS).collect();
        (password, inputs)
    })
}

#[test]
fn any_password() {
    let counts = [const { AtomicUsize::new(0) }; 3];
    let config = Config {
        failure_persistence: None,
        // A failure takes a while, and the passwords are short anyway.
        max_shrink_iters: 0,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&password_and_user_inputs(), |(password, inputs)| {
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let same = compare(&password, &inputs).map_err(TestCaseError::fail)?;
        if same != Same::AtOnce {
            println!("{same:?}: {password:?} {inputs:?}");
        }
        counts[same as usize].fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    println!("at once, in a later call, in another process: {counts:?}");
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn corpus() {
    let user_inputs = [
        "Alice@Example.org",
        "alice",
        "Latchkey",
        "alice",
        "",
        "stra\u{df}e",
        "abcABCabc",
    ];
    let passwords = [
        "",
        "\0",
        "a",
        "aa",
        "password",
        "P4$$w0rd",
        "drowssap",
        "PASSWORD1",
        "qwertyuiop",
        "QWERTY",
        "zxcvbn",
        "147852369",
        "aoeuidhtns",
        "!QAZ@WSX#EDC$RFV%TGB",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabcabcabcabcabcab",
        "aabaabaabaab",
        "a\na\na\na\n",
        "ab\nab\nab",
        "\n\n\n\n",
        "abcdefghijklmnopqrstuvwxyz",
        "zyxw97531ACEG",
        "1999",
        "20202020",
        "119019990",
        "1/1/1991",
        "1.1.91",
        "13\u{a0}2\u{a0}1921",
        "13\u{3000}2\u{3000}1921",
        "13\n2\n1921",
        "13-2/1921",
        "111504",
        "99999999",
        "00000000",
        "31129999",
        "correct horse battery staple",
        "correcthorsebatterystaple",
        "Tr0ub4dour&3",
        "D0g..................",
        "r0sebudmaelstrom11/20/91aaaa",
        "P4$$w0rd!7|1ttl3_5un5h1n3@2{7z%8",
        "4@8({[<369!|170$5+7%2",
        "4@8({[<369!|170$5+7%24@8({[<369!",
        "\u{130}stanbul\u{130}password",
        "\u{3a3}\u{3a3}\u{3a3}password\u{3a3}",
        "stra\u{1e9e}e",
        "STRASSE",
        "\u{212a}itty",
        "\u{1f431}\u{1f436}\u{1f431}\u{1f436}",
        "\u{130}\u{130}drowssap",
        "alice",
        "alice@example.org",
        "ALICE@example.org",
        "4l1c3@3x4mpl3.0rg",
        "gro.elpmaxe@ecila",
        "latchkey1",
        "yekhctal",
        "L4tchK3y2024!",
        "abcABCabcABCabc",
        "ecilalatchkeyalice",
    ];
    for password in passwords {
        for user_inputs in [&user_inputs[..], &[]] {
            if let Err(error) = compare(password, user_inputs) {
                panic!("{error}");
            }
        }
    }
    for list in LISTS {
        for word in list.lines().step_by(97) {
            if let Err(error) = compare(word, &[]) {
                panic!("{error}");
            }
        }
    }
}
