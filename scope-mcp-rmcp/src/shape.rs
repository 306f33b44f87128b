//! The short way to rmcp's message.
//!
//! rmcp finds out by trial what a line is: it copies all of it into a tree of values, several times over, and that is
//! most of what receiving costs. What a line is can be seen from which keys it has; then it is read once, as that. A line
//! with other keys than these goes the long way, and so does any that does not read well: the outcome is rmcp's.

use rmcp::model::{JsonRpcMessage, JsonRpcNotification, JsonRpcRequest, JsonRpcVersion2_0};
use rmcp::service::{RxJsonRpcMessage, ServiceRole};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape<'a> {
    #[serde(rename = "jsonrpc")]
    _version: JsonRpcVersion2_0,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(rename = "params")]
    _params: Option<IgnoredAny>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
}

/// A key with `null` is there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The message, if it is of the usual kind.
pub(crate) fn read<R: ServiceRole>(line: &[u8]) -> Option<RxJsonRpcMessage<R>> {
    let shape: Shape<'_> = serde_json::from_slice(line).ok()?;
    match (shape.id, shape.method, shape.result) {
        (Some(id), None, Some(result)) => {
            let id = serde_json::from_str(id.get()).ok()?;
            serde_json::from_str(result.get()).ok().map(|result| JsonRpcMessage::response(result, id))
        }
        (Some(_), Some(_), None) => {
            serde_json::from_slice::<JsonRpcRequest<R::PeerReq>>(line).ok().map(JsonRpcMessage::Request)
        }
        (None, Some(_), None) => {
            serde_json::from_slice::<JsonRpcNotification<R::PeerNot>>(line).ok().map(JsonRpcMessage::Notification)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rmcp::{RoleClient, RoleServer};

    use super::*;

    fn same<R: ServiceRole>(line: &str, short: bool) {
        let long = serde_json::from_str::<RxJsonRpcMessage<R>>(line).ok();
        let read = read::<R>(line.as_bytes());
        assert_eq!(read.is_some(), short, "{line}");
        if let Some(read) = read {
            // Some of the types cannot be compared; all can be shown.
            assert_eq!(format!("{read:?}"), format!("{:?}", long.unwrap()), "{line}");
        }
    }

    #[test]
    fn the_short_way_leads_where_the_long_one_does() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a\u0062"}],"isError":false}}"#,
            r#"{"jsonrpc":"2.0","id":"x","result":{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"anything":[1,2.5,null,18446744073709551615]}}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":0.5}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":{"_meta":1}}}"#,
            r#"{"jsonrpc":"2.0","method":"odd/one","params":{"a":1}}"#,
        ] {
            same::<RoleClient>(line, true);
        }
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":[1]},"_meta":{"progressToken":3}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x/y","params":{"_meta":{"k":"v"},"z":null}}"#,
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"roots":{}},"clientInfo":{"name":"c","version":"1"}}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"r"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"roots":[{"uri":"file:///"}]}}"#,
        ] {
            same::<RoleServer>(line, true);
        }
    }

    #[test]
    fn what_is_unusual_goes_the_long_way() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"extra":1}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"1.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            "[]",
            "nothing",
        ] {
            same::<RoleClient>(line, false);
        }
    }
}
