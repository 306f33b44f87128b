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
//! Threads that this crate has put to running an executor never block: the blocking calls of scope-core are refused
//! there. `blocking::unblock` and threads of your own are the places for them.

mod executor;
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
