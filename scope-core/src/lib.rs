//! Structured concurrency for async Rust, independent of any runtime: nurseries, cancel scopes, finalizers, services.
//!
//! A [`nursery()`] is a block that is not left before everything started in it has ended: its children, their outputs and
//! destructors, and its async [finalizers](Nursery::finalizer). The first failure cancels the rest, and every error comes
//! out, each with the path of scopes and tasks it happened in ([`ScopeError`]). A [`Service`] is a resource with one owner
//! and many handles: whoever wants it closed asks, and the task that opened it cleans up.
//!
//! This crate names no runtime. `scope-tokio` and `scope-smol` bring one, `scope-test` a deterministic one for tests.

mod adopt;
mod block;
mod cancel;
mod closing;
mod deposit;
mod error;
pub mod event;
mod failure;
mod finalizer;
mod handle;
mod id;
mod mailbox;
mod name;
mod nursery;
mod origin;
mod orphans;
mod owned;
mod raw;
mod reason;
mod record;
pub mod rt;
mod scope;
mod scope_ref;
mod service;
mod spawner;
pub mod task;
mod timer;
pub mod tree;

pub use block::{FailAfter, fail_after};
pub use cancel::{Canceller, is_cancelled};
pub use error::{Cause, Leaf, PanicPayload, Path, ScopeError, Segment, SpawnError};
pub use failure::{Failure, Fault};
pub use finalizer::Exit;
pub use handle::{Lost, TaskHandle};
pub use id::{ScopeId, TaskId};
pub use mailbox::Inbox;
pub use name::Name;
pub use nursery::{
    Fallible, Local, Mode, Named, Nursery, Sendable, Unfailing, nursery, nursery_infallible, nursery_local,
    try_nursery, try_nursery_local,
};
pub use orphans::Unsettled;
pub use owned::{NoTask, NotClosed, OwnedScope};
pub use raw::host::NurseryFuture;
pub use reason::{CancelCause, CancelReason};
pub use scope_ref::ScopeRef;
pub use service::{CloseError, Reply, Service, ServiceEnd, ServiceError, ServiceHandle};
pub use spawner::{Launch, LaunchError, Place, Spawner, Spawns};
pub use task::{TaskRef, checkpoint};
pub use timer::{sleep, sleep_until};
