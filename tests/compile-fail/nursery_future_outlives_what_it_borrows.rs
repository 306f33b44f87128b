//! The future cannot go where what its children borrow does not.
use scope_core::nursery;

fn assert_static<T: 'static>(_: T) {}

fn main() {
    let text = String::from("short");
    assert_static(nursery(async |n| {
        n.spawn_local(async {
            println!("{text}");
            Ok(())
        });
        Ok(())
    }));
}
