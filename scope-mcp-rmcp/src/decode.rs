//! One line, as rmcp's message; or what is to be done about one that is none.
//!
//! Such a line is never passed over in silence. If it was to answer a call of ours, that call fails, with an error made
//! here in the other side's name; if it was a request, the other side is sent an error. In any case it is a
//! [fault](crate::Fault), counted and logged.

use rmcp::model::{ErrorCode, ErrorData, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, ServiceRole, TxJsonRpcMessage};
use scope_mcp::Id;
use scope_mcp::codec::{About, Frame, TooLong, about};
use serde_json::{Value, json};

use crate::fault::FaultKind;
use crate::shape;

/// What a line comes to.
pub(crate) enum Decoded<R: ServiceRole> {
    Message(RxJsonRpcMessage<R>),
    /// A notification that rmcp does not know, and lets pass.
    Unknown,
    Broken(Broken<R>),
}

/// A line that is no message.
pub(crate) struct Broken<R: ServiceRole> {
    pub(crate) kind: FaultKind,
    pub(crate) bytes: u64,
    pub(crate) remedy: Remedy<R>,
}

/// What is done about it.
pub(crate) enum Remedy<R: ServiceRole> {
    /// To be received instead, by the call that waits for it.
    FailOurCall(RxJsonRpcMessage<R>),
    /// To be sent back.
    Refuse(TxJsonRpcMessage<R>),
    None,
}

pub(crate) fn decode<R: ServiceRole>(frame: &Frame<'_>, limit: usize) -> Decoded<R> {
    match frame {
        // A byte order mark is none of JSON's, but some tools on Windows write one.
        Frame::Line(line) => decode_line(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)),
        Frame::TooLong(what) => Decoded::Broken(too_long(what, limit)),
    }
}

fn decode_line<R: ServiceRole>(line: &[u8]) -> Decoded<R> {
    if let Some(message) = shape::read::<R>(line) {
        return Decoded::Message(message);
    }
    let error = match serde_json::from_slice(line) {
        Ok(message) => return Decoded::Message(message),
        Err(error) => error,
    };
    // What rmcp's types say of a line they do not take is not much: whether it is JSON is asked again.
    match serde_json::from_slice::<Value>(line) {
        Ok(Value::Object(object)) if object.contains_key("method") && !object.contains_key("id") => Decoded::Unknown,
        Ok(_) => broken(line, FaultKind::NotAMessage, &error),
        Err(error) => broken(line, FaultKind::NotJson, &error),
    }
}

fn broken<R: ServiceRole>(line: &[u8], kind: FaultKind, error: &serde_json::Error) -> Decoded<R> {
    let about = about(line);
    let code = if kind == FaultKind::NotJson { ErrorCode::PARSE_ERROR } else { ErrorCode::INVALID_REQUEST };
    let message = match about {
        Some(About::Request(_)) | None => format!("{kind}: {error}"),
        Some(About::Answer(_)) => format!("the answer to this call is {kind}: {error}"),
    };
    let data = json!({ "fault": kind.word(), "bytes": line.len() });
    let error = ErrorData::new(code, message, Some(data));
    let remedy = match about {
        // JSON-RPC wants these answered too, and rmcp does. A client does not: what a server prints there is a line for
        // a log, and the server would have to make something of an error about it.
        None if !R::IS_CLIENT && kind == FaultKind::NotAMessage => Remedy::Refuse(JsonRpcMessage::error(error, None)),
        about => remedy(about.as_ref(), error),
    };
    Decoded::Broken(Broken { kind, bytes: line.len() as u64, remedy })
}

fn too_long<R: ServiceRole>(what: &TooLong, limit: usize) -> Broken<R> {
    let kind = FaultKind::TooLong;
    let whose = if matches!(what.about, Some(About::Answer(_))) { "answer to this call" } else { "request" };
    let message = format!(
        "the {whose} has {} bytes, over the limit of {limit} on one message, and was dropped: ask for less at a time, or \
         raise the limit (max_line)",
        what.len
    );
    let data = json!({ "fault": kind.word(), "bytes": what.len, "limit": limit });
    let error = ErrorData::new(ErrorCode::INVALID_REQUEST, message, Some(data));
    Broken { kind, bytes: what.len, remedy: remedy(what.about.as_ref(), error) }
}

fn remedy<R: ServiceRole>(about: Option<&About>, error: ErrorData) -> Remedy<R> {
    match about {
        Some(About::Answer(id)) => match rmcp_id(id) {
            Some(id) => Remedy::FailOurCall(JsonRpcMessage::error(error, Some(id))),
            // An id that no call of rmcp's can have.
            None => Remedy::None,
        },
        Some(About::Request(id)) => Remedy::Refuse(JsonRpcMessage::error(error, rmcp_id(id))),
        None => Remedy::None,
    }
}

fn rmcp_id(id: &Id) -> Option<RequestId> {
    serde_json::from_str(id.as_json()).ok()
}
