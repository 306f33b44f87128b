//! The native host on smol.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;

use async_executor::Executor;
use async_io::block_on;
use scope_mcp::{Client, ClientOptions};

use super::line::Line;
use super::{Plan, native};
use crate::kinds::{Ending, Server};

pub(super) fn warm_up(plan: &Plan) {
    let plan = Plan { server: Server::Polite, ..plan.clone() };
    let closed = scope_smol::run(async |n| {
        let _signals = scope_smol::Signals::new()?;
        Client::open(n, native::spec(&plan), ClientOptions::default()).await?.close().await?;
        Ok(())
    });
    closed.expect("a polite server opens and closes");
}

pub(super) fn run(plan: &Plan, line: &Line) {
    match plan.ending {
        Ending::DropNursery => block_on(async {
            line.end_of(pin!(scope_smol::nursery(async |n| native::stay(n, plan, line).await))).await;
            line.ask("ended", "finish").await;
        }),
        Ending::DropRuntime => {
            let executor = Arc::new(Executor::new());
            let (owned, its_line) = (plan.clone(), line.clone());
            let work = scope_smol::nursery_on(&executor, async move |n| native::stay(n, &owned, &its_line).await);
            executor.spawn(work).detach();
            block_on(executor.run(line.wait_for("end")));
            drop(executor);
            line.ask_blocking("ended", "finish");
        }
        Ending::RuntimeGone => {
            let executor = Arc::new(Executor::new());
            let work = scope_smol::nursery_on(&executor, async |n| native::stay(n, plan, line).await);
            let mut work = Box::pin(work);
            block_on(executor.run(line.end_of(&mut work)));
            drop(executor);
            drop(work);
            line.ask_blocking("ended", "finish");
        }
        Ending::Panic => {
            let run = || scope_smol::run(async |n| native::body(n, plan, line).await);
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "a panic is not swallowed");
            line.ask_blocking("ended", "finish");
        }
        ending if ending.is_handled() => {
            let ended = scope_smol::run(async |_| {
                let mut signals = scope_smol::Signals::new()?;
                native::obey(plan, line, async || _ = signals.next().await).await;
                Ok(())
            });
            ended.expect("the program's own scope");
        }
        Ending::SigTermUnhandled | Ending::SigIntUnhandled | Ending::SigKill => {
            let ended = scope_smol::run(async |n| native::stay(n, plan, line).await);
            panic!("ended before it was killed: {ended:?}");
        }
        _ => scope_smol::run(async |n| native::body(n, plan, line).await).expect("the program's own scope"),
    }
}
