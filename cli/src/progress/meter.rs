//! Bytes, rate and remaining time of the file that is being fetched, and of all of them.

use std::time::{Duration, Instant};

use midmirror_mirror::fetch::FetchEvent;
use midmirror_mirror::pipeline::Event;

use crate::output::size;

/// Counts what arrives.
#[derive(Debug)]
pub(crate) struct Meter {
    packages: usize,
    done: usize,
    /// Bytes that arrived in files that are over.
    earlier: u64,
    /// Since the first byte that was waited for.
    began: Option<Instant>,
    file: Option<FileMeter>,
}

#[derive(Debug)]
struct FileMeter {
    name: String,
    began: Instant,
    /// What was there when it began.
    from: u64,
    received: u64,
    total: Option<u64>,
}

impl Meter {
    pub(crate) fn new(packages: usize) -> Self {
        Self { packages, done: 0, earlier: 0, began: None, file: None }
    }

    pub(crate) fn tell(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::Fetching { path, event: FetchEvent::Progress(progress) } => {
                self.began.get_or_insert(now);
                let name = path.name().as_str();
                match &mut self.file {
                    Some(file) if file.name == name => {
                        // A clean start throws away what was there.
                        file.from = file.from.min(progress.received);
                        (file.received, file.total) = (progress.received, progress.total);
                    }
                    _ => {
                        self.close();
                        self.file = Some(FileMeter {
                            name: name.to_owned(),
                            began: now,
                            from: progress.received,
                            received: progress.received,
                            total: progress.total,
                        });
                    }
                }
            }
            Event::Finished { .. } => self.done += 1,
            _ => {}
        }
    }

    fn close(&mut self) {
        if let Some(file) = self.file.take() {
            self.earlier = self.earlier.saturating_add(file.fetched());
        }
    }

    /// Bytes a second of the file, and seconds until it is complete.
    pub(crate) fn file_speed(&self, now: Instant) -> (Option<u64>, Option<u64>) {
        let Some(file) = &self.file else { return (None, None) };
        let rate = rate(file.fetched(), now.duration_since(file.began));
        let left = file.total.map(|total| total.saturating_sub(file.received));
        let eta = rate.filter(|rate| *rate > 0).and_then(|rate| left.map(|left| left.div_ceil(rate)));
        (rate, eta)
    }

    pub(crate) fn file_line(&self, now: Instant) -> Option<String> {
        let file = self.file.as_ref()?;
        let mut line = format!("{}: {}", file.name, size(file.received));
        if let Some(total) = file.total {
            line += &format!(" of {}, {} %", size(total), file.percent(total));
        }
        for words in self.speed_words(now) {
            line += &format!(", {words}");
        }
        Some(line)
    }

    /// The name of the file and what is to be said of it, most wanted first.
    pub(super) fn file_words(&self, now: Instant) -> Option<(&str, Vec<String>)> {
        let file = self.file.as_ref()?;
        let mut words = self.speed_words(now);
        match file.total {
            Some(total) => {
                words.insert(0, format!("{} %", file.percent(total)));
                words.push(format!("{} of {}", size(file.received), size(total)));
            }
            None => words.insert(0, size(file.received)),
        }
        Some((&file.name, words))
    }

    fn speed_words(&self, now: Instant) -> Vec<String> {
        let (rate, eta) = self.file_speed(now);
        let rate = rate.map(|rate| format!("{}/s", size(rate)));
        rate.into_iter().chain(eta.map(|eta| format!("{} left", time(eta)))).collect()
    }

    pub(crate) fn total_line(&self, now: Instant) -> String {
        self.total_words(now).join(", ")
    }

    /// The time left of all of it is known only when the last file is on its way: nobody has told the sizes before.
    pub(super) fn total_words(&self, now: Instant) -> Vec<String> {
        let fetched = self.earlier.saturating_add(self.file.as_ref().map_or(0, FileMeter::fetched));
        let packages = format!("{} of {} packages done", self.done, self.packages);
        let mut words = vec![packages, format!("{} fetched", size(fetched))];
        let began = self.began.unwrap_or(now);
        words.extend(rate(fetched, now.duration_since(began)).map(|rate| format!("{}/s", size(rate))));
        if let (Some(eta), true) = (self.file_speed(now).1, self.done + 1 == self.packages) {
            words.push(format!("{} left", time(eta)));
        }
        words
    }
}

impl FileMeter {
    fn fetched(&self) -> u64 {
        self.received.saturating_sub(self.from)
    }

    fn percent(&self, total: u64) -> u64 {
        self.received.saturating_mul(100).checked_div(total).unwrap_or(100)
    }
}

/// None as long as there is too little to tell.
fn rate(bytes: u64, time: Duration) -> Option<u64> {
    let milliseconds = u64::try_from(time.as_millis()).ok().filter(|time| *time >= 200)?;
    Some(bytes.saturating_mul(1000) / milliseconds)
}

fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use midmirror_mirror::fetch::Progress;
    use midmirror_mirror::package::PackagePath;

    use super::*;

    fn path(kind: &str) -> PackagePath {
        let folder = format!("glide/distribution/builds/package/app-signed/{kind}/2026/06/19");
        let stamp = "zurich-07-01-2025__patch7-hotfix1-06-18-2026_06-19-2026_0134";
        PackagePath::parse(&format!("{folder}/{kind}.{stamp}.universal.universal.zip")).unwrap()
    }

    #[test]
    fn rate_and_time_left_count_only_what_arrived_in_this_run() {
        let mut meter = Meter::new(1);
        let (start, path) = (Instant::now(), path("mid-core"));
        let mut receive = |received, after| {
            let progress = FetchEvent::Progress(Progress { received, total: Some(100 << 20) });
            meter.tell(&Event::Fetching { path: &path, event: progress }, start + Duration::from_secs(after));
        };
        receive(50 << 20, 0);
        receive(60 << 20, 10);
        let now = start + Duration::from_secs(10);
        assert_eq!(meter.file_speed(now), (Some(1 << 20), Some(40)));
        let line = meter.file_line(now).unwrap();
        assert!(line.ends_with("60.0 MiB of 100.0 MiB, 60 %, 1.0 MiB/s, 40 s left"), "{line}");
        let total = meter.total_line(now);
        assert_eq!(total, "0 of 1 packages done, 10.0 MiB fetched, 1.0 MiB/s, 40 s left");
    }

    #[test]
    fn times_have_two_units_at_most() {
        assert_eq!([time(59), time(61), time(7300)], ["59 s", "1 min 1 s", "2 h 1 min"]);
    }
}
