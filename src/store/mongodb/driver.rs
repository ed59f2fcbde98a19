//! The thread that runs MongoDB's driver.
//!
//! Copying, checking and sending a batch takes some milliseconds without a break. On the main
//! runtime, no pages could be requested in that time.

use std::convert::Infallible;
use std::future::Future;
use std::sync::mpsc;
use std::{io, thread};

use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A runtime on its own thread, which ends after this is dropped. Dropping does not wait for it.
pub struct Driver {
    runtime: Handle,
    _end: oneshot::Sender<Infallible>,
}

impl Driver {
    /// Starts the thread.
    ///
    /// # Errors
    /// Returns an error if no thread can be started.
    pub fn start() -> io::Result<Driver> {
        let (end, ended) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        // The runtime is created on that thread, because it must not be dropped within another
        // runtime.
        let serve = move || match runtime::Builder::new_current_thread().enable_all().build() {
            Err(error) => drop(tell.send(Err(error))),
            Ok(runtime) => {
                let _ = tell.send(Ok(runtime.handle().clone()));
                drop(runtime.block_on(ended));
            }
        };
        thread::Builder::new().name("gleaner-mongodb".to_owned()).spawn(serve)?;
        let runtime = told.recv().map_err(io::Error::other)??;
        Ok(Driver { runtime, _end: end })
    }

    /// Calls `start` within the runtime, for code that spawns tasks of the driver.
    pub fn within<T>(&self, start: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.enter();
        start()
    }

    /// Runs `call` to its end, even if the handle is dropped.
    pub fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_run_on_the_driver_s_thread_also_where_nobody_waits() {
        let driver = Driver::start().unwrap();
        let name = driver.run(async { thread::current().name().map(str::to_owned) });
        assert_eq!(name.await.unwrap().as_deref(), Some("gleaner-mongodb"));
        let (done, told) = oneshot::channel();
        drop(driver.run(async { done.send(()) }));
        assert_eq!(told.await, Ok(()));
    }

    #[tokio::test]
    async fn the_thread_ends_with_its_owner() {
        let driver = Driver::start().unwrap();
        let waiting = driver.run(std::future::pending::<()>());
        drop(driver);
        assert!(waiting.await.unwrap_err().is_cancelled());
    }
}
