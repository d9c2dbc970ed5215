//! The memory for hashing.

use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use argon2::Block;

use crate::platform::settings::ARGON2_MEMORY_KIB;

/// The memory of one hash at a time. The zeros are not stored in the executable: the system
/// provides the pages when they are touched.
pub(super) static MEMORY: Mutex<[Block; MOST_BLOCKS]> = Mutex::new([Block::new(); MOST_BLOCKS]);

/// The limit on the memory of a hash, in KiB. Each KiB is one block.
pub(super) const MOST_KIB: u64 = *ARGON2_MEMORY_KIB.range.end();
const MOST_BLOCKS: usize = MOST_KIB as usize;

/// Touches the pages of the first `blocks` of [`MEMORY`], once. Two threads take half as long, and
/// before the first event Lambda gives a function two processors.
pub(super) fn touch(blocks: usize) {
    static TOUCHED: Once = Once::new();
    /// The number of blocks in a page.
    const PAGE: usize = 4096 / Block::SIZE;
    fn pages(blocks: &mut [Block]) {
        for page in blocks.chunks_mut(PAGE) {
            if let Some(block) = page.first_mut() {
                *block = Block::new();
            }
        }
    }
    TOUCHED.call_once(|| {
        let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
        let (one, other) = memory[..blocks].split_at_mut(blocks / 2);
        thread::scope(|scope| {
            // If the thread cannot be started, the first hash touches the pages of its half.
            let _ = thread::Builder::new().spawn_scoped(scope, || pages(one));
            pages(other);
        });
    });
}
