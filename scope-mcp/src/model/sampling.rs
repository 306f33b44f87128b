use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::number::{no_float, read_whole, write_maybe_float};
use super::{ContentBlock, Object, Role, TaskMetadata, Tool, setters};

/// What a server wants of the client's model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreateMessageParams {
    /// The conversation so far.
    pub messages: Vec<SamplingMessage>,
    /// The most tokens to make.
    #[serde(deserialize_with = "read_whole")]
    pub max_tokens: u64,
    /// Which model the server would like. The client decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_preferences: Option<ModelPreferences>,
    /// What to tell the model first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// Which servers' context to add: `none`, `thisServer` or `allServers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_context: Option<String>,
    /// How much of chance; not written if it is not finite.
    #[serde(default, serialize_with = "write_maybe_float", skip_serializing_if = "no_float")]
    pub temperature: Option<f64>,
    /// Where to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_sequences: Option<Vec<String>>,
    /// For the maker of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Object>,
    /// What the model may ask to be called. Whoever sent this calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Whether the model has to use them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// The answer shall be a task (2025-11-25).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskMetadata>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl CreateMessageParams {
    /// Asks for the next message, of `max_tokens` at most.
    pub fn new(messages: impl IntoIterator<Item = SamplingMessage>, max_tokens: u64) -> Self {
        CreateMessageParams {
            messages: messages.into_iter().collect(),
            max_tokens,
            model_preferences: None,
            system_prompt: None,
            include_context: None,
            temperature: None,
            stop_sequences: None,
            metadata: None,
            tools: None,
            tool_choice: None,
            task: None,
            meta: None,
            extra: Object::new(),
        }
    }

    /// Sets [`model_preferences`](CreateMessageParams::model_preferences).
    #[must_use]
    pub fn model_preferences(mut self, preferences: ModelPreferences) -> Self {
        self.model_preferences = Some(preferences);
        self
    }

    setters!(CreateMessageParams { system_prompt: String });

    /// Sets [`temperature`](CreateMessageParams::temperature).
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Sets [`stop_sequences`](CreateMessageParams::stop_sequences).
    #[must_use]
    pub fn stop_sequences<S: Into<String>>(mut self, sequences: impl IntoIterator<Item = S>) -> Self {
        self.stop_sequences = Some(sequences.into_iter().map(Into::into).collect());
        self
    }

    /// Sets [`tools`](CreateMessageParams::tools).
    #[must_use]
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.tools = Some(tools.into_iter().collect());
        self
    }

    /// Sets [`tool_choice`](CreateMessageParams::tool_choice).
    #[must_use]
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = Some(choice);
        self
    }
}

/// Which model a server would like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ModelPreferences {
    /// By name, the first that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hints: Option<Vec<ModelHint>>,
    /// How much the price matters: from 0 to 1, as the other two. None of them is written if it is not finite.
    #[serde(default, serialize_with = "write_maybe_float", skip_serializing_if = "no_float")]
    pub cost_priority: Option<f64>,
    /// How much speed matters.
    #[serde(default, serialize_with = "write_maybe_float", skip_serializing_if = "no_float")]
    pub speed_priority: Option<f64>,
    /// How much it matters what the model is capable of.
    #[serde(default, serialize_with = "write_maybe_float", skip_serializing_if = "no_float")]
    pub intelligence_priority: Option<f64>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl ModelPreferences {
    /// None.
    pub fn new() -> Self {
        ModelPreferences::default()
    }

    /// Adds one of the [`hints`](ModelPreferences::hints).
    #[must_use]
    pub fn hint(mut self, name: impl Into<String>) -> Self {
        self.hints.get_or_insert_default().push(ModelHint { name: Some(name.into()), extra: Object::new() });
        self
    }

    /// Sets [`cost_priority`](ModelPreferences::cost_priority).
    #[must_use]
    pub fn cost_priority(mut self, priority: f64) -> Self {
        self.cost_priority = Some(priority);
        self
    }

    /// Sets [`speed_priority`](ModelPreferences::speed_priority).
    #[must_use]
    pub fn speed_priority(mut self, priority: f64) -> Self {
        self.speed_priority = Some(priority);
        self
    }

    /// Sets [`intelligence_priority`](ModelPreferences::intelligence_priority).
    #[must_use]
    pub fn intelligence_priority(mut self, priority: f64) -> Self {
        self.intelligence_priority = Some(priority);
        self
    }
}

/// A model that a server would like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelHint {
    /// Its name, or a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

/// Whether a model has to use tools.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolChoice {
    /// As the server sent it; as it likes, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ToolChoiceMode>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl From<ToolChoiceMode> for ToolChoice {
    fn from(mode: ToolChoiceMode) -> Self {
        ToolChoice { mode: Some(mode), extra: Object::new() }
    }
}

/// Whether a model has to use tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ToolChoiceMode {
    /// As it likes.
    Auto,
    /// At least one.
    Required,
    /// None.
    None,
}

/// A message of a conversation with a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SamplingMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: SamplingContent,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl SamplingMessage {
    /// `role` says `content`.
    pub fn new(role: Role, content: impl Into<SamplingContent>) -> Self {
        SamplingMessage { role, content: content.into(), meta: None, extra: Object::new() }
    }

    /// The user says `text`.
    pub fn user(text: impl Into<String>) -> Self {
        SamplingMessage::new(Role::User, ContentBlock::text(text))
    }

    /// The model says `text`.
    pub fn assistant(text: impl Into<String>) -> Self {
        SamplingMessage::new(Role::Assistant, ContentBlock::text(text))
    }
}

/// What is said in one message: a block, or, from the revision 2025-11-25 on, several.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SamplingContent {
    /// A block by itself.
    One(ContentBlock),
    /// A list of blocks.
    Many(Vec<ContentBlock>),
}

impl SamplingContent {
    /// The blocks, however they were sent.
    pub fn blocks(&self) -> &[ContentBlock] {
        match self {
            SamplingContent::One(block) => std::slice::from_ref(block),
            SamplingContent::Many(blocks) => blocks,
        }
    }
}

impl From<ContentBlock> for SamplingContent {
    fn from(block: ContentBlock) -> Self {
        SamplingContent::One(block)
    }
}

impl From<Vec<ContentBlock>> for SamplingContent {
    fn from(blocks: Vec<ContentBlock>) -> Self {
        SamplingContent::Many(blocks)
    }
}

/// Not derived: that would hide which field of a block is wrong.
impl<'de> Deserialize<'de> for SamplingContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = SamplingContent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a block of content or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SamplingContent, A::Error> {
                ContentBlock::deserialize(MapAccessDeserializer::new(map)).map(SamplingContent::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<SamplingContent, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(SamplingContent::Many)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

/// What a client's model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreateMessageResult {
    /// Who says it: the model, in general.
    pub role: Role,
    /// What it said.
    pub content: SamplingContent,
    /// Which model it was.
    pub model: String,
    /// Why it stopped: `endTurn`, `stopSequence`, `maxTokens`, `toolUse`, or another word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the client sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl CreateMessageResult {
    /// `model` said this.
    pub fn new(model: impl Into<String>, content: impl Into<SamplingContent>) -> Self {
        CreateMessageResult {
            role: Role::Assistant,
            content: content.into(),
            model: model.into(),
            stop_reason: None,
            meta: None,
            extra: Object::new(),
        }
    }

    setters!(CreateMessageResult { stop_reason: String });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;

    #[test]
    fn content_is_written_as_it_came_one_block_or_a_list() {
        for (json, blocks) in [
            (r#"{"role":"user","content":{"type":"text","text":"a"}}"#, 1),
            (r#"{"role":"user","content":[]}"#, 0),
            (r#"{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"a","input":{}}]}"#, 1),
        ] {
            let message: SamplingMessage = decode(json).unwrap();
            assert_eq!(serde_json::to_string(&message).unwrap(), json);
            assert_eq!(message.content.blocks().len(), blocks);
        }
    }

    #[test]
    fn a_field_that_is_wrong_deep_inside_is_named() {
        for (json, path) in [
            (
                r#"{"messages":[{"role":"user","content":{"type":"text"}}],"maxTokens":1}"#,
                "messages[0].content: the field `text`",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image"}]}],"maxTokens":1}"#,
                "messages[0].content[1]: the field `data`",
            ),
            (
                r#"{"messages":[{"role":"tool","content":[]}],"maxTokens":1}"#,
                "messages[0].role: unknown variant `tool`",
            ),
            (
                r#"{"messages":[{"role":"user","content":"hello"}],"maxTokens":1}"#,
                "messages[0].content: invalid type: string",
            ),
            (r#"{"messages":[],"maxTokens":0.5}"#, "maxTokens: 0.5 is not a whole number"),
            (
                r#"{"messages":[],"maxTokens":1,"modelPreferences":{"hints":[{"name":1}]}}"#,
                "modelPreferences.hints[0].name: ",
            ),
        ] {
            let error = decode::<CreateMessageParams>(json).unwrap_err();
            assert!(error.starts_with(path), "{json}: {error}");
        }
        assert_eq!(decode::<CreateMessageParams>(r#"{"messages":[],"maxTokens":100.0}"#).unwrap().max_tokens, 100);
    }
}
