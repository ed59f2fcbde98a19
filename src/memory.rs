//! How memory that was let go of is kept for what comes next.

use std::hint::black_box;

/// As large as the largest command to a database with the room that the driver makes for it.
const LARGEST: usize = 16 << 20;

/// Keeps blocks of up to 16 MiB, and 32 MiB at the heap's end, for what comes next.
///
/// A batch and its copies are blocks of one to a few MiB. glibc's allocator would give the end of its
/// heap back to the system after each batch and have it anew, zeroed page by page, for the next: half of
/// all page faults. It learns by what it sees: once a block that it had mapped is freed, blocks
/// of that size come from the heap, and the heap's end is given back only where it is over twice that
/// (`M_MMAP_THRESHOLD` in mallopt(3)). So it is shown one, which is never touched and takes no memory.
/// Other allocators do not mind.
pub fn keep() {
    drop(black_box(Vec::<u8>::with_capacity(black_box(LARGEST))));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Page faults of this thread so far: the tenth field of proc(5)'s stat.
    fn faults() -> u64 {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after_name) = stat.rsplit_once(") ").unwrap();
        after_name.split(' ').nth(7).unwrap().parse().unwrap()
    }

    fn batch() -> Vec<Vec<u8>> {
        black_box((0..4).map(|_| vec![1; 3 << 19]).collect())
    }

    #[test]
    fn the_memory_of_a_batch_is_there_for_the_next() {
        keep();
        drop(batch());
        let before = faults();
        (0..10).for_each(|_| drop(batch()));
        let each = (faults() - before) / 10;
        assert!(each < 100, "{each} page faults for a batch of 1,536 pages");
    }
}
