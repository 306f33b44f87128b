//! The same, as it is met: a body of a spawned task.
use scope_core::nursery_local;

async fn task() {
    let _ = nursery_local(async |n| {
        n.spawn_local(async { Ok(()) });
        Ok(())
    })
    .await;
}

fn main() {
    tokio::spawn(task());
}
