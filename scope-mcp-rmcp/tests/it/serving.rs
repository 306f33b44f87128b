//! The other roles: serving a client that is a child, and serving on our own standard streams.

use std::fs;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rmcp::ServiceExt;
use serde_json::{Value, json};

use crate::peer::{self, sdk::Echo};
use crate::support::{Client, call, open, server, start};

pub(crate) async fn a_client_below_is_served() {
    let budgets = scope_process::Budgets::default().with_after_eof(std::time::Duration::from_secs(30));
    let (child, handle, suspect) = start(server("rmcp-client-on-ours", &[]).budgets(budgets));
    Echo.serve(child).await.unwrap().waiting().await.unwrap();
    assert_eq!(handle.stderr_tail(), ["told: from below"]);
    suspect.assert_gone();
    assert!(handle.close_report().unwrap().is_polite());
}

pub(crate) async fn standard_input_and_output_of_a_pipe() {
    let (client, _, _) = open(server("rmcp-on-ours", &[])).await;
    let big = "x".repeat(1 << 20);
    assert_eq!(call(&client, "echo", json!({ "message": big })).await.unwrap(), big);
    client.cancel().await.unwrap();
}

/// A server with its standard input and output on one socket, as hosts in Node start it.
async fn on_a_socket() -> (Client, Child) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let mut command: Command = peer::command("rmcp-on-ours", &[]).into_std();
    let child = command.stdin(theirs.try_clone().unwrap()).stdout(theirs).spawn().unwrap();
    // The command has copies too.
    drop(command);
    ours.set_nonblocking(true).unwrap();
    (().serve(tokio::net::UnixStream::from_std(ours).unwrap()).await.unwrap(), child)
}

async fn ended(mut child: Child) {
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");
}

pub(crate) async fn standard_input_and_output_of_a_socket() {
    let (client, child) = on_a_socket().await;
    let big = "x".repeat(1 << 20);
    assert_eq!(call(&client, "echo", json!({ "message": big })).await.unwrap(), big);
    client.cancel().await.unwrap();
    ended(child).await;
}

/// Neither file can be waited for: a thread each. All is answered before the end, though the input ends at once; what
/// cannot be read too.
pub(crate) async fn standard_input_from_a_file() {
    let big = "x".repeat(300_000);
    let mut input = tempfile();
    for message in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "echo", "arguments": { "message": big } } }),
    ] {
        writeln!(input, "{message}").unwrap();
    }
    writeln!(input, r#"{{"jsonrpc":"2.0","id":3,"method":"ping","params":{{"#).unwrap();
    input.rewind().unwrap();
    let mut output = tempfile();
    let mut command: Command = peer::command("rmcp-on-ours", &[]).into_std();
    let child = command.stdin(input).stdout(output.try_clone().unwrap()).stderr(Stdio::inherit()).spawn().unwrap();
    ended(child).await;
    output.rewind().unwrap();
    let said = std::io::read_to_string(output).unwrap();
    let answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 3, "{said}");
    let answer = |id: i64| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert_eq!(answer(1)["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answer(2)["result"]["content"][0]["text"], big);
    assert_eq!(answer(3)["error"]["code"], -32700);
}

/// A file without a name.
fn tempfile() -> fs::File {
    let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(std::env::temp_dir(), flags, rustix::fs::Mode::from_raw_mode(0o600)).unwrap().into()
}

pub(crate) async fn our_own_client_speaks_to_it() {
    let program = std::env::current_exe().unwrap();
    let spec = scope_mcp::ServerSpec::new("server", program.to_str().unwrap()).args(["peer", "rmcp-on-ours"]);
    let echoed = scope_tokio::nursery(async move |n| {
        let client = scope_mcp::Client::open(n, spec, scope_mcp::ClientOptions::default()).await?;
        assert_eq!(client.list_tools().await?.len(), 3);
        let result = client.call_tool("echo", &json!({ "message": "hello" })).await?;
        client.close().await?;
        Ok(format!("{:?}", result.content))
    });
    assert!(echoed.await.unwrap().contains("\"hello\""));
}
