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
//! Not a task of its own: a few tasks of tokio's poll all parallel children, one on a current-thread runtime, as many as there is
//! work for on a multi-thread one. A child takes about half the time and memory so. Which thread polls a child, and that one
//! which blocks or computes holds up no other while a worker is free, is as with tasks of tokio's. Each child is polled only when
//! it was woken. After 61 of them the drivers and all other tasks have their turn, on a multi-thread runtime also after 20 µs;
//! and when tokio's budget for a task is used up, all other tasks: there, each child has a budget of its own. Tokio's interval
//! for events is not asked for.
//!
//! To tokio's own means of looking, `tokio::task::id`, its metrics and tokio-console, the children are those few tasks. Who wants
//! a task of tokio's for each asks for [`TokioRuntime::with_own_tasks`]; scope-core's tree and events show each child on either.
//! A service has a task of tokio's own in any case.
//!
//! # What it leaves in a runtime
//! One parked task, from the first nursery on until the runtime shuts down: it is how that is noticed. And from the first
//! parallel child on those that poll children: one, or some for each worker. A [`TokioRuntime`] that one makes oneself has its
//! own; they end with what they poll when nobody has that any more. With [tasks of their
//! own](TokioRuntime::with_own_tasks) the memory instead, no more than that, of children that have ended: of the last small
//! ones that each worker has spawned, 2560 in all, some 1 MiB.

mod alarm;
mod carrying;
mod crewing;
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
