//! HTTP-dates (RFC 9110 §5.6.7) to and from seconds since 1970, without a clock or a time zone.

use std::fmt::Write;

const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_S: i64 = 86_400;
/// The first and the last second that the formats can express with four digits of year from 1601 on.
const EXPRESSIBLE: std::ops::RangeInclusive<i64> = -11_644_473_600..=253_402_300_799;

/// An IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`. Times before 1601 or after 9999 are moved to the
/// nearest that can be expressed.
pub fn format(unix_s: i64) -> String {
    let unix_s = unix_s.clamp(*EXPRESSIBLE.start(), *EXPRESSIBLE.end());
    let (days, second) = (unix_s.div_euclid(DAY_S), unix_s.rem_euclid(DAY_S));
    let (year, month, day) = civil_from_days(days);
    let weekday = &WEEKDAYS[days.rem_euclid(7) as usize][..3];
    let mut text = String::with_capacity(29);
    let month = MONTHS[month as usize - 1];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Writing into a String has no way to fail.
    let _ = write!(text, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT");
    text
}

/// Reads any of the three formats that RFC 9110 §5.6.7 wants accepted; `None` for everything else.
///
/// A year of two digits is taken for 1970 to 2069: there is no clock here to tell what is 50 years ahead.
pub fn parse(text: &str) -> Option<i64> {
    match text.as_bytes().get(3)? {
        b',' => parse_imf(text),
        b' ' => parse_asctime(text),
        _ => parse_rfc850(text),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn parse_imf(text: &str) -> Option<i64> {
    let rest = text.strip_suffix(" GMT").filter(|rest| rest.len() == 25)?;
    let (weekday, rest) = rest.split_once(", ")?;
    let mut words = rest.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let date = (number(year, 4)?, month_number(month)?, number(day, 2)?);
    seconds(is_weekday(weekday, 3) && words.next().is_none(), date, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn parse_rfc850(text: &str) -> Option<i64> {
    let (weekday, rest) = text.strip_suffix(" GMT")?.split_once(", ")?;
    let (date, time) = rest.split_once(' ')?;
    let mut parts = date.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, number(parts.next()?, 2)?);
    let year = if year < 70 { 2000 + year } else { 1900 + year };
    let date = (year, month_number(month)?, number(day, 2)?);
    seconds(is_weekday(weekday, 9) && parts.next().is_none(), date, time)
}

/// `Sun Nov  6 08:49:37 1994`
fn parse_asctime(text: &str) -> Option<i64> {
    if text.len() != 24 || !text.is_ascii() || text.as_bytes()[19] != b' ' {
        return None;
    }
    let (weekday, month, day, time) =
        (&text[..3], text.get(4..7)?, text[8..10].trim_start_matches(' '), &text[11..19]);
    let blanks = [3, 7, 10].iter().all(|&at| text.as_bytes()[at] == b' ');
    let date = (number(&text[20..], 4)?, month_number(month)?, number(day, day.len())?);
    seconds(blanks && is_weekday(weekday, 3), date, time)
}

fn is_weekday(text: &str, letters: usize) -> bool {
    WEEKDAYS.iter().any(|name| &name[..letters.min(name.len())] == text)
}

fn month_number(text: &str) -> Option<i64> {
    MONTHS.iter().position(|&name| name == text).map(|at| at as i64 + 1)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let valid = text.len() == digits && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

fn seconds(frame_is_good: bool, (year, month, day): (i64, i64, i64), time: &str) -> Option<i64> {
    let mut parts = time.split(':');
    let (hour, minute, second) =
        (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let days = days_from_civil(year, month, day);
    let date_exists = civil_from_days(days) == (year, month, day);
    // 60 is a leap second.
    let time_exists = hour < 24 && minute < 60 && second <= 60 && parts.next().is_none();
    (frame_is_good && date_exists && time_exists).then_some(days * DAY_S + hour * 3600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years are counted from March, so that
/// a leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// The reverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}
