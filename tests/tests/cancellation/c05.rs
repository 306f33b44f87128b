//! c05: a scope is used once. That it is consumed by value is the compiler's to say (compile_fail); here: what a poll by
//! hand could still try.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};

use scope_core::nursery;
use scope_tests::{Journal, Rt};

/// Fails if: a finished nursery runs its body again, or has another value to give.
pub(crate) async fn c05_a_finished_nursery_does_not_run_again<R: Rt>() {
    let journal = Journal::new();
    let mut once = pin!(nursery(async |_| {
        journal.add("body");
        Ok(())
    }));
    once.as_mut().await.expect("nothing fails");
    // A panic is fine, and so is waiting for ever; a second value is not.
    let again =
        catch_unwind(AssertUnwindSafe(|| once.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()));
    assert!(!again.unwrap_or(false));
    journal.assert_is(&["body"]);
}

/// Fails if: the body is called before the first poll: then a nursery that is never awaited would have begun.
pub(crate) async fn c05_a_nursery_never_awaited_never_began<R: Rt>() {
    let journal = Journal::new();
    let note = journal.on_drop("captured");
    let never = nursery(async |_| {
        journal.add("body");
        let _note = &note;
        Ok(())
    });
    drop(never);
    journal.assert_is(&[]);
    drop(note);
    journal.assert_is(&["captured"]);
}
