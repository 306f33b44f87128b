//! scope-core on tokio: nurseries, cancel scopes, finalizers and services, with tokio underneath.
//!
//! [`run`] is a whole program: it makes a runtime, runs a nursery on it, and returns when nothing is left.
//!
//! ```
//! use scope_tokio::SpawnExt;
//!
//! let sum = scope_tokio::run(async |n| {
//!     let (tx, mut rx) = tokio::sync::mpsc::channel(2);
//!     for number in 1..=3 {
//!         let tx = tx.clone();
//!         n.spawn(async move { Ok(tx.send(number).await?) });
//!     }
//!     drop(tx);
//!     let mut sum = 0;
//!     while let Some(number) = rx.recv().await {
//!         sum += number;
//!     }
//!     Ok(sum)
//! })?;
//! assert_eq!(sum, 6);
//! # Ok::<(), scope_core::ScopeError>(())
//! ```
//!
//! Inside `#[tokio::main]`, or anywhere else on tokio, it is [`nursery`], and nothing else changes. Libraries name only
//! scope-core: a nursery of theirs that is awaited somewhere inside one of ours runs on the same runtime, as do their
//! timers, descriptors and blocking work.
//!
//! # What is needed of the runtime
//! Either flavour. Timers want `enable_time`, and have a thread of their own where it is missing; processes and whatever
//! else watches a descriptor want `enable_io`, and get an error where it is missing. `run` enables both.
//!
//! A worker never blocks: the blocking calls of scope-core are refused there. `tokio::task::spawn_blocking`
//! and, on the multi-thread runtime, `tokio::task::block_in_place` are the places for them.
//!
//! # What a child is to tokio
//! On a multi-thread runtime a task of its own. On a current-thread runtime, where they run one after another in any case, one
//! task of tokio's polls all parallel children: each only when it was woken, and after 61 of them the drivers and all other
//! tasks have their turn; when tokio's budget for a task is used up, all other tasks. Tokio's interval for events is not asked
//! for. A child takes less than half the time and memory so; to tokio's own means of looking, `tokio::task::id` and metrics,
//! they are one task. Who wants a task of tokio's for each asks for [`TokioRuntime::with_own_tasks`]; scope-core's tree and
//! events show each child on either. A service has a task of tokio's own on both.
//!
//! # What it leaves in a runtime
//! One parked task, from the first nursery on until the runtime shuts down: it is how that is noticed. On a current-thread
//! runtime another one, from the first parallel child on: it polls them. A [`TokioRuntime`] that one makes oneself has one of
//! its own, which ends with what it polls when nobody has that any more. And on the multi-thread runtime the memory, no more
//! than that, of children that have ended: of the last small ones that each worker has spawned, 2560 in all, some 1 MiB.

mod alarm;
mod carrying;
mod known;
mod launch;
mod nursery;
mod recent;
mod run;
mod runtime;
mod settle;
#[cfg(unix)]
mod signals;
mod spawn;
mod timer;
mod token;
#[cfg(unix)]
mod watch;

pub use known::runtime_here;
pub use nursery::{nursery, nursery_local, try_nursery};
pub use run::{run, run_current_thread, run_on};
pub use runtime::TokioRuntime;
pub use scope_core::Unsettled;
pub use settle::settle;
#[cfg(unix)]
pub use signals::{Signal, Signals};
pub use spawn::SpawnExt;
pub use token::{UnderToken, drive_token, under_token};
