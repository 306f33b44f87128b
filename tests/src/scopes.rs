//! Small pieces that many cases are made of.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use futures_lite::future;
use scope_core::{Fault, Leaf};

/// An error with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boom(pub &'static str);

impl fmt::Display for Boom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Boom {}

/// Polls `fut` once, with the waker of the task this is awaited in.
pub async fn poll_now<F: Future + ?Sized>(mut fut: Pin<&mut F>) -> Poll<F::Output> {
    future::poll_fn(move |cx| Poll::Ready(fut.as_mut().poll(cx))).await
}

/// Goes once round the runtime's queue, `n` times: foreign await points, each of which wakes itself.
pub async fn turns(n: usize) {
    for _ in 0..n {
        future::yield_now().await;
    }
}

/// Polls `fut` by hand while others get their turns, and fails if it ends: it has something to wait for.
///
/// # Panics
/// If `fut` ends.
#[track_caller]
pub fn while_it_waits<'a, F: Future + ?Sized>(mut fut: Pin<&'a mut F>, why: &'a str) -> impl Future<Output = ()> + 'a {
    let place = std::panic::Location::caller();
    async move {
        for turn in 0..20 {
            if poll_now(fut.as_mut()).await.is_ready() {
                panic!("{place}: ended at turn {turn}, although {why}");
            }
            turns(1).await;
        }
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "(not a text)"
    }
}

/// The names on the way to something that failed in a case, without the root that every case runs in.
pub fn way_to<E: Fault>(leaf: &Leaf<E>) -> Vec<String> {
    leaf.path().names().split_off(1)
}
