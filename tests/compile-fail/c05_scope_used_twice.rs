//! c05: a scope is consumed by value.
use scope_core::nursery;

async fn twice() {
    let scope = nursery(async |_| Ok(1));
    let first = scope.await;
    let second = scope.await;
    drop((first, second));
}

async fn configured_twice() {
    let scope = nursery(async |_| Ok(1));
    let named = scope.named("one");
    let again = scope.named("two");
    drop((named, again));
}

fn main() {
    drop((twice(), configured_twice()));
}
