//! Judges what a client or server of MCP writes by the official schemas of its revisions. For tests.
//!
//! A [`Judge`] hears the lines of one conversation, in both directions and in order. It remembers which request each
//! answer belongs to, and holds every message of the sides it is to judge against the type that the schema has for it:
//! a request or notification against that of its method, an answer against that of the method which was asked. What no
//! schema can say it knows by itself: answers that nobody asked for, progress that nobody wants, and the like.
//!
//! The schemas are not part of this project: [`Schemas::find`] looks for them, and says why if they are not there. A test
//! then has to say that it is skipped.
//!
//! ```no_run
//! # fn f() -> Result<(), String> {
//! use scope_mcp_judge::{Judge, Schemas, Side};
//!
//! let judge = Judge::new(Schemas::find()?, [Side::Client]);
//! judge.line(Side::Client, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
//! judge.line(Side::Server, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
//! judge.assert_clean();
//! # Ok(())
//! # }
//! ```

mod conversation;
mod extension;
mod judge;
mod rules;
mod schemas;

pub use judge::{Judge, Side, Violation};
pub use schemas::{Schemas, folder};
