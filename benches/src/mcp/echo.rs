//! What is called, on all connections: a tool that says what it is told.

use std::sync::Arc;

use super::host::Host;

/// What is said by those calls that are counted: 16 bytes, nothing that JSON would escape.
pub(super) const MESSAGE: &str = "sixteen bytes it";

/// The tool's name.
pub(super) const TOOL: &str = "echo";

/// The same of our server, which passes on what it is told without reading it.
pub(super) const RAW_TOOL: &str = "echo_raw";

/// The era that a connection is of: with a handshake, or without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// 2025-11-25: `initialize`.
    Legacy,
    /// 2026-07-28: `server/discover`, and a `_meta` in each request.
    Modern,
}

/// A client that is connected to a server with that tool.
pub(super) trait Echo: Send + Sync + 'static {
    /// Calls the tool, and sees whether its answer is as long as it should be.
    fn echo(&self, message: &str) -> impl Future<Output = ()> + Send;
}

/// Such a client that is open, and where it runs. Dropping it closes it, and waits for that.
pub(super) trait Connection: 'static {
    type Client: Echo;

    fn host(&self) -> &Host;

    fn client(&self) -> &Arc<Self::Client>;
}
