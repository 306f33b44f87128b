use serde::{Deserialize, Serialize};

use super::{Object, setters};

/// A place, mostly a directory, that a client lets servers know of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Root {
    /// Where it is; `file:` in all revisions so far.
    pub uri: String,
    /// What people may call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the client sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl Root {
    /// The place at `uri`.
    pub fn new(uri: impl Into<String>) -> Self {
        Root { uri: uri.into(), name: None, meta: None, extra: Object::new() }
    }

    setters!(Root { name: String, meta: Object });
}

/// A client's roots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ListRootsResult {
    /// All of them.
    pub roots: Vec<Root>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the client sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl ListRootsResult {
    /// These roots.
    pub fn new(roots: impl IntoIterator<Item = Root>) -> Self {
        ListRootsResult { roots: roots.into_iter().collect(), ..ListRootsResult::default() }
    }
}
