//! What is seen of a run while it goes on: two lines on a terminal, now and then a line elsewhere, or JSON events.

mod bytes;
mod drawing;
mod events;
mod meter;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use midmirror_mirror::fetch::FetchEvent;
use midmirror_mirror::pipeline::{Event, SyncReport};

use crate::arguments::{ProgressArguments, ProgressKind};
use crate::commands::outcomes;
use crate::exit::Exit;
use crate::output::{self, printable};

pub(crate) use bytes::ByteProgress;
use drawing::{Drawing, fit};
pub(crate) use events::ProgressEvent;
use meter::Meter;

/// Is told of every event of a run.
pub(crate) struct Progress {
    kind: Kind,
    state: Mutex<State>,
}

enum Kind {
    /// Nothing but what became of the packages.
    Outcomes,
    /// A line every few seconds.
    Lines,
    /// Two lines that are drawn again and again.
    Terminal,
}

struct State {
    meter: Meter,
    last: Option<Instant>,
    drawing: Drawing,
    events: Option<Events>,
}

struct Events {
    to: Box<dyn Write + Send>,
    /// Then nothing else is printed there.
    own_stderr: bool,
    last: Option<Instant>,
}

impl Progress {
    /// `packages` is how many there are to be.
    pub(crate) fn new(arguments: &ProgressArguments, packages: usize) -> anyhow::Result<Self> {
        let events = match (arguments.progress, &arguments.progress_file) {
            (ProgressKind::Json, Some(file)) => Some(Events::to_file(file)?),
            (ProgressKind::Json, None) => {
                Some(Events { to: Box::new(io::stderr()), own_stderr: true, last: None })
            }
            _ => None,
        };
        let kind = match arguments.progress {
            ProgressKind::None | ProgressKind::Json => Kind::Outcomes,
            ProgressKind::Auto if output::is_terminal() => Kind::Terminal,
            ProgressKind::Auto | ProgressKind::Plain => Kind::Lines,
        };
        let state = State { meter: Meter::new(packages), last: None, drawing: Drawing::default(), events };
        Ok(Self { kind, state: Mutex::new(state) })
    }

    /// Shows an event.
    pub(crate) fn tell(&self, event: Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.meter.tell(&event, Instant::now());
        state.emit(&event);
        if state.is_silent() {
            return;
        }
        match event {
            Event::Fetching { path, event: FetchEvent::Retry { cause, pause, failed, tries } } => {
                state.clear();
                output::note(format!(
                    "{}: try {failed} of {tries} failed, next in {:.1} s: {}",
                    path.name(),
                    pause.as_secs_f64(),
                    printable(cause)
                ));
            }
            Event::Finished { path, outcome } => {
                state.clear();
                output::note(path.name().as_str());
                outcomes::print(outcome);
            }
            _ => state.show(&self.kind),
        }
    }

    /// Says how the run ended.
    pub(crate) fn finish(&self, report: &SyncReport, exit: Exit) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clear();
        if !state.is_silent() {
            outcomes::print_summary(report);
        }
        let summary = ProgressEvent::summary(report, exit);
        state.write(&summary);
    }
}

impl State {
    fn is_silent(&self) -> bool {
        self.events.as_ref().is_some_and(|events| events.own_stderr)
    }

    fn show(&mut self, kind: &Kind) {
        let pause = match kind {
            Kind::Outcomes => return,
            Kind::Lines => LINE_PAUSE,
            Kind::Terminal => DRAW_PAUSE,
        };
        let now = Instant::now();
        // The first line comes after the pause too: what is quick needs no line.
        let last = *self.last.get_or_insert(now);
        if now.duration_since(last) < pause {
            return;
        }
        self.last = Some(now);
        match kind {
            Kind::Terminal => {
                let Some((name, words)) = self.meter.file_words(now) else { return };
                let width = output::terminal_width();
                let lines = [fit(name, &words, width), fit("", &self.meter.total_words(now), width)];
                write(&self.drawing.draw(lines, width));
            }
            _ => {
                let Some(file) = self.meter.file_line(now) else { return };
                output::note(format!("{file}; {}", self.meter.total_line(now)));
            }
        }
    }

    /// Takes away the two lines.
    fn clear(&mut self) {
        write(&self.drawing.clear(output::terminal_width()));
    }

    fn emit(&mut self, event: &Event<'_>) {
        let Some(events) = &mut self.events else { return };
        if matches!(event, Event::Fetching { event: FetchEvent::Progress(_), .. }) {
            let now = Instant::now();
            if events.last.is_some_and(|last| now.duration_since(last) < EVENT_PAUSE) {
                return;
            }
            events.last = Some(now);
        }
        if let Some(event) = ProgressEvent::of(event, &self.meter) {
            self.write(&event);
        }
    }

    /// A reader that went away stops no run.
    fn write(&mut self, event: &ProgressEvent) {
        let Some(events) = &mut self.events else { return };
        if let Ok(mut line) = serde_json::to_string(event) {
            line.push('\n');
            let _gone = events.to.write_all(line.as_bytes()).and_then(|()| events.to.flush());
        }
    }
}

/// In one piece, so that nothing comes between.
fn write(text: &str) {
    let _closed = io::stderr().lock().write_all(text.as_bytes());
}

impl Events {
    /// Also a named pipe, or `/dev/fd/3`.
    fn to_file(file: &Path) -> anyhow::Result<Self> {
        let opened = File::options().append(true).create(true).open(file);
        let to = opened.with_context(|| format!("failed to open --progress-file {}", file.display()))?;
        Ok(Self { to: Box::new(to), own_stderr: false, last: None })
    }
}

const LINE_PAUSE: Duration = Duration::from_secs(3);
const DRAW_PAUSE: Duration = Duration::from_millis(100);
const EVENT_PAUSE: Duration = Duration::from_millis(500);
