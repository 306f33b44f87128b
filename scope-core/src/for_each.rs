//! A child for each of many items, so many at once.

use std::future::{Future, poll_fn};
use std::panic::Location;

use crate::bounded::ZeroBound;
use crate::deposit::Fails;
use crate::failure::Failure;
use crate::nursery::{Fallible, Local, Nursery, Sendable};
use crate::raw::future::NurseryFuture;
use crate::raw::host::Body;
use crate::raw::local::poll_room;
use crate::task::at_checkpoint;
use crate::waits::At;

/// Runs `child` for each of `items`, at most `limit` at once: a nursery whose same-task children are made by one closure.
///
/// ```
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
/// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
///
/// let sum = AtomicUsize::new(0);
/// let add = |number| {
///     let sum = &sum;
///     async move {
///         sum.fetch_add(number, Relaxed);
///         Ok(())
///     }
/// };
/// scope_core::for_each_concurrent(8, 1..=100, add).await?;
/// assert_eq!(sum.into_inner(), 5050);
/// # Ok::<(), scope_core::ScopeError>(())
/// # })
/// # .unwrap();
/// ```
///
/// An item is taken when there is room for its child, and no earlier; children begin in the order of the items. They are
/// children as any: each is a task, may borrow from outside, and the first that fails cancels the others. Their memory is used
/// again, so that many cost no more allocations than a few. The scope is named `for_each_concurrent` where it is given no other
/// [name](NurseryFuture::named).
///
/// # Errors
/// A [`ScopeError`](crate::ScopeError) with the first failure, as [`nursery()`](crate::nursery()); it is a [`ZeroBound`]
/// where `limit` is 0, and nothing has been taken then.
///
/// # Panics
/// As [`nursery()`](crate::nursery()): a panic of `items`, of `child` or of what it returned is resumed when the others have
/// ended.
///
/// # Cancel safety
/// Dropping it drops the children where they are, and what was not taken of `items`. See [`NurseryFuture`].
#[track_caller]
pub fn for_each_concurrent<'env, I, F, Fut>(
    limit: usize,
    items: I,
    child: F,
) -> NurseryFuture<
    'env,
    impl Sized + use<'env, I, F, Fut>,
    impl Future<Output = Result<(), Failure>> + use<'env, I, F, Fut>,
    Failure,
    Sendable,
    Fallible,
>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: Future<Output = Result<(), Failure>> + Send + 'env,
{
    let location = Location::caller();
    let each = Each { limit, items, child, location };
    let start = |each: Each<I, F>, nursery: &'env Nursery<'env, 'env>, place: &mut Body<_, _>| {
        place.begin(each.feed(nursery));
    };
    NurseryFuture::new(start, each, Nursery::new(location)).named("for_each_concurrent")
}

/// [`for_each_concurrent`] whose children need not be `Send`. Its future is not `Send` either.
///
/// # Errors
/// As [`for_each_concurrent`].
///
/// # Panics
/// As [`for_each_concurrent`].
#[track_caller]
pub fn for_each_concurrent_local<'env, I, F, Fut>(
    limit: usize,
    items: I,
    child: F,
) -> NurseryFuture<
    'env,
    impl Sized + use<'env, I, F, Fut>,
    impl Future<Output = Result<(), Failure>> + use<'env, I, F, Fut>,
    Failure,
    Local,
    Fallible,
>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: Future<Output = Result<(), Failure>> + 'env,
{
    let location = Location::caller();
    let each = Each { limit, items, child, location };
    let start = |each: Each<I, F>, nursery: &'env Nursery<'env, 'env, Failure, Local>, place: &mut Body<_, _>| {
        place.begin(each.feed(nursery));
    };
    NurseryFuture::new(start, each, Nursery::new(location)).named("for_each_concurrent")
}

/// What the body of such a nursery is made of.
struct Each<I, F> {
    limit: usize,
    items: I,
    child: F,
    location: &'static Location<'static>,
}

impl<I: IntoIterator, F> Each<I, F> {
    /// Adds a child for each item, as there is room. Who calls it has checked that these are `Send` where the nursery is.
    async fn feed<'env, K, Fut>(self, nursery: &'env Nursery<'env, 'env, Failure, K>) -> Result<(), Failure>
    where
        F: FnMut(I::Item) -> Fut,
        Fut: Future<Output = Result<(), Failure>> + 'env,
    {
        let Each { limit, items, mut child, location } = self;
        if limit == 0 {
            return Err(ZeroBound::new(location).into());
        }
        let mut items = items.into_iter();
        loop {
            let room = at_checkpoint(At::Place, poll_fn(|_| poll_room(nursery, limit))).await;
            for _ in 0..room {
                let Some(item) = items.next() else { return Ok(()) };
                let future = child(item);
                nursery.add(None, location, |task| (future, Fails::<Failure>::new(), task));
            }
        }
    }
}
