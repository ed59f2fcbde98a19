//! What a run needs from the machine: a clock, memory, files replaced whole, a way to be stopped.

pub mod allocator;
pub mod clock;
pub mod replacement;
pub mod service;
pub mod shutdown;
