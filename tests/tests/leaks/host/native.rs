//! A host with `scope_mcp::Client`: all of it but what names a runtime.

use std::future::pending;
use std::pin::{Pin, pin};
use std::process::{abort, exit};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};
use futures_util::future::{Either, select};
use scope_core::{CancelCause, Canceller, Failure, Nursery, nursery};
use scope_mcp::{Client, ClientOptions, ServerSpec};
use serde_json::Value;

use super::line::Line;
use super::{Plan, spec};
use crate::kinds::{BUDGETS, Ending, Server};

/// An open client, and the call that it is in the middle of, if any.
pub(super) struct Held {
    client: Client,
    call: Option<Call>,
}

type Call = Pin<Box<dyn Future<Output = String> + Send>>;

pub(super) fn spec(plan: &Plan) -> ServerSpec {
    let start = spec::start(plan);
    let mut spec = ServerSpec::new(plan.server.name(), start.command).args(start.args).budgets(BUDGETS);
    spec.cwd = start.cwd;
    spec.reach = plan.server.reach();
    spec.env(spec::VARIABLE, &plan.mark)
}

/// Opens the server, gets it to where it is to be, and says `ready`.
pub(super) async fn hold(n: &Nursery<'_, '_>, plan: &Plan, line: &Line) -> Held {
    // For node and npm, where much else is going on.
    let options = ClientOptions::default().open_timeout(Duration::from_secs(60));
    let client = Client::start(n, spec(plan), options).expect("the nursery is open");
    let mut held = Held { client, call: None };
    match held.client.wait_ready().await {
        Ok(_) => assert_ne!(plan.server, Server::ExitsAtOnce),
        Err(error) => {
            assert_eq!(plan.server, Server::ExitsAtOnce, "{error}");
            line.say("ready");
            return held;
        }
    }
    match plan.server {
        Server::NeverReads => held.begin(spec::large()).await,
        Server::Floods => {
            if plan.ending == Ending::DropNursery {
                held.begin(spec::hang()).await;
            }
            let flooding = held.client.call_tool("flood", &serde_json::json!({})).await;
            flooding.expect("answered before the flood");
        }
        _ if plan.ending == Ending::DropNursery => held.begin(spec::hang()).await,
        _ => echo(&held.client).await,
    }
    line.say("ready");
    held
}

impl Held {
    /// Begins a call; when this returns, it is with the server, or on its way to one that does not read.
    async fn begin(&mut self, (tool, arguments): (&'static str, Value)) {
        let client = self.client.clone();
        let large = arguments == spec::large().1;
        let mut call: Call = Box::pin(async move { format!("{:?}", client.call_tool(tool, &arguments).await) });
        let answered = poll_once(call.as_mut()).await;
        assert_eq!(answered, None, "a call that is never answered");
        if !large {
            echo(&self.client).await;
        }
        self.call = Some(call);
    }

    /// Until the test says so, it goes on as it is.
    async fn until_end(&mut self, line: &Line) {
        match &mut self.call {
            None => line.wait_for("end").await,
            Some(call) => line.end_of(call).await,
        }
    }
}

pub(super) async fn echo(client: &Client) {
    let (tool, arguments) = spec::echo();
    client.call_tool(tool, &arguments).await.expect("answered by every server that reads");
}

/// The body of a host's nursery, for the endings that happen inside.
pub(super) async fn body(n: &Nursery<'_, '_>, plan: &Plan, line: &Line) -> Result<(), Failure> {
    let mut held = hold(n, plan, line).await;
    held.until_end(line).await;
    match plan.ending {
        Ending::Close => {
            let report = held.client.close().await?;
            eprintln!("{report:#}");
        }
        Ending::CloseElsewhere => {
            let client = held.client.clone();
            let (done, closed) = async_channel::bounded(1);
            thread::spawn(move || done.send_blocking(block_on(client.close())));
            closed.recv().await.expect("the thread sends it")?;
        }
        Ending::DropHandle => drop(held),
        Ending::Panic => panic!("as planned"),
        Ending::Exit => exit(6),
        Ending::Abort => abort(),
        other => unreachable!("{other:?} does not happen here"),
    }
    line.ask("ended", "finish").await;
    Ok(())
}

/// The body of a nursery that never ends by itself.
pub(super) async fn stay(n: &Nursery<'_, '_>, plan: &Plan, line: &Line) -> Result<(), Failure> {
    let mut held = hold(n, plan, line).await;
    match &mut held.call {
        Some(call) => panic!("the call has ended: {}", call.await),
        None => pending().await,
    }
}

/// A host that handles signals: the first cancels its nursery, which closes the servers; at the second it does not wait
/// for that.
pub(super) async fn obey(plan: &Plan, line: &Line, mut next_signal: impl AsyncFnMut()) {
    let canceller: OnceLock<Canceller> = OnceLock::new();
    let mut work = pin!(nursery(async |n| {
        _ = canceller.set(n.canceller());
        stay(n, plan, line).await
    }));
    if let Either::Left((ended, _)) = select(work.as_mut(), pin!(next_signal())).await {
        panic!("ended before it was asked to: {ended:?}");
    }
    line.say("closing");
    canceller.get().expect("it has begun").cancel_for(CancelCause::Signal, "asked to end");
    match select(work, pin!(next_signal())).await {
        Either::Left((ended, _)) => assert!(ended.is_err_and(|error| error.is_cancelled())),
        Either::Right((_, work)) => {
            // In a hurry: the closing finds that all have ended.
            scope_process::kill_all();
            assert!(work.await.is_err_and(|error| error.is_cancelled()));
            exit(130);
        }
    }
}
