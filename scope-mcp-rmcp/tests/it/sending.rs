//! Order, waiting and taking back, on the transport itself.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Instant;

use rmcp::service::{RoleClient, TxJsonRpcMessage};
use rmcp::transport::Transport;
use scope_mcp_rmcp::{ChildProcess, TransportError};
use serde_json::{Value, json};

use crate::support::{SHORT, SLACK, server, start};

fn message(value: Value) -> TxJsonRpcMessage<RoleClient> {
    serde_json::from_value(value).unwrap()
}

fn call(id: i64, n: &Value, ballast: usize) -> TxJsonRpcMessage<RoleClient> {
    let arguments = json!({ "n": n, "ballast": "x".repeat(ballast) });
    let params = json!({ "name": "x", "arguments": arguments });
    message(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }))
}

/// Boxed: the transport's own type says that it borrows the transport, which it does not.
pub(crate) fn send(child: &mut ChildProcess, message: TxJsonRpcMessage<RoleClient>) -> Sending {
    Box::pin(Transport::<RoleClient>::send(child, message))
}

type Sending = Pin<Box<dyn Future<Output = Result<(), TransportError>> + Send>>;

async fn receive(child: &mut ChildProcess) -> Value {
    let message = Transport::<RoleClient>::receive(child).await.expect("the server is there");
    serde_json::to_value(message).unwrap()
}

pub(crate) async fn handshake(child: &mut ChildProcess) {
    let params = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    send(child, message(json!({ "jsonrpc": "2.0", "id": 9999, "method": "initialize", "params": params })))
        .await
        .unwrap();
    assert_eq!(receive(child).await["id"], 9999);
    send(child, message(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))).await.unwrap();
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// The numbers that a `counts` server says it has seen.
fn seen(answer: &Value) -> Value {
    serde_json::from_str(answer["result"]["content"][0]["text"].as_str().unwrap()).unwrap()
}

/// Whatever is polled when: tasks of a set run in any order.
pub(crate) async fn messages_go_out_in_the_order_of_send() {
    let (mut child, ..) = start(server("counts", &[]));
    handshake(&mut child).await;
    let mut futures: Vec<_> = (0..100).map(|n| send(&mut child, call(n, &json!(n), 3000))).collect();
    // The last one first, by which all go out that the pipe takes; then from both ends.
    while let Some(last) = futures.last_mut()
        && poll_once(last).await.is_ready()
    {
        futures.pop();
    }
    let all = tokio::spawn(async move {
        while let Some(last) = futures.pop() {
            let rest = tokio::task::JoinSet::from_iter(futures.drain(..));
            last.await.unwrap();
            rest.join_all().await.into_iter().for_each(|sent| sent.unwrap());
        }
    });
    let mut last = Value::Null;
    for _ in 0..100 {
        last = seen(&receive(&mut child).await);
    }
    all.await.unwrap();
    assert_eq!(last, json!((0..100).collect::<Vec<_>>()));
}

pub(crate) async fn a_message_taken_back_is_not_sent() {
    let (mut child, ..) = start(server("counts", &[]));
    handshake(&mut child).await;
    let first = send(&mut child, call(1, &json!("first"), 0));
    drop(send(&mut child, call(2, &json!("dropped"), 100)));
    let last = send(&mut child, call(3, &json!("last"), 0));
    let (first, last) = tokio::join!(first, last);
    first.and(last).unwrap();
    receive(&mut child).await;
    assert_eq!(seen(&receive(&mut child).await), json!(["first", "last"]));
}

/// A message that the pipe has a part of is completed, though nobody waits for it: by the next that is sent, or by who
/// receives.
pub(crate) async fn what_is_begun_is_finished_by_whoever_comes() {
    for by_sending in [true, false] {
        let (mut child, ..) = start(server("counts", &[]));
        handshake(&mut child).await;
        let mut begun = send(&mut child, call(1, &json!("begun"), 4 << 20));
        assert!(poll_once(&mut begun).await.is_pending(), "no pipe holds that much");
        drop(begun);
        if by_sending {
            let next = tokio::spawn(send(&mut child, call(2, &json!("next"), 0)));
            next.await.unwrap().unwrap();
            receive(&mut child).await;
            assert_eq!(seen(&receive(&mut child).await), json!(["begun", "next"]));
        } else {
            assert_eq!(seen(&receive(&mut child).await), json!(["begun"]));
        }
    }
}

/// A server that does not read: what is sent waits, what is received is received, and closing takes its budgets.
pub(crate) async fn a_full_pipe_holds_up_nobody_else() {
    let (mut child, handle, suspect) = start(server("never-reads", &[]));
    let stuck: Vec<_> = (0..3).map(|n| tokio::spawn(send(&mut child, call(n, &json!(n), 4 << 20)))).collect();
    let mut receiving = Box::pin(Transport::<RoleClient>::receive(&mut child));
    for _ in 0..100 {
        assert!(poll_once(&mut receiving).await.is_pending());
        tokio::task::yield_now().await;
    }
    drop(receiving);
    let before = Instant::now();
    Transport::<RoleClient>::close(&mut child).await.unwrap();
    assert!(before.elapsed() < 2 * SHORT + SLACK, "{:?}", before.elapsed());
    suspect.assert_gone();
    for sent in stuck {
        let error = sent.await.unwrap().unwrap_err();
        assert!(error.is_closed(), "{error}");
    }
    assert!(Transport::<RoleClient>::receive(&mut child).await.is_none());
    assert!(handle.close_report().unwrap().is_complete());
    assert_eq!(child.id(), None);
}

/// As in rmcp's handshake: it sends, and does not receive before that is done.
pub(crate) async fn who_only_sends_reads_standard_error_and_hears_of_the_end() {
    let (mut child, handle, _) = start(server("complains-first", &[]));
    send(&mut child, call(1, &json!(1), 4 << 20)).await.unwrap();
    assert_eq!(handle.stderr_tail().last().unwrap(), "complaint 99999");
    let (mut child, ..) = start(server("dies-at-once", &[]));
    let error = send(&mut child, call(1, &json!(1), 4 << 20)).await.unwrap_err();
    assert_eq!(error.exit_status().unwrap().code(), Some(4), "{error}");
    assert!(error.to_string().ends_with("«no licence found»"), "{error}");
}

pub(crate) async fn sending_after_the_end_is_an_error() {
    let (mut child, handle, _) = start(server("dies-at-once", &[]));
    assert!(Transport::<RoleClient>::receive(&mut child).await.is_none());
    let error = send(&mut child, crate::talking::ping(1)).await.unwrap_err();
    assert_eq!(error.exit_status().unwrap().code(), Some(4), "{error}");
    assert_eq!(
        error.to_string(),
        "the server \"dies-at-once\" exited with code 4; its last lines on standard error: «no licence found»"
    );
    assert!(handle.gone().unwrap().has_exited());
    let report = child.shutdown().await;
    assert_eq!(report.status().unwrap().code(), Some(4));
    assert!(send(&mut child, crate::talking::ping(2)).await.unwrap_err().is_gone(), "the first cause stays");
}
