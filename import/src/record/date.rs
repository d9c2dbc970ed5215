//! Times, in the forms that exports have them.

use serde_json::Value;
use time::{Date, Month, Time, UtcOffset};

/// Numbers above this are milliseconds. As seconds it would be the year 5138, and as milliseconds it
/// is March 1973, before any of these systems.
const MOST_SECONDS: u64 = 100_000_000_000;
/// The last second of the year 9999, the last one that RFC 3339 can write.
const LAST: u64 = 253_402_300_799;

/// An error: the value is not a time from 1970 to 9999 in a form that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a time such as 2024-05-01T10:00:00Z, or seconds since the epoch")]
pub(crate) struct InvalidTime;

/// Returns a time in seconds since the epoch, or `None` if the old system has stored none: `null`,
/// an empty text, or MySQL's `0000-00-00`.
///
/// Times without an offset from UTC are in UTC.
///
/// # Errors
///
/// Returns an error if it is no time.
pub(crate) fn seconds(value: &Value) -> Result<Option<u64>, InvalidTime> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => {
            // Floating-point numbers become integers towards zero. The cast saturates.
            let whole = number.as_u64().or_else(|| {
                let real = number.as_f64().filter(|real| *real >= 0.0)?;
                Some(real as u64)
            });
            of_number(whole.ok_or(InvalidTime)?).map(Some)
        }
        Value::String(text) => of_text(text.trim()),
        _ => Err(InvalidTime),
    }
}

fn of_number(number: u64) -> Result<u64, InvalidTime> {
    let seconds = match number > MOST_SECONDS {
        true => number / 1000,
        false => number,
    };
    (seconds <= LAST).then_some(seconds).ok_or(InvalidTime)
}

fn of_text(text: &str) -> Result<Option<u64>, InvalidTime> {
    if text.is_empty() || text.starts_with("0000-00-00") {
        return Ok(None);
    }
    let whole = text.split('.').next().unwrap_or_default();
    if let Ok(number) = whole.parse::<u64>() {
        let fraction = text.get(whole.len()..).unwrap_or_default();
        let fraction = fraction.strip_prefix('.').unwrap_or_default();
        return match fraction.bytes().all(|b| b.is_ascii_digit()) {
            true => of_number(number).map(Some),
            false => Err(InvalidTime),
        };
    }
    let seconds = of_calendar(text).ok_or(InvalidTime)?;
    let seconds = u64::try_from(seconds).map_err(|_| InvalidTime)?;
    (seconds <= LAST)
        .then_some(Some(seconds))
        .ok_or(InvalidTime)
}

/// Reads a date, perhaps with a time and an offset: RFC 3339, as PostgreSQL writes a `timestamptz`,
/// as MySQL writes a `datetime`, or as Ruby writes a time.
fn of_calendar(text: &str) -> Option<i64> {
    let mut rest = Rest(text);
    let year = rest.digits(4)?;
    rest.one_of("-")?;
    let month = Month::try_from(u8::try_from(rest.digits(2)?).ok()?).ok()?;
    rest.one_of("-")?;
    let day = u8::try_from(rest.digits(2)?).ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    if rest.0.is_empty() {
        return Some(date.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp());
    }
    rest.one_of("Tt ")?;
    let hour = u8::try_from(rest.digits(2)?).ok()?;
    rest.one_of(":")?;
    let minute = u8::try_from(rest.digits(2)?).ok()?;
    let mut second = 0;
    if rest.one_of(":").is_some() {
        // A leap second is the last one of its minute.
        second = u8::try_from(rest.digits(2)?).ok()?;
        second = if second == 60 { 59 } else { second };
        if rest.one_of(".,").is_some() {
            let digits = rest.0.bytes().take_while(u8::is_ascii_digit).count();
            rest.0 = rest.0.get(digits..).filter(|_| digits > 0)?;
        }
    }
    let time = Time::from_hms(hour, minute, second).ok()?;
    let offset = offset(rest.0.trim_start())?;
    Some(date.with_time(time).assume_offset(offset).unix_timestamp())
}

/// Reads an offset from UTC: none, `Z`, `UTC`, `GMT`, `+02`, `+0200`, `+02:00`, `+00:00:00`.
fn offset(text: &str) -> Option<UtcOffset> {
    if text.is_empty() || ["z", "utc", "gmt"].contains(&text.to_ascii_lowercase().as_str()) {
        return Some(UtcOffset::UTC);
    }
    let mut rest = Rest(text);
    let sign = match rest.one_of("+-")? {
        '-' => -1,
        _ => 1,
    };
    let hours = i8::try_from(rest.digits(2)?).ok()?;
    let mut parts = [0; 2];
    for part in &mut parts {
        if !rest.0.is_empty() {
            let _ = rest.one_of(":");
            *part = i8::try_from(rest.digits(2)?).ok()?;
        }
    }
    let [minutes, seconds] = parts;
    let offset = UtcOffset::from_hms(sign * hours, sign * minutes, sign * seconds);
    offset.ok().filter(|_| rest.0.is_empty())
}

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// Takes a number of exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i32> {
        let digits = self.0.get(..count)?;
        let number = digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then_some(digits)?;
        self.0 = self.0.get(count..)?;
        number.parse().ok()
    }

    /// Takes one of these characters.
    fn one_of(&mut self, characters: &str) -> Option<char> {
        let first = self.0.chars().next().filter(|c| characters.contains(*c))?;
        self.0 = self.0.get(first.len_utf8()..)?;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_read_in_the_forms_of_json_postgresql_mysql_and_ruby() {
        let may = 1_714_557_600;
        for (given, expected) in [
            (json!("2024-05-01T10:00:00Z"), may),
            (json!("2024-05-01T10:00:00.123456Z"), may),
            (json!("2024-05-01t12:00:00+02:00"), may),
            (json!("2024-05-01 10:00:00+00"), may),
            (json!("2024-05-01 10:00:00.5+00"), may),
            (json!("2024-05-01 15:30:00+0530"), may),
            (json!("2024-05-01 06:30:00-03:30"), may),
            (json!("2024-05-01 10:00:00"), may),
            (json!("2024-05-01 10:00:00 UTC"), may),
            (json!("2024-05-01 10:00:00 +0000"), may),
            (json!("2024-05-01T10:00Z"), may),
            (json!("2024-05-01"), may - 36_000),
            (json!(may), may),
            (json!(1_714_557_600_123_u64), may),
            (json!(1_714_557_600.9), may),
            (json!("1714557600"), may),
            (json!("1714557600000"), may),
            (json!("1714557600.25"), may),
            (json!(0), 0),
            (json!("1970-01-01"), 0),
            (json!("9999-12-31T23:59:59Z"), LAST),
            (json!("2016-12-31T23:59:60Z"), 1_483_228_799),
        ] {
            assert_eq!(seconds(&given), Ok(Some(expected)), "{given}");
        }
    }

    #[test]
    fn a_time_that_was_not_stored_is_none() {
        for given in [
            json!(null),
            json!(""),
            json!(" "),
            json!("0000-00-00 00:00:00"),
            json!("0000-00-00"),
        ] {
            assert_eq!(seconds(&given), Ok(None), "{given}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for given in [
            json!("yesterday"),
            json!("infinity"),
            json!("2024-02-30"),
            json!("2024-13-01"),
            json!("2024-05-01T25:00:00Z"),
            json!("2024-05-01T10:00:00Q"),
            json!("2024-05-01T10:00:00+"),
            json!("2024-05-01T10:00:00+99"),
            json!("2024-05-01T10:00:00.Z"),
            json!("2024-05-01X10:00:00Z"),
            json!("1969-12-31T23:59:59Z"),
            json!("0001-01-01T00:00:00"),
            json!("9999-12-31T23:59:59-01:00"),
            json!("1714557600.x"),
            json!("2024-05-01T10:00:0\u{661}Z"),
            json!(-1),
            json!(1e300),
            json!(u64::MAX),
            json!(true),
            json!(["2024-05-01"]),
        ] {
            assert_eq!(seconds(&given), Err(InvalidTime), "{given}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9TZ:. +-]{0,32}|.{0,16}") {
            let _ = seconds(&json!(text));
        }
    }
}
