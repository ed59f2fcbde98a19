//! The processes that clients talk to: the demo site and a MongoDB server.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gleaner::demo::{Demo, Options};

/// A process that is stopped when it goes out of scope.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// What kind of demo site.
#[derive(Debug, Clone, Copy)]
pub struct SiteKind {
    /// Items on it.
    pub items: u64,
    /// Of an answer, in milliseconds.
    pub latency: u64,
    /// Whether pages come with an `ETag`.
    pub etags: bool,
    /// Bytes a second of all bodies together; 0 for as fast as they go.
    pub bandwidth: u64,
}

/// Starts the site in a process of its own, which is this program again.
pub fn start_site(kind: SiteKind) -> Result<(Server, String)> {
    let SiteKind { items, latency, etags, bandwidth } = kind;
    let mut site = Command::new(std::env::current_exe()?)
        .arg("site")
        .args([items, latency, u64::from(etags), bandwidth].map(|value| value.to_string()))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut base = String::new();
    BufReader::new(site.stdout.take().context("its output")?).read_line(&mut base)?;
    Ok((Server(site), base.trim().to_owned()))
}

/// Serves the site that the arguments describe until this process is stopped.
pub fn serve_site(arguments: &[String]) -> Result<()> {
    let numbers: Vec<u64> = arguments.iter().map(|it| it.parse()).collect::<Result<_, _>>()?;
    let [items, latency, etags, bandwidth] = numbers[..] else { return Ok(()) };
    let demo = Demo::start(Options {
        items: usize::try_from(items)?,
        latency: Duration::from_millis(latency),
        etags: etags == 1,
        bandwidth: (bandwidth > 0).then_some(bandwidth),
        ..Options::default()
    })?;
    writeln!(std::io::stdout(), "{}", demo.url())?;
    loop {
        std::thread::park();
    }
}

/// The server that the tests use, on a port and a folder of its own.
pub fn start_mongod(folder: &Path) -> Result<(Server, String)> {
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mongod/mongod");
    let mongod = if local.exists() { local } else { PathBuf::from("mongod") };
    let data = folder.join("mongod");
    std::fs::create_dir_all(&data)?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let server = Command::new(mongod)
        .args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "1"])
        .arg("--dbpath")
        .arg(data)
        .args(["--port", &port.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .context("no mongod: run `make mongod`")?;
    let server = Server(server);
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(Instant::now() < deadline, "mongod does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok((server, format!("mongodb://127.0.0.1:{port}")))
}
