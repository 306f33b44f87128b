//! What handlers may give back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

use super::HandlerError;
use crate::model::{
    CallToolResult, CompleteResult, Completion, ContentBlock, GetPromptResult, Object, PromptMessage,
    ReadResourceResult, ResourceContents,
};

/// What a tool may give back: a [`CallToolResult`] or parts of one, a text, nothing, [`Json`], and a `Result` of these.
pub trait ToolOutput {
    /// The result to be sent.
    ///
    /// # Errors
    /// What went wrong: becomes a result that says so.
    fn into_tool_result(self) -> Result<CallToolResult, HandlerError>;

    /// The same where the result is one text and nothing else, so that it need not be made; or `self` as it was.
    ///
    /// # Errors
    /// `self`, which may still be a text: this is asked first, and need not be known.
    fn into_text(self) -> Result<String, Self>
    where
        Self: Sized,
    {
        Err(self)
    }

    /// JSON Schema of the result's structured content, if there is one for all results.
    fn output_schema() -> Option<Object>
    where
        Self: Sized,
    {
        None
    }
}

/// A value as structured content, with its JSON as text beside it; the tool declares its type's schema.
///
/// Clients of revisions before 2026-07-28 get structured content, and a schema, only where it is a JSON object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(
    /// The value.
    pub T,
);

/// The arguments of a tool that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[schemars(crate = "schemars", title = "NoArguments", description = "None.", inline)]
pub struct NoArguments {}

/// The JSON Schema (2020-12) of a type, in one piece where that is possible: not every client follows a `$ref`.
pub(super) fn schema_of<T: JsonSchema>(output: bool) -> Object {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let settings = if output { settings.for_serialize() } else { settings };
    match settings.into_generator().into_root_schema_for::<T>().to_value() {
        Value::Object(schema) => schema,
        // `true`: anything.
        _ => Object::new(),
    }
}

impl ToolOutput for CallToolResult {
    fn into_tool_result(self) -> Result<CallToolResult, HandlerError> {
        Ok(self)
    }
}

impl ToolOutput for () {
    fn into_tool_result(self) -> Result<CallToolResult, HandlerError> {
        Ok(CallToolResult::default())
    }
}

impl ToolOutput for String {
    fn into_tool_result(self) -> Result<CallToolResult, HandlerError> {
        ContentBlock::text(self).into_tool_result()
    }

    fn into_text(self) -> Result<String, Self> {
        Ok(self)
    }
}

impl ToolOutput for &str {
    fn into_tool_result(self) -> Result<CallToolResult, HandlerError> {
        self.to_owned().into_tool_result()
    }

    fn into_text(self) -> Result<String, Self> {
        Ok(self.to_owned())
    }
}

impl ToolOutput for ContentBlock {
    fn into_tool_result(self) -> Result<CallToolResult, HandlerError> {
        vec![self].into_tool_result()
    }
}

impl ToolOutput for Vec<ContentBlock> {
    fn into_tool_result(self) -> Result<CallToolResult, HandlerError> {
        Ok(CallToolResult::new(self))
    }
}

impl<T: Serialize + JsonSchema> ToolOutput for Json<T> {
    fn into_tool_result(self) -> Result<CallToolResult, HandlerError> {
        let value = serde_json::to_value(&self.0)
            .map_err(|error| HandlerError::new(format_args!("the result cannot be written as JSON: {error}")))?;
        Ok(CallToolResult::structured(value))
    }

    fn output_schema() -> Option<Object> {
        Some(schema_of::<T>(true))
    }
}

impl<T: ToolOutput, E: Into<HandlerError>> ToolOutput for Result<T, E> {
    fn into_tool_result(self) -> Result<CallToolResult, HandlerError> {
        self.map_err(Into::into)?.into_tool_result()
    }

    fn into_text(self) -> Result<String, Self> {
        self.map_err(Err)?.into_text().map_err(Ok)
    }

    fn output_schema() -> Option<Object> {
        T::output_schema()
    }
}

/// What reading a resource may give: a [`ReadResourceResult`] or parts of one, a text, bytes, and a `Result` of these.
pub trait ResourceOutput {
    /// The result to be sent for the resource at `uri`, which is described as of that media type.
    ///
    /// # Errors
    /// What went wrong: becomes an error of the protocol.
    fn into_resource(self, uri: &str, mime_type: Option<&str>) -> Result<ReadResourceResult, HandlerError>;
}

impl ResourceOutput for ReadResourceResult {
    fn into_resource(self, _: &str, _: Option<&str>) -> Result<ReadResourceResult, HandlerError> {
        Ok(self)
    }
}

impl ResourceOutput for Vec<ResourceContents> {
    fn into_resource(self, _: &str, _: Option<&str>) -> Result<ReadResourceResult, HandlerError> {
        Ok(ReadResourceResult::new(self))
    }
}

impl ResourceOutput for ResourceContents {
    fn into_resource(mut self, _: &str, mime_type: Option<&str>) -> Result<ReadResourceResult, HandlerError> {
        if self.mime_type.is_none() {
            self.mime_type = mime_type.map(str::to_owned);
        }
        Ok(self.into())
    }
}

impl ResourceOutput for String {
    fn into_resource(self, uri: &str, mime_type: Option<&str>) -> Result<ReadResourceResult, HandlerError> {
        ResourceContents::text(uri, self).into_resource(uri, mime_type)
    }
}

impl ResourceOutput for &str {
    fn into_resource(self, uri: &str, mime_type: Option<&str>) -> Result<ReadResourceResult, HandlerError> {
        self.to_owned().into_resource(uri, mime_type)
    }
}

/// Sent in base64.
impl ResourceOutput for Vec<u8> {
    fn into_resource(self, uri: &str, mime_type: Option<&str>) -> Result<ReadResourceResult, HandlerError> {
        ResourceContents::blob(uri, STANDARD.encode(self)).into_resource(uri, mime_type)
    }
}

impl<T: ResourceOutput, E: Into<HandlerError>> ResourceOutput for Result<T, E> {
    fn into_resource(self, uri: &str, mime_type: Option<&str>) -> Result<ReadResourceResult, HandlerError> {
        self.map_err(Into::into)?.into_resource(uri, mime_type)
    }
}

/// What a prompt may give: a [`GetPromptResult`] or its messages, a text for the user to say, and a `Result` of these.
pub trait PromptOutput {
    /// The result to be sent for a prompt of that description.
    ///
    /// # Errors
    /// What went wrong: becomes an error of the protocol.
    fn into_prompt(self, description: Option<&str>) -> Result<GetPromptResult, HandlerError>;
}

impl PromptOutput for GetPromptResult {
    fn into_prompt(mut self, description: Option<&str>) -> Result<GetPromptResult, HandlerError> {
        if self.description.is_none() {
            self.description = description.map(str::to_owned);
        }
        Ok(self)
    }
}

impl PromptOutput for Vec<PromptMessage> {
    fn into_prompt(self, description: Option<&str>) -> Result<GetPromptResult, HandlerError> {
        GetPromptResult::new(self).into_prompt(description)
    }
}

impl PromptOutput for String {
    fn into_prompt(self, description: Option<&str>) -> Result<GetPromptResult, HandlerError> {
        vec![PromptMessage::user(self)].into_prompt(description)
    }
}

impl PromptOutput for &str {
    fn into_prompt(self, description: Option<&str>) -> Result<GetPromptResult, HandlerError> {
        self.to_owned().into_prompt(description)
    }
}

impl<T: PromptOutput, E: Into<HandlerError>> PromptOutput for Result<T, E> {
    fn into_prompt(self, description: Option<&str>) -> Result<GetPromptResult, HandlerError> {
        self.map_err(Into::into)?.into_prompt(description)
    }
}

/// What a completion may give: proposals, of which the first 100 are sent and all are counted, or a [`Completion`], and
/// a `Result` of these.
pub trait CompletionOutput {
    /// The result to be sent.
    ///
    /// # Errors
    /// What went wrong: becomes an error of the protocol.
    fn into_completion(self) -> Result<CompleteResult, HandlerError>;
}

impl CompletionOutput for Completion {
    fn into_completion(mut self) -> Result<CompleteResult, HandlerError> {
        if self.values.len() > Completion::MAX_VALUES {
            self.values.truncate(Completion::MAX_VALUES);
            self.has_more = Some(true);
        }
        Ok(self.into())
    }
}

impl<S: Into<String>> CompletionOutput for Vec<S> {
    fn into_completion(self) -> Result<CompleteResult, HandlerError> {
        let total = self.len();
        let has_more = total > Completion::MAX_VALUES;
        Ok(Completion::new(self).total(total as u64).has_more(has_more).into())
    }
}

impl<T: CompletionOutput, E: Into<HandlerError>> CompletionOutput for Result<T, E> {
    fn into_completion(self) -> Result<CompleteResult, HandlerError> {
        self.map_err(Into::into)?.into_completion()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize, JsonSchema)]
    struct Sum {
        /// What comes out.
        sum: i64,
        parts: Vec<Part>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Part {
        value: i64,
    }

    #[test]
    fn a_tool_gives_text_content_or_values() {
        let text = "a".into_tool_result().unwrap();
        assert_eq!(serde_json::to_value(text).unwrap(), json!({ "content": [{ "type": "text", "text": "a" }] }));
        let sum = Json(Sum { sum: 3, parts: vec![Part { value: 3 }] }).into_tool_result().unwrap();
        assert_eq!(sum.structured_content, Some(json!({ "sum": 3, "parts": [{ "value": 3 }] })));
        assert_eq!(sum.content, vec![ContentBlock::text(r#"{"sum":3,"parts":[{"value":3}]}"#)]);
        assert_eq!(().into_tool_result().unwrap(), CallToolResult::default());
        let failed: Result<String, std::num::ParseIntError> = Err("x".parse::<u8>().unwrap_err());
        assert!(failed.into_tool_result().is_err());
    }

    #[test]
    fn what_is_a_text_says_so_as_it_would_as_a_result() {
        fn given<T: ToolOutput + Clone>(output: T) -> bool {
            match output.clone().into_text() {
                Ok(text) => {
                    assert_eq!(output.into_tool_result().unwrap(), CallToolResult::text(text));
                    true
                }
                Err(output) => {
                    assert_ne!(output.into_tool_result().ok(), Some(CallToolResult::text("a")));
                    false
                }
            }
        }
        let good: Result<&str, std::fmt::Error> = Ok("a");
        let bad: Result<&str, std::fmt::Error> = Err(std::fmt::Error);
        assert!(given("a") && given("a".to_owned()) && given(good) && given(Ok::<_, std::fmt::Error>(good)));
        assert!(!given(bad) && !given(Ok::<_, std::fmt::Error>(bad)) && !given(()) && !given(Json(3)));
    }

    #[test]
    fn a_schema_is_in_one_piece_and_has_the_docs() {
        let schema = Value::Object(Result::<Json<Sum>, HandlerError>::output_schema().unwrap());
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["properties"]["sum"]["description"], "What comes out.");
        assert_eq!(schema["properties"]["parts"]["items"]["properties"]["value"]["type"], "integer");
        assert!(schema.get("$defs").is_none() && String::output_schema().is_none());
        assert_eq!(schema_of::<NoArguments>(false)["type"], "object");
    }

    #[test]
    fn what_cannot_be_written_is_a_failure() {
        let map = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(Json(map).into_tool_result().unwrap_err().to_string().contains("key must be a string"));
    }

    #[test]
    fn a_resource_gives_text_or_bytes_of_its_type() {
        let text = "a".into_resource("x:1", Some("text/plain")).unwrap();
        assert_eq!(
            serde_json::to_value(text).unwrap(),
            json!({ "contents": [{ "uri": "x:1", "mimeType": "text/plain", "text": "a" }] })
        );
        let bytes = vec![0u8, 255].into_resource("x:1", None).unwrap();
        assert_eq!(serde_json::to_value(bytes).unwrap(), json!({ "contents": [{ "uri": "x:1", "blob": "AP8=" }] }));
        let own = ResourceContents::text("x:2", "a").mime_type("a/b").into_resource("x:1", Some("text/plain")).unwrap();
        assert_eq!((own.contents[0].uri.as_str(), own.contents[0].mime_type.as_deref()), ("x:2", Some("a/b")));
    }

    #[test]
    fn a_prompt_has_the_description_it_is_listed_with() {
        let prompt = "hello".to_owned().into_prompt(Some("greets")).unwrap();
        assert_eq!((prompt.description.as_deref(), prompt.messages.len()), (Some("greets"), 1));
        let own = GetPromptResult::default().description("mine").into_prompt(Some("greets")).unwrap();
        assert_eq!(own.description.as_deref(), Some("mine"));
    }

    #[test]
    fn proposals_are_cut_and_counted() {
        let proposals: Vec<String> = (0..250).map(|n| n.to_string()).collect();
        let completion = proposals.clone().into_completion().unwrap().completion;
        assert_eq!((completion.values.len(), completion.total, completion.has_more), (100, Some(250), Some(true)));
        let completion = vec!["a"].into_completion().unwrap().completion;
        assert_eq!((completion.values.len(), completion.total, completion.has_more), (1, Some(1), Some(false)));
        let many = Completion { values: proposals, ..Completion::default() };
        let completion = many.into_completion().unwrap().completion;
        assert_eq!((completion.values.len(), completion.total, completion.has_more), (100, None, Some(true)));
    }
}
