//! Which public types are `Send`, `Sync`, `Unpin`, and which are not.

use std::cell::Cell;
use std::error::Error;
use std::future::{Ready, ready};

use scope_core::tree::{Blocker, BlockerKind};
use scope_core::{
    Acquire, AcquireError, Blocking, BlockingError, BlockingWork, Bounded, BoundedError, BoundedResults, CancelReason,
    CancelScope, Canceller, Cause, CloseError, EnterError, Entered, Exit, Failure, InCancelScope, Inbox, Leaf, Local,
    MoveOn, Name, Named, NotAdded, NotClosed, NotOpened, Nursery, OnCancel, OwnedScope, PanicPayload, Path, Place,
    Policy, Reply, Results, Room, ScopeError, ScopeRef, ScopeStream, Sendable, ServiceError, SharedScope, Shield,
    SpawnError, Spawner, Start, StartError, Started, Supervised, Supervisor, TaskHandle, TaskLocal, TaskRef, WhyOpen,
    WithLocal, Yield, ZeroBound, event, nursery, nursery_local, rt, task,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

use super::harness::{assert_not_send, assert_send};

assert_impl_all!(Nursery<'static, 'static>: Send, Sync, Unpin);
assert_impl_all!(Nursery<'static, 'static, std::io::Error>: Send, Sync);
assert_impl_all!(Nursery<'static, 'static, Failure, Sendable>: Send, Sync);
assert_not_impl_any!(Nursery<'static, 'static, Failure, Local>: Send, Sync);
assert_not_impl_any!(Nursery<'static, 'static>: Clone);
assert_impl_all!(Named<'static, 'static>: Send, Sync);
assert_not_impl_any!(Named<'static, 'static, Failure, Local>: Send, Sync);

assert_impl_all!(Spawner: Clone, Send, Sync, Unpin);
assert_impl_all!(Spawner<std::io::Error>: Clone, Send, Sync, Unpin);
assert_impl_all!(Place: Send, Sync);
assert_impl_all!(Canceller: Clone, Send, Sync, Unpin);

assert_impl_all!(TaskHandle<u8>: Send, Sync, Unpin);
// What is read once is handed over, never shared.
assert_impl_all!(TaskHandle<Cell<u8>>: Send, Sync);
assert_not_impl_any!(TaskHandle<std::rc::Rc<u8>>: Send, Sync);
assert_not_impl_any!(TaskHandle<u8>: Clone);

assert_impl_all!(Failure: Send, Sync, Unpin, From<std::io::Error>, From<anyhow::Error>, From<&'static str>, From<String>);
assert_not_impl_any!(Failure: Error);
assert_impl_all!(ScopeError: Error, Send, Sync, Unpin);
assert_impl_all!(ScopeError<std::io::Error>: Error, Send, Sync, Unpin);
assert_impl_all!(Cause: Send, Sync);
assert_impl_all!(Leaf: Send, Sync);
assert_impl_all!(PanicPayload: Send, Sync);
assert_impl_all!(SpawnError: Error, Clone, Send, Sync);
assert_impl_all!(ServiceError: Error, Clone, Send, Sync);
assert_impl_all!(CloseError: Error, Send, Sync);

assert_impl_all!(CancelReason: Clone, Send, Sync);
assert_impl_all!(Exit: Send, Sync);
assert_impl_all!(Name: Clone, Send, Sync);
assert_impl_all!(Path: Clone, Send, Sync);
assert_impl_all!(Room: Send);
assert_impl_all!(ScopeRef: Clone, Send, Sync);
assert_impl_all!(TaskRef: Clone, Send, Sync);
assert_impl_all!(event::Event: Clone, Send, Sync);
assert_impl_all!(event::ObserverGuard: Send, Sync);
assert_impl_all!(rt::Handle: Clone, Send, Sync);
assert_impl_all!(Inbox<Cell<u8>>: Send);
assert_impl_all!(Reply<Cell<u8>>: Send);
assert_impl_all!(task::Checkpoint: Send, Sync, Unpin);

assert_impl_all!(CancelScope: Send, Sync, Unpin);
assert_impl_all!(InCancelScope<Ready<u8>>: Send);
assert_impl_all!(MoveOn<Ready<u8>>: Send);
assert_impl_all!(Shield<Ready<u8>>: Send);
assert_not_impl_any!(Shield<Ready<std::rc::Rc<u8>>>: Send, Sync);
assert_impl_all!(OnCancel: Send, Sync, Unpin);
assert_impl_all!(WithLocal<Ready<u8>>: Send);
assert_impl_all!(TaskLocal<std::rc::Rc<u8>>: Send, Sync);
assert_impl_all!(Start<Cell<u8>>: Send, Sync, Unpin);
assert_impl_all!(Started<Cell<u8>>: Send, Sync, Unpin);
assert_not_impl_any!(Started<u8>: Clone);
assert_not_impl_any!(Started<std::rc::Rc<u8>>: Send, Sync);
assert_impl_all!(Bounded<Spawner>: Clone, Send, Sync, Unpin);
assert_not_impl_any!(Bounded<&'static Nursery<'static, 'static, Failure, Local>>: Send, Sync);
assert_impl_all!(Results<Spawner, Cell<u8>>: Send, Sync, Unpin);
assert_impl_all!(BoundedResults<Spawner, Cell<u8>>: Send, Sync, Unpin);
assert_not_impl_any!(Results<Spawner, std::rc::Rc<u8>>: Send, Sync);
assert_impl_all!(Supervisor<Spawner, Cell<u8>>: Send, Sync, Unpin);
assert_impl_all!(Supervised<Cell<u8>>: Send);
assert_impl_all!(Entered<Ready<u8>>: Send);
assert_impl_all!(BlockingWork<fn(&Blocking) -> u8, u8>: Send, Unpin);
assert_impl_all!(Blocking: Send, Sync);
assert_impl_all!(Acquire<u8>: Send, Sync, Unpin);
assert_impl_all!(ScopeStream<u8, Ready<Result<(), Failure>>>: Send);
assert_impl_all!(Yield<Cell<u8>>: Send, Sync);
assert_impl_all!(OwnedScope: Send, Sync, Unpin);
assert_not_impl_any!(OwnedScope: Clone);
assert_not_impl_any!(OwnedScope<Failure, Local>: Send, Sync);
assert_impl_all!(SharedScope: Clone, Send, Sync, Unpin);
assert_impl_all!(Policy: Copy, Send, Sync);
assert_impl_all!(WhyOpen: Clone, Send, Sync);
assert_impl_all!(Blocker: Clone, Send, Sync);
assert_impl_all!(BlockerKind: Copy, Send, Sync);
assert_impl_all!(StartError: Error, Send, Sync);
assert_impl_all!(AcquireError: Error, Send, Sync);
assert_impl_all!(BlockingError: Error, Clone, Send, Sync);
assert_impl_all!(BoundedError: Error, Clone, Send, Sync);
assert_impl_all!(EnterError: Error, Clone, Send, Sync);
assert_impl_all!(NotClosed: Error, Send, Sync);
assert_impl_all!(NotOpened: Error, Clone, Send, Sync);
assert_impl_all!(NotAdded<fn()>: Error, Send, Sync);
assert_impl_all!(ZeroBound: Error, Copy, Send, Sync);

/// A body whose future is `Unpin`, so that nothing but the nursery itself keeps its future from being so.
fn unpin_body<'s, 'env>(_: &'s Nursery<'s, 'env>) -> Ready<Result<(), Failure>> {
    ready(Ok(()))
}

/// Compiles only where `T` is not `Unpin`: there are two impls to choose from otherwise.
fn assert_not_unpin<T: AmbiguousIfUnpin<A>, A>(_: &T) {}

trait AmbiguousIfUnpin<A> {}
impl<T> AmbiguousIfUnpin<()> for T {}
impl<T: Unpin> AmbiguousIfUnpin<u8> for T {}

#[test]
fn a_nursery_is_never_unpin() {
    assert_not_unpin(&nursery(unpin_body));
    assert_send(&nursery(unpin_body));
}

#[test]
fn a_nursery_is_send_as_its_body_and_value_are() {
    assert_send(&nursery(async |_| Ok(Cell::new(1))));
    assert_not_send(&nursery(async |_| Ok(std::rc::Rc::new(1))));
    assert_not_send(&nursery_local(async |_| Ok(())));
}
