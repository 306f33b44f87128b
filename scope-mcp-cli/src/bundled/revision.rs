//! The revisions of the protocol, and what is different between them here.

/// In the order they were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Revision {
    V2024_11_05,
    /// Brought annotations, messages with progress, and batches.
    V2025_03_26,
    /// Brought titles and structured results, and took the batches away again.
    V2025_06_18,
    /// Made wrong arguments the tool's error instead of the protocol's.
    V2025_11_25,
}

impl Revision {
    pub(super) const NEWEST: Revision = Revision::V2025_11_25;

    /// The revision to speak with a client that asked for `wanted`: that one if it is known, or else our newest.
    pub(super) fn negotiate(wanted: &str) -> Self {
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25]
            .into_iter()
            .find(|revision| revision.as_str() == wanted)
            .unwrap_or(Self::NEWEST)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }

    pub(super) fn has_annotations(self) -> bool {
        self >= Self::V2025_03_26
    }

    pub(super) fn has_progress_messages(self) -> bool {
        self >= Self::V2025_03_26
    }

    pub(super) fn has_batches(self) -> bool {
        self == Self::V2025_03_26
    }

    pub(super) fn has_titles(self) -> bool {
        self >= Self::V2025_06_18
    }

    pub(super) fn has_structured_results(self) -> bool {
        self >= Self::V2025_06_18
    }

    pub(super) fn wrong_arguments_are_the_tools_error(self) -> bool {
        self >= Self::V2025_11_25
    }
}
