//! What a host does with a server, from opening it to closing it, and what must be true after each step.

use std::collections::HashSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use scope_core::{Failure, Spawner, Spawns, TaskId, nursery, task};
use scope_mcp::model::{
    CallToolResult, ContentBlock, ContentKind, ElicitFormParams, ElicitResult, Object, SubscriptionFilter, TaskStatus,
};
use scope_mcp::{Client, ClientOptions, CloseReport, Direction, Ending, Era, ServerSpec};
use scope_process::{Budgets, Ended, Sent};
use serde_json::Value;

use crate::peers::{Call, MANY, Peer};
use crate::processes::{Process, Stopped, depth, marked, tree};
use crate::wire::Wire;

/// The runtime that a visit runs on.
#[derive(Clone, Copy)]
pub(crate) enum Runtime {
    Tokio,
    Smol,
}

impl Runtime {
    pub(crate) const ALL: [Runtime; 2] = [Runtime::Tokio, Runtime::Smol];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Runtime::Tokio => "tokio",
            Runtime::Smol => "smol",
        }
    }
}

/// For everything that a server does at once when it can.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name of an environment variable that only the server of this visit has, and whatever it starts.
pub(crate) fn mark(peer: &dyn Peer, era: Era, runtime: Runtime) -> String {
    format!("SCOPE_REAL_PEER_{}_{}_{}_{era}", std::process::id(), runtime.name(), peer.name().replace('-', "_"))
}

/// The whole visit.
///
/// # Panics
/// If anything is not as it should be; the text says what.
pub(crate) fn run(peer: &'static dyn Peer, era: Era, runtime: Runtime, wire: &Wire) {
    let visit = Arc::new(Visit::new(peer, era, runtime, wire.clone()));
    let result = match runtime {
        Runtime::Tokio => scope_tokio::run(async |n| visit.from_open_to_close(&n.spawner()).await),
        Runtime::Smol => scope_smol::run(async |n| visit.from_open_to_close(&n.spawner()).await),
    };
    result.unwrap_or_else(|error| panic!("{error}"));
    let left = marked(&visit.mark);
    assert!(left.is_empty(), "still running when the root scope has returned: {}", list(&left));
}

struct Visit {
    peer: &'static dyn Peer,
    era: Era,
    wire: Wire,
    mark: String,
    scratch: Scratch,
}

impl Visit {
    fn new(peer: &'static dyn Peer, era: Era, runtime: Runtime, wire: Wire) -> Self {
        let mark = mark(peer, era, runtime);
        let scratch = Scratch::new(&mark);
        peer.prepare(&scratch.0);
        Visit { peer, era, wire, mark, scratch }
    }

    async fn from_open_to_close(self: &Arc<Self>, home: &Spawner) -> Result<(), Failure> {
        let (client, opener) = self.opens_in_another_task(home).await?;
        assert_eq!(client.info().expect("it is open").revision.era(), self.era);
        let processes = self.runs(&client);
        self.lists_all_pages(&client).await;
        self.asks(&client, self.peer.succeeds(&self.scratch.0)).await;
        self.is_told_of_a_tool_s_own_error(&client).await;
        self.uses_what_else_there_is(&client).await?;
        self.asks_from_many_tasks_at_once(&client).await?;
        self.cancels_a_call(&client).await;
        self.closes_in_another_task(home, client, opener, &processes).await
    }

    /// The task that opens the server has ended before anybody uses it.
    async fn opens_in_another_task(&self, home: &Spawner) -> Result<(Client, TaskId), Failure> {
        let start = self.peer.start(&self.scratch.0);
        let mut spec = ServerSpec::new(self.peer.name(), start.command).args(start.args).cwd(start.cwd);
        for (name, value) in start.env {
            spec = spec.env(name, value);
        }
        // All times are generous: node and Python take theirs where much else is going on, also to leave. But who does not
        // leave is not waited for.
        let mut budgets = Budgets::default().with_after_term(PATIENCE);
        if self.peer.ends() == Ended::AtEndOfInput {
            budgets = budgets.with_after_eof(PATIENCE);
        }
        let spec = spec.env(&self.mark, "1").budgets(budgets);
        let mut options = ClientOptions::default()
            .open_timeout(PATIENCE)
            .probe_timeout(PATIENCE)
            .wire(Arc::new(self.wire.clone()))
            .on_elicitation(|question| async move { Ok(ElicitResult::accept_with(fill_in(&question.params))) });
        // Only who speaks both is told: what a server speaks, the client finds out.
        if self.era == Era::Legacy && self.peer.eras().contains(&Era::Modern) {
            options = options.era(Era::Legacy);
        }
        let here = home.clone();
        let opener = home.task("opener").spawn_erased_with_handle(async move {
            let client = Client::open(&here, spec, options).await?;
            Ok((client, task::id().expect("in a task")))
        });
        Ok(opener?.await?)
    }

    /// Its processes, as the system shows them: the one we started, and what is between it and the real server.
    fn runs(&self, client: &Client) -> Vec<Process> {
        let pid = client.info().and_then(|info| info.pid).expect("it is open, and a process");
        let mut processes = tree(pid.try_into().expect("a number that the system has"));
        let deepest = processes.iter().map(|one| depth(one, &processes)).max();
        assert_eq!(deepest, Some(self.peer.origin().depth()), "{}", list(&processes));
        // As a rule these are the same; but whatever else carries the mark has to go too.
        for one in marked(&self.mark) {
            if !processes.iter().any(|known| known.same(&one)) {
                processes.push(one);
            }
        }
        processes
    }

    async fn lists_all_pages(&self, client: &Client) {
        let offers = self.peer.offers(self.era);
        let since = self.wire.position();
        let tools = client.list_tools().await.unwrap_or_else(|error| panic!("{error}"));
        let resources = client.list_resources().await.unwrap_or_else(|error| panic!("{error}"));
        let templates = client.list_resource_templates().await.unwrap_or_else(|error| panic!("{error}"));
        let prompts = client.list_prompts().await.unwrap_or_else(|error| panic!("{error}"));
        self.all_of(since, "tools", tools.iter().map(|tool| &tool.name), self.peer.tools());
        self.all_of(since, "resources", resources.iter().map(|resource| &resource.uri), &offers.resources);
        self.all_of(since, "resourceTemplates", templates.iter().map(|one| &one.uri_template), &offers.templates);
        self.all_of(since, "prompts", prompts.iter().map(|prompt| &prompt.name), &offers.prompts);
    }

    /// Against what the server really said: every item of every page, and no page left.
    fn all_of<'a>(&self, since: usize, list: &str, found: impl Iterator<Item = &'a String>, wanted: &[&str]) {
        let found: Vec<&str> = found.map(String::as_str).collect();
        let names: HashSet<&str> = found.iter().copied().collect();
        for one in wanted {
            assert!(names.contains(one), "no {one} among the {list}: {names:?}");
        }
        let pages = self.wire.find(since, Direction::Received, |message| message["result"][list].is_array());
        let said: usize = pages.iter().map(|page| page["result"][list].as_array().map_or(0, Vec::len)).sum();
        assert_eq!((names.len(), found.len()), (said, said), "{list}, in {} pages", pages.len());
        assert!(pages.last().is_none_or(|page| page["result"]["nextCursor"].is_null()), "{list} go on");
    }

    /// What it has besides plain tools.
    async fn uses_what_else_there_is(&self, client: &Client) -> Result<(), Failure> {
        let offers = self.peer.offers(self.era);
        for (uri, says) in offers.reads {
            self.reads(client, uri, says).await?;
        }
        for (prompt, arguments, says) in offers.gets {
            let got = client.get_prompt(prompt, &arguments).await?;
            let text = text(got.messages.iter().map(|message| &message.content));
            assert!(text.contains(&says), "{prompt} does not say {says:?}, but: {text}");
        }
        for (begun, wanted) in offers.completes {
            assert_eq!(client.complete(&begun).await?.completion.values, wanted);
        }
        for call in offers.asks_back {
            self.asks(client, call).await;
        }
        for (uri, call) in offers.changes {
            let mut changes = client.listen(&SubscriptionFilter::new().resource(uri)).await?;
            let says = call.says.clone();
            self.asks(client, call).await;
            let change = changes.next().await.unwrap_or_else(|| panic!("no change: {:?}", changes.end()));
            assert_eq!(change.method(), "notifications/resources/updated");
            self.reads(client, uri, &says).await?;
        }
        for call in offers.tasks {
            let mut task = client.start_tool(call.tool, &call.arguments).await?;
            assert_eq!(task.status(), TaskStatus::Working);
            check(&call, &task.wait().await?);
        }
        Ok(())
    }

    async fn reads(&self, client: &Client, uri: &str, says: &str) -> Result<(), Failure> {
        let read = client.read_resource(uri).await?;
        let text: String = read.contents.iter().filter_map(|one| one.text.as_deref()).collect();
        assert!(text.contains(says), "{uri} does not say {says:?}, but: {text}");
        Ok(())
    }

    async fn asks(&self, client: &Client, call: Call) {
        let result = self.answer(client, &call).await;
        assert!(!result.is_error(), "{} says it failed: {}", call.tool, text(&result.content));
    }

    async fn is_told_of_a_tool_s_own_error(&self, client: &Client) {
        let call = self.peer.fails(&self.scratch.0);
        let result = self.answer(client, &call).await;
        assert!(result.is_error(), "{} says it succeeded: {}", call.tool, text(&result.content));
    }

    async fn answer(&self, client: &Client, call: &Call) -> CallToolResult {
        let result = client.call_tool(call.tool, &call.arguments).await;
        let result = result.unwrap_or_else(|error| panic!("{}: {error}", call.tool));
        check(call, &result);
        result
    }

    /// All are with the server before it answers the first: it stands still meanwhile.
    async fn asks_from_many_tasks_at_once(self: &Arc<Self>, client: &Client) -> Result<(), Failure> {
        let since = self.wire.position();
        let many = nursery(async |n| {
            let stopped = Stopped::all(marked(&self.mark));
            for i in 0..MANY {
                let (visit, client) = (Arc::clone(self), client.clone());
                n.spawn_erased(async move {
                    visit.asks(&client, visit.peer.one_of_many(i, &visit.scratch.0)).await;
                    Ok(())
                });
            }
            self.wire.wait_for(MANY, since, Direction::Sent, |message| message["method"] == "tools/call").await;
            drop(stopped);
            Ok(())
        });
        Ok(many.named("many").await?)
    }

    /// Whoever asked is gone while the server works, or stands still: it is told, and the session goes on.
    async fn cancels_a_call(&self, client: &Client) {
        let since = self.wire.position();
        let (call, stopped) = match self.peer.slow() {
            Some(call) => (call, None),
            None => (self.peer.one_of_many(0, &self.scratch.0), Some(Stopped::all(marked(&self.mark)))),
        };
        let asking = Box::pin(client.call_tool(call.tool, &call.arguments));
        let sent = Box::pin(self.wire.wait_for(1, since, Direction::Sent, |message| message["method"] == "tools/call"));
        let request = match select(asking, sent).await {
            Either::Left((answer, _)) => panic!("answered, by a server that could not: {answer:?}"),
            Either::Right((requests, asking)) => {
                drop(asking);
                requests[0].clone()
            }
        };
        let told = self
            .wire
            .wait_for(1, since, Direction::Sent, |message| message["method"] == "notifications/cancelled")
            .await;
        assert_eq!(told[0]["params"]["requestId"], request["id"]);
        drop(stopped);
        self.asks(client, self.peer.one_of_many(1, &self.scratch.0)).await;
    }

    async fn closes_in_another_task(
        &self,
        home: &Spawner,
        client: Client,
        opener: TaskId,
        processes: &[Process],
    ) -> Result<(), Failure> {
        let asks = client.clone();
        let closer = home
            .task("closer")
            .spawn_erased_with_handle(async move { Ok((asks.close().await?, task::id().expect("in a task"))) });
        let (report, closer) = closer?.await?;
        assert_ne!(opener, closer);
        let left: Vec<Process> = processes.iter().filter(|one| one.is_left()).cloned().collect();
        assert!(left.is_empty(), "closed, and still there: {}", list(&left));
        let left = marked(&self.mark);
        assert!(left.is_empty(), "closed, and still running: {}", list(&left));
        self.reports(&report);
        let late = client.call_tool("any", &serde_json::json!({})).await.expect_err("it is closed");
        assert!(late.is_closed() && late.is_not_sent(), "{late:?}");
        Ok(())
    }

    /// Nobody cut corners, and the report knows what happened.
    fn reports(&self, report: &CloseReport) {
        let process = report.process.as_ref().expect("there was a process");
        let status = report.exit_status().expect("it has ended, and nobody else reaps it");
        assert!(matches!(report.ending, Ending::Closed), "{report}");
        assert!(report.is_complete() && process.survivors().is_empty(), "{report:#}");
        assert_eq!(report.unanswered, 0, "{report}");
        assert_eq!(process.ended(), self.peer.ends(), "{report:#}");
        if self.peer.ends() == Ended::AtTerm {
            assert_eq!(process.signals(), &[Sent::Term][..], "{report:#}");
            assert_eq!(status.signal(), Some(15), "{report:#}");
        } else {
            assert_eq!(process.signals(), &[][..], "{report:#}");
            assert_eq!(status.code(), Some(0), "{report:#}");
            assert!(report.is_polite(), "{report:#}");
        }
        let said = report.stderr_tail.join("\n");
        assert!(said.contains(self.peer.says_on_stderr()), "{said}");
    }
}

/// Whether it says what it must.
fn check(call: &Call, result: &CallToolResult) {
    let text = text(&result.content);
    assert!(text.contains(&call.says), "{} does not say {:?}, but: {text}", call.tool, call.says);
}

/// What we fill into a form: the first choice where there is one, and where there is none a name.
fn fill_in(form: &ElicitFormParams) -> Object {
    let schema = &form.requested_schema;
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let value = |field: &str| match &schema["properties"][field]["oneOf"][0]["const"] {
        Value::Null => "Ada".into(),
        choice => choice.clone(),
    };
    required.map(|field| (field.to_owned(), value(field))).collect()
}

fn text<'a>(content: impl IntoIterator<Item = &'a ContentBlock>) -> String {
    let pieces = content.into_iter().filter_map(|block| match block.kind() {
        ContentKind::Text(text) => Some(text),
        _ => None,
    });
    pieces.collect()
}

fn list(processes: &[Process]) -> String {
    processes.iter().map(|one| format!("\n  {one}")).collect()
}

/// A directory for one visit, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(id: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(id);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays lies in the target directory, and goes with that.
        let _ = fs::remove_dir_all(&self.0);
    }
}
