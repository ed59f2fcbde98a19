//! `--every`: repeats the sweep at an interval from start to start, never two at a time. Several sites
//! are swept one after the other in each round.
//!
//! The ledger tells when the next sweep is due. So a restarted loop keeps its schedule, and a sweep
//! made by another run counts. Between sweeps the store is closed: nothing is locked, and nothing
//! grows. A failed sweep or an unavailable store does not end the loop.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;
use tracing::{info, warn};

use super::adoption;
use super::parents::Failed;
use super::session::{Job, NotOpened, Ran, Session};
use crate::cli::exit::Exit;
use crate::store::{Store, StoreError};
use crate::sweep::schedule::{self, Next};
use crate::system::clock;

/// Delay before an unavailable store is retried, unless the interval between sweeps is shorter.
const AWAY: Duration = Duration::from_secs(60);

/// A round: the sweeps of all sites, one after the other.
#[derive(Default)]
struct Round {
    /// Start of the first sweep, or `None` if none has begun.
    began: Option<Instant>,
    /// Sites whose sweeps failed.
    failed: Failed,
    /// Shortest time until the sweep of a site is due that needed none in this round.
    wait: Option<Duration>,
}

/// Runs a sweep of each site every `every`, until a signal arrives.
pub async fn run(session: &mut Session<'_>, mut jobs: Vec<Job>, every: Duration) -> Exit {
    let mut was_open = false;
    loop {
        let mut round = Round::default();
        for job in &mut jobs {
            if round.failed.skips(job) {
                continue;
            }
            if let ControlFlow::Break(exit) =
                sweep(session, job, every, &mut round, &mut was_open).await
            {
                return session.end_round(exit);
            }
        }
        let exit =
            if round.began.is_some() { session.end_round(Exit::Complete) } else { Exit::Complete };
        if exit == Exit::ReaderGone {
            return exit;
        }
        let after = round.after(every);
        info!(at = %time_in(after), "waiting for the next sweep");
        if session.pause(after).await.is_some() {
            return Exit::Complete;
        }
    }
}

/// Sweeps a site if its sweep is due, or if a site before it was swept in this round: both may
/// belong together. Returns the exit code if the program is to end.
async fn sweep(
    session: &mut Session<'_>,
    job: &mut Job,
    every: Duration,
    round: &mut Round,
    was_open: &mut bool,
) -> ControlFlow<Exit> {
    let (began, store, wait) = loop {
        let began = Instant::now();
        match look(session, job, every).await {
            Ok((store, wait)) => break (began, store, wait),
            Err(NotOpened::Told(_)) => return ControlFlow::Break(Exit::Complete),
            Err(NotOpened::Store(error)) if *was_open || may_come_back(&error) => {
                let after = AWAY.min(every);
                warn!("store unavailable, retrying in {}: {error}", shown(after));
                if session.pause(after).await.is_some() {
                    return ControlFlow::Break(Exit::Complete);
                }
            }
            Err(error) => {
                return ControlFlow::Break(adoption::report_unopened(session, job, error).await);
            }
        }
    };
    *was_open = true;
    if let Some(wait) = wait.filter(|_| round.began.is_none()) {
        let _ = store.close().await;
        round.wait = Some(round.wait.map_or(wait, |other| other.min(wait)));
        return ControlFlow::Continue(());
    }
    round.began.get_or_insert(began);
    let Ran { exit, told } = session.run(job, store).await;
    round.failed.note(job, exit);
    match exit {
        exit if told.is_some() => return ControlFlow::Break(exit),
        exit @ (Exit::Usage | Exit::ReaderGone | Exit::Interrupted(_)) => {
            return ControlFlow::Break(exit);
        }
        Exit::Complete => {}
        exit => warn!("{}; the next sweep starts as scheduled", exit.means()),
    }
    // Only the first sweep is fresh; later ones resume what it leaves. While another run holds the
    // site, no sweep has started.
    job.sweep.scope.fresh &= exit == Exit::Held;
    // An unfinished full sweep is resumed as one.
    job.sweep.scope.full &= exit == Exit::Held;
    // The changes were accepted once: the next sweep compares with the completed one.
    job.sweep.refresh.accept_changes &= exit != Exit::Complete;
    ControlFlow::Continue(())
}

impl Round {
    /// Returns the time until the next round.
    fn after(&self, every: Duration) -> Duration {
        let Some(began) = self.began else { return self.wait.unwrap_or(every) };
        let Next { after, skipped } = schedule::next(began.elapsed(), every);
        if skipped > 0 {
            let every = shown(every);
            warn!(
                skipped,
                every,
                "the sweep took longer than the interval; skipping the starts that were due meanwhile"
            );
        }
        self.wait.map_or(after, |wait| wait.min(after))
    }
}

/// Opens the store. Returns it with the time until the next sweep is due, or `None` if it is due
/// now.
async fn look(
    session: &mut Session<'_>,
    job: &Job,
    every: Duration,
) -> Result<(Arc<dyn Store>, Option<Duration>), NotOpened> {
    let (store, settings) = (session.open(job).await?, &job.sweep);
    if settings.scope.fresh || settings.scope.full {
        return Ok((store, None));
    }
    match store.latest_sweeps().await {
        Ok(entries) => {
            let limited = settings.is_limited();
            Ok((store, schedule::wait(&entries, limited, every, clock::now())))
        }
        Err(error) => {
            let _ = store.close().await;
            Err(NotOpened::Store(error))
        }
    }
}

fn may_come_back(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_))
}

/// Formats a duration as users write it, in whole seconds if it is at least one second.
fn shown(time: Duration) -> String {
    let whole = Duration::from_secs(time.as_secs());
    humantime::format_duration(if whole.is_zero() { time } else { whole }).to_string()
}

/// Formats the time at the end of `after`, in whole seconds.
fn time_in(after: Duration) -> String {
    let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    clock::now().checked_add(after).map_or_else(|_| "never".to_owned(), |at| format!("{at:.0}"))
}
