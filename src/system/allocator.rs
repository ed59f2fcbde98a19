//! Makes the allocator keep freed memory for reuse.

use std::hint::black_box;

/// Size of the largest command to a database, with the capacity that the driver reserves for it.
const LARGEST: usize = 16 << 20;

/// Makes the allocator keep freed blocks of up to 16 MiB, and up to 32 MiB at the end of the heap.
///
/// A batch and its copies are blocks of one to a few MiB. By default glibc's allocator returns the
/// end of its heap to the system after each batch, and gets it back for the next one, zeroed page
/// by page: half of all page faults. glibc adjusts its thresholds at run time: once a mapped block
/// is freed, blocks of that size come from the heap, and the end of the heap is returned only if it
/// is more than twice as large (`M_MMAP_THRESHOLD` in mallopt(3)). So this function allocates and
/// frees one such block. The block is never touched and takes no memory. Other allocators are not
/// affected.
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
