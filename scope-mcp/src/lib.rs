//! MCP (Model Context Protocol) over stdio, on scopes: the connection has one owner.
//!
//! A [`Client`] is opened in a nursery. A task there starts the server's process, speaks with it and ends it, whatever
//! happens; the nursery does not return before that is done. The handle can be cloned, sent and used anywhere, and can
//! only ask. So nobody cleans up in the wrong task, and no server is left running.
//!
//! ```no_run
//! # async fn f() -> Result<(), scope_core::ScopeError> {
//! use scope_mcp::{Client, ClientOptions, ServerSpec};
//!
//! scope_core::nursery(async |n| {
//!     let spec = ServerSpec::new("everything", "npx").args(["-y", "@modelcontextprotocol/server-everything"]);
//!     let client = Client::open(n, spec, ClientOptions::default()).await?;
//!     for tool in client.list_tools().await? {
//!         println!("{}", tool.name);
//!     }
//!     let result = client.call_tool("echo", &serde_json::json!({ "message": "hello" })).await?;
//!     println!("{:?}", result.content);
//!     println!("{}", client.close().await?);
//!     Ok(())
//! })
//! .await
//! # }
//! ```
//!
//! No runtime is named here: the outermost nursery brings one (`scope_tokio::run`, `scope_smol::run`).
//!
//! # What holds
//! * Every call ends: with its answer, or with a [`CallError`] that says whether the server can have acted on it. One
//!   that times out or is dropped tells the server so, and a late answer is ignored.
//! * A server that does not read blocks what is sent to it and nothing else: reading, time-outs and closing go on.
//! * Everything is bounded: calls at the server, calls that wait, notifications kept, the length of a line, what is
//!   remembered of its standard error and of what it printed besides messages. [`ClientOptions`] has the figures and says
//!   what happens at each.
//! * What a server says is decoded by the method of the request it answers, and what is not known of it is kept.
//! * Messages name the server, say what happened and what to do; text of the server in them is escaped, cut, and
//!   [without what looks like a secret](mod@redact).
//!
//! # What is spoken
//! The [revisions](Revision) that begin with `initialize`: 2024-11-05, 2025-03-26, 2025-06-18 and 2025-11-25. The client
//! declares no capabilities: it answers a server's `ping`, and refuses everything else that a server asks (-32601).
//! The later revision is not here yet; what has no call of its own can be reached by [`Client::request_raw`].

mod client;
pub mod codec;
mod decode;
mod era;
mod error;
mod jsonrpc;
pub mod model;
mod peer;
pub mod redact;
pub mod schema;
mod server;
mod session;
mod state;
pub mod transport;
pub mod visible;
mod wire;

pub use client::{
    CallOptions, Client, ClientOptions, CloseReport, Connection, Ending, Home, Notifications, OutputCheck, Page,
    Question, Request, Roots, ServerInfo, ServerSpec, Subscription, SubscriptionEnd, ToolTask, Traffic,
};
pub use era::{Era, Revision};
pub use error::{CallError, Gone, HowGone, OpenError};
pub use jsonrpc::{Id, Rejection};
pub use schemars;
pub use server::{
    AskError, BuildError, Completing, CompletionOutput, Context, HandlerError, Json, NoArguments, PromptArguments,
    PromptOutput, ResourceOutput, ResourceUri, ServeEnding, ServeOptions, ServeReport, Server, ServerBuilder,
    ServerHandle, ServerPrompt, ServerResource, ServerTemplate, ServerTool, ToolOutput,
};
pub use state::{State, States};
pub use wire::{Direction, Wire, WireLine};

#[cfg(test)]
mod testing;
