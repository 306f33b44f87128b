//! Child processes that cannot be left behind.
