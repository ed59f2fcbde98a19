//! Who runs a sweep, and whether that process still lives.
//!
//! A process is known by the boot of its machine, its pid namespace, its pid, and when it was
//! started: a pid alone is given to others after a while. Where boot and namespace are ours the
//! system says whether it lives; of others nothing can be known but when they were last heard of.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process that runs a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Id of the machine's boot.
    pub boot: Box<str>,
    /// Its pid namespace: of a container, say.
    pub namespace: Box<str>,
    /// Its id there.
    pub pid: u32,
    /// When it was started, in the system's ticks since the boot.
    pub started: u64,
    /// The machine's name, for people.
    pub host: Box<str>,
}

/// What is known of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Alive,
    /// It does not run any more.
    Dead,
    /// It runs elsewhere, if it does.
    Elsewhere,
}

impl Holder {
    /// This process.
    pub fn this() -> Holder {
        let pid = std::process::id();
        let started = stat(pid).map_or(0, |(_, started)| started);
        Holder { boot: boot(), namespace: namespace(), pid, started, host: host() }
    }

    /// Whether the holder lives, as far as it can be told from here.
    pub fn life(&self) -> Life {
        if self.boot.is_empty() || self.boot != boot() || self.namespace != namespace() {
            return Life::Elsewhere;
        }
        match stat(self.pid) {
            // A zombie has ended, but nobody has asked how.
            Some((state, started)) if started == self.started && !matches!(state, 'Z' | 'X') => {
                Life::Alive
            }
            _ => Life::Dead,
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

fn line(path: &str) -> Box<str> {
    fs::read_to_string(path).map(|text| text.trim().into()).unwrap_or_default()
}

fn boot() -> Box<str> {
    line("/proc/sys/kernel/random/boot_id")
}

fn host() -> Box<str> {
    match line("/proc/sys/kernel/hostname") {
        name if name.is_empty() => "an unknown machine".into(),
        name => name,
    }
}

fn namespace() -> Box<str> {
    let link = fs::read_link("/proc/self/ns/pid");
    link.map(|link| link.to_string_lossy().into()).unwrap_or_default()
}

/// State and start time of a process: fields 3 and 22 of `/proc/PID/stat` (proc(5)). The name,
/// field 2, stands in parentheses and may hold any character.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some((fields.first()?.chars().next()?, fields.get(19)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn this_process_lives_and_others_of_its_pid_do_not() {
        let this = Holder::this();
        assert!(this.started > 0 && !this.boot.is_empty() && !this.namespace.is_empty());
        assert_eq!(this.life(), Life::Alive);
        let earlier = Holder { started: this.started - 1, ..this.clone() };
        assert_eq!(earlier.life(), Life::Dead, "the pid was given to another");
        let elsewhere = Holder { boot: "other".into(), ..this.clone() };
        assert_eq!(elsewhere.life(), Life::Elsewhere);
        let container = Holder { namespace: "pid:[1]".into(), ..this };
        assert_eq!(container.life(), Life::Elsewhere);
    }

    #[test]
    fn s8_a_process_that_ended_is_dead_even_before_anyone_asked_how() {
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();
        let started = stat(child.id()).unwrap().1;
        let holder = Holder { pid: child.id(), started, ..Holder::this() };
        assert_eq!(holder.life(), Life::Alive);
        child.kill().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while holder.life() == Life::Alive && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(holder.life(), Life::Dead, "a zombie");
        child.wait().unwrap();
        assert_eq!(holder.life(), Life::Dead);
    }
}
