//! A deadline ends everything in its scope, says so, and is told apart from a cancellation and from a failure.
//!
//! This one runs on smol: `search` names no runtime, and neither does its error.
//!
//! ```text
//! the deadline has passed: search
//! 1 of 3 answers came in time
//! ```

use std::time::Duration;

use scope_core::{ScopeError, nursery, sleep};

/// Asks three servers, and counts the answers; those that have come are there though the scope was cut short.
async fn search(answers: &mut u32) -> Result<(), ScopeError> {
    nursery(async |n| {
        let asked = [Duration::ZERO, Duration::from_secs(3600), Duration::MAX].map(|delay| {
            n.spawn_local_with_handle(async move {
                sleep(delay).await?;
                Ok(())
            })
        });
        for answer in asked {
            answer.await?;
            *answers += 1;
        }
        Ok(())
    })
    .named("search")
    .timeout(Duration::from_millis(50))
    .await
}

fn main() -> Result<(), ScopeError> {
    let mut answers = 0;
    scope_smol::run(async |_| {
        match search(&mut answers).await {
            Err(error) if error.is_timed_out() => println!("the deadline has passed: {}", error.scope()),
            other => other?,
        }
        Ok(())
    })?;
    println!("{answers} of 3 answers came in time");
    Ok(())
}
