//! All ways in which a host lets go of a server.

use std::time::Instant;

use rmcp::ServiceExt;
use rustix::process::{Pid, Signal};
use scope_mcp_rmcp::Builder;
use scope_process::Reach;
use serde_json::json;

use crate::runtime;
use crate::support::{SHORT, SLACK, call, server, start};

pub(crate) async fn close_ends_the_server_and_its_child() {
    let (child, handle, suspect) = start(server("has-a-child", &[]));
    let client = ().serve(child).await.unwrap();
    assert_eq!(call(&client, "x", json!({})).await.unwrap(), "one child");
    suspect.await_processes(2);
    let before = Instant::now();
    client.cancel().await.unwrap();
    assert!(before.elapsed() < 2 * SHORT + SLACK, "{:?}", before.elapsed());
    suspect.assert_gone();
    let report = handle.close_report().unwrap();
    assert!(report.is_complete() && report.stragglers().len() == 1, "{report:#}");
}

pub(crate) async fn what_is_ended_can_be_chosen() {
    for (reach, left) in [(None, 0), (Some(Reach::Session), 1), (Some(Reach::Contained), 0)] {
        let builder = server("has-a-daemon", &[]);
        let (child, handle, suspect) = start(reach.into_iter().fold(builder, Builder::reach));
        let client = ().serve(child).await.unwrap();
        // As long as it is not a program of its own yet, it is in the group.
        suspect.await_session_leader();
        client.cancel().await.unwrap();
        assert_eq!(suspect.processes().len(), left, "{reach:?}: {:#}", handle.close_report().unwrap());
        for pid in suspect.processes() {
            rustix::process::kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
        }
    }
}

pub(crate) async fn close_of_one_that_never_reads_takes_its_budget() {
    let (child, handle, suspect) = start(server("deaf", &[]));
    let client = std::sync::Arc::new(().serve(child).await.unwrap());
    let stuck: Vec<_> = (0..3)
        .map(|_| {
            let peer = client.peer().clone();
            let (sent, sending) = tokio::sync::oneshot::channel();
            let call = tokio::spawn(async move {
                let mut call = rmcp::model::CallToolRequestParams::new("x");
                call.arguments = json!({ "ballast": "x".repeat(4 << 20) }).as_object().cloned();
                let _ = sent.send(());
                peer.call_tool(call).await
            });
            (call, sending)
        })
        .collect();
    let mut calls = Vec::new();
    for (call, sending) in stuck {
        sending.await.unwrap();
        calls.push(call);
    }
    let client = std::sync::Arc::into_inner(client).unwrap();
    let before = Instant::now();
    client.cancel().await.unwrap();
    // Writing down 12 MiB, in a debug build, comes to that.
    assert!(before.elapsed() < 2 * SHORT + 5 * SLACK, "{:?}", before.elapsed());
    suspect.assert_gone();
    let report = handle.close_report().unwrap();
    assert!(report.is_complete() && report.took() < 2 * SHORT + SLACK, "{report:#}");
    for call in calls {
        call.await.unwrap().unwrap_err();
    }
}

pub(crate) async fn a_failed_handshake_leaves_nothing() {
    let (child, _, suspect) = start(server("refuses", &[]));
    let error = ().serve(child).await.unwrap_err();
    assert!(error.to_string().contains("not today"), "{error}");
    suspect.assert_gone_soon();
    // Given up by its caller.
    let (child, _, suspect) = start(server("never-reads", &[]));
    tokio::time::timeout(SHORT, ().serve(child)).await.unwrap_err();
    suspect.assert_gone_soon();
}

pub(crate) async fn an_aborted_task_leaves_nothing() {
    let (child, _, suspect) = start(server("has-a-child", &[]));
    let (opened, open) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let mut child = child;
        crate::sending::handshake(&mut child).await;
        let _ = opened.send(());
        // As the service's task does.
        while rmcp::transport::Transport::<rmcp::RoleClient>::receive(&mut child).await.is_some() {}
    });
    open.await.unwrap();
    suspect.await_processes(2);
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    suspect.assert_gone_soon();
}

pub(crate) async fn a_dropped_handle_leaves_nothing() {
    let (child, _, suspect) = start(server("has-a-child", &[]));
    drop(().serve(child).await.unwrap());
    // The service's task closes it when it comes to it.
    while !suspect.is_gone() {
        tokio::task::yield_now().await;
    }
}

/// `close` begun, and then dropped with the transport.
pub(crate) async fn a_cut_close_leaves_nothing() {
    let (mut child, handle, suspect) = start(server("never-reads", &[]).budgets(scope_process::Budgets::default()));
    tokio::time::timeout(SHORT, child.shutdown()).await.unwrap_err();
    assert!(handle.close_report().is_none());
    suspect.await_processes(1);
    drop(child);
    suspect.assert_gone_soon();
}

pub(crate) async fn dropping_outside_a_runtime_leaves_nothing() {
    let (child, _, suspect) = start(server("has-a-child", &[]));
    std::thread::spawn(move || drop(child)).join().unwrap();
    suspect.assert_gone_soon();
}

pub(crate) fn dropping_with_the_runtime_leaves_nothing() {
    for parallel in [false, true] {
        let runtime = runtime(parallel);
        let (client, suspect) = runtime.block_on(async {
            let (child, _, suspect) = start(server("has-a-child", &[]));
            (().serve(child).await.unwrap(), suspect)
        });
        suspect.await_processes(2);
        drop(runtime);
        suspect.assert_gone_soon();
        drop(client);
    }
}

pub(crate) fn dropping_after_the_runtime_leaves_nothing() {
    for parallel in [false, true] {
        let runtime = runtime(parallel);
        let (child, sending, suspect) = runtime.block_on(async {
            let (mut child, _, suspect) = start(server("never-reads", &[]));
            let sending = crate::sending::send(&mut child, crate::talking::ping(1));
            (child, sending, suspect)
        });
        drop(runtime);
        suspect.await_processes(1);
        drop(child);
        suspect.assert_gone_soon();
        drop(sending);
    }
}

pub(crate) fn a_panic_leaves_nothing() {
    let runtime = runtime(false);
    let (suspect, panicked) = runtime.block_on(async {
        let (child, _, suspect) = start(server("has-a-child", &[]));
        let panicked = tokio::spawn(async move {
            let _child = child;
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        (suspect, panicked.await)
    });
    assert!(panicked.unwrap_err().is_panic());
    suspect.assert_gone_soon();
}
