//! Limits on the time and the memory that reading one page may take.
//!
//! Time is the CPU time of the reading thread: waiting for a CPU or for a reader does not count.
//!
//! Reading the CPU time is a system call. CPU time never exceeds elapsed time, so it is read only
//! once
//! more time than the limit has elapsed.

use std::cell::{Cell, OnceCell};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Maximum CPU time for reading one page, including all that is selected on it.
pub const TIME: Duration = Duration::from_secs(5);
/// Number of steps between two checks of the time.
const STEPS_PER_LOOK: u32 = 1024;

/// Error for a page that exceeds a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Reading the page took longer than its [`Budget`].
    #[error("the page takes more than {0:?} to read, which is the limit")]
    Time(Duration),
    /// An HTML page is nested too deeply.
    #[error("the page has more than {0} elements within one another, which is the limit")]
    Depth(usize),
    /// An HTML page has too many nodes.
    #[error("the page has more than {0} elements and texts, which is the limit")]
    Nodes(usize),
    /// The selected text of an HTML page is too long.
    #[error("what is selected on the page is more than {0} bytes of text, which is the limit")]
    Text(usize),
    /// A path matches too many places on a JSON page.
    #[error("a path leads to more than {0} places on the page, which is the limit")]
    Places(usize),
}

/// CPU time that reading a page may take. It starts with the first check. A clone that is made
/// after that ends with it, for a page within the page.
#[derive(Debug, Clone)]
pub struct Budget {
    limit: Duration,
    began: OnceCell<(Instant, Duration)>,
    steps: Cell<u32>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::of(TIME)
    }
}

impl Budget {
    /// Creates a budget of `limit`. Use it only on the thread that reads the page.
    pub fn of(limit: Duration) -> Budget {
        Budget { limit, began: OnceCell::new(), steps: Cell::new(0) }
    }

    /// Checks that there is time left.
    ///
    /// # Errors
    /// Returns [`LimitError::Time`] if the time is used up.
    pub fn check(&self) -> Result<(), LimitError> {
        let (passed, before) = self.began.get_or_init(|| (Instant::now(), used()));
        if passed.elapsed() > self.limit && used().saturating_sub(*before) > self.limit {
            return Err(LimitError::Time(self.limit));
        }
        Ok(())
    }

    /// Counts a small step, and checks the time every `STEPS_PER_LOOK` steps.
    ///
    /// # Errors
    /// Returns [`LimitError::Time`] if the time is used up.
    pub fn step(&self) -> Result<(), LimitError> {
        let steps = self.steps.get().wrapping_add(1);
        self.steps.set(steps);
        if steps.is_multiple_of(STEPS_PER_LOOK) { self.check() } else { Ok(()) }
    }
}

/// Returns the CPU time that this thread has used so far.
pub fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn p9_waiting_is_no_time_and_work_is() {
        let limit = Duration::from_millis(20);
        let budget = Budget::of(limit);
        budget.check().unwrap();
        std::thread::sleep(3 * limit);
        assert_eq!(budget.check(), Ok(()));
        let (began, mut steps) = (Instant::now(), 0_u64);
        let ended = loop {
            steps = black_box(steps) + 1;
            if let Err(error) = budget.step() {
                break error;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{steps} steps took no time");
        };
        assert_eq!(ended, LimitError::Time(limit));
        // The first check may have used a part of it.
        assert!(began.elapsed() >= limit / 2);
    }
}
