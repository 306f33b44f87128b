//! A deterministic runtime for tests of what is built on scope-core: one thread, a seed, virtual time.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//!
//! use scope_core::Spawns;
//!
//! /// Adds without holding the lock in between: a race.
//! async fn add(total: Arc<Mutex<u32>>, number: u32) {
//!     let before = *total.lock().unwrap();
//!     scope_core::checkpoint().await;
//!     *total.lock().unwrap() = before + number;
//! }
//!
//! // Two children at the same hour, which costs no real time. Some seeds lose an addition, others do not.
//! let totals = Mutex::new(std::collections::BTreeSet::new());
//! scope_test::explore(0..256, async |_| {
//!     let total = Arc::new(Mutex::new(0));
//!     scope_core::nursery(async |n| {
//!         for number in [1, 2] {
//!             let total = total.clone();
//!             n.spawn_erased(async move {
//!                 scope_core::sleep(Duration::from_secs(3600)).await?;
//!                 add(total, number).await;
//!                 Ok(())
//!             });
//!         }
//!         Ok(())
//!     })
//!     .await?;
//!     totals.lock().unwrap().insert(*total.lock().unwrap());
//!     Ok(())
//! });
//! assert_eq!(totals.into_inner().unwrap().into_iter().collect::<Vec<_>>(), [1, 2, 3]);
//! ```
//!
//! Had the test asserted that the total is 3, it would have failed and named the seed. [`run`] runs a nursery with one
//! seed and [`explore`] with many; [`block_on`] and [`for_each_seed`] do the same for any future, and hand it the
//! [`TestRuntime`]. [`Manual`], [`poll_once`], [`yield_now`] and [`pipe`] help to write the tests themselves.
//!
//! # What decides what
//!
//! * **The seed** decides which ready task is polled next, when blocking work runs, and in which order what is left is
//!   dropped at the end. The same seed and the same test give the same [`Trace`], byte for byte.
//! * **Time** is virtual. It jumps to the next timer when nothing is ready, and moves by [`TestRuntime::advance`]. A
//!   test that asks `Instant::now()`, iterates over a `HashMap`, or uses other threads brings in chance of its own.
//! * **Nothing ready and no timer** is a deadlock, and is reported with the tasks that are parked. A thread that may
//!   yet wake one of them is announced by [`TestRuntime::outside`].
//! * **When the root ends**, every task must have ended, and no timer may be armed; otherwise the run fails and names
//!   them.
//!
//! # To repeat a failure
//!
//! A failing run prints its seed. `SCOPE_TEST_SEED=17 cargo test the_test -- --nocapture` runs that seed alone
//! where [`for_each_seed`] would run many, and prints every step.
//!
//! # What it does not have
//!
//! Descriptors cannot be watched: [`Runtime::watch`](scope_core::rt::Runtime::watch) says
//! [`Unsupported`](std::io::ErrorKind::Unsupported). Weak memory orders and races between real threads are not
//! explored: tasks run one after another. A model checker is the tool for those.

mod config;
mod driver;
mod error;
mod explore;
mod manual;
mod nursery;
mod pipe;
mod random;
mod runtime;
mod scheduler;
mod state;
mod timer;
mod trace;

pub use config::{Config, SEED_VARIABLE, block_on};
pub use error::{Report, RunError};
pub use explore::{Explored, for_each_config, for_each_seed};
pub use manual::{Manual, poll_once, yield_now};
pub use nursery::{explore, nursery, run};
pub use pipe::{PipeReader, PipeWriter, pipe, short_pipe};
pub use runtime::TestRuntime;
pub use scheduler::Outside;
pub use trace::{TaskNumber, Trace};
