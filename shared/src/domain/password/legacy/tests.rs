use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::derivation::Derive;
use super::step::{prepare, slashed};
use super::*;

const ALGORITHMS: [(Algorithm, usize); 12] = [
    (Algorithm::Md4, 64),
    (Algorithm::Md5, 64),
    (Algorithm::Sha1, 64),
    (Algorithm::Sha224, 64),
    (Algorithm::Sha256, 64),
    (Algorithm::Sha384, 128),
    (Algorithm::Sha512, 128),
    (Algorithm::Sha3_224, 144),
    (Algorithm::Sha3_256, 136),
    (Algorithm::Sha3_384, 104),
    (Algorithm::Sha3_512, 72),
    (Algorithm::Streebog256, 64),
];

fn hex(octets: &[u8]) -> String {
    String::from_utf8(Encoding::Hex.encode(octets.to_vec())).unwrap()
}

fn name(name: &str) -> SecretName {
    name.parse().unwrap()
}

fn secrets(pairs: &[(&str, &str)]) -> Secrets {
    let mut secrets = Secrets::default();
    for (known, secret) in pairs {
        secrets.insert(name(known), (*secret).into());
    }
    secrets
}

fn derive(derivation: &dyn Derive, password: &[u8], secrets: &Secrets) -> String {
    assert!(derivation.work().bounded().is_ok());
    let digest = derivation.digest(password, secrets).unwrap().unwrap();
    hex(digest.expose_secret())
}

fn stepped(steps: &[Step], typed: &str) -> Option<Vec<u8>> {
    let known = secrets(&[("pepper", "pepper")]);
    let prepared = prepare(steps, typed, &known).unwrap();
    prepared.map(|octets| octets.to_vec())
}

#[test]
fn hash_functions_agree_with_their_published_digests_of_abc() {
    for (algorithm, digest) in [
        (Algorithm::Md4, "a448017aaf21d8525fc10ae87aa6729d"),
        (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            Algorithm::Sha224,
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        ),
        (
            Algorithm::Sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            Algorithm::Sha3_224,
            "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
        ),
        (
            Algorithm::Sha3_256,
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
        ),
    ] {
        assert_eq!(hex(&algorithm.digest(b"abc")), digest, "{algorithm:?}");
    }
}

#[test]
fn every_hmac_is_the_one_of_rfc_2104() {
    for (algorithm, block) in ALGORITHMS {
        assert_eq!(algorithm.digest(b"").len(), algorithm.length());
        for key in [&b""[..], b"key", &[0xaa; 200]] {
            let mut padded = match key.len() > block {
                true => algorithm.digest(key),
                false => key.to_vec(),
            };
            padded.resize(block, 0);
            let with = |pad: u8| padded.iter().map(move |octet| octet ^ pad);
            let inner: Vec<u8> = with(0x36).chain(*b"message").collect();
            let outer: Vec<u8> = with(0x5c).chain(algorithm.digest(&inner)).collect();
            let expected = algorithm.digest(&outer);
            assert_eq!(algorithm.hmac(key, b"message"), expected, "{algorithm:?}");
        }
    }
}

#[test]
fn pbkdf2_agrees_with_rfc_6070_and_with_its_definition() {
    let pbkdf2 = |algorithm, rounds, length| Pbkdf2 {
        algorithm,
        rounds,
        salt: Octets(b"salt".to_vec()),
        salt_secret: None,
        length,
    };
    let none = Secrets::default();
    let two = derive(&pbkdf2(Algorithm::Sha1, 2, 20), b"password", &none);
    assert_eq!(two, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
    for (algorithm, _) in ALGORITHMS {
        let length = u32::try_from(algorithm.length()).unwrap();
        let one = pbkdf2(algorithm, 1, length).digest(b"password", &none);
        if matches!(algorithm, Algorithm::Md4 | Algorithm::Streebog256) {
            assert_eq!(one.unwrap_err(), LegacyError::Unusable);
            continue;
        }
        let block = algorithm.hmac(b"password", b"salt\0\0\0\x01");
        assert_eq!(one.unwrap().unwrap().expose_secret(), block);
    }
}

#[test]
fn a_secret_after_the_salt_of_pbkdf2_is_part_of_it() {
    let with = |salt: &[u8], salt_secret| Pbkdf2 {
        algorithm: Algorithm::Sha256,
        rounds: 3,
        salt: salt.into(),
        salt_secret,
        length: 32,
    };
    let known = secrets(&[("pepper", "pepper")]);
    let joined = derive(&with(b"saltpepper", None), b"password", &known);
    let apart = derive(&with(b"salt", Some(name("pepper"))), b"password", &known);
    assert_eq!(apart, joined);
    let unknown = with(b"salt", Some(name("other"))).digest(b"password", &known);
    assert_eq!(unknown.unwrap_err(), LegacyError::NoSecret(name("other")));
}

#[test]
fn scrypt_agrees_with_rfc_7914() {
    let scrypt = Scrypt {
        ln: 4,
        r: 1,
        p: 1,
        salt: Octets(Vec::new()),
        length: 64,
    };
    let expected = "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442\
                    fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906";
    assert_eq!(derive(&scrypt, b"", &Secrets::default()), expected);
}

#[test]
fn argon2_agrees_with_rfc_9106() {
    let argon2 = |kind| LegacyArgon2 {
        kind,
        v: 19,
        m: 32,
        t: 3,
        p: 4,
        salt: Octets(vec![2; 16]),
        data: Some(Octets(vec![4; 12])),
        secret: Some(name("secret")),
        length: 32,
    };
    let known = secrets(&[("secret", "\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}")]);
    for (kind, expected) in [
        (
            Argon2Kind::D,
            "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb",
        ),
        (
            Argon2Kind::I,
            "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8",
        ),
        (
            Argon2Kind::Id,
            "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659",
        ),
    ] {
        assert_eq!(
            derive(&argon2(kind), &[1; 32], &known),
            expected,
            "{kind:?}"
        );
    }
}

/// Vectors of crypt_blowfish. The octets of salts and digests were decoded from its texts.
#[test]
fn bcrypt_agrees_with_crypt_blowfish_also_in_its_old_fault() {
    use base64::Engine as _;
    let decode = |text: &str| {
        let alphabet = &base64::alphabet::BCRYPT;
        let config = base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
            .with_decode_allow_trailing_bits(true);
        let engine = base64::engine::GeneralPurpose::new(alphabet, config);
        engine.decode(text).unwrap()
    };
    for (text, password) in [
        (
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            &b"U*U"[..],
        ),
        (
            "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
            b"\xa3",
        ),
        (
            "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq",
            b"\xa3",
        ),
    ] {
        let bcrypt = Bcrypt {
            cost: 5,
            salt: Octets(decode(&text[7..29])),
            sign_extended: text.starts_with("$2x"),
        };
        let digest = derive(&bcrypt, password, &Secrets::default());
        assert_eq!(digest, hex(&decode(&text[29..])), "{text}");
    }
}

#[test]
fn octets_after_the_72nd_do_not_count_for_bcrypt_and_a_nul_does() {
    let bcrypt = Bcrypt {
        cost: 4,
        salt: Octets(vec![7; 16]),
        sign_extended: false,
    };
    let none = Secrets::default();
    let digest = |password: &str| derive(&bcrypt, password.as_bytes(), &none);
    let long = "x".repeat(72);
    assert_eq!(digest(&long), digest(&format!("{long}y")));
    assert_ne!(digest(&long), digest(&long[..71]));
    assert_ne!(digest("a"), digest("a\0b"));
}

/// The sample of <https://github.com/firebase/scrypt>.
#[test]
fn the_password_of_firebase_s_sample_project_verifies() {
    use base64::Engine as _;
    let decode = |text: &str| base64::prelude::BASE64_STANDARD.decode(text).unwrap();
    let key =
        "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
    let firebase = Firebase {
        ln: 14,
        r: 8,
        p: 1,
        salt: Octets([decode("42xEC+ixf3L2lw=="), decode("Bw==")].concat()),
        signer: name("signer"),
    };
    let digest = derive(&firebase, b"user1password", &secrets(&[("signer", key)]));
    let stored =
        "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
    assert_eq!(digest, hex(&decode(stored)));
    for wrong in ["", "not base64!"] {
        let refused = firebase.digest(b"user1password", &secrets(&[("signer", wrong)]));
        assert!(matches!(
            refused.unwrap_err(),
            LegacyError::UnusableSecret(..)
        ));
    }
}

#[test]
fn steps_change_the_octets_in_their_order() {
    let octets = |text: &str| Octets(text.as_bytes().to_vec());
    let pepper = Step::AppendSecret(name("pepper"));
    for (steps, typed, expected) in [
        (vec![], " a\0", Some(&b" a\0"[..])),
        (vec![Step::Nfc], "o\u{308}", Some("ö".as_bytes())),
        (vec![Step::Nfkd], "ö", Some("o\u{308}".as_bytes())),
        (vec![Step::Nfkc], "ﬁ", Some(b"fi")),
        (vec![Step::Saslprep], "a\u{ad}b\u{a0}c", Some(b"ab c")),
        (vec![Step::Saslprep], "a\u{7}", Some(b"a\x07")),
        (vec![Step::SaslprepOrRefuse], "a\u{7}", None),
        (vec![Step::Uppercase], "straße", Some(b"STRASSE")),
        (vec![Step::Utf16Le], "aö", Some(b"a\0\xf6\0")),
        (vec![Step::Trim], "\t a b \n", Some(b"a b")),
        (
            vec![
                Step::Prepend(octets("<")),
                Step::Append(octets(">")),
                pepper,
            ],
            "a",
            Some(b"<a>pepper"),
        ),
        (
            vec![Step::PrependSecret(name("pepper"))],
            "a",
            Some(b"peppera"),
        ),
        (vec![Step::Cut(2)], "abc", Some(b"ab")),
        (vec![Step::CutAtNul], "ab\0c", Some(b"ab")),
        (vec![Step::RefuseNul], "ab\0c", None),
        (vec![Step::RefuseNul], "abc", Some(b"abc")),
        (vec![Step::RefuseLonger(2)], "ö", Some("ö".as_bytes())),
        (vec![Step::RefuseLonger(2)], "öo", None),
        (vec![Step::RefuseEmpty], "", None),
        (
            vec![Step::Digest(Algorithm::Md5, Encoding::Hex)],
            "abc",
            Some(b"900150983cd24fb0d6963f7d28e17f72"),
        ),
        (
            vec![Step::Digest(Algorithm::Md5, Encoding::Base64)],
            "abc",
            Some(b"kAFQmDzST7DWlj99KOF/cg=="),
        ),
        (
            vec![
                Step::DigestIfLonger(3, Algorithm::Md5, Encoding::Hex),
                Step::Cut(4),
            ],
            "abc",
            Some(b"abc"),
        ),
        (
            vec![
                Step::DigestIfLonger(2, Algorithm::Md5, Encoding::Hex),
                Step::Cut(4),
            ],
            "abc",
            Some(b"9001"),
        ),
    ] {
        assert_eq!(stepped(&steps, typed).as_deref(), expected, "{steps:?}");
    }
}

#[test]
fn a_backslash_is_put_before_what_php_quotes() {
    assert_eq!(slashed("plain"), None);
    let text = slashed("it's \"a\" \\ \0").unwrap();
    assert_eq!(text.as_str(), "it\\'s \\\"a\\\" \\\\ \\0");
}

#[test]
fn what_is_too_costly_is_refused_before_it_is_computed() {
    let costly = [
        Derivation::Bcrypt(Bcrypt {
            cost: 31,
            salt: Octets(vec![0; 16]),
            sign_extended: false,
        }),
        Derivation::Pbkdf2(Pbkdf2 {
            algorithm: Algorithm::Sha1,
            rounds: 10_000_000,
            salt: Octets(Vec::new()),
            salt_secret: None,
            length: 20,
        }),
        Derivation::Scrypt(Scrypt {
            ln: 22,
            r: 8,
            p: 1,
            salt: Octets(Vec::new()),
            length: 64,
        }),
        Derivation::Scrypt(Scrypt {
            ln: 255,
            r: u32::MAX,
            p: u32::MAX,
            salt: Octets(Vec::new()),
            length: 64,
        }),
        Derivation::Argon2(LegacyArgon2 {
            kind: Argon2Kind::D,
            v: 16,
            m: 4 * 1024 * 1024,
            t: 1,
            p: 1,
            salt: Octets(vec![0; 16]),
            data: None,
            secret: None,
            length: 32,
        }),
        Derivation::Iterated(Iterated {
            salted: true,
            ..Iterated::plain(Algorithm::Sha512, u32::MAX)
        }),
    ];
    for derivation in costly {
        let scheme = LegacyScheme::of(derivation);
        let refused = scheme.digests("password", &Secrets::default());
        assert!(
            matches!(refused, Err(LegacyError::TooCostly(_))),
            "{scheme:?}"
        );
    }
}

#[test]
fn neither_schemes_nor_secrets_nor_digests_print_a_secret() {
    let known = secrets(&[("pepper", "hush")]);
    let scheme = LegacyScheme {
        steps: vec![Step::AppendSecret(name("pepper"))],
        derivation: Derivation::Plain,
        or_slashed: false,
    };
    let digests = scheme.digests("typed", &known).unwrap();
    let printed = format!("{known:?} {scheme:?} {digests:?}");
    assert!(
        !printed.contains("hush") && !printed.contains("typed"),
        "{printed}"
    );
    assert_eq!(scheme.secrets().collect::<Vec<_>>(), [&name("pepper")]);
}

proptest! {
    #![proptest_config(crate::properties::cases())]

    #[test]
    fn octets_are_read_as_they_were_written(octets in prop::collection::vec(any::<u8>(), 0..40)) {
        let written = serde_json::to_string(&Octets(octets.clone())).unwrap();
        prop_assert_eq!(serde_json::from_str::<Octets>(&written).unwrap().0, octets);
    }
}
