//! The native host on tokio.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use scope_mcp::{Client, ClientOptions};
use tokio::runtime::Runtime;

use super::line::Line;
use super::{Plan, native};
use crate::kinds::{Ending, Server};

pub(super) fn warm_up(plan: &Plan) {
    let plan = Plan { server: Server::Polite, ..plan.clone() };
    let closed = scope_tokio::run(async |n| {
        let _signals = scope_tokio::Signals::new()?;
        Client::open(n, native::spec(&plan), ClientOptions::default()).await?.close().await?;
        Ok(())
    });
    closed.expect("a polite server opens and closes");
}

pub(super) fn run(plan: &Plan, line: &Line) {
    match plan.ending {
        Ending::DropNursery => Runtime::new().expect("a runtime").block_on(async {
            line.end_of(pin!(scope_tokio::nursery(async |n| native::stay(n, plan, line).await))).await;
            line.ask("ended", "finish").await;
        }),
        Ending::DropRuntime => {
            let runtime = Runtime::new().expect("a runtime");
            let (owned, its_line) = (plan.clone(), line.clone());
            runtime.spawn(scope_tokio::nursery(async move |n| native::stay(n, &owned, &its_line).await));
            runtime.block_on(line.wait_for("end"));
            drop(runtime);
            line.ask_blocking("ended", "finish");
        }
        Ending::RuntimeGone => {
            let runtime = Runtime::new().expect("a runtime");
            let mut work = Box::pin(scope_tokio::nursery(async |n| native::stay(n, plan, line).await));
            runtime.block_on(line.end_of(&mut work));
            drop(runtime);
            drop(work);
            line.ask_blocking("ended", "finish");
        }
        Ending::Panic => {
            let run = || scope_tokio::run(async |n| native::body(n, plan, line).await);
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "a panic is not swallowed");
            line.ask_blocking("ended", "finish");
        }
        ending if ending.is_handled() => {
            let ended = scope_tokio::run(async |_| {
                let mut signals = scope_tokio::Signals::new()?;
                native::obey(plan, line, async || _ = signals.next().await).await;
                Ok(())
            });
            ended.expect("the program's own scope");
        }
        Ending::SigTermUnhandled | Ending::SigIntUnhandled | Ending::SigKill => {
            let ended = scope_tokio::run(async |n| native::stay(n, plan, line).await);
            panic!("ended before it was killed: {ended:?}");
        }
        _ => scope_tokio::run(async |n| native::body(n, plan, line).await).expect("the program's own scope"),
    }
}
