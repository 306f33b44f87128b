//! A handler that panics has failed, and nothing else has.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::jsonrpc::Rejection;

/// What there is to do for a request, with a panic as an error to answer with; one in its destructor is told and forgotten.
pub(crate) struct Caught<'a, H: Held> {
    method: Cow<'a, str>,
    work: H,
}

/// The work, or where it lies: it may be large, and need not be moved.
pub(crate) trait Held {
    type Work;

    fn held(&mut self) -> &mut Option<Self::Work>;
}

impl<W> Held for Option<W> {
    type Work = W;

    fn held(&mut self) -> &mut Option<W> {
        self
    }
}

impl<W> Held for &mut Option<W> {
    type Work = W;

    fn held(&mut self) -> &mut Option<W> {
        self
    }
}

impl<'a, W> Caught<'a, Option<W>> {
    pub(crate) fn new(method: impl Into<Cow<'a, str>>, work: W) -> Self {
        Caught { method: method.into(), work: Some(work) }
    }
}

impl<'a, W> Caught<'a, &'a mut Option<W>> {
    /// What lies there, until it has come to its end.
    pub(crate) fn of(method: &'a str, work: &'a mut Option<W>) -> Self {
        Caught { method: method.into(), work }
    }
}

impl<H: Held> Caught<'_, H> {
    fn clear(&mut self) {
        let work = self.work.held();
        // Where it lies; it is gone also when that panics.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| *work = None)) {
            self.tell(panic, "what a handler left behind panicked when it was dropped");
        }
    }

    fn tell(&self, panic: Box<dyn Any + Send>, what: &str) {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        tracing::error!(method = &*self.method, panic = text.unwrap_or("(no text)"), "{what}");
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            // There is no end to that.
            std::mem::forget(again);
        }
    }
}

impl<T, H> Future for Caught<'_, H>
where
    H: Held<Work: Future<Output = Result<T, Rejection>> + Unpin> + Unpin,
{
    type Output = Result<T, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = self.work.held() else { return Poll::Pending };
        let outcome = match catch_unwind(AssertUnwindSafe(|| Pin::new(work).poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome,
            Err(panic) => {
                self.tell(panic, "the handler of a request panicked");
                Err(Rejection::internal("the handler of this request panicked"))
            }
        };
        self.clear();
        Poll::Ready(outcome)
    }
}

impl<H: Held> Drop for Caught<'_, H> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<H: Held> fmt::Debug for Caught<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caught").field("method", &self.method).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;

    /// Panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_is_an_error_wherever_it_comes_from() {
        let nothing = serde_json::value::RawValue::NULL.to_owned();
        let bomb = Bomb;
        let kept = async move {
            std::mem::forget(bomb);
            panic!("hush")
        };
        let works: [BoxFuture<'_, Result<(), Rejection>>; 2] =
            [kept.boxed(), async { std::panic::panic_any(Bomb) }.boxed()];
        for work in works {
            let refused = Caught::new("m", work).now_or_never().unwrap().unwrap_err();
            assert_eq!(refused.to_string(), "the handler of this request panicked (error -32603)");
        }
        let bomb = Bomb;
        let mut left_behind = Caught::new(
            "m",
            async move {
                pending::<()>().await;
                drop(bomb);
                Ok(nothing)
            }
            .boxed(),
        );
        assert!((&mut left_behind).now_or_never().is_none());
        drop(left_behind);
    }
}
