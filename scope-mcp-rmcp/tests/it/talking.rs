//! What works with any transport.

use std::pin::pin;
use std::task::Poll;

use rmcp::ServiceError;
use rmcp::model::{ClientRequest, JsonRpcMessage, PingRequest, RequestId};
use rmcp::service::{RoleClient, TxJsonRpcMessage};
use rmcp::transport::Transport;
use scope_mcp_rmcp::Stderr;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{call, open, server, start};

pub(crate) async fn lists_and_calls() {
    let (client, handle, suspect) = open(server("rmcp-on-ours", &[])).await;
    let names: Vec<_> = client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["echo", "sleep", "fails"]);
    assert_eq!(call(&client, "echo", json!({ "message": "h\u{e9}\n" })).await.unwrap(), "h\u{e9}\n");
    client.cancel().await.unwrap();
    suspect.assert_gone();
    let report = handle.close_report().unwrap();
    assert!(report.is_polite(), "{report:#}");
    assert_eq!(handle.fault_count(), 0);
}

pub(crate) async fn a_refusal_is_the_servers_own() {
    let (client, ..) = open(server("rmcp-on-ours", &[])).await;
    match call(&client, "fails", json!({})).await {
        Err(ServiceError::McpError(error)) => {
            assert_eq!((&*error.message, error.data), ("no tool fails", Some(json!({ "x": 1 }))));
        }
        other => panic!("{other:?}"),
    }
    client.cancel().await.unwrap();
}

pub(crate) async fn many_calls_at_once() {
    let (client, ..) = open(server("rmcp-on-ours", &[])).await;
    let client = std::sync::Arc::new(client);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..150 {
        let client = client.clone();
        calls.spawn(async move {
            // Some longer than a pipe holds.
            let message = format!("{n} {}", "x".repeat(n % 7 * 30_000));
            assert_eq!(call(&client, "echo", json!({ "message": message })).await.unwrap(), message);
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    std::sync::Arc::into_inner(client).unwrap().cancel().await.unwrap();
}

pub(crate) async fn answers_in_pieces_are_put_together() {
    let (client, ..) = open(server("in-pieces", &[])).await;
    assert_eq!(call(&client, "x", json!({})).await.unwrap(), "é 🦀");
    client.cancel().await.unwrap();
}

/// As the service's loop does it: `receive` is polled and dropped whenever something else is ready first.
pub(crate) async fn a_receive_that_is_dropped_loses_nothing() {
    let (mut child, ..) = start(server("in-pieces", &[]));
    crate::sending::handshake(&mut child).await;
    let mut cuts = 0;
    for n in 0..20 {
        let call = json!({ "jsonrpc": "2.0", "id": n, "method": "tools/call", "params": { "name": "x" } });
        let call: TxJsonRpcMessage<RoleClient> = serde_json::from_value(call).unwrap();
        Transport::<RoleClient>::send(&mut child, call).await.unwrap();
        let answer = loop {
            let mut receive = pin!(Transport::<RoleClient>::receive(&mut child));
            let polled = std::future::poll_fn(|cx| Poll::Ready(receive.as_mut().poll(cx))).await;
            match polled {
                Poll::Ready(answer) => break answer.unwrap(),
                Poll::Pending => cuts += 1,
            }
            tokio::task::yield_now().await;
        };
        match answer {
            JsonRpcMessage::Response(response) => assert_eq!(response.id, RequestId::Number(n)),
            other => panic!("{other:?}"),
        }
    }
    assert!(cuts >= 20, "only {cuts} were dropped");
}

pub(crate) async fn standard_error_that_is_full_stops_nobody() {
    let (client, handle, _) = open(server("fills-standard-error", &[])).await;
    assert_eq!(call(&client, "x", json!({})).await.unwrap(), "said all");
    client.cancel().await.unwrap();
    let tail = handle.stderr_tail();
    assert_eq!(tail.last().unwrap(), "line 99999 of nothing in particular");
    assert_eq!(tail.len(), 64);
}

pub(crate) async fn standard_error_can_be_taken() {
    let (child, stderr) = server("dies-at-once", &[]).stderr(Stderr::Piped).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(stderr.unwrap()).read_line(&mut line).await.unwrap();
    assert_eq!(line, "no licence found\n");
    drop(child);
    let (_, none) = server("dies-at-once", &[]).stderr(Stderr::Null).spawn().unwrap();
    assert!(none.is_none());
}

/// A ping, to be sent by hand.
pub(crate) fn ping(id: i64) -> TxJsonRpcMessage<RoleClient> {
    JsonRpcMessage::request(ClientRequest::PingRequest(PingRequest::default()), RequestId::Number(id))
}
