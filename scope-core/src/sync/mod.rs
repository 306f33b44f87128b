//! What threads share is made of: the real thing, or, under `cfg(scope_loom)`, loom's, whose every step the `models` try
//! in every order.

#[cfg(not(scope_loom))]
mod listen;
#[cfg(scope_loom)]
mod loom;
#[cfg(all(test, scope_loom))]
pub(crate) use self::loom::block_on;
#[cfg(scope_loom)]
pub(crate) use self::loom::{
    AtomicWaker, EventListener, Listen, Mutex, MutexGuard, OnceLock, ThreadLocal, atomic, thread_local,
};

#[cfg(not(scope_loom))]
pub(crate) use self::listen::{EventListener, Listen};
#[cfg(not(scope_loom))]
pub(crate) use atomic_waker::AtomicWaker;
#[cfg(not(scope_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock, atomic};
#[cfg(not(scope_loom))]
pub(crate) use std::thread_local;
