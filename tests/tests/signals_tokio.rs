//! SIGINT and SIGTERM on tokio. One test only: a signal is the whole process's.

use scope_tokio as adapter;
use scope_tokio::Signals;
use tokio::runtime::Builder;

#[path = "signals/told.rs"]
mod told;

/// tokio tells the listeners that exist when its driver gets round to it.
const FORGETS_AT_ONCE: bool = false;

#[test]
fn signals_are_told_to_every_listener_and_do_not_end_the_process() {
    assert!(Signals::new().is_err(), "outside of a runtime");
    let bare = Builder::new_current_thread().build().unwrap();
    let error = bare.block_on(async { Signals::new().unwrap_err() });
    assert!(error.to_string().contains("enable_io"), "{error}");
    Builder::new_current_thread().enable_all().build().unwrap().block_on(told::told());
}
