//! Whether a tool gives back what it says it does.

use crate::model::{CallToolResult, Tool};
use crate::schema::{Schema, SchemaError, SchemaViolation};

/// Checks the results of a tool by its [`output_schema`](Tool::output_schema). [`Client::call_tool`] does not do that by
/// itself: a result that breaks the server's own promise may still be of use.
///
/// [`Client::call_tool`]: crate::Client::call_tool
///
/// ```no_run
/// # async fn f(client: scope_mcp::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use scope_mcp::OutputCheck;
/// for tool in client.list_tools().await? {
///     let check = OutputCheck::of(&tool)?;
///     let result = client.call_tool(&tool.name, &serde_json::json!({})).await?;
///     if let Some(check) = &check {
///         check.check(&result)?;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OutputCheck(Schema);

impl OutputCheck {
    /// For the results of `tool`; `None` if it promises nothing.
    ///
    /// # Errors
    /// [`SchemaError`] if its output schema cannot be used.
    pub fn of(tool: &Tool) -> Result<Option<OutputCheck>, SchemaError> {
        let Some(schema) = &tool.output_schema else { return Ok(None) };
        Schema::compile(&schema.clone().into()).map(OutputCheck).map(Some)
    }

    /// Checks a result. One that [reports a failure](CallToolResult::is_error) need not follow the schema.
    ///
    /// Does not wait for anything, but may compute for a second at the worst, as [`Schema::check`].
    ///
    /// # Errors
    /// [`SchemaViolation`] if there is no structured content, or it does not follow the schema.
    pub fn check(&self, result: &CallToolResult) -> Result<(), SchemaViolation> {
        if result.is_error() {
            return Ok(());
        }
        match &result.structured_content {
            Some(content) => self.0.check(content),
            None => Err(SchemaViolation::of_the_whole("there is no structured content, and the tool promises some")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn outcome(result: Value) -> Result<(), SchemaViolation> {
        let tool = json!({
            "name": "add",
            "inputSchema": {},
            "outputSchema": { "type": "object", "properties": { "sum": { "type": "number" } }, "required": ["sum"] },
        });
        let check = OutputCheck::of(&serde_json::from_value(tool).unwrap()).unwrap().unwrap();
        check.check(&serde_json::from_value(result).unwrap())
    }

    #[test]
    fn a_result_follows_the_promise_or_is_told_where_not() {
        assert_eq!(outcome(json!({ "content": [], "structuredContent": { "sum": 5 } })), Ok(()));
        let error = outcome(json!({ "content": [], "structuredContent": { "sum": "5" } })).unwrap_err();
        assert_eq!(error.to_string(), "at /sum: the value is not of type \"number\"");
        assert!(outcome(json!({ "content": [] })).unwrap_err().to_string().contains("no structured content"));
        assert_eq!(outcome(json!({ "content": [], "isError": true })), Ok(()));
    }

    #[test]
    fn without_a_promise_there_is_nothing_to_check() {
        let tool: Tool = serde_json::from_value(json!({ "name": "a", "inputSchema": {} })).unwrap();
        assert!(OutputCheck::of(&tool).unwrap().is_none());
    }
}
