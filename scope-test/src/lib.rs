//! A deterministic runtime for tests of what is built on scope-core: one thread, a seed, virtual time, broken pipes.
//!
//! ```
//! use std::io;
//! use std::time::Duration;
//!
//! use scope_core::Spawns;
//! use scope_test::{Cut, FaultyPipe, PipeReader, TestRuntime};
//!
//! /// Reads a line. This is to be tested.
//! async fn read_line(mut reader: PipeReader) -> io::Result<String> {
//!     let mut line = Vec::new();
//!     let mut buf = [0; 64];
//!     while !line.ends_with(b"\n") {
//!         match reader.read(&mut buf).await? {
//!             0 => return Err(io::ErrorKind::UnexpectedEof.into()),
//!             count => line.extend(&buf[..count]),
//!         }
//!     }
//!     Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
//! }
//!
//! # /*
//! #[test]
//! # */
//! fn a_line_is_read_whole_or_not_at_all() {
//!     scope_test::explore(256, async |n| {
//!         // A peer that writes in pieces, takes up to a minute for each, and may die in the middle.
//!         let (reader, mut writer) = FaultyPipe::new(8, &TestRuntime::current())
//!             .short_writes()
//!             .write_delay(Duration::ZERO..=Duration::from_secs(60))
//!             .cut_within(0..=20, Cut::End)
//!             .open();
//!         n.task("peer").spawn_erased(async move {
//!             // It may find the pipe broken.
//!             let _ = writer.write_all(b"hello, world\n").await;
//!             Ok(())
//!         });
//!         match read_line(reader).await {
//!             Ok(line) => assert_eq!(line, "hello, world"),
//!             Err(error) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
//!         }
//!         Ok(())
//!     });
//! }
//! # a_line_is_read_whole_or_not_at_all();
//! ```
//!
//! Had one of the 256 runs failed, it would have printed its seed and its last steps, and `SCOPE_TEST_SEED` would repeat
//! it. The minutes are virtual and cost nothing. What the test leaves behind fails it, too.
//!
//! [`run`] runs a nursery with one seed and [`explore`] with many; [`block_on`] and [`for_each_seed`] do the same for any
//! future, and hand it the [`TestRuntime`]. [`FaultyPipe`] and [`pipe()`] stand in for connections; [`Manual`],
//! [`poll_once`] and [`yield_now`] poll by hand.
//!
//! # What decides what
//!
//! * **The seed** decides which ready task is polled next, when blocking work runs, what the faults of a pipe are, and in
//!   which order what is left is dropped at the end. The same seed and the same test give the same [`Trace`], byte for
//!   byte.
//! * **Seeds in a row permute the first choices systematically.** A choice is a step for which several tasks are ready.
//!   *n* seeds in a row take every combination of the first *k* choices, where *k* is the largest number of choices that
//!   have no more than *n* combinations; what follows is left to chance. Two tasks ready each time: 256 seeds take all
//!   combinations of the first 8 choices. Five tasks that each run once have 120 orders, and 120 seeds take them all.
//!   This goes up to 65 536 combinations; of [`Explored`] one learns how far it went, and whether there was anything else.
//! * **Time** is virtual. It jumps to the next timer when nothing is ready, and moves by [`TestRuntime::advance`]. A
//!   test that asks `Instant::now()`, iterates over a `HashMap`, or uses other threads brings in chance of its own.
//! * **Nothing ready and no timer** is a deadlock, and is reported with the tasks that are parked. A thread that may
//!   yet wake one of them is announced by [`TestRuntime::outside`].
//! * **When the root ends**, nothing may be left: no task, no blocking work, no scope, no finalizer, no armed timer.
//!   Otherwise the run fails and names them: the task and where it was spawned, the scope and where it was opened, the
//!   finalizer, the timer with its time and who set it. A scope that nothing refers to (no child, no finalizer, no handle)
//!   is not there to be found, and one whose root knows no runtime belongs to no run: open it with [`nursery()`].
//!
//! # To repeat a failure
//!
//! A failing run prints its seed. `SCOPE_TEST_SEED=17 cargo test the_test -- --nocapture` runs that seed alone
//! where [`for_each_seed`] would run many, and prints every step. So does cargo-nextest, with the same variable.
//!
//! # What it does not have
//!
//! Descriptors cannot be watched: [`Runtime::watch`](scope_core::rt::Runtime::watch) says
//! [`Unsupported`](std::io::ErrorKind::Unsupported). Weak memory orders and races between real threads are not
//! explored: tasks run one after another. A model checker is the tool for those.

mod config;
mod coverage;
mod driver;
mod error;
mod explore;
mod fault;
mod manual;
mod nursery;
mod pipe;
mod random;
mod runtime;
mod scheduler;
mod state;
mod timer;
mod trace;
mod traits;

pub use config::{Config, SEED_VARIABLE, block_on};
pub use error::{Report, RunError};
pub use explore::{Explored, for_each_config, for_each_seed};
pub use fault::{Cut, FaultyPipe, PipeCut, short_pipe};
pub use manual::{Manual, poll_once, yield_now};
pub use nursery::{explore, nursery, run};
pub use pipe::{PipeReader, PipeWriter, Wire, pipe};
pub use runtime::TestRuntime;
pub use scheduler::Outside;
pub use trace::{TaskNumber, Trace};
