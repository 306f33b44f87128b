//! What works with any transport.

use std::pin::pin;
use std::task::Poll;

use rmcp::ServiceError;
use rmcp::model::{ClientRequest, JsonRpcMessage, PingRequest, RequestId};
use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use scope_mcp_rmcp::{ChildProcess, Stderr};
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

/// As the service's loop does it: `receive` is polled and dropped whenever something else is ready first. Here that is so
/// each time, and in the middle of each answer.
pub(crate) async fn a_receive_that_is_dropped_loses_nothing() {
    let (mut child, handle, _) = start(server("in-halves", &[]));
    crate::sending::handshake(&mut child).await;
    for n in 0..20 {
        let call = json!({ "jsonrpc": "2.0", "id": n, "method": "tools/call", "params": { "name": "x" } });
        let call: TxJsonRpcMessage<RoleClient> = serde_json::from_value(call).unwrap();
        crate::sending::send(&mut child, call).await.unwrap();
        let half = format!("half of {n}");
        while handle.stderr_tail().last() != Some(&half) {
            assert!(receive_once(&mut child).await.is_pending(), "it has said half of it at the most");
        }
        // That half is in the pipe. If it has not been read yet, it is by one of these.
        for _ in 0..10 {
            assert!(receive_once(&mut child).await.is_pending());
        }
        crate::sending::send(&mut child, ping(1000)).await.unwrap();
        let answer = loop {
            if let Poll::Ready(answer) = receive_once(&mut child).await {
                break answer.unwrap();
            }
        };
        match answer {
            JsonRpcMessage::Response(response) => assert_eq!(response.id, RequestId::Number(n)),
            other => panic!("{other:?}"),
        }
    }
}

/// Polls a `receive` once, drops it, and lets others have their turn.
async fn receive_once(child: &mut ChildProcess) -> Poll<Option<RxJsonRpcMessage<RoleClient>>> {
    let mut receive = pin!(Transport::<RoleClient>::receive(child));
    let polled = std::future::poll_fn(|cx| Poll::Ready(receive.as_mut().poll(cx))).await;
    tokio::task::yield_now().await;
    polled
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
