//! The wall clock, the only way to it for whatever is kept or compared with what is kept.
//!
//! A debug build can be told that its clock is wrong, for tests of clocks that jump:
//! `GLEANER_TEST_CLOCK_OFFSET` holds a number of seconds to add, or the path of a file that holds
//! one and may change meanwhile. A release build has no such variable.
//!
//! Decisions must not hang on this clock alone: it may be set, and those of two machines differ. What
//! has to know how long something took, whatever happened meanwhile, asks [`since_boot`].

use std::time::Duration;

use jiff::Timestamp;
use uuid::{NoContext, Uuid};

/// The time by this machine's wall clock.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    offset::get().and_then(|offset| now.checked_add(offset).ok()).unwrap_or(now)
}

/// The time since this machine was started, by a clock that nobody sets and that goes on while the
/// machine is suspended.
#[cfg(target_os = "linux")]
pub fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

/// The time since this was asked for first: elsewhere no clock is known that counts suspension.
#[cfg(not(target_os = "linux"))]
pub fn since_boot() -> Duration {
    static FIRST: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    FIRST.elapsed()
}

/// A limit in time. A debug build takes it from this variable instead, where it is set, so that tests of
/// what takes minutes take seconds.
#[cfg(debug_assertions)]
pub fn limit(variable: &str, usual: Duration) -> Duration {
    let asked_for = std::env::var(variable).ok();
    asked_for.and_then(|text| humantime::parse_duration(&text).ok()).unwrap_or(usual)
}

/// A limit in time, whatever the variable says.
#[cfg(not(debug_assertions))]
pub fn limit(_: &str, usual: Duration) -> Duration {
    usual
}

/// An id that nobody else makes, which sorts by the time of its making where clocks are right.
pub fn id() -> Box<str> {
    let now = now();
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    let time = uuid::Timestamp::from_unix(NoContext, seconds, nanos);
    Uuid::new_v7(time).to_string().into()
}

#[cfg(debug_assertions)]
mod offset {
    use std::sync::LazyLock;

    use jiff::SignedDuration;

    static ASKED_FOR: LazyLock<Option<String>> =
        LazyLock::new(|| std::env::var("GLEANER_TEST_CLOCK_OFFSET").ok());

    /// By how much the clock is wrong.
    pub fn get() -> Option<SignedDuration> {
        let asked_for = ASKED_FOR.as_deref()?;
        let seconds = |text: &str| text.trim().parse().ok();
        let offset = seconds(asked_for).or_else(|| {
            let file = std::fs::read_to_string(asked_for).ok()?;
            seconds(&file)
        });
        offset.map(SignedDuration::from_secs)
    }
}

#[cfg(not(debug_assertions))]
mod offset {
    use jiff::SignedDuration;

    pub fn get() -> Option<SignedDuration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_sort_by_milliseconds() {
        let (first, twin) = (id(), id());
        assert_ne!(first, twin);
        let began = std::time::Instant::now();
        while began.elapsed().as_millis() < 2 {
            std::thread::yield_now();
        }
        assert!(id() > first);
    }
}
