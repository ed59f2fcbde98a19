//! A helper's side: borrows tasks, feeds them to the workers, and brings back how they ended.
//!
//! A helper reads no lists and decides nothing about the sweep. It watches the sweep's entry in the
//! ledger: when the sweep has ended, so has the helper; when its owner has died or was stopped, the run
//! begins anew, to take the lock or to help the next owner.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::message::{Brought, SoFar, content, read};
use super::{LONGEST_LOOK, TICK};
use crate::engine::error::CrawlError;
use crate::engine::worker::WorkerContext;
use crate::frontier::{Frontier, Hold};
use crate::model::record::Known;
use crate::model::report::{Outcome, Report};
use crate::model::task::{Page, Task};
use crate::store::mailbox::{Chunk, FIRST_MESSAGE, Mailbox, Member, Orders, Said, Term};
use crate::store::{Store, StoreError};
use crate::sweep::lock::silence;
use crate::sweep::{Holder, Life, State, SweepEntry};
use crate::system::clock;
use crate::system::shutdown::Trigger;

/// Interval between beats.
const BEAT: Duration = Duration::from_millis(250);
/// Interval between looks at the sweep's entry.
const GLANCE: Duration = Duration::from_millis(500);

/// Largest difference of two clocks that is not corrected, in milliseconds.
const LARGEST_DIFFERENCE_MS: i64 = 2_000;

/// The reason why a helper stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The sweep has ended.
    Ended,
    /// Its owner is gone, or took this run's place away: the run begins anew.
    Again,
}

/// A run that helps with a sweep.
pub struct Helper {
    /// Entry of the sweep when this run joined.
    entry: Box<SweepEntry>,
    id: Box<str>,
    /// Keeps the frontier open while more tasks may come.
    hold: Mutex<Option<Hold>>,
    /// Stops the workers.
    stop: Arc<Trigger>,
    stopped: Mutex<Option<Stop>>,
    /// Number of times that chunks were brought back.
    brought: AtomicU64,
}

impl Helper {
    /// Joins the running sweep of `entry`. `stop` stops the workers.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn join(
        entry: Box<SweepEntry>,
        store: &dyn Store,
        frontier: &Arc<Frontier>,
        stop: Arc<Trigger>,
    ) -> Result<Helper, CrawlError> {
        let id: Box<str> = format!("{}/{}", entry.id, clock::id()).into();
        let member = Member {
            id: id.clone(),
            term: entry.fence,
            holder: Holder::this(),
            beats: 0,
            said: Said::default(),
            orders: Orders::default(),
        };
        mail(store)?.join(&entry, &member).await?;
        let who = entry.holder.as_ref().map(Holder::to_string).unwrap_or_default();
        info!(sweep = %entry.id, "helping with the sweep of {who}");
        let (hold, stopped) = (Mutex::new(Some(frontier.hold()?)), Mutex::default());
        Ok(Helper { entry, id, hold, stop, stopped, brought: AtomicU64::default() })
    }

    /// Returns the entry of the sweep when this run joined.
    pub fn entry(&self) -> &SweepEntry {
        &self.entry
    }

    /// Returns why the helper has stopped, or `None` if nothing but a signal or an error stopped it.
    pub fn stopped(&self) -> Option<Stop> {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the report of the sweep, or `None` if it has not ended.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn result(&self, store: &dyn Store) -> Result<Option<Report>, CrawlError> {
        let entry = mail(store)?.entry(&self.entry.id).await?;
        Ok(entry.and_then(|it| it.entry.report))
    }

    /// Exchanges tasks until the store fails, and returns that error. Drop it when the workers have
    /// ended.
    pub async fn run(&self, context: &WorkerContext) -> CrawlError {
        let mut watch = Watch::new();
        let mut orders = Orders::default();
        let (mut beat_at, mut look_at) = (Instant::now(), Instant::now());
        loop {
            let done = async {
                let mail = mail(&*context.storage.store)?;
                self.bring(mail, context, false).await?;
                if beat_at <= Instant::now() {
                    beat_at = Instant::now() + BEAT;
                    self.beat(mail, context, &mut orders).await?;
                }
                if look_at <= Instant::now() {
                    look_at = Instant::now() + GLANCE;
                    let seen = mail.entry(&self.entry.id).await?;
                    let seen = seen.ok_or(CrawlError::LockLost)?.entry;
                    if let Some(stop) = watch.judge(&self.entry, &seen) {
                        self.stop(stop);
                    }
                }
                if self.is_open() && !context.shutdown.is_requested() {
                    self.borrow(mail, context).await?;
                }
                Ok::<(), CrawlError>(())
            };
            if let Err(error) = done.await {
                return error;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Brings everything back, what was not begun as the rest, and gives the place up. `ended` is how
    /// the workers ended, which is returned.
    ///
    /// # Errors
    /// Returns the error that ended the workers, or that of the store.
    pub async fn leave(
        &self,
        context: &WorkerContext,
        ended: Result<(), CrawlError>,
    ) -> Result<(), CrawlError> {
        if let Err(CrawlError::Store(_)) = ended {
            // A store that just failed would only be waited for again.
            return ended;
        }
        let mail = mail(&*context.storage.store)?;
        self.bring(mail, context, true).await?;
        mail.leave(&self.id).await?;
        ended
    }

    /// Gives the place up, whatever this run has.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn quit(&self, store: &dyn Store) -> Result<(), CrawlError> {
        Ok(mail(store)?.leave(&self.id).await?)
    }

    fn stop(&self, stop: Stop) {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(stop);
        drop(self.hold().take());
        self.stop.request();
    }

    fn is_open(&self) -> bool {
        self.hold().is_some()
    }

    fn hold(&self) -> MutexGuard<'_, Option<Hold>> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn term(&self) -> Term {
        Term::of(&self.entry)
    }

    async fn borrow(&self, mail: &dyn Mailbox, context: &WorkerContext) -> Result<(), CrawlError> {
        let holds = context.frontier.borrowed();
        for Chunk { id, content, .. } in mail.borrow(&self.term(), &self.id, &holds).await? {
            match read::<Vec<Task>>(&content) {
                Some(tasks) => {
                    if let Some(twins) = &context.findings.twins {
                        twins.stored(tasks.iter().filter_map(known));
                    }
                    context.frontier.take_in(id, tasks)?;
                }
                None => warn!("a chunk of tasks cannot be read; its owner takes it back"),
            }
        }
        Ok(())
    }

    /// Brings back the chunks whose tasks have all ended, or all chunks.
    async fn bring(
        &self,
        mail: &dyn Mailbox,
        context: &WorkerContext,
        leaves: bool,
    ) -> Result<(), CrawlError> {
        let returned = context.frontier.take_returned(leaves);
        if returned.is_empty() && !leaves {
            return Ok(());
        }
        let mut so_far = Some(Box::new(self.so_far(context)));
        let chunks: Vec<Chunk> = returned
            .into_iter()
            .map(|chunk| {
                let brought = Brought { ends: chunk.tasks, so_far: so_far.take() };
                Chunk { id: chunk.id, member: self.id.clone(), content: content(&brought) }
            })
            .collect();
        // What was said of these tasks, or before, has to be heard before their ends.
        let said = context.reports.problems.take_unheard();
        let message = (!said.is_empty()).then(|| Chunk {
            id: FIRST_MESSAGE | fastrand::u64(..),
            member: self.id.clone(),
            content: content(&said),
        });
        Ok(mail.bring(&self.term(), &chunks, message.as_ref()).await?)
    }

    fn so_far(&self, context: &WorkerContext) -> SoFar {
        let reports = &context.reports;
        SoFar {
            number: self.brought.fetch_add(1, Relaxed) + 1,
            made: reports.metrics.made(),
            counted: context.findings.canary.counted(),
            fields: reports.fields.counts(),
            texts: reports.texts.counts(),
        }
    }

    async fn beat(
        &self,
        mail: &dyn Mailbox,
        context: &WorkerContext,
        orders: &mut Orders,
    ) -> Result<(), CrawlError> {
        let (hosts, snapshot) = (&context.hosts, context.reports.metrics.snapshot());
        // A lower share is kept to once no more requests are in flight.
        let keeps = hosts.in_flight() <= orders.share.most;
        let said = Said {
            holds: context.frontier.borrowed(),
            in_hand: context.frontier.outstanding().total(),
            heard: if keeps { orders.number } else { 0 },
            requests: snapshot.requests.total,
            items: snapshot.settled(),
            waits: hosts.heard_waits(),
        };
        let Some(new) = mail.beat(&self.id, &said).await? else {
            if self.stopped().is_none() {
                warn!("lost this run's place in the sweep; joining anew");
            }
            self.stop(Stop::Again);
            return Ok(());
        };
        // A server that was restarted may have lost the last ones.
        if new.number > orders.number {
            hosts.share(new.share);
            hosts.told_waits(&new.waits);
            self.set_clock(context, &new);
            *orders = new;
        }
        Ok(())
    }

    /// Corrects this machine's clock by that of the sweep's owner, unless they differ by no more than
    /// the orders may be old.
    fn set_clock(&self, context: &WorkerContext, orders: &Orders) {
        let Some(at) = orders.at else { return };
        let ahead = at.duration_since(clock::now()).as_millis();
        let ahead = i64::try_from(ahead).unwrap_or_default();
        if ahead.abs() <= LARGEST_DIFFERENCE_MS {
            return;
        }
        if context.policy.ahead_ms.swap(ahead, Relaxed) == 0 {
            let seconds = ahead.abs() / 1_000;
            let is = if ahead < 0 { "ahead of" } else { "behind" };
            warn!(
                "this machine's clock is {seconds} s {is} that of the sweep's owner; stored times are corrected"
            );
        }
    }
}

/// Returns what the store knew of a lent item.
fn known(task: &Task) -> Option<&Known> {
    match &task.page {
        Page::Detail(item) => item.known.as_deref(),
        Page::Index(_) => None,
    }
}

fn mail(store: &dyn Store) -> Result<&dyn Mailbox, CrawlError> {
    let none = || StoreError::Unusable("the store has no mailbox".to_owned());
    Ok(store.mailbox().ok_or_else(none)?)
}

/// Watches the owner of a sweep. No clocks are compared: the owner is dead if its heartbeat has not
/// changed for long enough while the store answered.
struct Watch {
    heartbeat_at: Option<jiff::Timestamp>,
    silent: Duration,
    looked: Duration,
}

impl Watch {
    fn new() -> Watch {
        Watch { heartbeat_at: None, silent: Duration::ZERO, looked: clock::since_boot() }
    }

    /// Returns why to stop, if so: `joined` is the sweep's entry when this run joined, `seen` is its
    /// entry now.
    fn judge(&mut self, joined: &SweepEntry, seen: &SweepEntry) -> Option<Stop> {
        match seen.state {
            State::Ended(Outcome::Interrupted) => {
                info!("the sweep's owner was stopped; its sweep is resumed");
                return Some(Stop::Again);
            }
            State::Ended(_) => return Some(Stop::Ended),
            State::Running if seen.fence != joined.fence => return Some(Stop::Again),
            State::Running => {}
        }
        let now = clock::since_boot();
        let passed = now.saturating_sub(std::mem::replace(&mut self.looked, now));
        match seen.heartbeat_at == self.heartbeat_at {
            true => self.silent += passed.min(LONGEST_LOOK),
            false => self.silent = Duration::ZERO,
        }
        self.heartbeat_at = seen.heartbeat_at;
        let life = seen.holder.as_ref().map_or(Life::Dead, Holder::life);
        if life == Life::Dead || self.silent >= silence() {
            warn!("the sweep's owner is dead; its sweep is resumed");
            return Some(Stop::Again);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::Kind;

    #[test]
    fn t3_a_helper_goes_on_where_the_owner_is_stopped_dead_or_another_one() {
        let joined = SweepEntry::begin("books", "books", "d", Kind::Full);
        let joined = SweepEntry { holder: Some(Holder::this()), fence: 3, ..joined };
        let judged = |change: fn(&mut SweepEntry)| {
            let mut seen = joined.clone();
            change(&mut seen);
            Watch::new().judge(&joined, &seen)
        };
        assert_eq!(judged(|_| {}), None);
        assert_eq!(judged(|it| it.fence = 4), Some(Stop::Again));
        assert_eq!(judged(|it| it.holder = None), Some(Stop::Again));
        assert_eq!(judged(|it| it.state = State::Ended(Outcome::Interrupted)), Some(Stop::Again));
        assert_eq!(judged(|it| it.state = State::Ended(Outcome::Incomplete)), Some(Stop::Ended));
        assert_eq!(judged(|it| it.state = State::Ended(Outcome::Failed)), Some(Stop::Ended));
    }
}
