//! And so do references to it: another thread could spawn into it.
use scope_core::nursery_local;

fn main() {
    let _ = nursery_local(async |n| {
        std::thread::scope(|threads| {
            threads.spawn(|| n.cancel("from another thread"));
        });
        Ok(())
    });
}
