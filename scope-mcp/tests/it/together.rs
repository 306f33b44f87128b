//! Our client and our server, in both eras: what is asked, told and left to be done, each way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use event_listener::Event;
use futures_util::join;
use scope_core::{Failure, Nursery, checkpoint, tree};
use scope_mcp::model::{
    ContentBlock, ContentKind, CreateMessageParams, CreateMessageResult, ElicitFormParams, ElicitResult, FormField,
    Resource, Root, SamplingMessage, SubscriptionFilter, TaskStatus, TaskSupport,
};
use scope_mcp::transport::memory;
use scope_mcp::{
    Client, ClientOptions, Context, Era, HandlerError, NoArguments, ResourceUri, Roots, ServeOptions, Server,
    ServerHandle, ServerTool,
};
use serde_json::json;

use crate::support::{on_every_runtime, options};

/// How often a client may ask for a task.
const SOON: Duration = Duration::from_millis(100);

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// Both ends: the server's is kept, so that it lives.
async fn open(n: &Nursery<'_, '_>, server: &Server, options: ClientOptions) -> Result<(Client, ServerHandle), Failure> {
    let (ours, theirs) = memory::pair(512);
    let serving = server.start(n, theirs, ServeOptions::default().task_poll_interval(SOON))?;
    Ok((Client::open_stream(n, "ours", ours, options).await?, serving))
}

on_every_runtime! {
    async fn a_tool_asks_for_everything_at_once_and_gets_it(n, TEST) {
        let _ = TEST;
        let server = Server::builder("asks", "1")
            .tool("ask", "Asks.", |_: NoArguments, cx: Context| async move {
                let form = ElicitFormParams::new("who?").field("name", FormField::text().default_value("nobody"));
                let sample = CreateMessageParams::new([SamplingMessage::user("a word?")], 10);
                let (name, word, roots) =
                    join!(cx.elicit("name", form), cx.sample("word", &sample), cx.roots("roots"));
                let name = name?.content.unwrap_or_default()["name"].clone();
                let word = word?.content.blocks()[0].as_object()["text"].clone();
                Ok::<_, HandlerError>(json!([name, word, roots?[0].uri]).to_string())
            })
            .build()?;
        for era in ERAS {
            let options = options()
                .era(era)
                .roots(Roots::new([Root::new("file:///here")]))
                .on_sampling(|question| async move {
                    assert_eq!((&*question.server, question.params.max_tokens), ("ours", 10));
                    Ok(CreateMessageResult::new("m", ContentBlock::text("mum")))
                })
                .on_elicitation(|_| async { Ok(ElicitResult::accept()) });
            let (client, serving) = open(n, &server, options).await?;
            let result = client.call_tool("ask", &json!({})).await?;
            assert_eq!(result.content[0].kind(), ContentKind::Text(r#"["nobody","mum","file:///here"]"#), "{era}");
            client.close().await?;
            serving.closed().await;
        }
    }
}

on_every_runtime! {
    async fn changes_are_told_to_who_listens(n, TEST) {
        let _ = TEST;
        for era in ERAS {
            let server = Server::builder("changes", "1")
                .dynamic_tools()
                .resource_updates()
                .resource(Resource::new("x:a", "a"), |_: ResourceUri, _| async { "a" })
                .build()?;
            let (client, serving) = open(n, &server, options().era(era)).await?;
            let wanted = SubscriptionFilter::new().tools_list_changed().prompts_list_changed().resource("x:a");
            let mut changes = client.listen(&wanted).await?;
            let honoured = changes.honoured();
            assert_eq!((honoured.tools_list_changed, honoured.prompts_list_changed), (Some(true), None), "{era}");
            assert_eq!(honoured.resource_subscriptions.as_deref(), Some(&["x:a".to_owned()][..]));
            server.resource_updated("x:a");
            assert_eq!(changes.next().await.unwrap().method(), "notifications/resources/updated");
            server.add_tool(ServerTool::new("new", "", |_: NoArguments, _| async { "new" }))?;
            assert_eq!(changes.next().await.unwrap().method(), "notifications/tools/list_changed");
            drop(changes);
            // In order on the wire: the server has heard of the end before it answers this.
            assert_eq!(client.list_tools().await?.len(), 1);
            client.close().await?;
            serving.closed().await;
        }
    }
}

/// How many tools run, and whether they may go on.
#[derive(Default)]
struct Known {
    running: AtomicUsize,
    open: AtomicBool,
    changed: Event,
}

struct Running(Arc<Known>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify(usize::MAX);
    }
}

impl Known {
    fn run(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        self.changed.notify(usize::MAX);
        Running(Arc::clone(self))
    }

    fn open(&self, open: bool) {
        self.open.store(open, Ordering::SeqCst);
        self.changed.notify(usize::MAX);
    }

    async fn until_open(&self) {
        self.until(|| self.open.load(Ordering::SeqCst)).await;
    }

    /// Waits until so many run.
    async fn until_running(&self, count: usize) {
        self.until(|| self.running.load(Ordering::SeqCst) == count).await;
    }

    async fn until(&self, so: impl Fn() -> bool) {
        loop {
            let changed = self.changed.listen();
            if so() {
                return;
            }
            changed.await;
        }
    }
}

on_every_runtime! {
    async fn a_task_is_waited_for_or_cancelled_and_asks_meanwhile(n, TEST) {
        let _ = TEST;
        let known = Arc::<Known>::default();
        let inner = Arc::clone(&known);
        let slow = ServerTool::new("slow", "Takes its time.", move |_: NoArguments, cx: Context| {
            let known = Arc::clone(&inner);
            async move {
                let _running = known.run();
                // It runs anew when its question has been answered, in the modern era: then it need not wait again.
                known.until_open().await;
                let form = ElicitFormParams::new("who?").required_field("name", FormField::text());
                let answer = cx.elicit("name", form).await?;
                Ok::<_, HandlerError>(answer.content.unwrap_or_default()["name"].to_string())
            }
        });
        let server = Server::builder("tasks", "1")
            .add_tool(slow.describe(|tool| tool.task_support(TaskSupport::Optional)))
            .build()?;
        for era in ERAS {
            let options = options().era(era).on_elicitation(|_| async {
                let content = json!({ "name": "me" }).as_object().cloned().unwrap_or_default();
                Ok(ElicitResult::accept_with(content))
            });
            let (client, serving) = open(n, &server, options).await?;
            let mut task = client.start_tool("slow", &json!({})).await?;
            assert!(task.id().is_some() && task.status() == TaskStatus::Working, "{era}: {task:?}");
            known.until_running(1).await;
            known.open(true);
            let result = task.wait().await?;
            assert_eq!(result.content[0].kind(), ContentKind::Text("\"me\""), "{era}");
            known.open(false);
            let task = client.start_tool("slow", &json!({})).await?;
            known.until_running(1).await;
            drop(task);
            known.until_running(0).await;
            let mut task = client.start_tool("slow", &json!({})).await?;
            known.until_running(1).await;
            task.cancel().await?;
            known.until_running(0).await;
            let error = task.wait().await.unwrap_err();
            assert!(error.is_ended(), "{era}: {error}");
            client.close().await?;
            serving.closed().await;
        }
    }
}

on_every_runtime! {
    async fn the_tree_shows_what_both_ends_wait_for_also_after_calls(n, TEST) {
        let _ = TEST;
        let server = Server::builder("echoes", "1")
            .tool("echo", "Echoes.", |_: NoArguments, _| async { Ok::<_, HandlerError>("echo".to_owned()) })
            .build()?;
        for era in ERAS {
            let (near, far) = memory::pair(512);
            let (serving, at) = (server.start(n, far, ServeOptions::default())?, line!());
            let (client, from) = (Client::open_stream(n, "ours", near, options().era(era)).await?, line!());
            for _ in 0..3 {
                client.call_tool("echo", &json!({})).await?;
            }
            // The tree is the whole process's: of that only what was opened in these two lines.
            let waits = |line: u32| {
                let (tree, opened) = (tree::dump().to_string(), format!("(opened at {}:{line}:", file!()));
                let mut services = tree.split("service ").skip(1).filter(|service| service.contains(&opened));
                services.any(|service| service.contains("its body, waiting for the next request"))
            };
            // Not while it is being polled, perhaps on another thread; a hang is the test's.
            while !(waits(at) && waits(from)) {
                checkpoint().await;
            }
            client.close().await?;
            serving.close().await?;
        }
    }
}
