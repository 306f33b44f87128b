//! What every adapter has to satisfy, tried on each: the same files are compiled against `scope_tokio` and `scope_smol`.
//!
//! They are not generic over a trait, because what they try is a crate's surface: functions that no trait could name
//! without repeating their bounds. So they also see to it that the two surfaces are the same. What only one adapter has is
//! tried by its own tests.

#![expect(clippy::duplicate_mod, reason = "compiled once for each adapter: that is the point")]

mod on_smol;
mod on_tokio;

/// Runs a test within the bound that every case of the contract has, under its own name.
fn in_time(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::current();
    scope_tests::within_bound(thread.name().unwrap_or("a test"), test);
}
