//! Instants between text and milliseconds since the Unix epoch, counted day by day.
//!
//! In come the shapes that the event contract permits; out goes RFC 3339 in UTC with
//! milliseconds. Never clever: years are counted one after the other, so that it can be believed.

/// 0001-01-01T00:00:00.000Z; the oracle's own cases count it out.
pub const FIRST_MS: i64 = -62_135_596_800_000;

/// 9999-12-31T23:59:59.999Z.
pub const LAST_MS: i64 = 253_402_300_799_999;

/// Reads `YYYY-MM-DD(T|t| )hh:mm[:ss[(.|,)digits]][ ](Z|z|±hh[[:]mm])`; `None` for anything else.
pub fn read(text: &str) -> Option<i64> {
    let letters: Vec<char> = text.chars().collect();
    let fits = |at: usize, which: &str| letters.get(at).is_some_and(|found| which.contains(*found));
    if !(fits(4, "-") && fits(7, "-") && fits(10, "Tt ") && fits(13, ":")) {
        return None;
    }
    let (year, month, day) = (
        digits(&letters, 0, 4)?,
        digits(&letters, 5, 2)?,
        digits(&letters, 8, 2)?,
    );
    let (hour, minute) = (digits(&letters, 11, 2)?, digits(&letters, 14, 2)?);
    let has_seconds = fits(16, ":");
    let second = if has_seconds {
        digits(&letters, 17, 2)?
    } else {
        0
    };
    let there_is = year >= 1
        && (1..=12).contains(&month)
        && (1..=month_days(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !there_is {
        return None;
    }
    let mut at = if has_seconds { 19 } else { 16 };
    let mut thousandths = 0;
    if has_seconds && fits(at, ".,") {
        let from = at + 1;
        at = from;
        while letters.get(at).is_some_and(char::is_ascii_digit) {
            at += 1;
        }
        let written: String = letters[from..at].iter().chain(&['0', '0', '0']).collect();
        if at == from {
            return None;
        }
        thousandths = written[..3].parse().ok()?;
    }
    if fits(at, " ") {
        at += 1;
    }
    let ahead_minutes = zone(&letters[at..])?;
    let minutes = (days_before(year, month, day) * 24 + hour) * 60 + minute - ahead_minutes;
    let ms = match second {
        60 => minutes * 60_000 + 59_999,
        _ => (minutes * 60 + second) * 1000 + thousandths,
    };
    is_permitted(ms).then_some(ms)
}

/// Whether an instant lies in the years 0001 to 9999 of UTC.
pub fn is_permitted(ms: i64) -> bool {
    (FIRST_MS..=LAST_MS).contains(&ms)
}

/// Writes an instant: `2013-11-03T20:00:00.123Z`; the year beyond 9999 with six digits and a sign.
pub fn write(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // 400 years are 146,097 days; what is left is counted.
    let mut year = 1970 + 400 * days.div_euclid(146_097);
    let mut day = days.rem_euclid(146_097);
    while day >= year_days(year) {
        day -= year_days(year);
        year += 1;
    }
    let mut month = 1;
    while day >= month_days(year, month) {
        day -= month_days(year, month);
        month += 1;
    }
    let date = match year {
        0..=9999 => format!("{year:04}-{month:02}-{:02}", day + 1),
        _ => format!("{year:+07}-{month:02}-{:02}", day + 1),
    };
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, thousandths) = (of_day / 1000 % 60, of_day % 1000);
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{thousandths:03}Z")
}

fn zone(letters: &[char]) -> Option<i64> {
    match letters {
        ['Z' | 'z'] => Some(0),
        [sign @ ('+' | '-'), rest @ ..] => {
            let written: String = rest.iter().filter(|letter| **letter != ':').collect();
            let colon = rest.iter().position(|letter| *letter == ':');
            let colons = rest.len() - written.len();
            if !(colons == 0 || colons == 1 && colon == Some(2) && written.len() == 4) {
                return None;
            }
            let written: Vec<char> = written.chars().collect();
            let (hours, minutes) = match written.len() {
                2 => (digits(&written, 0, 2)?, 0),
                4 => (digits(&written, 0, 2)?, digits(&written, 2, 2)?),
                _ => return None,
            };
            let ahead = hours * 60 + minutes;
            let there_is = hours <= 23 && minutes <= 59;
            there_is.then_some(if *sign == '+' { ahead } else { -ahead })
        }
        _ => None,
    }
}

fn digits(letters: &[char], from: usize, count: usize) -> Option<i64> {
    let found = letters.get(from..from + count)?;
    let all = found.iter().all(char::is_ascii_digit);
    all.then(|| found.iter().collect::<String>().parse().ok())?
}

/// Days from 1970-01-01 to a day.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let years: i64 = if year >= 1970 {
        (1970..year).map(year_days).sum()
    } else {
        -(year..1970).map(year_days).sum::<i64>()
    };
    let months: i64 = (1..month).map(|month| month_days(year, month)).sum();
    years + months + day - 1
}

fn year_days(year: i64) -> i64 {
    365 + i64::from(is_leap(year))
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}
