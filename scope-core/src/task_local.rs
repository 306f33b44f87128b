//! Task-locals: values that follow a task and those it spawns, found by a key.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::raw::frame;

/// The key of a task-local value: a `static`, whose address is its identity.
///
/// A value is set for the length of a future, by [`scope`](TaskLocal::scope), and seen by all that runs in it. A child
/// inherits, as a snapshot taken when it is spawned, what is set where it is spawned: the spawning task's values, not
/// those of the scope's owner. What is set later is not seen by it.
///
/// ```
/// use scope_core::TaskLocal;
///
/// static REQUEST: TaskLocal<u64> = TaskLocal::new();
///
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = std::pin::pin!(future);
/// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop {
/// #         if let std::task::Poll::Ready(out) = future.as_mut().poll(&mut cx) {
/// #             return out;
/// #         }
/// #     }
/// # }
/// # block_on(async {
/// let seen = REQUEST
///     .scope(7, async {
///         scope_core::nursery(async |n| {
///             let child = n.spawn_local_with_handle(async { Ok(REQUEST.get()) });
///             Ok(child.await?)
///         })
///         .await
///     })
///     .await?;
/// assert_eq!(seen, Some(7));
/// assert_eq!(REQUEST.get(), None);
/// # Ok::<(), scope_core::ScopeError>(())
/// # })
/// # .unwrap();
/// ```
pub struct TaskLocal<T> {
    // Not of size zero: two statics have two addresses then.
    _place: u8,
    value: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> TaskLocal<T> {
    /// A key. Meant for a `static`: one that moves is another key.
    #[expect(clippy::new_without_default, reason = "a key is a static")]
    pub const fn new() -> Self {
        TaskLocal { _place: 0, value: PhantomData }
    }

    fn key(&'static self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Sets the value for the length of `body`: whenever it is polled or dropped.
    ///
    /// # Cancel safety
    /// As `body`.
    pub fn scope<F: Future>(&'static self, value: T, body: F) -> WithLocal<F> {
        WithLocal { body: Some(body), key: self.key(), value: Some(Arc::new(value)), locals: Snapshot::default() }
    }

    /// Shows the value that is set here to `f`: the innermost, if several are.
    pub fn with<R>(&'static self, f: impl FnOnce(Option<&T>) -> R) -> R {
        // Out of the frame before the user's code runs.
        let locals = frame::snapshot();
        f(locals.find(self.key()).and_then(|value| value.downcast_ref()))
    }

    /// A clone of the value that is set here, if one is.
    pub fn get(&'static self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|value| value.cloned())
    }
}

impl<T> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocal").finish_non_exhaustive()
    }
}

type Value = Arc<dyn Any + Send + Sync>;

struct Link {
    key: usize,
    value: Value,
    outer: Snapshot,
}

/// All task-locals that are set at one place. Cloning it does not allocate.
#[derive(Clone, Default)]
pub(crate) struct Snapshot(Option<Arc<Link>>);

impl Snapshot {
    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    fn find(&self, key: usize) -> Option<&(dyn Any + Send + Sync)> {
        let mut at = self;
        while let Some(link) = &at.0 {
            if link.key == key {
                return Some(&*link.value);
            }
            at = &link.outer;
        }
        None
    }

    fn with(self, key: usize, value: Value) -> Self {
        Snapshot(Some(Arc::new(Link { key, value, outer: self })))
    }
}

impl Drop for Snapshot {
    #[inline]
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            drop_links(link);
        }
    }
}

fn drop_links(first: Arc<Link>) {
    // In a loop: values may be set in deep recursion.
    let mut at = Some(first);
    while let Some(mut link) = at.and_then(Arc::into_inner) {
        at = link.outer.0.take();
    }
}

pin_project! {
    /// The future of [`TaskLocal::scope`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct WithLocal<F: Future> {
        #[pin]
        body: Option<F>,
        key: usize,
        // Until the first poll, when the values around it are known.
        value: Option<Value>,
        locals: Snapshot,
    }

    impl<F: Future> PinnedDrop for WithLocal<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.value.is_some() {
                // Never polled: nothing is set yet.
                this.body.set(None);
                return;
            }
            frame::enter_with_locals(this.locals, || this.body.set(None));
        }
    }
}

impl<F: Future> Future for WithLocal<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if let Some(value) = this.value.take() {
            *this.locals = frame::snapshot().with(*this.key, value);
        }
        let locals = &*this.locals;
        frame::enter_with_locals(locals, || {
            let Some(body) = this.body.as_mut().as_pin_mut() else {
                panic!("a task-local's future was polled after it had ended");
            };
            let polled = body.poll(cx);
            if polled.is_ready() {
                this.body.set(None);
            }
            polled
        })
    }
}

pin_project! {
    /// A future that runs with the task-locals of whoever made it.
    pub(crate) struct Inheriting<F> {
        #[pin]
        body: F,
        locals: Snapshot,
    }
}

impl<F> Inheriting<F> {
    pub(crate) fn new(body: F, locals: Snapshot) -> Self {
        Inheriting { body, locals }
    }
}

impl<F: Future> Future for Inheriting<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        frame::enter_with_locals(this.locals, || this.body.poll(cx))
    }
}

impl<F: Future> fmt::Debug for WithLocal<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithLocal").finish_non_exhaustive()
    }
}
