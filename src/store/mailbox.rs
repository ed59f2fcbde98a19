//! The mailbox through which the runs of one sweep exchange tasks: its contract.
//!
//! The *owner* of a sweep holds the site's lock. It lends tasks in *chunks*, each to one *member*, and
//! keeps their leases. A member brings a chunk back with the ends of its tasks. The number of the
//! owner's lock is the *term*: what was lent in an earlier term is void.
//!
//! 1. Every call may be repeated: a repeated call changes nothing more.
//! 2. A chunk leaves the mailbox once: the owner collects it, or takes it back before it is brought.
//! 3. A member whose place was taken away finds that out with its next beat.
//! 4. Everything in the mailbox may be lost at any time at the price of repeated requests: owner and
//!    members keep all that a sweep's end depends on.
//!
//! `tests/it/store_contract/mailbox.rs` is its test suite.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::model::share::{HostWait, Share};
use crate::sweep::{Holder, LedgerEntry, SweepEntry};
use crate::system::clock;

/// Returns the time without a beat after which a member counts as dead, on any machine.
pub fn silence() -> Duration {
    clock::limit("GLEANER_TEST_MEMBER_SILENCE", Duration::from_secs(30))
}

/// A sweep under one lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Term {
    /// Id of the sweep.
    pub sweep: Box<str>,
    /// Number of the owner's lock.
    pub number: i64,
}

impl Term {
    /// Returns the term of a sweep's ledger entry.
    pub fn of(entry: &SweepEntry) -> Term {
        Term { sweep: entry.id.clone(), number: entry.fence }
    }
}

/// A run that helps, as the mailbox holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Id of the member, unique among all runs.
    pub id: Box<str>,
    /// Term that it joined.
    pub term: i64,
    /// Process of the member.
    pub holder: Holder,
    /// Number of its beats.
    pub beats: i64,
    /// Content of its last beat.
    pub said: Said,
    /// Orders to keep to.
    pub orders: Orders,
}

/// The content of a member's beat.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Numbers of the chunks that it has.
    pub holds: Vec<u64>,
    /// Number of its tasks that have not ended.
    pub in_hand: u64,
    /// Number of the orders that it keeps to.
    pub heard: i64,
    /// Number of requests that it made.
    pub requests: u64,
    /// Number of items that ended at it.
    pub items: u64,
    /// Waits that hosts asked it for.
    pub waits: Vec<HostWait>,
}

/// The orders of a member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    /// Number of these orders, which increases.
    pub number: i64,
    /// Its share of the sweep's pace.
    pub share: Share,
    /// Waits that hosts asked other members for.
    pub waits: Vec<HostWait>,
    /// Time at which they were given, by the owner's clock, or `None` before the first ones.
    pub at: Option<Timestamp>,
}

/// Numbers from this one on are those of messages.
pub const FIRST_MESSAGE: u64 = 1 << 63;

/// A chunk of tasks that is lent to a member, or a message to the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Number of the chunk, unique in its term.
    pub id: u64,
    /// Member to whom it is lent.
    pub member: Box<str>,
    /// Its tasks, in a form that only the runs know.
    pub content: Vec<u8>,
}

/// The state of a chunk after an attempt to take it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenBack {
    /// It was still lent, or is lost: its tasks are the owner's again.
    Ours,
    /// It was brought back meanwhile, and is to be collected.
    Brought,
}

/// Exchanges tasks between the runs of one sweep. The module's documentation is the contract.
#[async_trait]
pub trait Mailbox: Send + Sync {
    /// Begins a term: deletes what was lent in earlier ones.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn begin(&self, term: &Term) -> Result<(), StoreError>;

    /// Returns the ledger's entry of a sweep, or `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn entry(&self, sweep: &str) -> Result<Option<LedgerEntry>, StoreError>;

    /// Adds a member to the running sweep of `entry`. From now on this store writes under the lock of
    /// the sweep's owner.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn join(&self, entry: &SweepEntry, member: &Member) -> Result<(), StoreError>;

    /// Returns the members of a sweep, whatever term they joined.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn members(&self, sweep: &str) -> Result<Vec<Member>, StoreError>;

    /// Says that a member is alive, and returns its orders. Returns `None` if its place was taken
    /// away.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn beat(&self, member: &str, said: &Said) -> Result<Option<Orders>, StoreError>;

    /// Returns true if a member has its place.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn has_place(&self, member: &str) -> Result<bool, StoreError>;

    /// Gives orders to a member.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn order(&self, member: &str, orders: &Orders) -> Result<(), StoreError>;

    /// Takes the place of a member away, unless it sent a beat after this number of them. Returns
    /// false if it did.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn fence(&self, member: &str, beats: i64) -> Result<bool, StoreError>;

    /// Gives up the place of a member.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn leave(&self, member: &str) -> Result<(), StoreError>;

    /// Lends chunks.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn lend(&self, term: &Term, chunks: &[Chunk]) -> Result<(), StoreError>;

    /// Returns the chunks that are lent to a member, but those that it `holds`.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn borrow(
        &self,
        term: &Term,
        member: &str,
        holds: &[u64],
    ) -> Result<Vec<Chunk>, StoreError>;

    /// Brings chunks back, whose content is now how their tasks ended. A chunk that was taken back
    /// meanwhile is left out. A message to the owner, whose number is [`FIRST_MESSAGE`] or higher, is there
    /// before them.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn bring(
        &self,
        term: &Term,
        chunks: &[Chunk],
        message: Option<&Chunk>,
    ) -> Result<(), StoreError>;

    /// Returns the messages and chunks that were brought, messages first.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn collect(&self, term: &Term) -> Result<Vec<Chunk>, StoreError>;

    /// Deletes chunks that were collected.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn delete(&self, term: &Term, chunks: &[u64]) -> Result<(), StoreError>;

    /// Takes a chunk back, unless it was brought.
    ///
    /// # Errors
    /// Returns an error if the write failed.
    async fn take_back(&self, term: &Term, chunk: u64) -> Result<TakenBack, StoreError>;
}
