//! Where a task waits: the last checkpoint of ours that was pending in it, for the tree.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::raw::place::Place;
use crate::sync::atomic;

/// A checkpoint of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum At {
    /// Something we know nothing of.
    Foreign,
    Checkpoint,
    Sleep,
    Handle,
    Start,
    Place,
    Results,
    Request,
    Answer,
    Inbox,
    Opening,
    Closing,
    Nursery,
    Scope,
    Blocking,
    Acquire,
    Stream,
}

const ALL: [At; 17] = [
    At::Foreign,
    At::Checkpoint,
    At::Sleep,
    At::Handle,
    At::Start,
    At::Place,
    At::Results,
    At::Request,
    At::Answer,
    At::Inbox,
    At::Opening,
    At::Closing,
    At::Nursery,
    At::Scope,
    At::Blocking,
    At::Acquire,
    At::Stream,
];

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            At::Foreign => "something foreign",
            At::Checkpoint => "a checkpoint",
            At::Sleep => "a sleep",
            At::Handle => "a task's result",
            At::Start => "a task's start",
            At::Place => "a free place",
            At::Results => "the next result",
            At::Request => "a place in a service's backlog",
            At::Answer => "a service's answer",
            At::Inbox => "the next request",
            At::Opening => "a service's opening",
            At::Closing => "a service's end",
            At::Nursery => "a nursery",
            At::Scope => "a cancel scope",
            At::Blocking => "blocking work",
            At::Acquire => "a resource",
            At::Stream => "a stream's reader",
        })
    }
}

/// Written by whoever is polled, read by the tree. The two parts are not of one instant.
///
/// Without gaps: what is in a child is moved a few times before it lies still, and a gap would be copied by itself.
pub(crate) struct Waits {
    at: AtomicU32,
    /// Of the list of parallel children, which finds room for it here; not used by others.
    pub(crate) mark: atomic::AtomicU32,
    location: Place,
}

impl Waits {
    pub(crate) fn new() -> Self {
        Waits { at: AtomicU32::new(0), mark: atomic::AtomicU32::new(0), location: Place::new() }
    }

    pub(crate) fn note(&self, at: At, location: Option<&'static Location<'static>>) {
        self.location.set(location);
        self.at.store(at as u32, Ordering::Release);
    }

    /// A poll begins: whatever it waits at next is foreign until something of ours says otherwise.
    pub(crate) fn begin(&self) {
        self.at.store(At::Foreign as u32, Ordering::Relaxed);
    }

    pub(crate) fn show(&self) -> Waiting {
        let at = ALL.get(self.at.load(Ordering::Acquire) as usize).copied().unwrap_or(At::Foreign);
        Waiting { at, location: if at == At::Foreign { None } else { self.location.get() } }
    }
}

/// What a task waits at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    at: At,
    location: Option<&'static Location<'static>>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.at.fmt(f)?;
        match self.location {
            Some(location) => write!(f, " at {location}"),
            None => Ok(()),
        }
    }
}
