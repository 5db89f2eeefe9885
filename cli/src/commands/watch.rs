//! `midmirror sync --watch`: one sync after the other, until the program is told to end.
//!
//! A round that fails is said and the next one comes in time. Each round signs the catalog anew when that is due, also
//! when there is nothing to fetch or the upstream is away. Told to end, a round stops where it is, as after a power cut:
//! what has arrived is kept and continued, what was stored is published, by the next round.

use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use crate::arguments::SyncArguments;
use crate::context::{Context, StopSignal, Stopped, jitter_seed};
use crate::exit::Exit;
use crate::failure;
use crate::output;

/// Repeats the sync. Ends 0 when told to end, whatever became of the rounds.
pub(crate) fn run(mut context: Context, arguments: &SyncArguments) -> anyhow::Result<Exit> {
    let stop = stop_signal()?;
    context.stop = Some(stop.clone());
    let every = u64::from(arguments.every.unwrap_or(context.config.watch.every_seconds));
    let jitter = u64::from(context.config.watch.jitter_seconds);
    for round in 1_u64.. {
        match super::sync::sync(&context, arguments) {
            Ok(Exit::Done) => output::note(format!("round {round}: done")),
            Ok(exit) => {
                output::note(format!("round {round}: FAILED ({}: {})", exit.code(), exit.meaning()));
            }
            Err(error) if error.is::<Stopped>() => break,
            Err(error) => {
                let exit = failure::report(&error);
                output::note(format!("round {round}: FAILED ({}: {})", exit.code(), exit.meaning()));
            }
        }
        // With --every it is as often as it was asked for.
        let more = if arguments.every.is_some() { 0 } else { up_to(jitter, jitter_seed()) };
        if !pause(&stop, Duration::from_secs(every + more))? {
            break;
        }
    }
    output::note("told to end");
    Ok(Exit::Done)
}

/// A number from 0 to `most`, by chance as far as the seed is.
fn up_to(most: u64, seed: u64) -> u64 {
    // Fibonacci hashing spreads neighbouring seeds; the high bits are the good ones.
    let spread = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    spread % (most + 1)
}

/// Waits; `false` if the program was told to end meanwhile.
fn pause(stop: &StopSignal, time: Duration) -> anyhow::Result<bool> {
    let mut stop = stop.clone();
    crate::context::block_on(async move {
        let told = stop.wait_for(|is_told| *is_told);
        Ok(tokio::time::timeout(time, told).await.is_err())
    })
}

/// Listens for SIGTERM, SIGINT or Ctrl-C from now on, on a thread of its own: rounds have their own runtimes.
fn stop_signal() -> anyhow::Result<StopSignal> {
    let (told, stop) = watch::channel(false);
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let listen = async {
                let end = match super::serve::until_told_to_end() {
                    Ok(end) => end,
                    Err(error) => {
                        let _receiver_waits = ready.send(Err(error));
                        return Ok(());
                    }
                };
                let _receiver_waits = ready.send(Ok(()));
                end.await;
                told.send_replace(true);
                // The channel stays open, since a closed one counts as told.
                std::future::pending::<anyhow::Result<()>>().await
            };
            crate::context::block_on(listen)
        })
        .context("failed to start the thread that listens for signals")?;
    is_ready.recv().context("the thread that listens for signals has ended")??;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_limit_and_spreads() {
        let values: Vec<u64> = (0..1000).map(|seed| up_to(1200, seed)).collect();
        assert!(values.iter().all(|value| *value <= 1200));
        assert!(values.iter().any(|value| *value < 60) && values.iter().any(|value| *value > 1140));
        assert_eq!(up_to(0, 7), 0);
    }
}
