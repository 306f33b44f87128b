//! What others see of the types.

use rmcp::transport::Transport;
use rmcp::{RoleClient, RoleServer};
use scope_mcp_rmcp::{
    Answered, Builder, ChildHandle, ChildProcess, Fault, FaultKind, Launch, Stderr, Stdio, TransportError,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::fmt::Debug;

use crate::peer;

assert_impl_all!(ChildProcess: Send, Sync, Unpin, Debug, Transport<RoleClient>, Transport<RoleServer>);
assert_impl_all!(Stdio: Send, Sync, Unpin, Debug, Transport<RoleClient>, Transport<RoleServer>);
assert_impl_all!(Builder: Send, Sync, Unpin, Debug);
assert_impl_all!(Launch: Send, Sync, Unpin, Debug);
assert_impl_all!(ChildHandle: Send, Sync, Unpin, Clone, Debug);
assert_impl_all!(Fault: Send, Sync, Unpin, Clone, Debug);
assert_impl_all!(FaultKind: Send, Sync, Copy, Debug);
assert_impl_all!(Answered: Send, Sync, Copy, Debug);
assert_impl_all!(Stderr: Send, Sync, Copy, Debug);
assert_impl_all!(TransportError: Send, Sync, Unpin, Clone, std::error::Error, Into<std::io::Error>);

// Either would make it unclear which way rmcp takes.
assert_not_impl_any!(ChildProcess: tokio::io::AsyncRead, tokio::io::AsyncWrite, Clone);
assert_not_impl_any!(Stdio: tokio::io::AsyncRead, tokio::io::AsyncWrite, Clone);

/// People pass secrets in arguments and variables.
pub(crate) async fn no_secret_is_shown() {
    let mut command = peer::command("never-reads", &["--token=hush"]);
    command.env("API_KEY", "hush");
    let builder = ChildProcess::builder(command);
    assert!(!format!("{builder:?}").contains("hush"), "{builder:?}");
    let child = builder.spawn().unwrap().0;
    for shown in [format!("{child:?}"), format!("{:?}", child.handle())] {
        assert!(!shown.contains("hush"), "{shown}");
    }
}
