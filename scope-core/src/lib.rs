//! Structured concurrency for async Rust, independent of any runtime: nurseries, cancel scopes, finalizers, services.
//!
//! A [`nursery()`] is a block that is not left before everything started in it has ended: its children, their outputs and
//! destructors, and its async [finalizers](Nursery::finalizer). The first failure cancels the rest, and every error comes
//! out, each with the path of scopes and tasks it happened in ([`ScopeError`]). A [`Service`] is a resource with one owner
//! and many handles: whoever wants it closed asks, and the task that opened it cleans up.
//!
//! This crate names no runtime. `scope-tokio` and `scope-smol` bring one, `scope-test` a deterministic one for tests.

mod acquire;
mod adopt;
mod block;
mod blocking;
mod bounded;
mod cancel;
mod cancel_scope;
mod carrier;
mod closing;
mod collect;
mod crew;
mod deposit;
mod enter;
mod error;
pub mod event;
mod failure;
mod finalizer;
mod for_each;
mod handle;
mod id;
mod mailbox;
#[cfg(all(test, scope_loom))]
mod models;
mod name;
mod not_closed;
mod nursery;
mod origin;
mod orphans;
mod owned;
mod places;
mod poller;
mod race;
mod raw;
mod reason;
mod record;
mod requests;
mod results;
pub mod rt;
mod scope;
mod scope_ref;
mod service;
mod shield;
mod spawner;
mod start;
mod stream;
mod supervisor;
mod sync;
pub mod task;
mod task_local;
mod task_mail;
mod timer;
mod tracked;
pub mod tree;
mod turn;
mod violation;
mod waits;
mod wake;

pub use acquire::{Acquire, AcquireError};
pub use blocking::{Blocking, BlockingError, BlockingWork, blocking};
pub use bounded::{Bounded, BoundedError, ZeroBound};
pub use cancel::{
    Canceller, OnCancel, cancelled, canceller, effective_deadline, is_cancelled, is_shutdown_requested,
    shutdown_requested,
};
pub use cancel_scope::{
    CancelScope, InCancelScope, MoveOn, Shield, fail_after, fail_at, move_on_after, move_on_at, shield,
};
pub use enter::{EnterError, Entered};
pub use error::{Cause, Leaf, PanicPayload, Path, ScopeError, Segment, SpawnError};
pub use failure::{Failure, Fault};
pub use finalizer::{Exit, NotAdded};
pub use for_each::{for_each_concurrent, for_each_concurrent_local};
pub use handle::{Lost, TaskHandle};
pub use id::{ScopeId, TaskId};
pub use mailbox::Inbox;
pub use name::Name;
pub use not_closed::{NotClosed, NotOpened};
pub use nursery::{
    Fallible, Local, Mode, Named, Nursery, Sendable, Unfailing, nursery, nursery_infallible, nursery_local,
    try_nursery, try_nursery_local,
};
pub use orphans::Unsettled;
pub use owned::{OwnedScope, SharedScope};
pub use race::{all_ok, any_ok, race};
pub use raw::child::Room;
pub use raw::future::NurseryFuture;
pub use reason::{CancelCause, CancelReason};
pub use results::{BoundedResults, Results};
pub use scope_ref::ScopeRef;
pub use service::{CloseError, Reply, Service, ServiceEnd, ServiceError, ServiceHandle};
pub use spawner::{Begun, Launch, LaunchError, Place, Spawner, Spawns};
pub use start::{Start, StartError, Started};
pub use stream::{ScopeStream, Yield, stream};
pub use supervisor::{Supervised, Supervisor};
pub use task::{TaskRef, checkpoint};
pub use task_local::{TaskLocal, WithLocal};
pub use timer::{sleep, sleep_until};
pub use tree::WhyOpen;
pub use violation::Policy;
