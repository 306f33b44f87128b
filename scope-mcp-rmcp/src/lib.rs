//! Transports for [`rmcp`], the official MCP SDK, whose servers are never left running.
//!
//! [`ChildProcess`] takes the place of rmcp's `TokioChildProcess`, [`Stdio`] that of its `stdio()`. A program changes by
//! that one type:
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use scope_mcp_rmcp::ChildProcess; // was: use rmcp::transport::TokioChildProcess;
//! use tokio::process::Command;
//!
//! let server = ChildProcess::new(Command::new("my-server"))?;
//! // and from here on it is rmcp: let client = ().serve(server).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is different
//! | | rmcp's own | here |
//! |---|---|---|
//! | what the server started (`npx` starts a `sh` that starts a `node`) | goes on running | ends with it |
//! | transport dropped outside a runtime | panics | kills |
//! | runtime dropped with a live service, failed handshake, aborted task | may leave the server | kills |
//! | closing while a message is stuck in a full pipe | never returns | takes its budget |
//! | a message over the limit (16 MiB there, 64 MiB here, or as set) | dropped, its call waits for ever | its call fails |
//! | an answer that cannot be read | the server is sent an error, the call waits for ever | the call fails |
//! | a server that ended | `TransportClosed` | the same, and its status and last lines |
//!
//! # What is not
//! No task is started, no thread for a process, and nothing is kept that is not bounded by what rmcp itself has in flight.
//! `process-wrap`'s `CommandWrap` is not taken: what it is used for is done anyway.

mod builder;
mod child;
mod decode;
mod error;
mod fault;
mod handle;
mod incoming;
mod launch;
mod outgoing;
mod queue;
mod server;
mod shape;
mod stdio;
mod stream;

pub use builder::{Builder, Stderr};
pub use child::ChildProcess;
pub use error::TransportError;
pub use fault::{Answered, Fault, FaultKind};
pub use handle::ChildHandle;
pub use launch::Launch;
pub use stdio::Stdio;

/// The longest message that is taken, unless set otherwise: 64 MiB.
///
/// As much as scope-mcp's own client takes, and four times what rmcp does. A file of 16 MiB, in base64 and in JSON, is
/// longer than 16 MiB, and is what servers send; 64 MiB is nothing that a host could not hold. A longer message costs no
/// memory: it is read past.
pub const DEFAULT_MAX_LINE: usize = 64 * 1024 * 1024;
