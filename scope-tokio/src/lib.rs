//! scope-core on tokio.
