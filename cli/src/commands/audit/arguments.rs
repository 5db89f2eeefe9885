//! The command line of `midmirror audit`.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::arguments::TrustSourceArguments;

/// What to audit, and how to report it.
#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// Judge everything as of this day or moment as well, besides now and the moment of admission; reads all bytes
    #[arg(long, value_name = "TIME", value_parser = day_or_moment)]
    pub at: Option<Timestamp>,
    /// Tell what changed since this day or moment, instead of since the last audit
    #[arg(long, value_name = "DATE", value_parser = day_or_moment)]
    pub since: Option<Timestamp>,
    /// A trust file that was kept elsewhere; without it the catalog is verified with the store's own first root metadata
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Audit what a mirror serves at this address instead of a store; needs --trust, and fetches every package
    #[arg(long, value_name = "URL", requires = "trust", conflicts_with_all = ["full", "reread_after"])]
    pub url: Option<String>,
    /// Read every byte, whatever the last audit has read
    #[arg(long)]
    pub full: bool,
    /// Read bytes again that were last read so many days ago; what changed is read in any case
    #[arg(long, value_name = "DAYS", default_value_t = 30, conflicts_with = "full", value_parser = clap::value_parser!(u32).range(..=36_500))]
    pub reread_after: u32,
    /// What this audit leaves for the next one, and was left by the last [default: STORE.audits/record.json]. It is only as
    /// trustworthy as the place where it is kept
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Neither read nor leave a record
    #[arg(long, conflicts_with = "record")]
    pub no_record: bool,
    /// Write the report as JSON to this file, or to standard output (-)
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
    /// Write the packages as CSV to this file, or to standard output (-)
    #[arg(long, value_name = "FILE|-")]
    pub csv: Option<PathBuf>,
    /// Write the report as one HTML page, for screen and paper, to this file, or to standard output (-)
    #[arg(long, value_name = "FILE|-")]
    pub html: Option<PathBuf>,
    /// Where trust anchors come from
    #[command(flatten)]
    pub sources: TrustSourceArguments,
}

impl AuditArguments {
    /// How many forms of the report go to standard output, besides the text.
    pub(super) fn on_stdout(&self) -> usize {
        let forms = [&self.json, &self.csv, &self.html];
        forms.into_iter().flatten().filter(|file| is_stdout(file)).count()
    }
}

/// Whether a form of the report goes to standard output.
pub(super) fn is_stdout(file: &Path) -> bool {
    file == Path::new("-")
}

/// `2026-11-30`, which begins in UTC, or a moment.
fn day_or_moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let day = text.parse::<jiff::civil::Date>().and_then(|day| day.to_zoned(TimeZone::UTC));
    day.map(|begin| begin.timestamp()).map_err(|_| {
        "give a day as 2026-11-30 (it begins in UTC) or a moment as 2026-11-30T12:00:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_in_utc_and_moments_are_taken_as_they_are() {
        assert_eq!(day_or_moment("2026-11-30").unwrap().to_string(), "2026-11-30T00:00:00Z");
        assert_eq!(day_or_moment("2026-11-30T01:00:00+01:00").unwrap().to_string(), "2026-11-30T00:00:00Z");
        assert!(day_or_moment("yesterday").is_err());
    }
}
