//! What systemd wants to know, and the sockets it hands over (sd_notify(3), sd_listen_fds(3)). Without it nothing happens here.

use midmirror_mirror::serve::{ServerControl, Sockets};

#[cfg(unix)]
pub(super) use unix::*;

#[cfg(unix)]
mod unix {
    use std::time::Duration;

    use anyhow::Context as _;
    use listenfd::ListenFd;
    use sd_notify::NotifyState;

    use super::{ServerControl, Sockets};

    /// Sockets that listen already: by name (`FileDescriptorName=https`, `http`), others in their order, HTTPS first.
    pub(in super::super) fn sockets() -> anyhow::Result<Sockets> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut handed = ListenFd::from_env();
        let mut sockets = Sockets::default();
        for index in 0..handed.len() {
            let name = names.next().unwrap_or_default();
            let socket = handed
                .take_tcp_listener(index)
                .with_context(|| format!("failed to take over socket {index} ({name:?})"))?;
            let place = match name {
                "https" => &mut sockets.secure,
                "http" => &mut sockets.plain,
                _ if sockets.secure.is_none() => &mut sockets.secure,
                _ => &mut sockets.plain,
            };
            anyhow::ensure!(
                place.is_none(),
                "more sockets were handed over than one for https and one for http"
            );
            *place = socket;
        }
        Ok(sockets)
    }

    pub(in super::super) fn ready(status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    pub(in super::super) fn reloading() {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]),
            Err(error) => tracing::warn!(error = %error, "no monotonic clock"),
        }
    }

    pub(in super::super) fn stopping() {
        tell(&[NotifyState::Stopping, NotifyState::Status("waiting for running downloads")]);
    }

    /// Says every half of the time that systemd grants that the server lives, as long as it does.
    pub(in super::super) async fn watchdog(control: &ServerControl) {
        let Some(granted) = sd_notify::watchdog_enabled().filter(|granted| *granted > Duration::ZERO) else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval(granted / 2);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if control.is_alive(granted / 4).await {
                tell(&[NotifyState::Watchdog]);
            } else {
                tracing::error!(
                    "listeners or catalog do not answer; the watchdog is not told that all is well"
                );
            }
        }
    }

    fn tell(state: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(state) {
            tracing::warn!(error = %error, "the service manager could not be told");
        }
    }
}

#[cfg(not(unix))]
pub(super) use elsewhere::*;

#[cfg(not(unix))]
mod elsewhere {
    use super::{ServerControl, Sockets};

    #[expect(clippy::unnecessary_wraps, reason = "fails on Unix")]
    pub(in super::super) fn sockets() -> anyhow::Result<Sockets> {
        Ok(Sockets::default())
    }

    pub(in super::super) fn ready(_: &str) {}

    pub(in super::super) fn reloading() {}

    pub(in super::super) fn stopping() {}

    pub(in super::super) async fn watchdog(_: &ServerControl) {
        std::future::pending().await
    }
}
