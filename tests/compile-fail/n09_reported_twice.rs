//! n09: a report takes what it is made with: there is no second one, and no copy.
use scope_core::{Failure, Started};

async fn reports_twice(started: Started<u32>) -> Result<(), Failure> {
    let _ = started.report(1);
    let _ = started.report(2);
    Ok(())
}

async fn reports_by_a_copy(started: Started<u32>) -> Result<(), Failure> {
    let copy = started.clone();
    let _ = copy.report(1);
    Ok(())
}

fn main() {
    let _ = (reports_twice, reports_by_a_copy);
}
