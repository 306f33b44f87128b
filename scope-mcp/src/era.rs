//! The revisions of the protocol this crate speaks, and what differs between them.

use std::fmt;

/// A revision of MCP, by its date.
///
/// The client asks for the [newest](Revision::LATEST) and takes whichever of these the server answers with.
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
}

impl Revision {
    /// The newest one that begins with `initialize`.
    pub const LATEST: Revision = Revision::V2025_11_25;

    /// All of them, oldest first.
    pub const ALL: [Revision; 4] =
        [Revision::V2024_11_05, Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25];

    /// As it stands in `protocolVersion`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Revision::V2024_11_05 => "2024-11-05",
            Revision::V2025_03_26 => "2025-03-26",
            Revision::V2025_06_18 => "2025-06-18",
            Revision::V2025_11_25 => "2025-11-25",
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_revisions_match() {
        for revision in Revision::ALL {
            assert_eq!(Revision::from_name(revision.as_str()), Some(revision));
        }
        assert_eq!(Revision::from_name("2026-07-28"), None);
        assert_eq!(Revision::from_name(""), None);
        assert_eq!(Revision::ALL.iter().max(), Some(&Revision::LATEST));
    }
}
