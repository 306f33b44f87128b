use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Object;

/// A client or server, as it introduces itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Implementation {
    /// For programs.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Of the program, not of the protocol.
    pub version: String,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl Implementation {
    /// An implementation of that name and version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Implementation { name: name.into(), title: None, version: version.into(), extra: Object::new() }
    }
}

/// What a peer can do: by name, with details that differ from revision to revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(Object);

impl Capabilities {
    /// Whether `name` (`"tools"`, `"resources"`, …) is declared.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The details of `name`, if it is declared.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// All of them, as sent.
    pub fn as_object(&self) -> &Object {
        &self.0
    }
}

/// How a client begins.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitializeParams<'a> {
    pub(crate) protocol_version: &'a str,
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) client_info: &'a Implementation,
}

/// What a server answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitializeResult {
    pub(crate) protocol_version: String,
    pub(crate) capabilities: Capabilities,
    pub(crate) server_info: Implementation,
    #[serde(default)]
    pub(crate) instructions: Option<String>,
}
