//! The program under test: started without the environment of whoever runs the tests, listened to
//! while it runs, and never waited for without end.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::served::Served;

/// Longer than any of these runs takes, on a machine that is busy.
const LONGEST: Duration = Duration::from_secs(60);

/// A run to be.
pub struct Program(Command);

/// A run under way.
pub struct Running {
    child: Child,
    out: Heard,
    err: Heard,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// As a shell shows it: 128 and the signal's number, where a signal ended it.
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// What is heard on a pipe, as it comes.
struct Heard {
    bytes: Arc<Mutex<Vec<u8>>>,
    listener: JoinHandle<()>,
}

/// `gleaner` with these arguments.
pub fn gleaner(arguments: &[&str]) -> Program {
    program(Command::new(env!("CARGO_BIN_EXE_gleaner")), arguments)
}

/// The same, begun by a shell that says `first`: a limit, say.
pub fn gleaner_after(first: &str, arguments: &[&str]) -> Program {
    let mut shell = Command::new("/bin/sh");
    let script = format!("{first} && exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_gleaner")]);
    program(shell, arguments)
}

/// The same, begun by another program with arguments of its own.
pub fn started_by(starter: &str, own: &[&str], arguments: &[&str]) -> Program {
    let mut command = Command::new(starter);
    command.args(own).arg(env!("CARGO_BIN_EXE_gleaner"));
    program(command, arguments)
}

fn program(mut command: Command, arguments: &[&str]) -> Program {
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.args(arguments);
    Program(command)
}

/// `gleaner crawl books` of the site at `base_url` into `store`, and what else is to be said.
pub fn crawl(base_url: &str, store: &str, more: &[&str]) -> Program {
    gleaner(&["crawl", "books", "--base-url", base_url, "--store", store]).args(more)
}

impl Program {
    pub fn args(mut self, arguments: &[&str]) -> Program {
        self.0.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Program {
        self.0.env(name, value);
        self
    }

    pub fn stdout(mut self, stdout: Stdio) -> Program {
        self.0.stdout(stdout);
        self
    }

    pub fn stdin(mut self, stdin: Stdio) -> Program {
        self.0.stdin(stdin);
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Ended {
        self.start().end()
    }

    /// Runs it, and kills it once `served` was asked so many times more.
    pub fn killed_after(self, served: &Served, times: usize) {
        let (before, deadline) = (served.count("/"), Instant::now() + LONGEST);
        let running = self.start();
        while served.count("/") < before + times {
            assert!(Instant::now() < deadline, "the site is not asked {times} times");
            std::thread::sleep(Duration::from_millis(1));
        }
        running.signal("KILL");
        assert_eq!(running.end().code, 137);
    }

    pub fn start(mut self) -> Running {
        let mut child = self.0.spawn().expect("the program starts");
        let out = Heard::of(child.stdout.take());
        let err = Heard::of(child.stderr.take());
        Running { child, out, err }
    }
}

impl Running {
    /// Sends `INT` or `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "the program has ended already: {}", self.err.text());
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the program can be waited for").is_some()
    }

    /// Kills it, unless it has ended meanwhile.
    pub fn kill(mut self) -> Ended {
        // An error means that it has ended; how, its code says.
        let _ = self.child.kill();
        self.end()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `text` stands in the log.
    pub fn says(&self, text: &str) {
        self.says_line(text);
    }

    /// Waits until `text` stands in the log, and returns its line.
    pub fn says_line(&self, text: &str) -> String {
        let deadline = Instant::now() + LONGEST;
        loop {
            let said = self.err.text();
            if let Some(line) = said.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "nothing of {text}: {said}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the first line on standard output.
    pub fn first_line(&self) -> String {
        let deadline = Instant::now() + LONGEST;
        loop {
            if let Some((line, _)) = self.out.text().split_once('\n') {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no line: {}", self.err.text());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + LONGEST;
        let status = loop {
            match self.child.try_wait().expect("the program can be waited for") {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    self.child.kill().expect("it can be killed");
                    panic!("it does not end: {}", self.err.text());
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        let code = code.expect("an exit code or a signal");
        Ended { code, out: self.out.end(), err: self.err.end() }
    }
}

impl Ended {
    /// This run, which ended with `code`.
    pub fn with(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "\nout: {}\nerr: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// Standard error has all of these.
    pub fn tells(self, texts: &[&str]) -> Ended {
        for text in texts {
            assert!(self.err.contains(text), "nothing of `{text}` in: {}", self.err);
        }
        self
    }
}

impl Heard {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Heard {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let heard = bytes.clone();
        let listener = std::thread::spawn(move || {
            let Some(mut pipe) = pipe else { return };
            let mut piece = [0; 8192];
            while let Ok(length @ 1..) = pipe.read(&mut piece) {
                heard.lock().expect("nobody panicked").extend_from_slice(&piece[..length]);
            }
        });
        Heard { bytes, listener }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("nobody panicked")).into_owned()
    }

    /// All that was said, once the pipe is closed.
    fn end(self) -> String {
        self.listener.join().expect("the listener ends");
        let bytes = std::mem::take(&mut *self.bytes.lock().expect("nobody panicked"));
        String::from_utf8(bytes).expect("UTF-8")
    }
}
