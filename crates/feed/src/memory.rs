//! Counting memory as the allocator gives it.

/// Returns the bytes that the allocator takes for a block of so many.
///
/// That is more than was requested: jemalloc and others like it have four sizes of blocks for each
/// doubling (from 128 bytes on; smaller ones are 8, and multiples of 16). What is to be bounded in
/// memory is counted by it.
#[must_use]
pub const fn block(bytes: usize) -> usize {
    if bytes <= 8 {
        return if bytes == 0 { 0 } else { 8 };
    }
    let step = if bytes <= 128 { 16 } else { 1 << ((bytes - 1).ilog2() - 2) };
    bytes.div_ceil(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_the_sizes_of_the_allocator() {
        // The size classes of jemalloc(3), 64-bit, quantum 16.
        for (bytes, taken) in [
            (0, 0),
            (1, 8),
            (9, 16),
            (100, 112),
            (128, 128),
            (129, 160),
            (161, 192),
            (1281, 1536),
            (1536, 1536),
            (4097, 5120),
            (131_073, 163_840),
            (usize::MAX, usize::MAX),
        ] {
            assert_eq!(block(bytes), taken, "{bytes}");
        }
    }
}
