//! How long planning takes: `cargo bench -p midmirror-mirror --bench planning`.
//!
//! Plans packages of made-up builds by stamp, by name and by URL, each package once; prints the median of nine rounds.

use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

use midmirror_mirror::package::{Buildstamp, PackageName, Platform};
use midmirror_mirror::plan::{
    DEFAULT_BASE, PlanRequest, PlannedPackage, each_once, plan_names, plan_stamp, plan_url,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let platforms = vec![Platform::LinuxX86_64, Platform::WindowsX86_64];
    let request = PlanRequest::upgrade_set(DEFAULT_BASE.parse()?, platforms);
    let stamps: Vec<String> = (0..BUILDS)
        .map(|number| {
            let (hour, minute) = (number / 60 % 24, number % 60);
            let patch = number / 1440;
            format!("zurich-07-01-2025__patch{patch}-06-13-2026_06-19-2026_{hour:02}{minute:02}")
        })
        .collect();
    let by_stamp = || -> Outcome<Vec<PlannedPackage>> {
        let mut planned = Vec::new();
        for stamp in &stamps {
            planned.extend(plan_stamp(&Buildstamp::from_input(stamp)?, &request)?);
        }
        Ok(each_once(planned))
    };
    let planned = by_stamp()?;
    let names: Vec<String> = planned.iter().map(|package| package.path().name().to_string()).collect();
    let urls: Vec<String> = planned.iter().map(|package| package.url().to_string()).collect();
    let by_name = || -> Outcome<Vec<PlannedPackage>> {
        let names = names.iter().map(|name| PackageName::parse(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(plan_names(&names, &request)?)
    };
    let by_url = || -> Outcome<Vec<PlannedPackage>> {
        Ok(each_once(urls.iter().map(|url| plan_url(url)).collect::<Result<Vec<_>, _>>()?))
    };
    measure("by stamp", by_stamp)?;
    measure("by name", by_name)?;
    measure("by URL", by_url)
}

fn measure(name: &str, plan: impl Fn() -> Outcome<Vec<PlannedPackage>>) -> Outcome<()> {
    let mut times = Vec::new();
    let mut count = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        count = plan()?.len();
        times.push(start.elapsed());
    }
    times.sort();
    let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
    writeln!(std::io::stdout(), "{name:<9} {count} packages in {:.1} ms", median.as_secs_f64() * 1000.0)?;
    Ok(())
}

/// Five packages each.
const BUILDS: u32 = 2000;
const ROUNDS: usize = 9;
