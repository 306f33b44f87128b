//! o03: an owned scope is closed once: the close consumes it.
use scope_core::OwnedScope;

async fn twice(owned: OwnedScope) {
    let first = owned.close().await;
    let second = owned.close().await;
    drop((first, second));
}

async fn closed_and_dropped(owned: OwnedScope) {
    let closed = owned.close();
    drop(owned);
    drop(closed.await);
}

fn main() {
    drop((twice, closed_and_dropped));
}
