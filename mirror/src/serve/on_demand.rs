//! Fetching what somebody asks for and the mirror does not have, on connected sites that want it.
//!
//! Who asks gets 503 with `Retry-After` until the package is verified, admitted and published; never a byte before. One thread
//! works on one package at a time, however many ask.
//!
//! Attacks considered: names without end (only well-formed vendor paths count, few may wait, and what the vendor does not have
//! is not asked for again for a while), and a package that is refused, which every agent would ask for again at once.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::package::PackagePath;

/// What became of a package that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// It is published.
    Published,
    /// The vendor does not have it, or it was refused: asking again soon changes nothing.
    NotToBeHad,
    /// Something failed that may be better in a minute.
    Failed,
}

/// Fetches, verifies, admits and publishes one package.
pub type FetchPackage = dyn FnMut(&PackagePath) -> Fetched + Send;

/// The fetching of packages on demand; clones share the queue.
#[derive(Clone)]
pub struct OnDemand {
    shared: Arc<Shared>,
    queue: SyncSender<PackagePath>,
}

struct Shared {
    state: Mutex<State>,
    absent_for: Duration,
    failed_for: Duration,
}

#[derive(Default)]
struct State {
    waiting: HashSet<PackagePath>,
    /// What is not asked for again before a moment.
    resting: HashMap<PackagePath, (Instant, Fetched)>,
}

/// What somebody who asks is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is being fetched, or will be.
    Coming,
    /// It was tried, and failed a moment ago.
    Failed,
    /// So many wait already.
    Full,
    /// It is not to be had.
    Absent,
}

impl fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDemand").finish_non_exhaustive()
    }
}

impl OnDemand {
    /// Starts the thread that fetches; it ends when the last clone is dropped.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(fetch: Box<FetchPackage>) -> std::io::Result<Self> {
        Self::start_with(fetch, ABSENT_FOR, FAILED_FOR)
    }

    fn start_with(
        mut fetch: Box<FetchPackage>,
        absent_for: Duration,
        failed_for: Duration,
    ) -> std::io::Result<Self> {
        let (queue, wanted) = sync_channel(MOST_WAITING);
        let shared = Arc::new(Shared { state: Mutex::default(), absent_for, failed_for });
        let of_thread = shared.clone();
        std::thread::Builder::new()
            .name("on-demand".to_owned())
            .spawn(move || of_thread.work(&wanted, &mut fetch))?;
        Ok(Self { shared, queue })
    }

    /// Has a package fetched that is not there; for each at most once at a time.
    pub(crate) fn ask(&self, path: &PackagePath) -> Told {
        let mut state = self.shared.lock();
        match state.resting.get(path) {
            Some((until, Fetched::NotToBeHad)) if *until > Instant::now() => return Told::Absent,
            Some((until, Fetched::Failed)) if *until > Instant::now() => return Told::Failed,
            _ => {}
        }
        if state.waiting.contains(path) {
            return Told::Coming;
        }
        if self.queue.try_send(path.clone()).is_err() {
            return Told::Full;
        }
        state.waiting.insert(path.clone());
        Told::Coming
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, wanted: &Receiver<PackagePath>, fetch: &mut Box<FetchPackage>) {
        while let Ok(path) = wanted.recv() {
            tracing::info!(package = %path, "asked for and not here: it is fetched");
            let fetched = fetch(&path);
            let mut state = self.lock();
            state.waiting.remove(&path);
            let now = Instant::now();
            if state.resting.len() >= MOST_RESTING {
                state.resting.retain(|_, (until, _)| *until > now);
            }
            let rest = match fetched {
                Fetched::Published => None,
                Fetched::NotToBeHad => Some(self.absent_for),
                Fetched::Failed => Some(self.failed_for),
            };
            match rest.filter(|_| state.resting.len() < MOST_RESTING) {
                Some(rest) => drop(state.resting.insert(path, (now + rest, fetched))),
                None => drop(state.resting.remove(&path)),
            }
        }
    }
}

/// A build has some ten packages.
const MOST_WAITING: usize = 32;
const MOST_RESTING: usize = 10_000;
/// The vendor publishes builds at any time; refused bytes stay refused until the policy changes.
const ABSENT_FOR: Duration = Duration::from_secs(600);
const FAILED_FOR: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::store::testing::path;

    fn until(on_demand: &OnDemand, wanted: &PackagePath, told: Told) {
        let patience = Instant::now() + Duration::from_secs(10);
        while on_demand.ask(wanted) != told {
            assert!(Instant::now() < patience, "{wanted} is never {told:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn many_askers_make_one_fetch_and_what_is_absent_is_not_asked_for_again() {
        let (go, wait) = mpsc::channel::<Fetched>();
        let (tell, fetched) = mpsc::channel();
        let on_demand = OnDemand::start_with(
            Box::new(move |path: &PackagePath| {
                tell.send(path.clone()).unwrap();
                wait.recv().unwrap()
            }),
            Duration::from_secs(600),
            Duration::from_millis(50),
        )
        .unwrap();
        for _ in 0..100 {
            assert_eq!(on_demand.ask(&path(1)), Told::Coming);
        }
        go.send(Fetched::NotToBeHad).unwrap();
        until(&on_demand, &path(1), Told::Absent);
        assert_eq!(fetched.try_iter().count(), 1);

        assert_eq!(on_demand.ask(&path(2)), Told::Coming);
        go.send(Fetched::Failed).unwrap();
        until(&on_demand, &path(2), Told::Failed);
        // A moment later it is tried again.
        until(&on_demand, &path(2), Told::Coming);
        go.send(Fetched::Published).unwrap();
        assert_eq!(fetched.recv().unwrap(), path(2));
        assert_eq!(fetched.recv().unwrap(), path(2));
    }

    #[test]
    fn only_so_many_wait() {
        let (go, wait) = mpsc::channel::<()>();
        let fetch = Box::new(move |_: &PackagePath| {
            let _over = wait.recv();
            Fetched::Published
        });
        let on_demand = OnDemand::start(fetch).unwrap();
        let most = u32::try_from(MOST_WAITING).unwrap() + 2;
        let told: Vec<Told> = (1..=most).map(|number| on_demand.ask(&path(number))).collect();
        assert!(told.contains(&Told::Full), "{told:?}");
        drop(go);
    }
}
