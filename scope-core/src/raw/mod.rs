//! The only module tree with `unsafe`. ARCHITECTURE.md has the argument; each block has its own.
#![allow(unsafe_code)]

pub(crate) mod around;
pub(crate) mod carried;
pub(crate) mod child;
pub(crate) mod counted;
pub(crate) mod crewed;
pub(crate) mod frame;
pub(crate) mod future;
pub(crate) mod host;
mod hosted;
pub(crate) mod late;
pub(crate) mod list;
pub(crate) mod local;
mod outer;
pub(crate) mod place;
pub(crate) mod queue;
mod slab;
mod spare;
mod stack;
mod station;
pub(crate) mod text;
pub(crate) mod values;
mod waker;
