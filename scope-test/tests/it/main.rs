//! What a test may rely on when it runs on the deterministic runtime.

mod blocking;
mod deadlock;
mod determinism;
mod end_of_run;
mod fault;
mod leaks;
mod limits;
mod manual;
mod nursery;
mod pipe;
mod repeat;
mod time;
mod wake;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The text of the panic that `run` must end in.
fn panic_text(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("this run must panic");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("a panic with a text")).to_owned(),
    }
}
