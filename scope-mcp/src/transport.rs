//! How messages get to a server and back.

mod alarm;
mod child;

pub(crate) use child::Link;
