//! `scope-mcp call`: one call of one tool.

use std::time::Duration;

use scope_core::Nursery;
use scope_mcp::CallError;
use scope_mcp::model::CallToolResult;
use serde_json::{Map, Value};

use crate::app::App;
use crate::exit::{Code, Stop};
use crate::names;
use crate::open::{Open, refused};
use crate::{content, sanitize};

pub(crate) async fn run(
    app: &App,
    n: &Nursery<'_, '_>,
    target: &str,
    arguments: Map<String, Value>,
    timeout: Duration,
    json: bool,
) -> Result<Code, Stop> {
    let (server, tool) = app.config.target(target)?;
    let open = Open::open(app, n, server, timeout).await?;
    let outcome = call(app, &open, tool, arguments).await;
    let closed = open.close().await;
    match outcome? {
        Ok(result) => {
            app.stdout.line(if json { sanitize::to_json(&result)? } else { content::show(&result) });
            if result.is_error() {
                return Err(Stop::tool_error(format_args!("{target}: the tool reported an error")));
            }
        }
        Err(error) => return Err(refused(target, timeout, &error)),
    }
    closed.map(|_| Code::Done)
}

/// The answer; and an error of the outer kind if there is no such tool.
async fn call(
    app: &App,
    open: &Open<'_>,
    tool: &str,
    arguments: Map<String, Value>,
) -> Result<Result<CallToolResult, CallError>, Stop> {
    let answer = {
        let _task = app.progress.task(format!("calling {}{}{tool}", open.name, names::SEPARATOR));
        open.client.call_tool_with(tool, &arguments, &open.options()).await
    };
    let failed = match &answer {
        Ok(result) => result.is_error().then(|| content::show(result)),
        Err(error) => error.rejection().map(ToString::to_string),
    };
    // Servers say "unknown tool" in many ways. Their lists say it in one.
    if let Some(said) = failed
        && let Ok(tools) = open.list_tools().await
        && tools.iter().all(|known| known.name != tool)
    {
        let known = tools.iter().map(|known| known.name.as_str());
        return Err(Stop::usage(names::missing(open.name, "tool", tool, known, &said)));
    }
    Ok(answer)
}
