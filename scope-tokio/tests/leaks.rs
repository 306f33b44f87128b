//! What is left of a runtime that has shut down. One test only: descriptors are the whole process's.
#![cfg(target_os = "linux")]

use scope_core::{Failure, Nursery};
use scope_tokio::SpawnExt;
use tokio::runtime::Builder;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn body(n: &Nursery<'_, '_>) -> Result<(), Failure> {
    n.run(async {});
    Ok(())
}

#[test]
fn no_descriptor_outlives_its_runtime() {
    let round = || {
        for _ in 0..5 {
            scope_tokio::run(body).unwrap();
            scope_tokio::run_current_thread(body).unwrap();
            let rt = Builder::new_current_thread().enable_all().build().unwrap();
            rt.block_on(scope_tokio::nursery(body)).unwrap();
            rt.shutdown_background();
        }
    };
    // What the process opens once and keeps is open after the first.
    round();
    let before = descriptors();
    round();
    assert_eq!(descriptors(), before);
}
