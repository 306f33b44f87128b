use serde::{Deserialize, Serialize};

use super::{ClientCapabilities, Icon, Object, ServerCapabilities, meta_key, setters};

/// A client or server, as it introduces itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Implementation {
    /// For programs.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Of the program, not of the protocol.
    pub version: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where people read about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website_url: Option<String>,
    /// Pictures for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icons: Option<Vec<Icon>>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl Implementation {
    /// An implementation of that name and version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Implementation {
            name: name.into(),
            title: None,
            version: version.into(),
            description: None,
            website_url: None,
            icons: None,
            extra: Object::new(),
        }
    }

    setters!(Implementation { title: String, description: String, website_url: String });

    /// Adds one of the [`icons`](Implementation::icons).
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icons.get_or_insert_default().push(icon);
        self
    }
}

/// How a client begins, up to the revision 2025-11-25.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InitializeParams {
    /// The revision the client would like, as it names it.
    pub protocol_version: String,
    /// What it can do.
    pub capabilities: ClientCapabilities,
    /// What it is.
    pub client_info: Implementation,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the client sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl InitializeParams {
    /// A client's beginning.
    pub fn new(revision: impl Into<String>, capabilities: ClientCapabilities, client_info: Implementation) -> Self {
        InitializeParams {
            protocol_version: revision.into(),
            capabilities,
            client_info,
            meta: None,
            extra: Object::new(),
        }
    }
}

/// What a server answers to [`InitializeParams`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InitializeResult {
    /// The revision that is spoken, as the server names it.
    pub protocol_version: String,
    /// What the server can do.
    pub capabilities: ServerCapabilities,
    /// What it is.
    pub server_info: Implementation,
    /// What it tells a model about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl InitializeResult {
    /// A server's answer.
    pub fn new(revision: impl Into<String>, capabilities: ServerCapabilities, server_info: Implementation) -> Self {
        InitializeResult {
            protocol_version: revision.into(),
            capabilities,
            server_info,
            instructions: None,
            meta: None,
            extra: Object::new(),
        }
    }
}

/// What a server says of itself, from the revision 2026-07-28 on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DiscoverResult {
    /// The revisions it speaks without a handshake, as it names them.
    pub supported_versions: Vec<String>,
    /// What it can do.
    pub capabilities: ServerCapabilities,
    /// What it tells a model about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl DiscoverResult {
    /// A server's description of itself.
    pub fn new<S: Into<String>>(revisions: impl IntoIterator<Item = S>, capabilities: ServerCapabilities) -> Self {
        DiscoverResult {
            supported_versions: revisions.into_iter().map(Into::into).collect(),
            capabilities,
            instructions: None,
            meta: None,
            extra: Object::new(),
        }
    }

    /// What the server is, if it says so, and in a way that can be read.
    pub fn server_info(&self) -> Option<Implementation> {
        Implementation::deserialize(self.meta.as_ref()?.get(meta_key::SERVER_INFO)?).ok()
    }
}
