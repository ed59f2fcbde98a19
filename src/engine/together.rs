//! One sweep on several machines: what its owner and its helpers do beside crawling.
//!
//! The run that holds the site's lock *owns* the sweep. It reads the lists, counts, and decides the end;
//! beside that it lends items of its own frontier to the other runs and keeps their leases
//! (`together/lend.rs`). A *helper* works on what it borrows, with the same workers and the same writer,
//! and brings back how each task ended (`together/help.rs`). Both exchange chunks of tasks through the
//! mailbox of the store (`store/mailbox.rs`). It is promised:
//!
//! 1. A lent task is a lease in the owner's hands. It ends once: with the chunk that is brought back, or
//!    when it is taken back.
//! 2. An end is brought after the store has acknowledged what it says: done means written.
//! 3. What is taken back is looked up in the store first: what this sweep wrote is not requested again.
//! 4. No clocks of two machines are compared: silence is measured while the store answers.

pub mod help;
pub mod lend;
mod message;
mod shares;

use std::time::Duration;

/// Interval at which owner and helpers look into the mailbox.
const TICK: Duration = Duration::from_millis(50);
/// Longest time between two looks that counts as silence of others: in a longer one, the store did not
/// answer, or this process was stopped.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
