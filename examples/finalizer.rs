//! A finalizer may await, runs once however its scope ends, and learns how; what fails in it hides nothing.
//!
//! The wrong way is a `Drop` that wants to await: it cannot, and starts a task that nobody waits for.
//!
//! ```text
//! the transaction is rolled back: failed: the account is locked
//! transfer: the account is locked
//! transfer > connection: clean-up failed: the server has closed it already
//! ```

use scope_core::{Exit, Failure, ScopeError, checkpoint};

async fn transfer(say: impl Fn(String) + Send + 'static) -> Result<(), ScopeError> {
    scope_tokio::nursery(async |n| {
        n.finalizer("connection", |_| async {
            checkpoint().await;
            Err(Failure::msg("the server has closed it already"))
        });
        // Last in, first out: this one still has the connection.
        n.finalizer("transaction", |exit| async move {
            checkpoint().await;
            say(match exit {
                Exit::Ok => "the transaction is committed".to_owned(),
                other => format!("the transaction is rolled back: {other}"),
            });
            Ok(())
        });
        Err(Failure::msg("the account is locked"))
    })
    .named("transfer")
    .await
}

#[tokio::main]
async fn main() {
    if let Err(error) = transfer(|line| println!("{line}")).await {
        for leaf in error.leaves() {
            println!("{}: {}", leaf.path(), leaf.cause());
        }
    }
}
