//! JSON-RPC 2.0 as MCP uses it: the envelope of a message, and nothing of what is inside.
//!
//! Parameters, results and errors stay raw JSON text here. They are decoded later by the method of the request they
//! belong to, never by trying one type after the other; so what we do not know survives, and a pass-through costs no
//! parsing at all.

mod call;
mod envelope;
mod id;
mod json;
mod line;
mod members;
mod rejection;
mod strings;
mod text_result;
mod usual;
mod write;

pub(crate) use call::ToolCall;
pub(crate) use envelope::{Malformed, Message, Outcome, parse, parse_batch};
pub use id::Id;
pub(crate) use id::whole_number;
pub(crate) use json::{Json, Written, member, name_and_arguments};
pub(crate) use line::Line;
pub(crate) use members::Members;
pub use rejection::Rejection;
pub(crate) use text_result::{Cut, TextAnswer, TextResult};
pub(crate) use write::{
    Answer, begin_tool_call, end_tool_call, notification, rejection_answer, request, request_around, request_with_meta,
    result_answer, text_answer,
};

/// The line is not JSON.
pub(crate) const PARSE_ERROR: i64 = -32700;

/// It is JSON, but no proper request.
pub(crate) const INVALID_REQUEST: i64 = -32600;

/// The method is not known, or not offered.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;

/// The parameters are not what the method asks for.
pub(crate) const INVALID_PARAMS: i64 = -32602;

/// Something went wrong at the one who was asked.
pub(crate) const INTERNAL_ERROR: i64 = -32603;

/// So many requests wait already that this one is not taken. Of the numbers that JSON-RPC leaves to servers.
pub(crate) const BUSY: i64 = -32000;
