//! Taking up changes without a restart: of the TLS files by themselves, of the configuration with SIGHUP.

use std::time::Duration;

use anyhow::Context as _;
use midmirror_mirror::serve::ServerControl;
use tokio::time::{Instant, MissedTickBehavior};

use super::files::{State, TlsFiles};
use super::systemd;
use crate::context::{self, Context};

/// SIGHUP, from now on.
#[cfg(unix)]
pub(super) type Hangups = tokio::signal::unix::Signal;
/// There is no such signal.
#[cfg(not(unix))]
pub(super) type Hangups = ();

#[cfg(unix)]
pub(super) fn hangups() -> anyhow::Result<Hangups> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
        .context("failed to watch for SIGHUP")
}

#[cfg(not(unix))]
pub(super) fn hangups() -> anyhow::Result<Hangups> {
    Ok(())
}

#[cfg(unix)]
async fn next(hangups: &mut Hangups) {
    if hangups.recv().await.is_none() {
        std::future::pending().await
    }
}

#[cfg(not(unix))]
async fn next(_: &mut Hangups) {
    std::future::pending().await
}

/// Looks at the files every few seconds and at the configuration with each SIGHUP, and says daily what ends soon.
pub(super) async fn keep_current(
    context: &Context,
    (mut files, known): (TlsFiles, State),
    control: &ServerControl,
    mut hangups: Hangups,
) {
    say_end(control);
    let mut next_day = Instant::now() + DAY;
    let mut watched = Watched { known, seen: None };
    let mut refused = control.clients_problem(context::now());
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if watched.has_settled(files.state()) {
                    take_up(&files, control, "files have changed");
                }
                let problem = control.clients_problem(context::now());
                if problem != refused {
                    if let Some(problem) = &problem {
                        tracing::error!("{problem}");
                    }
                    refused = problem;
                }
                if Instant::now() >= next_day {
                    next_day = Instant::now() + DAY;
                    say_end(control);
                }
            }
            () = next(&mut hangups) => {
                systemd::reloading();
                match context.reread() {
                    Ok(config) => files = TlsFiles::of(&config),
                    Err(error) => tracing::error!(
                        error = format!("{error:#}"),
                        "the configuration cannot be used, the one before stays"
                    ),
                }
                watched = Watched { known: files.state(), seen: None };
                take_up(&files, control, "SIGHUP");
                control.reopen_log();
                control.look_at_catalog().await;
                systemd::ready("reloaded");
            }
        }
    }
}

/// Files are taken up when they have been the same twice: whoever replaces certificate and key needs a moment.
struct Watched {
    known: State,
    seen: Option<State>,
}

impl Watched {
    fn has_settled(&mut self, now: State) -> bool {
        if now == self.known {
            self.seen = None;
            return false;
        }
        if self.seen.as_ref() == Some(&now) {
            self.seen = None;
            self.known = now;
            return true;
        }
        self.seen = Some(now);
        false
    }
}

fn take_up(files: &TlsFiles, control: &ServerControl, because: &str) {
    let replaced = files.read().and_then(|settings| Ok(control.replace_tls(&settings)?));
    match replaced {
        Ok(true) => {
            tracing::info!(because, files = %files, "TLS settings replaced for new connections");
            say_end(control);
        }
        Ok(false) => tracing::info!(because, "TLS settings are as before"),
        Err(error) => tracing::error!(
            because,
            error = format!("{error:#}"),
            "the new TLS files cannot be used, the ones before stay in use"
        ),
    }
}

fn say_end(control: &ServerControl) {
    match control.certificate_warning(context::now()) {
        Some(warning) => tracing::warn!(ends = %control.certificate_end(), "{warning}"),
        None => tracing::info!(ends = %control.certificate_end(), "certificate of this server"),
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(24 * 3600);
