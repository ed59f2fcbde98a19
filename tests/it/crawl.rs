//! Whole crawls through the library: a demo site that fails on demand, real stores, and at the
//! end every document compared with what the site says.

mod adoption;
mod again;
mod away;
mod bad_documents;
mod bad_wire;
mod canary;
mod documents;
mod ends;
mod failover;
mod foreign_rows;
mod heartbeats;
mod hosts;
mod leaving;
mod manners;
pub mod meddler;
mod odd_wire;
mod outages;
mod own_sweeps;
mod pacing;
mod pages;
mod panics;
mod raw;
mod refreshing;
mod refusing;
mod retries;
pub mod rig;
mod size;
mod stopping;
mod wire;
