//! Tools that run as tasks, and one beside them that does not.

use std::time::Duration;

use futures_util::future::join;
use scope_core::sleep;
use scope_mcp::model::{ElicitFormParams, FormField, TaskSupport};
use scope_mcp::schemars::{self, JsonSchema};
use scope_mcp::{Context, HandlerError, NoArguments, Rejection, ServerBuilder, ServerTool};
use serde::Deserialize;

type Said = Result<String, HandlerError>;

pub(crate) fn add(server: ServerBuilder) -> ServerBuilder {
    let optional = |tool: ServerTool| tool.describe(|tool| tool.task_support(TaskSupport::Optional));
    let required = |tool: ServerTool| tool.describe(|tool| tool.task_support(TaskSupport::Required));
    server
        .tool("greet", "Greets, at once", |who: Who, _: Context| async move { format!("Hello, {}!", who.name) })
        .add_tool(optional(ServerTool::new("slow_compute", "Takes its time", slow)))
        .add_tool(required(ServerTool::new("failing_job", "Fails after a second", failing)))
        .add_tool(optional(ServerTool::new("protocol_error_job", "Ends with an error of the protocol", broken)))
        .add_tool(optional(ServerTool::new("confirm_delete", "Asks before it pretends to delete", confirm)))
        .add_tool(optional(ServerTool::new("multi_input", "Asks two things at once", two)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Who {
    /// Who is greeted.
    name: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Slow {
    /// How long it takes.
    seconds: u32,
    /// What it is called.
    label: Option<String>,
}

async fn slow(slow: Slow, _: Context) -> Said {
    sleep(Duration::from_secs(slow.seconds.into())).await?;
    Ok(format!("{} took {} s", slow.label.as_deref().unwrap_or("It"), slow.seconds))
}

async fn failing(_: NoArguments, _: Context) -> Said {
    sleep(Duration::from_secs(1)).await?;
    Err(HandlerError::new("this job always fails"))
}

async fn broken(_: NoArguments, _: Context) -> Said {
    Err(Rejection::internal("this job always breaks").into())
}

#[derive(Debug, Deserialize, JsonSchema)]
struct File {
    /// What is not deleted in truth.
    filename: String,
}

async fn confirm(file: File, cx: Context) -> Said {
    let form = ElicitFormParams::new(format!("Delete {}?", file.filename));
    let answer = cx.elicit("confirm", form.required_field("confirm", FormField::boolean())).await?;
    Ok(format!("{}: {:?}", file.filename, answer.action))
}

async fn two(_: NoArguments, cx: Context) -> Said {
    let form = |question| ElicitFormParams::new(question).field("name", FormField::text());
    let first = cx.elicit("first", form("The first?"));
    let (first, second) = join(first, cx.elicit("second", form("The second?"))).await;
    Ok(format!("{:?}, {:?}", first?.action, second?.action))
}
