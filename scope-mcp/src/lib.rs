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
//! # A server
//! A [`Server`] is put together once, and served to any number of clients; a handler serves every revision.
//!
//! ```no_run
//! use schemars::JsonSchema;
//! use scope_mcp::{Context, HandlerError, Server, ServeOptions, schemars, transport};
//!
//! #[derive(serde::Deserialize, JsonSchema)]
//! #[schemars(crate = "scope_mcp::schemars")]
//! struct Divide {
//!     dividend: i64,
//!     divisor: i64,
//! }
//!
//! # async fn f() -> Result<(), scope_core::Failure> {
//! let server = Server::builder("calculator", "1.0")
//!     .tool("divide", "Divides two numbers", |args: Divide, cx: Context| async move {
//!         cx.progress(0.0, Some(1.0), Some("dividing")).await;
//!         let quotient = args.dividend.checked_div(args.divisor);
//!         quotient.map(|it| it.to_string()).ok_or_else(|| HandlerError::new("that cannot be divided"))
//!     })
//!     .build()?;
//! // In `scope_tokio::run` or `scope_smol::run`:
//! let report = server.serve(transport::stdio()?, ServeOptions::default()).await?;
//! eprintln!("{report}");
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//! * Every call ends: with its answer, or with a [`CallError`] that says whether the peer can have acted on it. One that
//!   times out or is dropped tells the peer so, and a late answer is ignored. None is made twice by itself.
//! * Every request of the peer is a child of the connection's nursery, in a nursery of its own: it ends when it is
//!   cancelled, and with the connection. A handler that panics is an error answer.
//! * Progress and lines of a log come in order, and before the answer they belong to.
//! * A peer that does not read blocks what is sent to it and nothing else: reading, time-outs and closing go on.
//! * Everything is bounded: calls and requests that run, those that wait, notifications kept, subscriptions, questions,
//!   rounds, tasks, the length of a line, what is remembered of a process's standard error. [`ClientOptions`] and
//!   [`ServeOptions`] have the figures and say what happens at each.
//! * What a peer says is decoded by the method of the request it answers, and what is not known of it is kept.
//! * Messages name the peer, say what happened and what to do; text of the peer in them is escaped, cut, and
//!   [without what looks like a secret](mod@redact).
//!
//! # What is spoken
//! The [revisions](Revision) from 2024-11-05 to 2026-07-28, on both sides. Those of the [legacy era](Era) begin with
//! `initialize`, and both sides ask; in the modern one each request says for itself what it speaks, and a server that needs
//! something answers with what it needs. A client finds out which era its server belongs to; a server goes by each request.
//! What has no call of its own can be reached by [`Client::request_raw`].

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
mod spread;
mod state;
pub mod transport;
mod unescaped;
pub mod visible;
mod wakes;
mod wire;

pub use client::{
    CallOptions, Client, ClientOptions, CloseReport, Connection, Ending, Home, Notifications, OutputCheck, Page,
    Question, Roots, ServerInfo, ServerSpec, Subscription, SubscriptionEnd, ToolTask, Traffic,
};
pub use era::{Era, Revision};
pub use error::{CallError, Gone, HowGone, OpenError};
pub use jsonrpc::{Id, Rejection};
pub use schemars;
pub use server::{
    AskError, BuildError, Completing, CompletionOutput, Context, HandlerError, Json, NoArguments, PromptArguments,
    PromptOutput, ResourceOutput, ResourceUri, ServeEnding, ServeOptions, ServeReport, Server, ServerBuilder,
    ServerHandle, ServerPrompt, ServerResource, ServerTemplate, ServerTool, ToolOutput, UnreadArguments,
};
pub use state::{State, States};
pub use wire::{Direction, Wire, WireLine};

#[cfg(test)]
mod testing;
