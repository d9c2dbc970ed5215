//! Random octets from AWS-LC's generator.

use aws_lc_rs::rand;

/// Returns `N` unpredictable octets.
pub fn octets<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    if rand::fill(&mut octets).is_err() {
        // Not reached, because AWS-LC itself aborts if the system has no entropy. A predictable
        // token would be worse than a dead process.
        std::process::abort();
    }
    octets
}
