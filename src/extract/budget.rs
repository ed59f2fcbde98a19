//! What reading one page may take, of time and of memory.
//!
//! Time is that of the thread which reads: a page that waits for a processor, or for a reader, has not
//! become slower by that. The clock of a thread is a system call, and a thread has never had more time
//! than has passed: so it is asked only where more has passed than the limit.

use std::cell::{Cell, OnceCell};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// For reading one page, all that is selected on it included.
pub const TIME: Duration = Duration::from_secs(5);
/// Steps between two looks at the time.
const STEPS_PER_LOOK: u32 = 1024;

/// A page is beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// See [`Budget`].
    #[error("the page takes more than {0:?} to read, which is the limit")]
    Time(Duration),
    /// Of an HTML page.
    #[error("the page has more than {0} elements within one another, which is the limit")]
    Depth(usize),
    /// Of an HTML page.
    #[error("the page has more than {0} elements and texts, which is the limit")]
    Nodes(usize),
    /// Of an HTML page.
    #[error("what is selected on the page is more than {0} bytes of text, which is the limit")]
    Text(usize),
    /// Of a JSON page.
    #[error("a path leads to more than {0} places on the page, which is the limit")]
    Places(usize),
}

/// The time that a page may take, which begins to run with the first look at it.
#[derive(Debug)]
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
    /// So much time. It is for the thread that reads the page.
    pub fn of(limit: Duration) -> Budget {
        Budget { limit, began: OnceCell::new(), steps: Cell::new(0) }
    }

    /// Returns whether there is time left.
    ///
    /// # Errors
    /// Where there is none.
    pub fn check(&self) -> Result<(), LimitError> {
        let (passed, before) = self.began.get_or_init(|| (Instant::now(), used()));
        if passed.elapsed() > self.limit && used().saturating_sub(*before) > self.limit {
            return Err(LimitError::Time(self.limit));
        }
        Ok(())
    }

    /// A small step was made; now and then the time is looked at.
    ///
    /// # Errors
    /// Where there is none left.
    pub fn step(&self) -> Result<(), LimitError> {
        let steps = self.steps.get().wrapping_add(1);
        self.steps.set(steps);
        if steps.is_multiple_of(STEPS_PER_LOOK) { self.check() } else { Ok(()) }
    }
}

/// The processor's time that this thread has had so far.
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
