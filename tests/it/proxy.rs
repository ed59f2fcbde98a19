//! A TCP proxy that can be cut: then it takes bytes and holds them, and delivers them once it is healed,
//! also those whose sender hung up meanwhile, as a network does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A TCP proxy in front of a server, whose connections a test can cut.
pub struct Proxy {
    port: u16,
    link: Arc<Link>,
}

#[derive(Default)]
struct Link {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    /// Bytes from clients that are held.
    held: usize,
}

impl Proxy {
    /// A proxy to the server at `upstream`.
    pub fn to(upstream: &str) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let link = Arc::new(Link::default());
        let (proxy, upstream) = (link.clone(), upstream.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (link, upstream) = (proxy.clone(), upstream.clone());
                std::thread::spawn(move || link.serve(&client, &upstream));
            }
        });
        Proxy { port, link }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn cut(&self) {
        self.link.state().is_cut = true;
    }

    /// Goes on, with what was held.
    pub fn heal(&self) {
        self.link.state().is_cut = false;
        self.link.changed.notify_all();
    }

    /// Waits until so many bytes from clients are held.
    pub fn holds(&self, bytes: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut state = self.link.state();
        while state.held < bytes {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} bytes are held, not {bytes}", state.held);
            state = self.link.changed.wait_timeout(state, left).expect("nobody panicked").0;
        }
    }
}

impl Link {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    fn serve(self: Arc<Link>, client: &TcpStream, upstream: &str) {
        let Ok(server) = TcpStream::connect(upstream) else { return };
        let back = self.clone();
        let (from, to) = (server.try_clone().expect("a socket"), client.try_clone().expect("one"));
        std::thread::spawn(move || back.pump(&from, &to, false));
        self.pump(client, &server, true);
    }

    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, is_client: bool) {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            self.wait(length, is_client);
            if to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        self.wait(0, is_client);
        let _ = to.shutdown(Shutdown::Write);
    }

    /// Holds so many bytes until the link is whole.
    fn wait(&self, length: usize, is_client: bool) {
        let mut state = self.state();
        if !state.is_cut {
            return;
        }
        let held = if is_client { length } else { 0 };
        state.held += held;
        self.changed.notify_all();
        while state.is_cut {
            state = self.changed.wait(state).expect("nobody panicked");
        }
        state.held -= held;
    }
}
