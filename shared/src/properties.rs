//! The configuration of property tests. The seed is fixed, so that a failure can be repeated. If an
//! input fails, add it to a test; proptest saves nothing.

use proptest::test_runner::{Config, RngSeed};

/// Returns the configuration of every property test.
pub(crate) fn cases() -> Config {
    Config {
        cases: 256,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    }
}
