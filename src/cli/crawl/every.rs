//! `--every`: sweep after sweep, from start to start, never two at once.
//!
//! When the next one is due is read from the ledger, so that a loop which is started again goes on
//! in the same time, and a sweep that somebody else made counts. Between sweeps the store is
//! closed: nothing is held, and nothing grows. What a sweep failed of, and a store that is away,
//! does not end the loop.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;
use tracing::{info, warn};

use super::adoption;
use super::session::{NotOpened, Session};
use crate::cli::exit::Exit;
use crate::clock;
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use crate::sweep::schedule::{self, Next};

/// A store that is away at the time of a start is tried again after this, or sooner where sweeps
/// follow one another faster.
const AWAY: Duration = Duration::from_secs(60);

/// Crawls with `settings` again and again, a sweep beginning `every` so long, until it is told to
/// stop.
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
                warn!("the store cannot be opened; tried again in {}: {error}", shown(after));
                match session.pause(after).await {
                    None => continue,
                    Some(_) => return Exit::Complete,
                }
            }
            Err(error) => return adoption::told(session, error).await,
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
                    exit => warn!("{}; the next sweep begins at its time", exit.means()),
                }
                // A sweep of its own has begun: what that one leaves is gone on with.
                settings.fresh &= ran.exit == Exit::Held;
                // What was accepted once is what the next sweep compares with.
                settings.accept_changes &= ran.exit != Exit::Complete;
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

/// Opens the store and looks how long the next sweep is to be waited for.
async fn look(
    session: &mut Session<'_>,
    settings: &Settings,
    every: Duration,
) -> Result<(Arc<dyn Store>, Option<Duration>), NotOpened> {
    let store = session.open().await?;
    if settings.fresh {
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

/// A duration as users write it, in whole seconds where it has any.
fn shown(time: Duration) -> String {
    let whole = Duration::from_secs(time.as_secs());
    humantime::format_duration(if whole.is_zero() { time } else { whole }).to_string()
}

/// The time so far from now, in whole seconds.
fn time_in(after: Duration) -> String {
    let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    clock::now().checked_add(after).map_or_else(|_| "never".to_owned(), |at| format!("{at:.0}"))
}
