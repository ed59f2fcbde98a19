//! `--every`: repeats the sweep at an interval from start to start, never two at a time.
//!
//! The ledger tells when the next sweep is due. So a restarted loop keeps its schedule, and a sweep
//! made by another run counts. Between sweeps the store is closed: nothing is locked, and nothing
//! grows. A failed sweep or an unavailable store does not end the loop.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;
use tracing::{info, warn};

use super::adoption;
use super::session::{NotOpened, Session};
use crate::cli::exit::Exit;
use crate::site::settings::Settings;
use crate::store::{Store, StoreError};
use crate::sweep::schedule::{self, Next};
use crate::system::clock;

/// Delay before an unavailable store is retried, unless the interval between sweeps is shorter.
const AWAY: Duration = Duration::from_secs(60);

/// Runs a sweep with `settings` every `every`, until a signal arrives.
pub async fn run(session: &mut Session<'_>, settings: Settings, every: Duration) -> Exit {
    let mut settings = settings;
    let mut was_open = false;
    loop {
        let began = Instant::now();
        let (store, wait) = match look(session, &settings, every).await {
            Ok(looked) => looked,
            Err(NotOpened::Told(_)) => return Exit::Complete,
            Err(NotOpened::Store(error)) if was_open || may_come_back(&error) => {
                let after = AWAY.min(every);
                warn!("store unavailable, retrying in {}: {error}", shown(after));
                match session.pause(after).await {
                    None => continue,
                    Some(_) => return Exit::Complete,
                }
            }
            Err(error) => return adoption::report_unopened(session, error).await,
        };
        was_open = true;
        let after = match wait {
            Some(wait) => {
                let _ = store.close().await;
                wait
            }
            None => {
                let ran = session.run(store, settings.clone()).await;
                match ran.exit {
                    exit if ran.is_told => return exit,
                    exit @ (Exit::Usage | Exit::ReaderGone | Exit::Interrupted(_)) => return exit,
                    Exit::Complete => {}
                    exit => warn!("{}; the next sweep starts as scheduled", exit.means()),
                }
                // Only the first sweep is fresh; later ones resume what it leaves. While another
                // run holds the site, no sweep has started.
                settings.scope.fresh &= ran.exit == Exit::Held;
                // The changes were accepted once: the next sweep compares with the completed one.
                settings.refresh.accept_changes &= ran.exit != Exit::Complete;
                let Next { after, skipped } = schedule::next(began.elapsed(), every);
                if skipped > 0 {
                    let every = shown(every);
                    warn!(
                        skipped,
                        every,
                        "the sweep took longer than the interval; skipping the starts that were due meanwhile"
                    );
                }
                after
            }
        };
        info!(at = %time_in(after), "waiting for the next sweep");
        if session.pause(after).await.is_some() {
            return Exit::Complete;
        }
    }
}

/// Opens the store. Returns it with the time until the next sweep is due, or `None` if it is due
/// now.
async fn look(
    session: &mut Session<'_>,
    settings: &Settings,
    every: Duration,
) -> Result<(Arc<dyn Store>, Option<Duration>), NotOpened> {
    let store = session.open().await?;
    if settings.scope.fresh {
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
