//! Free space, without which no sweep starts: on the disk of the store, and in memory.
//!
//! Memory counts with a smaller limit on small machines: a tenth of all of it is enough.

use std::path::Path;

use bytesize::ByteSize;

/// Share of a machine's memory that is enough to start, as a fraction.
const ENOUGH: u64 = 10;

/// Returns, in words, why there is no room for another sweep, or `None` if there is. `folder` is that
/// of the store, or `None` if it is not on this machine. What cannot be measured counts as enough.
pub fn missing(folder: Option<&Path>, least: u64) -> Option<String> {
    let disk = folder.and_then(|folder| Some((folder, disk(folder)?)));
    let memory = std::fs::read_to_string("/proc/meminfo").ok();
    let memory = memory.as_deref().and_then(memory_of);
    judge(disk, memory, least)
}

fn judge(disk: Option<(&Path, u64)>, memory: Option<Memory>, least: u64) -> Option<String> {
    if let Some((folder, free)) = disk.filter(|(_, free)| *free < least) {
        return Some(format!(
            "the disk of {} has {} free; --min-free is {}",
            folder.display(),
            shown(free),
            shown(least)
        ));
    }
    let Memory { available, total } = memory?;
    let least = least.min(total / ENOUGH);
    (available < least).then(|| {
        format!("{} of memory are free; {} are needed (--min-free)", shown(available), shown(least))
    })
}

/// Memory of the machine, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Memory {
    available: u64,
    total: u64,
}

fn memory_of(text: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1_024)
    };
    Some(Memory { available: bytes("MemAvailable:")?, total: bytes("MemTotal:")? })
}

fn disk(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    space.f_bavail.checked_mul(space.f_frsize)
}

fn shown(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn sweeps_need_space_on_the_disk_and_in_memory() {
        let memory = |available: u64, total: u64| {
            Some(Memory { available: available * MIB, total: total * MIB })
        };
        let disk = |free: u64| Some((Path::new("/data"), free * MIB));
        let least = 1_024 * MIB;
        for (disk, memory, why) in [
            (None, None, None),
            (disk(1_024), memory(1_024, 20_000), None),
            (
                disk(1_023),
                None,
                Some("the disk of /data has 1023.0 MiB free; --min-free is 1.0 GiB"),
            ),
            (
                None,
                memory(1_023, 20_000),
                Some("1023.0 MiB of memory are free; 1.0 GiB are needed (--min-free)"),
            ),
            (disk(5_000), memory(101, 1_010), None),
            (
                disk(5_000),
                memory(100, 1_010),
                Some("100.0 MiB of memory are free; 101.0 MiB are needed (--min-free)"),
            ),
        ] {
            assert_eq!(judge(disk, memory, least).as_deref(), why);
        }
        assert_eq!(judge(disk(0), memory(0, 1_000), 0), None);
    }

    #[test]
    fn this_machine_is_measured() {
        let text = "MemTotal:       16384256 kB\nMemFree:  1 kB\nMemAvailable:    8192000 kB\n";
        let expected = Memory { available: 8_192_000 * 1_024, total: 16_384_256 * 1_024 };
        assert_eq!(memory_of(text), Some(expected));
        assert_eq!(memory_of("MemTotal: 1 kB\n"), None);
        let here = std::env::temp_dir();
        assert!(disk(&here).is_some_and(|free| free > 0));
        assert_eq!(disk(Path::new("/no/such/folder")), None);
        assert_eq!(missing(Some(&here), 0), None);
        assert!(missing(Some(&here), u64::MAX).is_some());
    }
}
