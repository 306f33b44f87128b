//! What a client does with tools.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{CallOptions, Client};
use crate::error::{CallError, CallName, Delivery, parse_error};
use crate::model::{CallToolResult, ListToolsResult, Tool};
use crate::visible::Visible;

#[derive(Serialize)]
struct PageParams<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct CallToolParams<'a> {
    name: &'a str,
    arguments: &'a RawValue,
}

/// As much of a tool as a message about it needs.
#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Client {
    /// All tools of the server, over all pages. A server that does not declare `tools` is not asked, and has none.
    ///
    /// # Errors
    /// See [`CallError`]; [`is_endless`](CallError::is_endless) if a cursor comes again, or if there are more tools or
    /// pages than [`ClientOptions`](crate::ClientOptions) allow. The time-out is for all pages together.
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn list_tools(&self) -> Result<Vec<Tool>, CallError> {
        self.list_tools_with(&CallOptions::default()).await
    }

    /// As [`list_tools`](Client::list_tools), with other options.
    ///
    /// # Errors
    /// As [`list_tools`](Client::list_tools).
    pub async fn list_tools_with(&self, options: &CallOptions) -> Result<Vec<Tool>, CallError> {
        let name = self.call_name("tools/list", None);
        let info = match self.info() {
            Some(info) => info,
            None => self.ready().await.map_err(|error| CallError::not_opened(&name, error))?,
        };
        if !info.capabilities.has("tools") {
            return Ok(Vec::new());
        }
        let timeout = options.timeout.unwrap_or(self.shared.options.call_timeout);
        let start = self.shared.now();
        let mut tools: Vec<Tool> = Vec::new();
        let mut cursors = HashSet::new();
        let mut cursor: Option<String> = None;
        for page_number in 1.. {
            let params = cursor.as_deref().map(|cursor| PageParams { cursor: Some(cursor) });
            let params = match params {
                Some(params) => Some(write(&name, &params)?),
                None => None,
            };
            let left = left(start, self.shared.now(), timeout);
            if left.is_zero() && page_number > 1 {
                return Err(CallError::timed_out(&name, Delivery::Answered, timeout, None));
            }
            let answer = self.request(name.clone(), params, left).await?;
            let page: ListToolsResult<'_> = read(&name, &answer)?;
            for tool in page.tools {
                tools.push(read_tool(&name, tool, tools.len())?);
            }
            let Some(next) = page.next_cursor else { return Ok(tools) };
            let limits = &self.shared.options;
            if tools.len() > limits.max_tools {
                let why = format!("the list has more than {} tools", limits.max_tools);
                return Err(CallError::endless(&name, why));
            }
            if page_number >= limits.max_pages {
                let why = format!("the list has more than {} pages", limits.max_pages);
                return Err(CallError::endless(&name, why));
            }
            if !cursors.insert(next.clone()) {
                let why = format!("the list has no end: page {page_number} gave a cursor that was given before");
                return Err(CallError::endless(&name, why));
            }
            cursor = Some(next);
        }
        Ok(tools)
    }

    /// Calls a tool with `arguments`: anything that is written as a JSON object.
    ///
    /// A tool that fails is not an error here: see [`CallToolResult::is_error`].
    ///
    /// # Errors
    /// See [`CallError`].
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    ///
    /// ```no_run
    /// # async fn f(client: scope_mcp::Client) -> Result<(), scope_mcp::CallError> {
    /// let result = client.call_tool("echo", &serde_json::json!({ "message": "hello" })).await?;
    /// # drop(result);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn call_tool<A>(&self, tool: &str, arguments: &A) -> Result<CallToolResult, CallError>
    where
        A: Serialize + Sync + ?Sized,
    {
        self.call_tool_with(tool, arguments, &CallOptions::default()).await
    }

    /// As [`call_tool`](Client::call_tool), with other options.
    ///
    /// # Errors
    /// As [`call_tool`](Client::call_tool).
    pub async fn call_tool_with<A>(
        &self,
        tool: &str,
        arguments: &A,
        options: &CallOptions,
    ) -> Result<CallToolResult, CallError>
    where
        A: Serialize + Sync + ?Sized,
    {
        let name = self.call_name("tools/call", Some(tool));
        let arguments = write(&name, arguments)?;
        if !arguments.get().starts_with('{') {
            return Err(CallError::not_json(&name, "the arguments of a tool must be a JSON object"));
        }
        let params = write(&name, &CallToolParams { name: tool, arguments: &arguments })?;
        let timeout = options.timeout.unwrap_or(self.shared.options.call_timeout);
        let answer = self.request(name.clone(), Some(params), timeout).await?;
        read(&name, &answer)
    }
}

fn left(start: Option<Instant>, now: Option<Instant>, timeout: Duration) -> Duration {
    match (start, now) {
        (Some(start), Some(now)) => timeout.saturating_sub(now.saturating_duration_since(start)),
        _ => timeout,
    }
}

fn write<T: Serialize + ?Sized>(name: &CallName, value: &T) -> Result<Box<RawValue>, CallError> {
    to_raw_value(value).map_err(|error| CallError::not_json(name, error.to_string()))
}

/// One bad tool spoils the list; so it is named.
fn read_tool(name: &CallName, tool: &RawValue, place: usize) -> Result<Tool, CallError> {
    serde_json::from_str(tool.get()).map_err(|error| {
        let called = serde_json::from_str::<Named>(tool.get()).map(|it| it.name).unwrap_or_default();
        let why = format!("tool number {} (\"{}\"): {}", place + 1, Visible::new(&called, 100), parse_error(&error));
        CallError::malformed(name, why)
    })
}

fn read<'a, T: Deserialize<'a>>(name: &CallName, answer: &'a RawValue) -> Result<T, CallError> {
    serde_json::from_str(answer.get()).map_err(|error| CallError::malformed(name, parse_error(&error)))
}
