//! The process that runs a sweep, and whether it is still alive.
//!
//! A process is identified by its machine's boot id, its pid namespace, its pid and its start time:
//! a pid alone is reused. If boot and namespace are the same as ours, the system says whether the
//! process is alive. For other processes only their last heartbeat is known.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process that runs a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Id of the machine's boot.
    pub boot: Box<str>,
    /// Pid namespace of the process, which differs in a container.
    pub namespace: Box<str>,
    /// Pid in that namespace.
    pub pid: u32,
    /// Start time of the process, in ticks since the boot.
    pub started: u64,
    /// Name of the machine, for people.
    pub host: Box<str>,
}

/// The state of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The process runs.
    Alive,
    /// The process does not run any more.
    Dead,
    /// The process would run on another machine or in another namespace, so its state is unknown.
    Elsewhere,
}

impl Holder {
    /// Returns the holder for this process.
    pub fn this() -> Holder {
        let pid = std::process::id();
        let started = stat(pid).map_or(0, |(_, started)| started);
        Holder { boot: boot(), namespace: namespace(), pid, started, host: host() }
    }

    /// Returns whether the holder is alive, as far as this process can tell.
    pub fn life(&self) -> Life {
        if self.boot.is_empty() || self.boot != boot() || self.namespace != namespace() {
            return Life::Elsewhere;
        }
        match stat(self.pid) {
            // A zombie has ended, but its parent has not collected its status yet.
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

/// Returns state and start time of a process: fields 3 and 22 of `/proc/PID/stat` (proc(5)). Field
/// 2, the name, is in parentheses and may contain any character.
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
