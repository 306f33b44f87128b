//! The tools.

use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use scope_mcp::model::{CallToolResult, ContentBlock, Object, ToolAnnotations};
use scope_mcp::schemars::{self, JsonSchema};
use scope_mcp::{Context, HandlerError, Json, ServerBuilder, ServerTool, ToolOutput};
use serde::{Deserialize, Serialize};
use serde_json::Number;

pub(super) fn add(server: ServerBuilder) -> ServerBuilder {
    let harmless = |tool: ServerTool, title: &str| {
        tool.describe(|tool| tool.title(title).annotations(ToolAnnotations::new().read_only(true).open_world(false)))
    };
    let spawn = "Starts a process that sleeps, and leaves it running: whoever started this server has to end it.";
    let spawn_child = ServerTool::new("spawn_child", spawn, spawn_child).describe(|tool| {
        let annotations = ToolAnnotations::new().read_only(false).open_world(false);
        tool.title("Spawn a child process").annotations(annotations)
    });
    let sleeps = "Answers after some seconds; reports progress, and can be cancelled.";
    server
        .add_tool(harmless(ServerTool::new("echo", "Says the text back.", echo), "Echo"))
        .add_tool(harmless(ServerTool::new("add", "Adds two numbers.", sum), "Add"))
        .add_tool(harmless(ServerTool::new("sleep", sleeps, sleep), "Sleep"))
        .add_tool(harmless(ServerTool::new("fail", "Reports an error of its own.", fail), "Fail"))
        .add_tool(spawn_child)
}

/// A value for programs, and what people are told instead.
struct Told<T> {
    text: String,
    value: T,
}

impl<T: Serialize + JsonSchema> ToolOutput for Told<T> {
    fn into_tool_result(self) -> Result<CallToolResult, HandlerError> {
        let mut result = Json(self.value).into_tool_result()?;
        result.content = vec![ContentBlock::text(self.text)];
        Ok(result)
    }

    fn output_schema() -> Option<Object> {
        Json::<T>::output_schema()
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Echo {
    /// what to say back
    text: String,
}

async fn echo(it: Echo, _: Context) -> String {
    it.text
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Summands {
    /// the first number
    a: Number,
    /// the second number
    b: Number,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    /// the sum
    sum: Number,
}

async fn sum(Summands { a, b }: Summands, _: Context) -> Result<Told<Sum>, HandlerError> {
    let exact = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b)).map(Number::from);
    let sum = exact.or_else(|| Number::from_f64(a.as_f64()? + b.as_f64()?));
    let sum = sum.ok_or_else(|| HandlerError::new(format_args!("the sum of {a} and {b} is too large")))?;
    Ok(Told { text: sum.to_string(), value: Sum { sum } })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fail {
    /// what the error says
    message: String,
}

async fn fail(it: Fail, _: Context) -> Result<String, HandlerError> {
    Err(HandlerError::new(it.message))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Seconds {
    /// how long, from 0 to 3600
    #[schemars(range(min = 0.0, max = 3600.0))]
    seconds: f64,
}

async fn sleep(Seconds { seconds }: Seconds, cx: Context) -> Result<String, HandlerError> {
    const EVERY: Duration = Duration::from_millis(200);
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(seconds);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(format!("slept for {seconds} seconds"));
        }
        scope_core::sleep(left.min(EVERY)).await?;
        let elapsed = start.elapsed().as_secs_f64().min(seconds);
        cx.progress(elapsed, Some(seconds), Some("asleep")).await;
    }
}

#[derive(Serialize, JsonSchema)]
struct Spawned {
    /// the process that was started
    pid: u32,
}

async fn spawn_child(Seconds { seconds }: Seconds, _: Context) -> Result<Told<Spawned>, HandlerError> {
    let pid = scope_core::blocking(move |_| spawn(seconds))
        .await?
        .map_err(|error| HandlerError::new(format_args!("`sleep {seconds}` could not be started: {error}")))?;
    Ok(Told { text: format!("process {pid} sleeps for {seconds} seconds"), value: Spawned { pid } })
}

fn spawn(seconds: f64) -> io::Result<u32> {
    let mut child = Command::new("sleep")
        .arg(seconds.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let pid = child.id();
    // Someone has to collect it, or it stays as a zombie for as long as this server lives.
    thread::Builder::new().name("reaper".into()).stack_size(64 << 10).spawn(move || child.wait())?;
    Ok(pid)
}
