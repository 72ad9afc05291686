//! Instants as text: RFC 3339 and its relatives in, RFC 3339 in UTC with milliseconds out.
//!
//! Only the shapes that the event contract permits are read. Instants are milliseconds since the
//! Unix epoch in the proleptic Gregorian calendar. Never asks what time it is.

/// 0001-01-01T00:00:00.000Z.
pub const INSTANT_MS_MIN: i64 = -62_135_596_800_000;
/// 9999-12-31T23:59:59.999Z.
pub const INSTANT_MS_MAX: i64 = 253_402_300_799_999;

/// The time of a message in its log, where that is one: where producers set it, it can be any
/// number. Clients write 0 or -1 where they have none, and one that is no instant is none either.
pub fn log_time_ms(ms: Option<i64>) -> Option<i64> {
    ms.filter(|ms| (1..=INSTANT_MS_MAX).contains(ms))
}

const DAY_MS: i64 = 86_400_000;

/// Reads an instant with a zone: [`read`] without local times.
pub fn parse_rfc3339(text: &[u8]) -> Option<i64> {
    match read(text)? {
        Written::Instant(ms) => Some(ms),
        Written::Local(_) => None,
    }
}

/// What a text says of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Milliseconds since the Unix epoch.
    Instant(i64),
    /// No zone is written: milliseconds since 1970-01-01T00:00 on the clock of some place.
    Local(i64),
}

/// Reads `YYYY-MM-DD(T|t| )hh:mm[:ss[(.|,)digits]][ ](Z|z|±hh[[:]mm])`, rounded down to
/// milliseconds; the zone may be left out. A leap second is the last millisecond of `:59`.
///
/// `None` for any other shape, a day or time that does not exist, a year outside 0001 to 9999, or
/// an instant outside them in UTC.
pub fn read(text: &[u8]) -> Option<Written> {
    let (head, tail) = text.split_at_checked(16)?;
    let digits = |from: usize, count: usize| number(&head[from..from + count]);
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute) = (digits(11, 2)?, digits(14, 2)?);
    let separators_fit = head[4] == b'-'
        && head[7] == b'-'
        && matches!(head[10], b'T' | b't' | b' ')
        && head[13] == b':';
    let in_range = year >= 1
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60;
    if !separators_fit || !in_range {
        return None;
    }
    let (of_minute_ms, zone) = seconds(tail)?;
    let local_ms =
        days_from_civil(year, month, day) * DAY_MS + (hour * 60 + minute) * 60_000 + of_minute_ms;
    if zone.is_empty() {
        return Some(Written::Local(local_ms));
    }
    let ms = local_ms - offset(zone.strip_prefix(b" ").unwrap_or(zone))?;
    (INSTANT_MS_MIN..=INSTANT_MS_MAX)
        .contains(&ms)
        .then_some(Written::Instant(ms))
}

/// The instant at which clocks of a zone show a local time: of an hour that comes twice the first
/// one, of one that is skipped as if the clocks had not been changed yet. `None` outside the years
/// 0001 to 9999 of UTC.
pub fn local_to_instant(local_ms: i64, zone: &jiff::tz::TimeZone) -> Option<i64> {
    let utc = jiff::Timestamp::from_millisecond(local_ms).ok()?;
    let clocks = jiff::tz::TimeZone::UTC.to_datetime(utc);
    // RFC 5545, 3.3.5, has the same rule.
    let instant = zone.to_ambiguous_timestamp(clocks).compatible().ok()?;
    let ms = instant.as_millisecond();
    (INSTANT_MS_MIN..=INSTANT_MS_MAX)
        .contains(&ms)
        .then_some(ms)
}

/// Writes an instant as RFC 3339 in UTC with milliseconds: `2013-11-03T20:00:00.123Z`.
///
/// Every `i64` has a form, since windows may end after the last instant of an event: a year that
/// has not four digits is written with a sign and six, as ISO 8601 and ECMAScript have it.
pub fn format_rfc3339(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil_from_days(days);
    let (seconds, ms) = (of_day / 1000, of_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let rest = format!("-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z");
    if (0..=9999).contains(&year) {
        format!("{year:04}{rest}")
    } else {
        format!("{year:+07}{rest}")
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

/// Splits `[:ss[(.|,)digits]]rest` into its milliseconds, rounded down, and the rest.
fn seconds(tail: &[u8]) -> Option<(i64, &[u8])> {
    let [b':', s1, s2, tail @ ..] = tail else {
        return Some((0, tail));
    };
    let second = number(&[*s1, *s2])?;
    let (fraction_ms, zone) = fraction(tail)?;
    match second {
        0..60 => Some((second * 1000 + fraction_ms, zone)),
        60 => Some((59_999, zone)),
        _ => None,
    }
}

/// Splits `[(.|,)digits]rest` into its milliseconds, rounded down, and the rest.
fn fraction(tail: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.' | b',', digits)) = tail.split_first() else {
        return Some((0, tail));
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let ms = (0..3).fold(0, |sum, place| {
        let digit = digits[..count]
            .get(place)
            .map_or(0, |b| i64::from(b - b'0'));
        sum * 10 + digit
    });
    Some((ms, &digits[count..]))
}

/// Reads `Z`, `z` or `±hh[[:]mm]` as milliseconds to take off.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match zone {
        b"Z" | b"z" => return Some(0),
        [sign, h1, h2] => (sign, [*h1, *h2], [b'0', b'0']),
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => (sign, [*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let (hours, minutes) = (number(&hours)?, number(&minutes)?);
    if hours >= 24 || minutes >= 60 {
        return None;
    }
    let ms = (hours * 60 + minutes) * 60_000;
    match sign {
        b'+' => Some(ms),
        b'-' => Some(-ms),
        _ => None,
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar.
///
/// Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The day that is so many days after 1970-01-01.
///
/// Hinnant, the same, `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let day = 86_400_000;
        let each = (INSTANT_MS_MIN..INSTANT_MS_MAX).step_by(day as usize * 13 + 1_234_567);
        for ms in each.chain([INSTANT_MS_MIN, -1, 0, 1, INSTANT_MS_MAX]) {
            let text = format_rfc3339(ms);
            assert_eq!(parse_rfc3339(text.as_bytes()), Some(ms), "{text}");
        }
    }

    #[test]
    fn clocks_that_are_changed_show_some_times_twice_and_some_never() {
        let zone = jiff::tz::TimeZoneDatabase::bundled()
            .get("America/Montreal")
            .expect("a zone");
        let check = |local: &str, expected: &str| {
            let Some(Written::Local(local_ms)) = read(local.as_bytes()) else {
                panic!("{local} has no zone");
            };
            let ms = local_to_instant(local_ms, &zone).expect("an instant");
            assert_eq!(format_rfc3339(ms), expected, "{local}");
        };
        check("2025-11-28T11:00", "2025-11-28T16:00:00.000Z");
        check("2025-07-01 11:00:00.5", "2025-07-01T15:00:00.500Z");
        // One o'clock comes twice: the first, in summer time, holds.
        check("2025-11-02T00:59", "2025-11-02T04:59:00.000Z");
        check("2025-11-02T01:30", "2025-11-02T05:30:00.000Z");
        check("2025-11-02T02:00", "2025-11-02T07:00:00.000Z");
        // Two o'clock is skipped: five hours behind UTC until then.
        check("2025-03-09T02:30", "2025-03-09T07:30:00.000Z");
        check("2025-03-09T03:00", "2025-03-09T07:00:00.000Z");
    }

    #[test]
    fn the_ends_have_a_form() {
        assert_eq!(
            format_rfc3339(INSTANT_MS_MIN - 1),
            "0000-12-31T23:59:59.999Z"
        );
        assert_eq!(
            format_rfc3339(INSTANT_MS_MAX + 1),
            "+010000-01-01T00:00:00.000Z"
        );
        assert!(format_rfc3339(i64::MAX).starts_with('+'));
        assert!(format_rfc3339(i64::MIN).starts_with('-'));
    }
}
