//! A thread that owns a value and runs jobs on it, one after another.
//!
//! Files, pipes and SQLite block their caller, and an SQLite connection may be used by only one
//! thread at a time. An [`Owner`] keeps such a value on its own thread; async callers wait for
//! results without blocking the runtime.
//!
//! Jobs run in the order in which they were submitted. A submitted job runs even if its caller
//! stops waiting. When the thread ends, all waiting callers get [`Ended`]. A job must not wait for
//! its own owner, which would be a deadlock.

use std::io;
use std::thread;

use async_channel::{Receiver, Sender};
use tokio::sync::oneshot;

/// A job on the value. It takes the value out to end the thread.
type Job<T> = Box<dyn FnOnce(&mut Option<T>) + Send>;

/// A thread that owns a value and runs jobs on it, in order. After the owner is dropped, the thread
/// finishes its jobs, drops the value and ends. Dropping does not wait for that; [`Owner::end`]
/// does.
pub struct Owner<T> {
    /// Channel of jobs. It is unbounded, since each caller has one job in it and waits for it. It
    /// is closed when the last sender is dropped, or when the thread ends.
    jobs: Sender<Job<T>>,
}

/// Error after the thread has ended, because it was told to or because a job panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended;

impl<T: Send + 'static> Owner<T> {
    /// Moves `value` to a new thread with this name.
    ///
    /// # Errors
    /// Returns an error if no thread can be started.
    pub fn of(value: T, name: &str) -> io::Result<Owner<T>> {
        let (jobs, asked) = async_channel::unbounded();
        let asked = Asked(asked);
        thread::Builder::new().name(name.to_owned()).spawn(move || serve(value, &asked))?;
        Ok(Owner { jobs })
    }

    /// Runs `job` on the value and returns its result.
    ///
    /// # Errors
    /// Returns [`Ended`] if the thread has ended.
    pub async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, Ended> {
        self.ask(|value| value.as_mut().map(job)).await
    }

    /// Runs `last` on the value after all submitted jobs, and ends the thread.
    ///
    /// # Errors
    /// Returns [`Ended`] if the thread has ended already.
    pub async fn end<R: Send + 'static>(
        &self,
        last: impl FnOnce(T) -> R + Send + 'static,
    ) -> Result<R, Ended> {
        self.ask(|value| value.take().map(last)).await
    }

    async fn ask<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Option<T>) -> Option<R> + Send + 'static,
    ) -> Result<R, Ended> {
        let (answer, answered) = oneshot::channel();
        let job: Job<T> = Box::new(move |value| {
            // This fails if the caller has stopped waiting, which is allowed.
            let _ = answer.send(job(value));
        });
        self.jobs.try_send(job).map_err(|_| Ended)?;
        answered.await.ok().flatten().ok_or(Ended)
    }
}

/// The thread's end of the channel. A channel keeps its messages as long as it has a sender, so
/// jobs that came too late are dropped here. Otherwise their callers would wait forever.
struct Asked<T>(Receiver<Job<T>>);

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        self.0.close();
        while self.0.try_recv().is_ok() {}
    }
}

fn serve<T>(value: T, asked: &Asked<T>) {
    let mut value = Some(value);
    while value.is_some() {
        match asked.0.recv_blocking() {
            Ok(job) => job(&mut value),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_are_done_in_order_on_the_thread() {
        let owner = Owner::of(Vec::new(), "gleaner-test").unwrap();
        let first = owner.run(|list| list.push(1));
        owner.run(|list| list.push(2)).await.unwrap();
        first.await.unwrap();
        let name = owner.run(|_| thread::current().name().map(str::to_owned)).await.unwrap();
        assert_eq!(name.as_deref(), Some("gleaner-test"));
        assert_eq!(owner.end(|list| list).await, Ok(vec![2, 1]));
    }

    #[tokio::test]
    async fn after_the_end_every_job_is_refused() {
        let owner = Owner::of(0, "gleaner-test").unwrap();
        assert_eq!(owner.end(|number| number).await, Ok(0));
        assert_eq!(owner.run(|number| *number).await, Err(Ended));
        assert_eq!(owner.end(|number| number).await, Err(Ended));
    }

    #[tokio::test]
    async fn a_job_that_comes_while_the_thread_ends_is_refused() {
        for _ in 0..2_000 {
            let owner = Owner::of(0, "gleaner-test").unwrap();
            owner.end(drop).await.unwrap();
            let late = owner.run(|number| *number);
            let late = tokio::time::timeout(std::time::Duration::from_secs(10), late).await;
            assert_eq!(late.expect("an answer"), Err(Ended));
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_ends_the_thread_and_hangs_nobody() {
        let owner = Owner::of(0, "gleaner-test").unwrap();
        assert_eq!(owner.run(|_| panic!("on purpose")).await, Err::<(), _>(Ended));
        assert_eq!(owner.run(|number| *number).await, Err(Ended));
    }

    #[tokio::test]
    async fn a_job_is_done_though_its_asker_stopped_waiting() {
        let owner = Owner::of(0, "gleaner-test").unwrap();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let asked = owner.run(move |number| {
            gone.recv().unwrap();
            *number = 1;
        });
        let waited = tokio::time::timeout(std::time::Duration::from_millis(10), asked).await;
        assert!(waited.is_err());
        go.send(()).unwrap();
        assert_eq!(owner.run(|number| *number).await, Ok(1));
    }
}
