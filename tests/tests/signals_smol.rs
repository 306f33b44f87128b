//! SIGINT and SIGTERM on smol. One test only: a signal is the whole process's.

use scope_smol as adapter;

#[path = "signals/told.rs"]
mod told;

/// Whoever begins to listen is not told of what came before.
const FORGETS_AT_ONCE: bool = true;

#[test]
fn signals_are_told_to_every_listener_and_do_not_end_the_process() {
    // Once with the reactor on this thread, once on async-io's own.
    async_io::block_on(told::told());
    futures_lite::future::block_on(told::told());
}
