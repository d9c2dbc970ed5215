//! The memory that a hash works in.

use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use argon2::Block;

/// The memory of one hash at a time. These zeros lie in no file: the system gives their pages when they
/// are touched, and nothing need be written to have them.
pub(super) static MEMORY: Mutex<[Block; MOST_BLOCKS]> = Mutex::new([Block::new(); MOST_BLOCKS]);

/// The most memory that a hash may take, in KiB, each of which is a block.
pub(super) const MOST_KIB: u32 = 65536;
const MOST_BLOCKS: usize = MOST_KIB as usize;

/// Gets the pages of so much of [`MEMORY`] from the system, once. Two threads take half as long, and before the
/// first event Lambda gives a function two processors.
pub(super) fn touch(blocks: usize) {
    static TOUCHED: Once = Once::new();
    /// How many blocks have one page.
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
            // Where there is no other thread, the first hash gets its half.
            let _ = thread::Builder::new().spawn_scoped(scope, || pages(one));
            pages(other);
        });
    });
}
