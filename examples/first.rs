//! Prints `startup > cache: connection refused`, as soon as the cache fails.
use std::{io, time::Duration};

use scope_core::{Failure, ScopeError, sleep};
use scope_tokio::SpawnExt;

async fn connect(up: bool) -> Result<(), Failure> {
    sleep(Duration::from_millis(10)).await?;
    if up { Ok(sleep(Duration::MAX).await?) } else { Err(io::Error::other("connection refused"))? }
}

async fn startup() -> Result<(), ScopeError> {
    let scope = scope_tokio::nursery(async |n| {
        n.task("database").spawn(connect(true)); // ended with the cache, before `startup` returns
        n.task("cache").spawn(connect(false));
        n.task("metrics").spawn(connect(true)); // so is this one
        Ok(())
    });
    scope.named("startup").timeout(Duration::from_secs(5)).await
}

#[tokio::main]
async fn main() {
    startup().await.unwrap_or_else(|error| eprintln!("{error}"));
}
