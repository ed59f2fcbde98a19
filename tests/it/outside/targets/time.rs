//! How long one case may take.

use std::time::{Duration, Instant};

/// Longest time for a page of [`SIZE`] bytes; longer ones are given more.
const LONGEST: Duration = Duration::from_secs(1);
/// See [`LONGEST`].
const SIZE: usize = 64 * 1024;

/// Does `work` on an input of `size` bytes, which is to end in time.
///
/// # Panics
/// Where it does not.
pub fn in_time<T>(what: &str, size: usize, work: impl FnOnce() -> T) -> T {
    let (wall, begun) = (Instant::now(), on_the_processor());
    let done = work();
    let took = match (begun, on_the_processor()) {
        (Some(begun), Some(ended)) => ended.saturating_sub(begun),
        _ => wall.elapsed(),
    };
    let longest = LONGEST * u32::try_from(size.div_ceil(SIZE).max(1)).unwrap_or(u32::MAX);
    assert!(took <= longest, "{what}: {size} bytes took {took:?}");
    done
}

/// What this thread has spent, where the system tells: other tests must not count.
fn on_the_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
