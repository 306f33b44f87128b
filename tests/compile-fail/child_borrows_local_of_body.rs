//! A child may outlive the body, so it cannot borrow what the body owns.
use scope_core::nursery;

fn main() {
    let _ = nursery(async |n| {
        let local = String::from("of the body");
        n.spawn_local(async {
            println!("{local}");
            Ok(())
        });
        Ok(())
    });
}
