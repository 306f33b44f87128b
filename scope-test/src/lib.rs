//! A deterministic runtime for tests of what is built on scope-core: one thread, a seed, virtual time.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//!
//! // Two tasks race for a list; both orders are found, and a failure would name its seed.
//! let orders = Mutex::new(std::collections::HashSet::new());
//! scope_test::for_each_seed(0..256, async |rt| {
//!     let list = Arc::new(Mutex::new(Vec::new()));
//!     for n in [1, 2] {
//!         let list = list.clone();
//!         rt.spawn(async move { list.lock().unwrap().push(n) }).unwrap();
//!     }
//!     // An hour of virtual time, and no real time at all.
//!     rt.sleep(Duration::from_secs(3600)).await;
//!     orders.lock().unwrap().insert(list.lock().unwrap().clone());
//! });
//! assert_eq!(orders.into_inner().unwrap().len(), 2);
//! ```
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
pub use pipe::{PipeReader, PipeWriter, pipe, short_pipe};
pub use runtime::TestRuntime;
pub use scheduler::Outside;
pub use trace::{TaskNumber, Trace};
