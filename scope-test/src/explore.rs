//! The same test over many seeds.

use std::collections::HashSet;

use crate::config::{Config, seed_to_repeat};
use crate::coverage::Coverage;
use crate::runtime::TestRuntime;

/// What a test over many seeds has covered.
///
/// A *choice* is a step for which more than one task was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// How many seeds were run.
    pub runs: usize,
    /// How many of them took steps that no other one took.
    pub interleavings: usize,
    /// Of how many choices, from the first on, every combination was run: with 7, there is no order of the first seven
    /// choices that was not tried. As many as have no more combinations than there were seeds, if those were a row; 65 536
    /// at the most.
    pub first_choices: usize,
    /// Whether that was all: no run had a choice beyond those, so every order of steps that there is was run. Says
    /// nothing about a test that draws numbers itself, or has a pipe draw them.
    pub exhaustive: bool,
}

/// Runs the test once for each of `seeds`, each time as [`block_on`](crate::block_on) does. The first failure ends it,
/// and its seed is printed.
///
/// Seeds in a row, such as `0..256`, permute the first choices [systematically](crate#what-decides-what).
///
/// With `SCOPE_TEST_SEED` in the environment, that seed alone is run, whether or not it is one of `seeds`, and every
/// step is printed.
///
/// ```
/// use std::time::Duration;
///
/// let explored = scope_test::for_each_seed(0..256, async |rt| {
///     let begun = rt.now();
///     rt.sleep(Duration::from_secs(3600)).await;
///     assert_eq!(rt.now() - begun, Duration::from_secs(3600));
/// });
/// assert_eq!(explored.runs, 256);
/// ```
///
/// # Panics
/// As [`block_on`](crate::block_on), and if there is no seed at all: such a test would test nothing.
#[track_caller]
pub fn for_each_seed(seeds: impl IntoIterator<Item = u64>, test: impl AsyncFnMut(TestRuntime)) -> Explored {
    for_each_config(seeds.into_iter().map(Config::new), test)
}

/// As [`for_each_seed`], with more than the seed set.
///
/// With `SCOPE_TEST_SEED` in the environment, that seed alone is run, with what the first of `configs` sets.
///
/// # Panics
/// As [`for_each_seed`].
#[track_caller]
pub fn for_each_config(configs: impl IntoIterator<Item = Config>, mut test: impl AsyncFnMut(TestRuntime)) -> Explored {
    let mut configs = configs.into_iter();
    let mut next = configs.next();
    assert!(next.is_some(), "a test over no seeds tests nothing");
    let repeat = seed_to_repeat();
    let mut fingerprints = HashSet::new();
    let mut coverage = Coverage::new();
    let mut runs = 0;
    while let Some(mut config) = next {
        if let Some(seed) = repeat {
            config.seed = seed;
            config.print = true;
        }
        let report = config.try_block_on(async |rt| test(rt).await);
        runs += 1;
        fingerprints.insert(report.trace().fingerprint());
        coverage.add(report.first_choices.clone());
        if let Err(error) = report.into_result() {
            panic!("{error}");
        }
        next = if repeat.is_some() { None } else { configs.next() };
    }
    Explored {
        runs,
        interleavings: fingerprints.len(),
        first_choices: coverage.first_choices(),
        exhaustive: coverage.is_exhaustive(),
    }
}
