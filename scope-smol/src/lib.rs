//! scope-core on smol: nurseries, cancel scopes, finalizers and services, with async-executor, async-io and blocking
//! underneath. These are what the crate `smol` is made of; it is not needed itself, and works beside this one.
//!
//! [`run`] is a whole program: it makes an executor, runs a nursery on it, and returns when nothing is left.
//!
//! ```
//! use scope_smol::SpawnExt;
//!
//! let sum = scope_smol::run(async |n| {
//!     let halves = [n.spawn_with_handle(async { Ok(1) }), n.spawn_with_handle(async { Ok(2) })];
//!     let mut sum = 0;
//!     for half in halves {
//!         sum += half.await?;
//!     }
//!     Ok(sum)
//! })?;
//! assert_eq!(sum, 3);
//! # Ok::<(), scope_core::ScopeError>(())
//! ```
//!
//! Inside `smol::block_on`, in a task of an executor, or anywhere else, it is [`nursery`], and nothing else changes.
//! Libraries name only scope-core: a nursery of theirs that is awaited somewhere inside one of ours runs on the same
//! executor.
//!
//! # Which executor
//! smol's users have either an executor of their own or the one behind `smol::spawn`. That one cannot be reached without
//! depending on `smol`, with its file system, network and process crates; so there is one here, which behaves likewise:
//! the process's, its threads started by the first who needs it, as many as `SMOL_THREADS` says (or one for each
//! processor: children are asked to run in parallel). [`nursery`] uses it where no scope of this crate is around it.
//! [`nursery_on`] takes an executor of yours, which you run. Timers, descriptors and blocking work are the process's in
//! any case, and shared with `smol`.
//!
//! [`run`] brings an executor of its own instead, because that can end: whatever is left on it is dropped, and its
//! threads have ended when `run` returns.
//!
//! # What a child is to the executor
//! On this crate's own executors not a task of its own: a few tasks of the executor's poll all parallel children, as many as
//! there is work for. On an executor of yours the first few are tasks, and a crowd is polled by such: while 32 wait for their
//! first turn, or what polls a crowd is there. A child of a crowd takes less than half the time so. Any thread polls any child,
//! and one that blocks or computes holds up no other while a thread is free. Each child is polled only when it was woken. After
//! 32 of them, or 20 µs, the executor goes on with its other tasks; what else its threads wait for has its turn after 200 tasks,
//! each of which may be that much. Who wants a task for each child asks for [`SmolRuntime::with_own_tasks`]. A service has one in
//! any case.
//!
//! # What it leaves in an executor
//! In yours nothing: what polls a crowd ends with it. In this crate's own, from the first parallel child on, what polls them.
//! Beside either, the memory, no more than that, of children that have ended, for those to come.
//!
//! # Blocking
//! Threads that this crate has put to running an executor never block: the blocking calls of scope-core are refused
//! there. `blocking::unblock` and threads of your own are the places for them.

mod calls;
mod crewing;
mod executor;
mod few;
mod known;
mod nursery;
mod run;
mod runtime;
mod settle;
#[cfg(unix)]
mod signals;
mod spawn;
mod timer;
#[cfg(unix)]
mod watch;

pub use known::runtime_here;
pub use nursery::{nursery, nursery_local, nursery_on, try_nursery};
pub use run::{run, run_current_thread, run_with_threads};
pub use runtime::SmolRuntime;
pub use scope_core::Unsettled;
pub use settle::settle;
#[cfg(unix)]
pub use signals::{Signal, Signals};
pub use spawn::SpawnExt;
