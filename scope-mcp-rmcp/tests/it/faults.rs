//! Servers that misbehave.

use rmcp::model::ErrorCode;
use rmcp::service::ClientInitializeError;
use rmcp::{ErrorData, ServiceError, ServiceExt};
use scope_mcp_rmcp::{Answered, ChildProcess, FaultKind, Stderr, TransportError};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{answered_with, call, open, server, start};

fn failed(result: Result<String, ServiceError>) -> ErrorData {
    match result {
        Err(ServiceError::McpError(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn an_answer_over_the_limit_fails_its_call() {
    let (client, handle, _) = open(server("long-answer", &["100000"]).max_line(50_000)).await;
    let error = failed(call(&client, "x", json!({})).await);
    assert_eq!(error.code, ErrorCode::INVALID_REQUEST);
    assert!(error.message.contains("over the limit of 50000"), "{}", error.message);
    let data = error.data.unwrap();
    assert_eq!((&data["fault"], &data["limit"]), (&json!("too-long"), &json!(50_000)));
    let faults = handle.faults();
    assert_eq!((faults[0].kind, faults[0].answered), (FaultKind::TooLong, Answered::OurCall));
    assert_eq!(json!(faults[0].bytes), data["bytes"]);
    // It goes on.
    assert_eq!(failed(call(&client, "x", json!({})).await).code, ErrorCode::INVALID_REQUEST);
    assert_eq!(handle.fault_count(), 2);
    client.cancel().await.unwrap();
}

/// One that rmcp's own transport drops without a word.
pub(crate) async fn an_answer_within_the_limit_is_taken() {
    let (client, handle, _) = open(server("long-answer", &["17000000"])).await;
    assert_eq!(call(&client, "x", json!({})).await.unwrap(), "long");
    assert_eq!(handle.fault_count(), 0);
    client.cancel().await.unwrap();
}

async fn fails_with(line: &str, code: ErrorCode, kind: FaultKind) {
    let (client, handle, _) = open(server("says", &[])).await;
    let error = failed(answered_with(&client, line).await);
    assert_eq!(error.code, code, "{error:?}");
    let faults = handle.faults();
    assert_eq!((faults.len(), faults[0].kind, faults[0].answered), (1, kind, Answered::OurCall), "{faults:?}");
    // The next answer is as good as ever.
    let good = r#"{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"good"}]}}"#;
    assert_eq!(answered_with(&client, good).await.unwrap(), "good");
    client.cancel().await.unwrap();
}

pub(crate) async fn an_answer_that_is_no_json_fails_its_call() {
    for line in [r#"{"jsonrpc":"2.0","id":ID,"result":{"#, r#"{"result":{"a":01},"jsonrpc":"2.0","id":ID}"#] {
        fails_with(line, ErrorCode::PARSE_ERROR, FaultKind::NotJson).await;
    }
}

pub(crate) async fn an_answer_that_is_not_utf8_fails_its_call() {
    let line = "{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"\u{fffd}\"}]}}";
    fails_with(line, ErrorCode::PARSE_ERROR, FaultKind::NotJson).await;
}

pub(crate) async fn an_answer_of_the_wrong_form_fails_its_call() {
    for line in [
        r#"{"jsonrpc":"2.0","id":ID,"error":"just text"}"#,
        r#"{"jsonrpc":"2.0","id":ID}"#,
        r#"{"jsonrpc":"2.0","id":ID,"result":{},"error":{"code":1,"message":""}}"#,
    ] {
        fails_with(line, ErrorCode::INVALID_REQUEST, FaultKind::NotAMessage).await;
    }
}

pub(crate) async fn text_is_counted_and_passed_over() {
    let (client, handle, _) = open(server("chatters", &["1000"])).await;
    assert_eq!(call(&client, "x", json!({})).await.unwrap(), "done");
    assert_eq!(handle.fault_count(), 1000);
    let faults = handle.faults();
    assert_eq!(faults.len(), 16);
    assert_eq!((faults[15].text(), faults[15].answered), ("debug: step 999", Answered::Nobody));
    assert_eq!(faults[15].to_string(), "a line that is no JSON (15 bytes): debug: step 999");
    client.cancel().await.unwrap();
}

/// The server gets an error for what it asked, and its own id back.
pub(crate) async fn a_request_that_cannot_be_read_is_refused() {
    for (line, id, code) in [
        (r#"{"jsonrpc":"2.0","id":"q","method":"ping","params":{"#, json!("q"), -32700),
        (r#"{"jsonrpc":"2.0","id":5,"method":7}"#, json!(5), -32600),
    ] {
        let (client, handle, _) = open(server("asks-badly", &[])).await;
        let answer: Value = serde_json::from_str(&answered_with(&client, line).await.unwrap()).unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{answer}");
        assert_eq!(handle.faults()[0].answered, Answered::Peer);
        client.cancel().await.unwrap();
    }
}

/// rmcp says no more than that the transport was closed; the handle says why.
pub(crate) async fn a_server_that_dies_takes_its_call_with_it() {
    let (client, handle, suspect) = open(server("dies-on-call", &[])).await;
    let error = call(&client, "x", json!({})).await.unwrap_err();
    assert!(matches!(error, ServiceError::TransportClosed), "{error:?}");
    let gone = handle.gone().unwrap();
    assert_eq!(gone.exit_status().unwrap().code(), Some(3));
    assert_eq!(gone.stderr_tail(), ["out of cheese"]);
    client.waiting().await.unwrap();
    suspect.assert_gone();
}

/// What is stuck fails with the reason, though rmcp stops as soon as it hears that nothing more is to be received.
pub(crate) async fn a_server_that_dies_of_a_full_pipe_is_named() {
    let (client, ..) = open(server("dies-when-full", &[])).await;
    let error = call(&client, "x", json!({ "ballast": "x".repeat(4 << 20) })).await.unwrap_err();
    let ServiceError::TransportSend(error) = error else { panic!("{error:?}") };
    let error = error.downcast::<ChildProcess, rmcp::RoleClient>().unwrap();
    assert_eq!(
        error.to_string(),
        "the server \"dies-when-full\" exited with code 5; its last lines on standard error: «full up»"
    );
}

fn transport_error(error: ClientInitializeError) -> TransportError {
    let ClientInitializeError::TransportError { error, .. } = error else { panic!("{error:?}") };
    error.downcast::<ChildProcess, rmcp::RoleClient>().unwrap()
}

pub(crate) async fn a_server_that_dies_at_once_is_named() {
    let (mut child, handle, suspect) = start(server("dies-at-once", &[]));
    // It has ended, and the handshake fails as it begins.
    assert!(rmcp::transport::Transport::<rmcp::RoleClient>::receive(&mut child).await.is_none());
    let error = ().serve(child).await.unwrap_err();
    let error = transport_error(error);
    assert_eq!(error.exit_status().unwrap().code(), Some(4));
    assert!(error.to_string().contains("«no licence found»"), "{error}");
    assert_eq!(handle.stderr_tail(), ["no licence found"]);
    suspect.assert_gone_soon();
}

pub(crate) async fn a_server_that_no_longer_reads_is_named() {
    let (client, ..) = open(server("closes-input", &[])).await;
    // Until the server has come to that. More than the pipe holds, or what is sent before would wait for its answer.
    let error = loop {
        let call = call(&client, "x", json!({ "ballast": "x".repeat(1_000_000) }));
        if let Err(error) = call.await {
            break error;
        }
    };
    let ServiceError::TransportSend(error) = error else { panic!("{error:?}") };
    let error = error.downcast::<ChildProcess, rmcp::RoleClient>().unwrap();
    assert!(error.to_string().contains("closed its standard input but went on running"), "{error}");
    drop(client);
}

pub(crate) async fn a_missing_program_is_named() {
    let error = ChildProcess::new(Command::new("no-such-server")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().contains("cannot start \"no-such-server\""), "{error}");
    let inner = error.get_ref().unwrap();
    assert!(inner.downcast_ref::<scope_process::SpawnError>().unwrap().is_not_found());
}

pub(crate) async fn a_setting_that_would_be_lost_is_refused() {
    let mut command = Command::new("true");
    command.arg0("other");
    let error = ChildProcess::builder(command).stderr(Stderr::Null).spawn().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported, "{error}");
}
