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
//! # What it leaves in a runtime
//! One parked task, from the first nursery on until the runtime shuts down: it is how that is noticed. And on the
//! multi-thread runtime the memory, no more than that, of children that have ended: of the last 128 small ones that each
//! worker has spawned.

mod alarm;
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
