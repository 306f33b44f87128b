//! P7: scopes in scopes, `n` deep; each level is in a box, as recursion wants it.
//!
//! What "join" means differs: a nested `JoinSet::shutdown` returns while tasks further in still live, so it is no peer where
//! a tree is cancelled.

mod cancel;
mod levels;
mod wake;

use std::pin::Pin;

use crate::bench::Bench;

pub(crate) fn benches() -> Vec<Bench> {
    [levels::benches(), cancel::benches(), wake::benches()].into_iter().flatten().collect()
}

/// How deep.
const DEPTHS: &[usize] = &[1, 10, 100, 1000];

/// One level with all that is in it.
type Level = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Scopes whose bodies are scopes: no children.
fn blocks(depth: usize, leaf: Level) -> Level {
    if depth == 0 {
        return leaf;
    }
    Box::pin(async move {
        let inner = scope_core::nursery(async move |_| {
            blocks(depth - 1, leaf).await;
            Ok(())
        });
        // Cancelled, it has been cut short; otherwise nothing in it can fail.
        let _ = inner.await;
    })
}

/// Each with one child in the same task, which is the next.
fn children(depth: usize, leaf: Level) -> Level {
    if depth == 0 {
        return leaf;
    }
    Box::pin(async move {
        let scope = scope_core::nursery(async move |nursery| {
            nursery.run_local(children(depth - 1, leaf));
            Ok(())
        });
        let _ = scope.await;
    })
}

/// Each with one parallel child, which is the next.
fn tasks(depth: usize, leaf: Level) -> Level {
    use scope_tokio::SpawnExt as _;

    if depth == 0 {
        return leaf;
    }
    Box::pin(async move {
        let scope = scope_tokio::nursery(async move |nursery| {
            nursery.run(tasks(depth - 1, leaf));
            Ok(())
        });
        let _ = scope.await;
    })
}

fn futures_unordered(depth: usize, leaf: Level) -> Level {
    use futures_util::stream::{FuturesUnordered, StreamExt as _};

    if depth == 0 {
        return leaf;
    }
    Box::pin(async move {
        let mut set = FuturesUnordered::new();
        set.push(futures_unordered(depth - 1, leaf));
        while set.next().await.is_some() {}
    })
}

fn moro(depth: usize, leaf: Level) -> Level {
    if depth == 0 {
        return leaf;
    }
    Box::pin(::moro::scope_fn(move |scope| {
        drop(scope.spawn(moro(depth - 1, leaf)));
        Box::pin(std::future::ready(()))
    }))
}
