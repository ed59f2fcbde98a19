//! The thread that MongoDB's driver works on.
//!
//! A batch is copied, checked and sent in one go of some milliseconds, in which no page would be asked
//! for if that were done where pages are.

use std::convert::Infallible;
use std::future::Future;
use std::sync::mpsc;
use std::{io, thread};

use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A runtime on a thread of its own, which ends when this is dropped; nobody waits for that.
pub struct Driver {
    runtime: Handle,
    _end: oneshot::Sender<Infallible>,
}

impl Driver {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system has none to give.
    pub fn start() -> io::Result<Driver> {
        let (end, ended) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        // Made there, since a runtime may not be dropped where another one runs.
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

    /// Does what starts tasks of the driver's own.
    pub fn within<T>(&self, start: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.enter();
        start()
    }

    /// Runs `call` to its end, whether or not somebody waits for that.
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
