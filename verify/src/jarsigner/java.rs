//! Habits of Java that show in the text: dates, the order of hash maps, messages of exceptions.

use std::io;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::archive::Modified;
use crate::jdk::Jdk;

/// A moment as `java.util.Date.toString()` prints it.
pub(super) fn long_date(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %b %d %H:%M:%S %Z %Y").to_string()
}

/// A time of last modification in the form of [`long_date`].
pub(super) fn modification_date(modified: Modified, zone: &TimeZone) -> String {
    // The calendar repeats itself, days of the week included.
    const FOUR_CENTURIES: i64 = 146_097 * 24 * 3600 * 1000;
    let Modified::Utc(millis) = modified else {
        return long_date(modification_time(modified, zone), zone);
    };
    if Timestamp::from_millisecond(millis).is_ok() {
        return long_date(modification_time(modified, zone), zone);
    }
    let year_2000 = 946_684_800_000;
    let since = millis.saturating_sub(year_2000);
    let near = Timestamp::from_millisecond(year_2000 + since.rem_euclid(FOUR_CENTURIES));
    let near = near.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone());
    let year = i64::from(near.year()) + since.div_euclid(FOUR_CENTURIES) * 400;
    format!("{} {year}", near.strftime("%a %b %d %H:%M:%S %Z"))
}

/// A moment as the short format for date and time of the locale en-US.
pub(super) fn short_date(at: Timestamp, zone: &TimeZone, jdk: Jdk) -> String {
    let space = jdk.rules().space_before_meridiem;
    if at == Timestamp::MAX {
        // A certificate without an end, see `asn1_time`.
        return format!("12/31/99, 11:59{space}PM");
    }
    let at = at.to_zoned(zone.clone());
    format!("{}{space}{}", at.strftime("%-m/%-d/%y, %-I:%M"), at.strftime("%p"))
}

/// The time of last modification as `ZipEntry.getTime` gives it.
fn modification_time(modified: Modified, zone: &TimeZone) -> Timestamp {
    match modified {
        Modified::Utc(millis) => Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH),
        Modified::Dos(dos) => dos_time(dos, zone).unwrap_or(Timestamp::UNIX_EPOCH),
    }
}

/// An MS-DOS time in the local zone; fields out of range run over into the next larger one.
fn dos_time(dos: u32, zone: &TimeZone) -> Option<Timestamp> {
    let field = |shift: u32, mask: u32| i64::from(dos >> shift & mask);
    let year = i16::try_from(1980 + field(25, 0x7f)).ok()?;
    let mut at = Date::new(year, 1, 1).ok()?.at(0, 0, 0, 0);
    // One after the other, because the parts of a span have one sign.
    let day = [Span::new().try_months(field(21, 0x0f) - 1), Span::new().try_days(field(16, 0x1f) - 1)];
    let time = Span::new()
        .try_hours(field(11, 0x1f))
        .and_then(|span| span.try_minutes(field(5, 0x3f)))
        .and_then(|span| span.try_seconds(field(0, 0x1f) * 2));
    for span in day.into_iter().chain([time]) {
        at = at.checked_add(span.ok()?).ok()?;
    }
    Some(at.to_zoned(zone.clone()).ok()?.timestamp())
}

/// What Java says of a file that cannot be opened by its path.
pub(super) fn open_failure(path: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("java.nio.file.NoSuchFileException: {path}"),
        io::ErrorKind::PermissionDenied => format!("java.nio.file.AccessDeniedException: {path}"),
        _ => format!("java.io.IOException: {error}"),
    }
}

/// What Java says of a file that cannot be read.
pub(super) fn read_failure(error: &io::Error) -> String {
    format!("java.io.IOException: {error}")
}

/// What `FileInputStream` says.
pub(super) fn file_failure(path: &str, error: &io::Error) -> String {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "Permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "Is a directory".to_owned(),
        _ => error.to_string(),
    };
    format!("{path} ({reason})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_forms_of_java() {
        let at: Timestamp = "2017-06-01T00:00:00Z".parse().unwrap();
        assert_eq!(long_date(at, &TimeZone::UTC), "Thu Jun 01 00:00:00 UTC 2017");
        assert_eq!(short_date(at, &TimeZone::UTC, Jdk::V17_0_21), "6/1/17, 12:00 AM");
        let at = "2024-12-24T15:04:05Z".parse().unwrap();
        assert_eq!(short_date(at, &TimeZone::UTC, Jdk::V17_0_21), "12/24/24, 3:04 PM");
        assert_eq!(short_date(at, &TimeZone::UTC, Jdk::V25), "12/24/24, 3:04\u{202f}PM");
    }

    #[test]
    fn dates_go_beyond_the_year_9999() {
        let date = |millis| modification_date(Modified::Utc(millis), &TimeZone::UTC);
        assert_eq!(date(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(date(520_509_428_786_000), "Mon Apr 14 16:26:26 UTC 18464");
    }

    #[test]
    fn dates_out_of_range_run_over() {
        let at = modification_time(Modified::Dos(0), &TimeZone::UTC);
        assert_eq!(at.to_string(), "1979-11-30T00:00:00Z");
        // Day 0 is the day before the first, but hours count forward; what is too much runs over.
        for (dos, text) in [
            (1_482_709_952, "2024-02-29T11:30:00Z"),
            (1_476_460_543, "2023-12-01T08:04:02Z"),
            (1_509_947_392, "2025-04-01T07:00:00Z"),
            (4_294_967_295, "2108-04-01T08:04:02Z"),
            (1_482_620_928, "2024-03-02T00:00:00Z"),
        ] {
            let at = modification_time(Modified::Dos(dos), &TimeZone::UTC);
            assert_eq!(at.to_string(), text);
        }
    }
}
