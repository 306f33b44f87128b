//! Structured concurrency for async Rust, independent of any runtime: nurseries, cancel scopes, finalizers, services.

pub mod rt;
pub mod task;
pub use task::checkpoint;
