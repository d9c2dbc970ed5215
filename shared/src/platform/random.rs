//! Random octets from AWS-LC's generator.

use aws_lc_rs::rand;

/// `N` unpredictable octets.
pub fn octets<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    if rand::fill(&mut octets).is_err() {
        // AWS-LC itself aborts where the system has no entropy, so this is not reached; a
        // predictable token would be worse than a dead process.
        std::process::abort();
    }
    octets
}
