//! What a client does with tools.

use serde::Serialize;

use super::call::read;
use super::connection::Spoken;
use super::paging::Listed;
use super::{CallOptions, Client, Page, waker};
use crate::Era;
use crate::error::{CallError, CallName};
use crate::jsonrpc::{Written, end_tool_call, member, name_and_arguments};
use crate::model::{CallToolResult, TaskMetadata, Tool};
use crate::session::Given;

/// The parameters of a call of a tool; with `task`, of one that is to be a task.
pub(super) fn call_params<A: Serialize + ?Sized>(
    name: &CallName<'_>,
    tool: &str,
    arguments: &A,
    task: Option<&TaskMetadata>,
) -> Result<Written, CallError> {
    Written::object(|text| {
        text.extend_from_slice(b"\"name\":");
        call_members(text, name, tool, arguments)?;
        if let Some(task) = task {
            member(text, "task", task).map_err(|error| CallError::not_json(name, error.to_string()))?;
        }
        Ok(())
    })
}

/// Writes the members that the parameters of each call of a tool have, from the value of `name` on.
fn call_members<A: Serialize + ?Sized>(
    text: &mut Vec<u8>,
    name: &CallName<'_>,
    tool: &str,
    arguments: &A,
) -> Result<(), CallError> {
    let at = name_and_arguments(text, tool, arguments).map_err(|error| CallError::not_json(name, error.to_string()))?;
    if text.get(at) == Some(&b'{') {
        Ok(())
    } else {
        Err(CallError::not_json(name, "the arguments of a tool must be a JSON object"))
    }
}

impl Listed for Tool {
    const METHOD: &'static str = "tools/list";
    const CAPABILITY: &'static str = "tools";
    const FIELD: &'static str = "tools";
    const NOUN: [&'static str; 2] = ["tool", "tools"];
}

impl Client {
    /// All tools of the server, over all pages. A server that does not declare `tools` is not asked, and has none.
    ///
    /// What you get is what each page said: where the server changes its tools between two pages, one may be there
    /// twice, or be missing.
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
        self.list_all(options).await
    }

    /// One page of the tools: the first, or the one that `cursor`, from the page before, stands for. A server that does
    /// not declare `tools` is not asked, and its only page is empty.
    ///
    /// # Errors
    /// As [`list_tools`](Client::list_tools); a cursor that the server does not know is for it to refuse.
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    ///
    /// ```no_run
    /// # async fn f(client: scope_mcp::Client) -> Result<(), scope_mcp::CallError> {
    /// let mut page = client.list_tools_page(None).await?;
    /// while let (None, Some(next)) = (page.items.iter().find(|tool| tool.name == "echo"), &page.next_cursor) {
    ///     page = client.list_tools_page(Some(next)).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list_tools_page(&self, cursor: Option<&str>) -> Result<Page<Tool>, CallError> {
        self.list_tools_page_with(cursor, &CallOptions::default()).await
    }

    /// As [`list_tools_page`](Client::list_tools_page), with other options.
    ///
    /// # Errors
    /// As [`list_tools_page`](Client::list_tools_page).
    pub async fn list_tools_page_with(
        &self,
        cursor: Option<&str>,
        options: &CallOptions,
    ) -> Result<Page<Tool>, CallError> {
        self.list_page(cursor, options).await
    }

    /// Calls a tool with `arguments`: anything that is written as a JSON object. It is sent as it is, whether or not the
    /// server declares `tools`, or lists this one.
    ///
    /// A tool that fails is not an error here: see [`CallToolResult::is_error`]. Whether the result follows the tool's
    /// output schema is not looked at: see [`OutputCheck`](crate::OutputCheck).
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
    pub fn call_tool<A>(
        &self,
        tool: &str,
        arguments: &A,
    ) -> impl Future<Output = Result<CallToolResult, CallError>> + Send
    where
        A: Serialize + Sync + ?Sized,
    {
        self.call_tool_with(tool, arguments, CallOptions::usual())
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
        let given = match self.shared.spoken.get() {
            // As nearly all are: it is written once, where it goes, and most of them are over with their first answer.
            Some(Spoken { revision, stamp }) if options.say_nothing() => {
                let id = self.shared.next_id();
                let mut blank = self.shared.abandoned.blank();
                let line = &mut blank.line;
                stamp.begin_tool_call(line, id);
                call_members(line, &name, tool, arguments)?;
                end_tool_call(line);
                let made = blank.made();
                let modern = revision.era() == Era::Modern;
                // Only there it may take several rounds, or become a task.
                let start = if modern { self.shared.now() } else { None };
                let mut terms = options.terms(&self.shared.options);
                let waiting = if self.may_enter() {
                    let (waiting, left) = self.enter(&name, id, made, &mut terms, start, waker().await, true);
                    if let Some(call) = left {
                        self.leave(call).await;
                    }
                    waiting
                } else {
                    self.hand_over(&name, id, made, &mut terms, start, true).await?
                };
                let first = match self.said(waiting).await {
                    Ok(first) => first,
                    Err(fault) => return Err(self.failed(fault.of(&name), &name).await),
                };
                match first {
                    Given::Raw(_) if modern => {
                        let params = call_params(&name, tool, arguments, None)?;
                        self.result_after(&name, params, options, start, first).await?
                    }
                    first => first,
                }
            }
            _ => self.given(&name, Some(call_params(&name, tool, arguments, None)?), options).await?,
        };
        match given {
            Given::Text(text) => Ok(text.into()),
            Given::Long(text) => Ok(text.into_text().into()),
            Given::Raw(raw) => read(&name, &raw),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn arguments_are_an_object_whatever_the_tool_is_called() {
        let tool = "a\",\"arguments\":{\"\\";
        let name = CallName { server: std::borrow::Cow::Owned("s".into()), method: "tools/call".into(), subject: None };
        let params = call_params(&name, tool, &json!({ "b": [1] }), None).unwrap();
        let read: Value = serde_json::from_slice(params.as_bytes()).unwrap();
        assert_eq!(read, json!({ "name": tool, "arguments": { "b": [1] } }));
        for other in [json!([1]), json!("{"), json!(null), json!(1)] {
            assert!(call_params(&name, tool, &other, None).unwrap_err().is_invalid_params(), "{other}");
        }
    }
}
