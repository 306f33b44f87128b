//! References to two nurseries are of two types: neither stands in for the other.
use scope_core::nursery;

fn main() {
    let _ = nursery(async |mut outer| {
        nursery(async |mut inner| {
            std::mem::swap(&mut outer, &mut inner);
            Ok(())
        })
        .await?;
        Ok(())
    });
}
