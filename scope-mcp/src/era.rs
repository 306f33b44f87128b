//! The revisions of the protocol this crate speaks, and what differs between them.

pub(crate) mod probe;
mod splice;
mod stamp;

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) use splice::splice;
pub(crate) use stamp::{CAPABILITIES, Stamp, VERSION};

/// A revision of MCP, by its date.
///
/// Those of the [legacy era](Era::Legacy) begin with `initialize`, those of the [modern](Era::Modern) have no beginning:
/// each request says for itself what it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Revision {
    /// 2024-11-05.
    V2024_11_05,
    /// 2025-03-26: audio, annotations of tools, batches.
    V2025_03_26,
    /// 2025-06-18: structured content, resource links; no batches any more.
    V2025_06_18,
    /// 2025-11-25: icons, tasks.
    V2025_11_25,
    /// 2026-07-28: no `initialize` any more, and no requests of the server.
    V2026_07_28,
}

/// What the revisions have in common, before and after 2026-07-28.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// A connection begins with `initialize`, and both sides can ask.
    Legacy,
    /// Each request stands for itself; a server that needs something of its client answers with what it needs.
    Modern,
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Era::Legacy => "legacy",
            Era::Modern => "modern",
        })
    }
}

impl Revision {
    /// The newest of all.
    pub const LATEST: Revision = Revision::V2026_07_28;

    /// The newest one that begins with `initialize`.
    pub const LATEST_LEGACY: Revision = Revision::V2025_11_25;

    /// All of them, oldest first.
    pub const ALL: [Revision; 5] = [
        Revision::V2024_11_05,
        Revision::V2025_03_26,
        Revision::V2025_06_18,
        Revision::V2025_11_25,
        Revision::V2026_07_28,
    ];

    /// As it stands in `protocolVersion`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Revision::V2024_11_05 => "2024-11-05",
            Revision::V2025_03_26 => "2025-03-26",
            Revision::V2025_06_18 => "2025-06-18",
            Revision::V2025_11_25 => "2025-11-25",
            Revision::V2026_07_28 => "2026-07-28",
        }
    }

    /// Which era it belongs to.
    pub const fn era(self) -> Era {
        match self {
            Revision::V2026_07_28 => Era::Modern,
            _ => Era::Legacy,
        }
    }

    /// The revisions of one era, oldest first.
    pub fn of(era: Era) -> impl DoubleEndedIterator<Item = Revision> {
        Revision::ALL.into_iter().filter(move |revision| revision.era() == era)
    }

    /// The revision of that name; `None` for one this crate does not speak.
    pub fn from_name(name: &str) -> Option<Revision> {
        Revision::ALL.into_iter().find(|revision| revision.as_str() == name)
    }

    /// Whether several messages may come in one JSON array.
    pub(crate) const fn has_batches(self) -> bool {
        matches!(self, Revision::V2025_03_26)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Deserialize)]
struct Stamped<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Spoken<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a RawValue>,
}

/// Whether the parameters of a request say what they speak, as those of the modern era do.
pub(crate) fn is_modern(params: &RawValue) -> bool {
    object::<Stamped<'_>>(params)
        .and_then(|params| object::<Spoken<'_>>(params.meta?))
        .is_some_and(|meta| meta.version.is_some())
}

/// From an object only: a list could be read as well, field by field.
fn object<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Option<T> {
    if json.get().starts_with('{') { serde_json::from_str(json.get()).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_which_revision_it_speaks_is_modern() {
        let modern = |json: &str| is_modern(serde_json::from_str(json).unwrap());
        assert!(modern(r#"{"a":1,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#));
        assert!(modern(r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":7}}"#), "wrong, and meant so");
        for json in
            ["{}", r#"{"_meta":{}}"#, r#"{"_meta":null}"#, r#"{"_meta":[1]}"#, "[]", "[[1]]", "[[\"2026-07-28\"]]", "7"]
        {
            assert!(!modern(json), "{json}");
        }
    }

    #[test]
    fn names_and_revisions_match() {
        for revision in Revision::ALL {
            assert_eq!(Revision::from_name(revision.as_str()), Some(revision));
        }
        assert_eq!(Revision::from_name("2026-07-29"), None);
        assert_eq!(Revision::from_name(""), None);
        assert_eq!(Revision::ALL.iter().max(), Some(&Revision::LATEST));
        assert_eq!(Revision::of(Era::Legacy).max(), Some(Revision::LATEST_LEGACY));
        assert_eq!(Revision::of(Era::Modern).collect::<Vec<_>>(), [Revision::LATEST]);
    }
}
