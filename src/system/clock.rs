//! The wall clock. Every time that is stored, or compared with a stored time, is read here.
//!
//! In a debug build the clock can be shifted, to test clocks that jump: `GLEANER_TEST_CLOCK_OFFSET`
//! holds a number of seconds to add, or the path of a file that holds one and may change during the
//! run. A release build does not read this variable.
//!
//! Decisions must not depend on this clock alone: it can be set, and the clocks of two machines
//! differ. Use [`since_boot`] to measure how long something took.

use std::time::Duration;

use jiff::Timestamp;
use uuid::{NoContext, Uuid};

/// Returns the current time of this machine's wall clock.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    offset::get().and_then(|offset| now.checked_add(offset).ok()).unwrap_or(now)
}

/// Returns the time since this machine booted. This clock cannot be set, and it includes time spent
/// suspended.
#[cfg(target_os = "linux")]
pub fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

/// Returns the time since the first call: no clock that includes time spent suspended is known for
/// this platform.
#[cfg(not(target_os = "linux"))]
pub fn since_boot() -> Duration {
    static FIRST: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    FIRST.elapsed()
}

/// Returns the time limit `usual`. In a debug build, the environment variable `variable` overrides
/// it, so that tests of limits of minutes take seconds.
#[cfg(debug_assertions)]
pub fn limit(variable: &str, usual: Duration) -> Duration {
    let asked_for = std::env::var(variable).ok();
    asked_for.and_then(|text| humantime::parse_duration(&text).ok()).unwrap_or(usual)
}

/// Returns the time limit `usual`; a release build ignores the variable.
#[cfg(not(debug_assertions))]
pub fn limit(_: &str, usual: Duration) -> Duration {
    usual
}

/// Returns a new globally unique id. Ids sort by creation time if the clocks are right.
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

    /// Returns the offset to add to the clock, or `None` if none is set.
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
