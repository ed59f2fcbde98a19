//! Metrics of the server's own process, as far as `/proc` tells them.

use std::fs;

use super::text::Text;

/// Clock ticks a second; Linux reports times in this unit on every platform.
const TICKS: f64 = 100.0;
/// Size of a page of memory, in bytes, where `/proc` counts pages.
const KIB: f64 = 1024.0;

/// Adds the metrics. Those that cannot be read are left out.
pub fn add(text: &mut Text) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    if let Some(kib) = resident {
        text.family("process_resident_memory_bytes", "gauge", "Resident memory.");
        text.sample(&[], kib * KIB);
    }
    if let Some(ticks) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu(&stat)) {
        text.family("process_cpu_seconds_total", "counter", "CPU time, user and system.");
        text.sample(&[], ticks / TICKS);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        text.family("process_open_fds", "gauge", "Open file descriptors.");
        text.sample(&[], open.count() as f64);
    }
}

/// Returns user and system time in ticks, from the text of `/proc/self/stat`.
fn cpu(stat: &str) -> Option<f64> {
    // The name of the program, in parentheses, may hold blanks.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut values = rest.split(' ').skip(11);
    let [user, system] = [values.next()?, values.next()?].map(|it| it.parse::<f64>().ok());
    Some(user? + system?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "1 (a) b) S 0 1 1 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 3 4 5";
        assert_eq!(cpu(stat), Some(200.0));
        assert_eq!(cpu("nonsense"), None);
    }
}
