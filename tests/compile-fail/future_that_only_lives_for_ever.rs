//! A future of one's own that can be polled for one life only is no body either: the bound asks for every life.
use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use scope_core::{Failure, Nursery, nursery};

thread_local! {
    static ESCAPED: Cell<Option<&'static Nursery<'static, 'static>>> = const { Cell::new(None) };
}

struct Body<'s>(&'s Nursery<'s, 'static>);

impl Future for Body<'static> {
    type Output = Result<(), Failure>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        ESCAPED.set(Some(self.0));
        Poll::Ready(Ok(()))
    }
}

fn body<'s>(n: &'s Nursery<'s, 'static>) -> Body<'s> {
    Body(n)
}

fn main() {
    let _ = nursery(body);
}
