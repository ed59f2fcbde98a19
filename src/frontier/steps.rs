//! The hooks for the model checker.
//!
//! The frontier's protocol consists of steps on shared state: the count, a lane, the seen set, an
//! event. In a product build this module is the standard atomic and the clock, and nothing else. In
//! the library's own tests each step is a point where the checker may switch to another worker, and
//! the checker decides at random whether a task that is set aside is due.

#[cfg(not(test))]
pub use product::*;

#[cfg(test)]
pub use checked::*;

#[cfg(not(test))]
mod product {
    pub use std::sync::atomic::AtomicU64;
    pub use tokio::time::sleep_until;

    use tokio::time::Instant;

    /// A point where the model checker may switch to another worker.
    #[inline(always)]
    pub fn point() {}

    /// Returns true if `at` is now or in the past.
    pub fn is_due(at: Instant) -> bool {
        at <= Instant::now()
    }
}

#[cfg(test)]
mod checked {
    pub use shuttle::sync::atomic::AtomicU64;

    use shuttle::rand::Rng;
    use tokio::time::Instant;

    pub fn point() {
        shuttle::thread::yield_now();
    }

    pub fn is_due(_at: Instant) -> bool {
        shuttle::rand::thread_rng().gen_bool(0.5)
    }

    pub async fn sleep_until(_at: Instant) {
        shuttle::future::yield_now().await;
    }
}
