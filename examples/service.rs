//! A service is a resource with a home: one task opens it, serves it and ends it. Handles go anywhere and only ask, so
//! it can be closed from a task that did not open it, and cleaned up in no other task than its own.
//!
//! ```text
//! 3 tasks counted to 6
//! closed from another task: counted 3 times
//! ```

use std::future::Future;

use scope_core::{Exit, Failure, Inbox, Name, Reply, ScopeError, Service, Spawns};
use scope_tokio::SpawnExt;

/// A counter that lives in one task.
#[derive(Debug, Default)]
struct Counter {
    value: u32,
    requests: u32,
}

/// Adds, and answers with the sum.
#[derive(Debug)]
struct Add {
    by: u32,
    reply: Reply<u32>,
}

impl Service for Counter {
    type Request = Add;
    type Info = ();
    type Report = u32;

    fn name(&self) -> Name {
        Name::new("counter")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<Add>) -> Result<(), Failure> {
        while let Some(Add { by, reply }) = inbox.next().await {
            self.value += by;
            self.requests += 1;
            // Who asked may have stopped waiting: that is no fault of ours.
            let _ = reply.send(self.value);
        }
        Ok(())
    }

    fn end(&mut self, _: Exit) -> impl Future<Output = u32> + Send {
        std::future::ready(self.requests)
    }
}

/// The largest sum that was answered, and what the service reported when it was closed.
async fn count() -> Result<(u32, u32), ScopeError> {
    scope_tokio::nursery(async |n| {
        let counter = n.open(Counter::default()).await?;
        let sum = scope_tokio::nursery(async |users| {
            let sums: Vec<_> = (1..=3)
                .map(|by| {
                    let counter = counter.clone();
                    users.spawn_with_handle(async move { Ok(counter.ask(|reply| Add { by, reply }).await?) })
                })
                .collect();
            let mut largest = 0;
            for sum in sums {
                largest = largest.max(sum.await?);
            }
            Ok(largest)
        })
        .await?;
        let report = n.spawn_with_handle(async move { Ok(*counter.close().await?) }).await?;
        Ok((sum, report))
    })
    .await
}

#[tokio::main]
async fn main() {
    match count().await {
        Ok((sum, report)) => {
            println!("3 tasks counted to {sum}");
            println!("closed from another task: counted {report} times");
        }
        Err(error) => println!("{error}"),
    }
}
