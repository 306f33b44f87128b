//! A child of the outer nursery cannot borrow what only the inner one's life is known to cover.
use scope_core::nursery;

fn main() {
    let _ = nursery(async |outer| {
        nursery(async |inner| {
            outer.spawn_local(async move {
                inner.spawn_local(async { Ok(()) });
                Ok(())
            });
            Ok(())
        })
        .await?;
        Ok(())
    });
}
