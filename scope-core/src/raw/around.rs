//! The scope around one that is not allocated yet: borrowed for the length of a poll, so that a nursery that ends in its
//! first poll makes nobody allocate anything.
//!
//! Invariants
//! 1. What is borrowed belongs to a frame further down the stack of the poll in which it was borrowed, so it lives for as
//!    long as that poll. Before the poll returns, `get` has been called, or else nobody ever calls it again.
//! 2. What is borrowed is looked at by `get` only, and only while `owned` is being set: whoever calls `get` meanwhile, from
//!    whatever thread, waits for that. So nobody looks at it after the poll.

use std::sync::Arc;

use crate::origin::LazyScope;
use crate::raw::frame::{self, Here};
use crate::scope::Scope;
use crate::sync::OnceLock;

/// What a scope is in, if anything.
pub(crate) struct Around {
    owned: OnceLock<Arc<Scope>>,
    borrowed: Borrowed,
}

#[derive(Clone, Copy)]
enum Borrowed {
    Nothing,
    Lazy(*const LazyScope),
    Made(*const Arc<Scope>),
}

// SAFETY: what is borrowed is shared by reference only, and `LazyScope` and `Arc<Scope>` are Sync.
unsafe impl Send for Around {}
// SAFETY: likewise; `get` is the only one to look at it, and may do so from any thread (invariant 2).
unsafe impl Sync for Around {}

impl Default for Around {
    fn default() -> Self {
        Around { owned: OnceLock::new(), borrowed: Borrowed::Nothing }
    }
}

impl From<Arc<Scope>> for Around {
    fn from(scope: Arc<Scope>) -> Self {
        let around = Around::default();
        around.owned.get_or_init(|| scope);
        around
    }
}

impl Around {
    /// Borrows the scope of the code that runs here, if it runs in any.
    ///
    /// # Safety
    /// `here` is of a frame of this thread's. Before that is left, [`get`](Self::get) is called, or nobody ever calls it
    /// again, unless this is called again before.
    #[inline]
    pub(crate) unsafe fn borrow(&mut self, here: Option<Here<'_>>) {
        self.borrowed = match here {
            None => Borrowed::Nothing,
            Some(Here::Lazy(lazy)) => Borrowed::Lazy(lazy),
            Some(Here::Made(scope)) => Borrowed::Made(scope),
        };
    }

    /// The scope, allocated now if it was not.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<Scope>> {
        match (self.owned.get(), self.borrowed) {
            (Some(owned), _) => Some(owned),
            (None, Borrowed::Nothing) => None,
            (None, Borrowed::Lazy(lazy)) => {
                // Outermost first, so that none of them has to make the one around it: they may be nested deep.
                frame::make_down_from(lazy);
                self.own()
            }
            (None, Borrowed::Made(_)) => self.own(),
        }
    }

    /// The same without a look at the stack.
    #[cold]
    pub(crate) fn own(&self) -> Option<&Arc<Scope>> {
        let made = match self.borrowed {
            Borrowed::Nothing => return self.owned.get(),
            Borrowed::Lazy(lazy) => self.owned.get_or_init(|| {
                // SAFETY: it is not owned yet, and whoever borrowed it waits for us: so it lives (invariant 1).
                unsafe { &*lazy }.make().clone()
            }),
            Borrowed::Made(scope) => self.owned.get_or_init(|| {
                // SAFETY: as above.
                unsafe { &*scope }.clone()
            }),
        };
        Some(made)
    }
}
