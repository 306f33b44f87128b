//! o07: a local guard does not go to another task of the runtime's.
use scope_core::{Failure, Local, OwnedScope, Spawns, nursery_local};

fn main() {
    drop(nursery_local(async |n| {
        let owned: OwnedScope<Failure, Local> = OwnedScope::open_local("ours")?;
        n.spawn_erased(async move {
            drop(owned.close().await);
            Ok(())
        });
        Ok(())
    }));
}
