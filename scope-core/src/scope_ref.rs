//! A reference to a scope that keeps nothing alive.

use std::fmt;
use std::panic::Location;

use crate::id::ScopeId;
use crate::name::Name;

/// A scope, as others may refer to it: its identity, its name, and where it was opened.
#[derive(Clone)]
pub struct ScopeRef {
    id: ScopeId,
    name: Option<Name>,
    location: &'static Location<'static>,
}

impl ScopeRef {
    pub(crate) fn fresh(name: Option<Name>, location: &'static Location<'static>) -> Self {
        ScopeRef { id: ScopeId::fresh(), name, location }
    }

    /// The scope's identity, never reused in the process.
    pub fn id(&self) -> ScopeId {
        self.id
    }

    /// The name it was given, if any.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was opened.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl PartialEq for ScopeRef {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for ScopeRef {}

impl fmt::Display for ScopeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}"),
            None => write!(f, "scope {}", self.id),
        }
    }
}

impl fmt::Debug for ScopeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scope {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, " at {}", self.location)
    }
}
