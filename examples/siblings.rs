//! A child's error cancels its siblings, and nothing goes on behind the caller's back.
//!
//! The wrong way starts two tasks and awaits the first: when that fails, the second is still running, and nobody holds
//! it any more. Here the nursery ends it before it returns.
//!
//! ```text
//! backup > upload: disk full
//! the scan was ended at 3 of 1000 files
//! ```

use std::sync::atomic::{AtomicUsize, Ordering};

use scope_core::{Failure, ScopeError, checkpoint, nursery};

/// Goes through the files, and says how far it got however it ends.
async fn scan(files: usize, seen: &AtomicUsize) -> Result<(), Failure> {
    for _ in 0..files {
        seen.fetch_add(1, Ordering::Relaxed);
        checkpoint().await;
    }
    Ok(())
}

async fn upload() -> Result<(), Failure> {
    for _ in 0..2 {
        checkpoint().await;
    }
    Err(Failure::msg("disk full"))
}

/// The children borrow from here: they are same-task children, and none outlives the nursery.
async fn backup(seen: &AtomicUsize) -> Result<(), ScopeError> {
    nursery(async |n| {
        n.task("scan").spawn_local(scan(1000, seen));
        n.task("upload").spawn_local(upload());
        Ok(())
    })
    .named("backup")
    .await
}

#[tokio::main]
async fn main() {
    let seen = AtomicUsize::new(0);
    if let Err(error) = backup(&seen).await {
        println!("{error}");
    }
    println!("the scan was ended at {} of 1000 files", seen.into_inner());
}
