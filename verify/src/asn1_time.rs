//! UTCTime and GeneralizedTime (X.680), in the forms the JDK reads.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::asn1::{Asn1Error, Value, tag};

/// Parses `YYMMDDhhmm[ss]` or `YYYYMMDDhhmm[ss[.fff]]`, with `Z` or an offset `±hhmm`; the fraction also after a comma.
pub(crate) fn parse(value: &Value<'_>) -> Result<Timestamp, Asn1Error> {
    let malformed = Asn1Error("malformed time");
    let text = std::str::from_utf8(value.content).map_err(|_| malformed)?;
    let year_digits = match value.tag {
        tag::UTC_TIME => 2,
        tag::GENERALIZED_TIME => 4,
        _ => return Err(Asn1Error("time expected")),
    };
    try_parse(text, year_digits).ok_or(malformed)
}

fn try_parse(text: &str, year_digits: usize) -> Option<Timestamp> {
    let zone = text.find(['Z', '+', '-'])?;
    let (local, zone) = text.split_at_checked(zone)?;
    let fraction = local.split_once(['.', ',']);
    let (whole, digits) = fraction.unwrap_or((local, "0"));
    if !is_number(whole) || !is_number(digits) || (year_digits == 2 && fraction.is_some()) {
        return None;
    }
    let (year, rest) = whole.split_at_checked(year_digits)?;
    let mut fields = [0i64; 5];
    let mut pairs = rest.as_bytes().chunks(2);
    for (position, field) in fields.iter_mut().enumerate() {
        match pairs.next() {
            Some([tens, ones]) => *field = i64::from(tens - b'0') * 10 + i64::from(ones - b'0'),
            // Only the seconds may be missing, and not before an offset.
            None if position == 4 && fraction.is_none() && zone == "Z" => {}
            _ => return None,
        }
    }
    let [month, day, hour, minute, second] = fields;
    let valid =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if !valid || pairs.next().is_some() {
        return None;
    }
    let year: i16 = year.parse().ok()?;
    let year = match year_digits {
        2 if year < 50 => 2000 + year,
        2 => 1900 + year,
        _ => year,
    };
    let millis: i64 = format!("{digits:0<3}").get(..3)?.parse().ok()?;
    // A day beyond the end of its month runs over into the next, as in the JDK.
    let shift = Span::new()
        .try_days(day - 1)
        .and_then(|span| span.try_hours(hour))
        .and_then(|span| span.try_minutes(minute))
        .and_then(|span| span.try_seconds(second))
        .and_then(|span| span.try_milliseconds(millis))
        .ok()?;
    let start = Date::new(year, i8::try_from(month).ok()?, 1).ok()?.at(0, 0, 0, 0);
    let local = start.checked_add(shift).ok()?;
    let Ok(utc) = local.to_zoned(TimeZone::UTC) else {
        // The last day of the year 9999 means that there is no end (RFC 5280 section 4.1.2.5); `jiff` ends one day earlier.
        return Some(Timestamp::MAX);
    };
    let utc = utc.timestamp();
    utc.checked_sub(Span::new().try_minutes(offset(zone)?).ok()?).ok()
}

/// The offset from UTC in minutes.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, digits) = zone.split_at_checked(1)?;
    if digits.len() != 4 || !is_number(digits) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (digits.get(..2)?.parse().ok()?, digits.get(2..)?.parse().ok()?);
    if hours >= 24 || minutes >= 60 {
        return None;
    }
    let minutes = hours * 60 + minutes;
    Some(if sign == "-" { -minutes } else { minutes })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::try_parse;

    #[test]
    fn times_of_both_kinds_are_read() {
        let text = |text: &str, digits| try_parse(text, digits).map(|time| time.to_string());
        assert_eq!(text("20240126030725Z", 4).as_deref(), Some("2024-01-26T03:07:25Z"));
        assert_eq!(text("20240126030725.5Z", 4).as_deref(), Some("2024-01-26T03:07:25.5Z"));
        assert_eq!(text("20240126030725,5Z", 4).as_deref(), Some("2024-01-26T03:07:25.5Z"));
        assert_eq!(text("240126030725Z", 2).as_deref(), Some("2024-01-26T03:07:25Z"));
        assert_eq!(text("990126030725+0100", 2).as_deref(), Some("1999-01-26T02:07:25Z"));
        assert_eq!(text("9901260307Z", 2).as_deref(), Some("1999-01-26T03:07:00Z"));
        assert_eq!(try_parse("99991231235959Z", 4), Some(jiff::Timestamp::MAX));
        assert_eq!(text("20230230000000Z", 4).as_deref(), Some("2023-03-02T00:00:00Z"));
        for bad in [
            "20240126030725",
            "20241326030725Z",
            "2024012603072Z",
            "20240126030725.Z",
            "20240126030725,Z",
            "202401260307+0100",
            "20240126030725ZZ",
            "",
        ] {
            assert_eq!(text(bad, 4), None, "{bad:?}");
        }
    }
}
