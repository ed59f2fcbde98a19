//! The threads that read large pages, at most one per core.
//!
//! Large pages are read only on these threads and never in async tasks, so that requests,
//! heartbeats and signals are on time whatever a site sends. The pages that are read concurrently
//! are bounded by an estimate of their memory. Waiting pages are bounded by bytes: if too many
//! wait, workers take no further task ([`Readers::caught_up`]).
//!
//! Guarantees: a page whose worker was dropped is not started. A panic in a reader becomes a panic
//! in its worker, and ends no thread. Busy threads delay neither the end of a crawl nor the end of
//! the process.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use async_channel::{Receiver, Sender};
use event_listener::Event;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Maximum estimated memory of the pages that are read concurrently, in bytes.
const MEMORY: usize = 192 << 20;
/// Estimated memory per byte of a page while it is read: a page of tables is a tree of small nodes.
const GROWTH: usize = 32;
/// Maximum size of the pages that wait or are read, in bytes; above it, no further page is
/// requested.
const BACKLOG: usize = 32 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// The reader threads, which are started on demand.
pub struct Readers {
    /// Unbounded, since each job holds a share of `memory`. Dropping the last sender closes it.
    jobs: Sender<Job>,
    todo: Receiver<Job>,
    threads: AtomicUsize,
    most_threads: usize,
    /// Estimated memory that is still free, in KiB.
    memory: Arc<Semaphore>,
    backlog: Arc<Backlog>,
}

/// The number of bytes in pages that wait or are read.
#[derive(Default)]
struct Backlog {
    bytes: AtomicUsize,
    less: Event,
}

/// A page's share of the backlog, and of the memory while it is read.
struct Share {
    bytes: usize,
    backlog: Arc<Backlog>,
    _memory: Option<OwnedSemaphorePermit>,
}

impl Default for Readers {
    fn default() -> Readers {
        Readers::of(thread::available_parallelism().map_or(1, NonZero::get))
    }
}

impl Readers {
    /// Creates readers with at most this many threads.
    pub fn of(most_threads: usize) -> Readers {
        let (jobs, todo) = async_channel::unbounded();
        Readers {
            jobs,
            todo,
            threads: AtomicUsize::new(0),
            most_threads,
            memory: Arc::new(Semaphore::new(MEMORY >> 10)),
            backlog: Arc::default(),
        }
    }

    /// Runs `read`, which reads a page of `bytes` bytes, on one of the threads.
    pub async fn read<T: Send + 'static>(
        &self,
        bytes: usize,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let mut share = Share::of(bytes, &self.backlog);
        let memory = (bytes.saturating_mul(GROWTH) >> 10).clamp(1, MEMORY >> 10);
        let memory = u32::try_from(memory).unwrap_or(u32::MAX);
        // This cannot fail: the semaphore is never closed.
        share._memory = self.memory.clone().acquire_many_owned(memory).await.ok();
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            if answer.is_closed() {
                return;
            }
            let read = catch_unwind(AssertUnwindSafe(read));
            drop(share);
            // This fails if the worker was dropped meanwhile.
            let _ = answer.send(read);
        });
        self.begin(job);
        match answered.await {
            Ok(Ok(read)) => read,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => resume_unwind(Box::new("a page was not read: its thread ended")),
        }
    }

    /// Returns true if so many bytes wait that no further page should be requested.
    pub fn is_behind(&self) -> bool {
        self.backlog.bytes.load(SeqCst) > BACKLOG
    }

    /// Waits until [`Readers::is_behind`] is false.
    pub async fn caught_up(&self) {
        while self.is_behind() {
            let less = self.backlog.less.listen();
            if self.is_behind() {
                less.await;
            }
        }
    }

    fn begin(&self, job: Job) {
        // This cannot fail: the receiver is held beside the sender.
        let _ = self.jobs.try_send(job);
        let is_room = |threads: usize| (threads < self.most_threads).then_some(threads + 1);
        if self.threads.fetch_update(SeqCst, SeqCst, is_room).is_err() {
            return;
        }
        let todo = self.todo.clone();
        let begun = thread::Builder::new().name("gleaner-reader".to_owned()).spawn(move || {
            while let Ok(job) = todo.recv_blocking() {
                job();
            }
        });
        if begun.is_err() && self.threads.fetch_sub(1, SeqCst) == 1 {
            // No thread could be started at all, so read the page here.
            while let Ok(job) = self.todo.try_recv() {
                job();
            }
        }
    }
}

impl Share {
    fn of(bytes: usize, backlog: &Arc<Backlog>) -> Share {
        backlog.bytes.fetch_add(bytes, SeqCst);
        Share { bytes, backlog: backlog.clone(), _memory: None }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.backlog.bytes.fetch_sub(self.bytes, SeqCst);
        self.backlog.less.notify(usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    const SMALL: usize = 16 << 10;

    #[tokio::test]
    async fn p9_pages_are_read_by_as_many_threads_as_are_allowed_and_never_here() {
        let readers = Readers::of(3);
        let (reading, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let read = |_| {
            let (reading, most) = (reading.clone(), most.clone());
            readers.read(SMALL, move || {
                most.fetch_max(reading.fetch_add(1, SeqCst) + 1, SeqCst);
                thread::sleep(Duration::from_millis(5));
                reading.fetch_sub(1, SeqCst);
                thread::current().name().map(str::to_owned)
            })
        };
        let names = join_all((0..30).map(read)).await;
        assert!(names.iter().all(|name| name.as_deref() == Some("gleaner-reader")), "{names:?}");
        assert_eq!(most.load(SeqCst), 3);
        assert_eq!(readers.backlog.bytes.load(SeqCst), 0);
    }

    #[tokio::test]
    async fn p9_what_is_read_at_once_is_bounded_by_memory_and_the_largest_page_is_read_alone() {
        let readers = Readers::of(8);
        let (reading, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let read = |bytes: usize| {
            let (reading, most) = (reading.clone(), most.clone());
            readers.read(bytes, move || {
                most.fetch_max(reading.fetch_add(1, SeqCst) + 1, SeqCst);
                thread::sleep(Duration::from_millis(5));
                reading.fetch_sub(1, SeqCst);
            })
        };
        join_all((0..12).map(|_| read(MEMORY / GROWTH / 2))).await;
        assert!(most.swap(0, SeqCst) <= 2);
        join_all([SMALL, usize::MAX >> 4, SMALL, MEMORY].map(read)).await;
        assert!(most.load(SeqCst) <= 2);
    }

    #[tokio::test]
    async fn p9_with_too_much_waiting_workers_wait_until_it_is_read() {
        let readers = Readers::of(1);
        let (go, gone) = channel::<()>();
        let mut first = pin!(readers.read(BACKLOG, move || gone.recv().is_ok()));
        assert!(first.as_mut().now_or_never().is_none());
        readers.caught_up().now_or_never().expect("the backlog is full, and not more");
        let mut second = pin!(readers.read(SMALL, || ()));
        assert!(second.as_mut().now_or_never().is_none());
        let mut caught_up = pin!(readers.caught_up());
        assert!(readers.is_behind() && caught_up.as_mut().now_or_never().is_none());
        go.send(()).expect("it is read");
        assert!(first.await);
        caught_up.await;
        second.await;
    }

    #[tokio::test]
    async fn p9_a_panic_is_its_workers_and_the_thread_goes_on() {
        let readers = Readers::of(1);
        let panics = AssertUnwindSafe(readers.read(SMALL, || panic!("on purpose"))).catch_unwind();
        assert!(panics.await.is_err());
        assert_eq!(readers.read(SMALL, || 7).await, 7);
        assert_eq!(readers.threads.load(SeqCst), 1);
        assert_eq!(readers.backlog.bytes.load(SeqCst), 0);
    }

    #[tokio::test]
    async fn p9_a_page_whose_worker_was_dropped_is_not_begun_and_holds_nothing() {
        let readers = Readers::of(1);
        let (go, gone) = channel::<()>();
        let mut first = pin!(readers.read(SMALL, move || gone.recv().is_ok()));
        assert!(first.as_mut().now_or_never().is_none());
        let (begun, was_begun) = channel::<()>();
        {
            let mut dropped = pin!(readers.read(SMALL, move || begun.send(())));
            assert!(dropped.as_mut().now_or_never().is_none());
        }
        go.send(()).expect("it is read");
        assert!(first.await);
        assert_eq!(readers.read(SMALL, || 7).await, 7);
        assert!(was_begun.recv().is_err(), "it was read");
        assert_eq!(readers.backlog.bytes.load(SeqCst), 0);
    }
}
