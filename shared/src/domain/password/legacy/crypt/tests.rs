use secrecy::ExposeSecret as _;

use super::super::crypt64::{Order, decode, number};
use super::*;

fn digest(crypt: &Crypt, password: &str) -> Vec<u8> {
    let digest = crypt.digest(password.as_bytes(), &Secrets::default());
    digest.unwrap().unwrap().expose_secret().to_vec()
}

/// Returns the digest that a text is, whose octets stand in the order `places`.
fn written(text: &str, places: &[usize]) -> Vec<u8> {
    let mut digest = vec![0; places.iter().max().unwrap() + 1];
    for (&place, octet) in places.iter().zip(decode(text, Order::LowFirst).unwrap()) {
        digest[place] = octet;
    }
    digest
}

const MD5: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

fn salt(text: &str) -> Octets {
    Octets::from(text.as_bytes())
}

#[test]
fn des_crypt_and_its_extension_are_those_of_php_s_manual() {
    let des = Crypt::Des {
        salt: number("rl").unwrap().try_into().unwrap(),
    };
    let hash = decode(".3StKT.4T8M", Order::HighFirst).unwrap();
    assert_eq!(digest(&des, "rasmuslerdorf"), hash);
    assert_eq!(digest(&des, "rasmusle"), hash, "eight octets count");
    let bsdi = Crypt::Bsdi {
        rounds: number("J9..").unwrap(),
        salt: number("rasm").unwrap(),
    };
    let hash = decode("BYk8r9AiWNc", Order::HighFirst).unwrap();
    assert_eq!(digest(&bsdi, "rasmuslerdorf"), hash);
    assert_ne!(digest(&bsdi, "rasmusle"), hash);
}

#[test]
fn md5_crypt_and_apache_s_variant_are_those_of_php_s_and_apache_s_manuals() {
    let md5 = |text: &str, apache| Crypt::Md5 {
        salt: salt(text),
        apache,
    };
    assert_eq!(
        digest(&md5("rasmusle", false), "rasmuslerdorf"),
        written("rISCgZzpwk3UhDidwXvin0", &MD5)
    );
    assert_eq!(
        digest(&md5("r31.....", true), "myPassword"),
        written("HqJZimcKQFAMYayBlzkrA/", &MD5)
    );
}

#[test]
fn sha_crypt_is_that_of_its_specification() {
    let sha256 = Crypt::Sha256 {
        rounds: 5000,
        salt: salt("saltstring"),
    };
    let places = [
        20, 10, 0, 11, 1, 21, 2, 22, 12, 23, 13, 3, 14, 4, 24, 5, 25, 15, 26, 16, 6, 17, 7, 27, 8,
        28, 18, 29, 19, 9, 30, 31,
    ];
    assert_eq!(
        digest(&sha256, "Hello world!"),
        written("5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", &places)
    );
    let few = Crypt::Sha512 {
        rounds: 999,
        salt: salt(""),
    };
    let refused = few.digest(b"", &Secrets::default());
    assert_eq!(refused.unwrap_err(), LegacyError::Unusable);
}

#[test]
fn sha1_crypt_is_that_of_passlib_s_tests() {
    let sha1 = Crypt::Sha1 {
        rounds: 19703,
        salt: salt("iVdJqfSE"),
    };
    let text = decode("v4qYKl1zqYThwpjJAoKX6UvlHq/a", Order::LowFirst).unwrap();
    let digest = digest(&sha1, "password");
    for (group, read) in text.chunks(3).enumerate() {
        let places = [3 * group + 2, 3 * group + 1, 3 * group].map(|place| place % 20);
        assert_eq!(read, places.map(|place| digest[place]));
    }
}

#[test]
fn sun_md5_is_that_of_passlib_s_tests() {
    let sun = |settings: &str, password| {
        let sun = Crypt::Sun {
            rounds: 0,
            settings: settings.to_owned(),
        };
        digest(&sun, password)
    };
    let hash = written("wBvMOEqbSjU.hu5T2VEP01", &MD5);
    assert_eq!(sun("$md5$zrdhpMlZ$", "Gpcs3_adm"), hash);
    // Without the second `$`, the salt ends before the first.
    let hash = written("WTvAlUJ7MqH5xak2FMEwS/", &MD5);
    assert_eq!(sun("$md5$RPgLF6IJ", "passwd"), hash);
}

#[test]
fn nt_takes_octets_for_code_points() {
    let hash = [
        0x88, 0x46, 0xf7, 0xea, 0xee, 0x8f, 0xb1, 0x17, 0xad, 0x06, 0xbd, 0xd8, 0x30, 0xb7, 0x58,
        0x6c,
    ];
    assert_eq!(digest(&Crypt::Nt, "password"), hash);
    assert_ne!(digest(&Crypt::Nt, "\u{e4}"), digest(&Crypt::Nt, "\u{c3}"));
}

fn yescrypt(params: &str, salt: &str, gost: bool) -> Crypt {
    Crypt::Yescrypt(Yescrypt {
        params: params.to_owned(),
        salt: salt.to_owned(),
        gost,
    })
}

#[test]
fn parameters_of_yescrypt_that_nobody_writes_are_unusable() {
    for params in [
        "",
        "j",
        "j9",
        "jzzzzzzz9T",
        "j9T.",
        "j953/2",
        "jC559",
        "k9T",
        "j9T/",
        "j.T",
        "$",
    ] {
        let crypt = yescrypt(params, "", false);
        assert!(crypt.work().bounded().is_err(), "{params}");
        assert!(crypt.digest(b"", &Secrets::default()).is_err(), "{params}");
    }
}

#[test]
fn a_long_password_does_not_make_many_rounds_endless() {
    let sha512 = Crypt::Sha512 {
        rounds: 3_000_000,
        salt: salt("salt"),
    };
    assert!(sha512.work().bounded().is_ok());
    let refused = sha512.digest(&[b'x'; 2048], &Secrets::default());
    assert!(matches!(refused, Err(LegacyError::TooCostly(_))));
}
