//! The host on rmcp, written as its users do; on our transport or on rmcp's own, which is one type.

use std::error::Error;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::process::{abort, exit};

use futures_lite::future::poll_once;
use futures_util::future::{Either, select};
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{Peer, RunningService, ServiceError};
use rmcp::transport::TokioChildProcess;
use rmcp::{RoleClient, ServiceExt as _};
use scope_mcp_rmcp::ChildProcess;
use serde_json::Value;
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::line::Line;
use super::{Plan, spec};
use crate::kinds::{BUDGETS, Client, Ending, Server};

type Service = RunningService<RoleClient, ()>;
type Failed = Box<dyn Error + Send + Sync>;

/// An open client, and the call that it is in the middle of, if any.
struct Held {
    service: Service,
    call: Option<Call>,
}

type Call = Pin<Box<dyn Future<Output = String> + Send>>;

async fn open(plan: &Plan) -> Result<Service, Failed> {
    let start = spec::start(plan);
    let mut command = Command::new(start.command);
    command.args(start.args).env(spec::VARIABLE, &plan.mark);
    if let Some(cwd) = start.cwd {
        command.current_dir(cwd);
    }
    Ok(match plan.client {
        Client::RmcpOwn => ().serve(TokioChildProcess::new(command)?).await?,
        _ => {
            let server = ChildProcess::builder(command).budgets(BUDGETS).reach(plan.server.reach());
            ().serve(server.spawn()?.0).await?
        }
    })
}

/// Opens the server, gets it to where it is to be, and says `ready`. `None` of one that does not open.
async fn hold(plan: &Plan, line: &Line) -> Option<Held> {
    let opened = open(plan).await;
    if plan.server == Server::ExitsAtOnce {
        assert!(opened.is_err(), "it opened");
        line.say("ready");
        return None;
    }
    let mut held = Held { service: opened.expect("it opens"), call: None };
    match plan.server {
        Server::NeverReads => held.begin(spec::large(), false).await,
        Server::Floods => {
            if plan.ending == Ending::DropNursery {
                held.begin(spec::hang(), true).await;
            }
            ask(&held.service, ("flood", Value::Null)).await.expect("answered before the flood");
        }
        _ if plan.ending == Ending::DropNursery => held.begin(spec::hang(), true).await,
        _ => drop(ask(&held.service, spec::echo()).await.expect("answered by every server that reads")),
    }
    line.say("ready");
    Some(held)
}

async fn ask(
    peer: &Peer<RoleClient>,
    (tool, arguments): (&'static str, Value),
) -> Result<CallToolResult, ServiceError> {
    let mut call = CallToolRequestParams::new(tool);
    call.arguments = arguments.as_object().cloned();
    peer.call_tool(call).await
}

impl Held {
    /// Begins a call; when this returns, it is with the server, or on its way to one that does not read.
    async fn begin(&mut self, what: (&'static str, Value), is_read: bool) {
        let peer = self.service.peer().clone();
        let mut call: Call = Box::pin(async move { format!("{:?}", ask(&peer, what).await) });
        let answered = poll_once(call.as_mut()).await;
        assert_eq!(answered, None, "a call that is never answered");
        if is_read {
            ask(&self.service, spec::echo()).await.expect("answered by every server that reads");
        }
        self.call = Some(call);
    }
}

/// Goes on as it is until the test says so.
async fn until_end(held: &mut Option<Held>, line: &Line) {
    match held.as_mut().and_then(|held| held.call.as_mut()) {
        None => line.wait_for("end").await,
        Some(call) => line.end_of(call).await,
    }
}

/// What holds an open client, and never ends by itself.
async fn stay(plan: Plan, line: Line) {
    match hold(&plan, &line).await {
        Some(Held { call: Some(call), service }) => panic!("the call has ended: {}, {service:?}", call.await),
        held => {
            pending::<()>().await;
            drop(held);
        }
    }
}

async fn body(plan: &Plan, line: &Line) -> Result<(), Failed> {
    let mut held = hold(plan, line).await;
    until_end(&mut held, line).await;
    let service = |held: Option<Held>| held.expect("it has opened").service;
    match plan.ending {
        Ending::Close => drop(service(held).cancel().await?),
        Ending::CloseElsewhere => drop(tokio::spawn(service(held).cancel()).await??),
        Ending::DropHandle => drop(held),
        Ending::Panic => panic!("as planned"),
        Ending::Exit => exit(6),
        Ending::Abort => abort(),
        other => unreachable!("{other:?} does not happen here"),
    }
    line.ask("ended", "finish").await;
    Ok(())
}

/// The first signal closes the client; at the second the program does not wait for that.
async fn obey(plan: &Plan, line: &Line) -> Result<(), Failed> {
    let mut signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let held = hold(plan, line).await;
    next(&mut signals).await;
    line.say("closing");
    let closing = async {
        match held {
            Some(held) => held.service.cancel().await.map(drop),
            None => Ok(()),
        }
    };
    match select(pin!(closing), pin!(next(&mut signals))).await {
        Either::Left((closed, _)) => Ok(closed?),
        Either::Right(_) => exit(130),
    }
}

async fn next((interrupt, terminate): &mut (Signal, Signal)) {
    select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
}

pub(super) fn warm_up(plan: &Plan) {
    let plan = Plan { server: Server::Polite, ..plan.clone() };
    let closed = runtime().block_on(async { open(&plan).await?.cancel().await.map_err(Failed::from) });
    closed.expect("a polite server opens and closes");
}

/// As `#[tokio::main]` makes it.
fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

pub(super) fn run(plan: &Plan, line: &Line) {
    let staying = || stay(plan.clone(), line.clone());
    match plan.ending {
        Ending::DropNursery => runtime().block_on(async {
            line.end_of(Box::pin(staying())).await;
            line.ask("ended", "finish").await;
        }),
        Ending::DropRuntime => {
            let runtime = runtime();
            runtime.spawn(staying());
            runtime.block_on(line.wait_for("end"));
            drop(runtime);
            line.ask_blocking("ended", "finish");
        }
        Ending::RuntimeGone => {
            let runtime = runtime();
            let mut staying = Box::pin(staying());
            runtime.block_on(line.end_of(&mut staying));
            drop(runtime);
            drop(staying);
            line.ask_blocking("ended", "finish");
        }
        Ending::Panic => {
            let run = || runtime().block_on(body(plan, line));
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "a panic is not swallowed");
            line.ask_blocking("ended", "finish");
        }
        ending if ending.is_handled() => runtime().block_on(obey(plan, line)).expect("the client closes"),
        Ending::SigTermUnhandled | Ending::SigIntUnhandled | Ending::SigKill => runtime().block_on(staying()),
        _ => runtime().block_on(body(plan, line)).expect("the client closes"),
    }
}
