//! o07: a local guard does not go to another thread, and no reference to it does.
use scope_core::{Failure, Local, OwnedScope};

fn moved(owned: OwnedScope<Failure, Local>) {
    std::thread::spawn(move || drop(owned));
}

fn lent(owned: &'static OwnedScope<Failure, Local>) {
    std::thread::spawn(move || owned.canceller().cancel("from there"));
}

fn main() {
    drop((moved, lent));
}
