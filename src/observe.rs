//! What a run shows of itself: counters, problems, waits, and all of it in words.

pub mod metrics;
pub mod problems;
pub mod progress;
pub mod status;
pub mod waits;
