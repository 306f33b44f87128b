//! A finalizer may run after the nursery's future is gone: it borrows nothing.
use scope_core::nursery;

fn main() {
    let log = std::sync::Mutex::new(Vec::new());
    let _ = nursery(async |n| {
        n.finalizer("log", |_| async {
            log.lock().unwrap().push("ended");
            Ok(())
        });
        Ok(())
    });
}
