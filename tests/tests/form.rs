//! The form of the nursery and of its error: the programs and the error cases that decided them, compiled and run.
//!
//! The eighteen programs are `p01` to `p18`, the twelve error cases `e01` to `e12`. Each is an `async fn` that knows no
//! runtime. A test runs it where it can run and compares what came out: polled by a plain `block_on` with no runtime in
//! sight, as a `Send + 'static` future given to `tokio::spawn` on two workers, and on an `async_executor::Executor` with
//! two threads.

mod form {
    mod by_hand;
    mod harness;

    mod auto_traits;
    mod borrowing;
    mod dynamic;
    mod embedding;
    mod libraries;
    mod not_send;
    mod plain;
    mod siblings;

    mod errors_callers;
    mod errors_causes;
    mod errors_paths;
    mod errors_typed;

    mod attacks_callbacks;
    mod attacks_leaking;
    mod attacks_panicking;
    mod attacks_runtimes;
    mod attacks_threads;
    mod attacks_wakers;
}
