//! Servers that begin badly: whatever they do when they are asked which era they are of, they are spoken with if they can
//! be, or given up in time.

use std::time::Duration;

use scope_mcp::transport::memory;
use scope_mcp::{CallOptions, Client, ClientOptions, Revision};
use serde_json::{Value, json};

use crate::by_hand::Peer;
use crate::peer::{receive, say};
use crate::support::{Clock, assert_says, on_every_runtime, options};
use crate::telling::close_unharmed;

/// A server process that says `first` when it is asked `server/discover` (`ID` stands for the id), and then goes on or,
/// with a `code`, exits. It answers `initialize`, unless it is to `refuse`: then it exits there too.
pub(crate) fn run(first: &str, code: Option<i32>, refuse: bool) {
    while let Some(message) = receive() {
        let id = message["id"].to_string();
        let method = message["method"].as_str().unwrap_or_default();
        if let Some(code) = code.filter(|_| method == "server/discover" || (refuse && method == "initialize")) {
            eprintln!("{method} is more than I can take");
            print!("{}", first.replace("ID", &id));
            std::process::exit(code);
        }
        match method {
            "server/discover" => say(&first.replace("ID", &id)),
            "initialize" => say(&INITIALIZED.replace("ID", &id)),
            "ping" => say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)),
            _ => {}
        }
    }
}

const INITIALIZED: &str = concat!(
    r#"{"jsonrpc":"2.0","id":ID,"result":{"protocolVersion":"2025-06-18","capabilities":{},"#,
    r#""serverInfo":{"name":"old","version":"1"}}}"#
);

/// So that what is not answered need not be waited for.
fn impatient() -> ClientOptions {
    options().probe_timeout(Duration::from_millis(50))
}

on_every_runtime! {
    async fn whatever_else_is_answered_is_no_answer_of_the_modern_era(n, TEST) {
        let discovered = r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#;
        let long = format!(r#"{{"jsonrpc":"2.0","id":ID,"result":{{"a":"{}"}}}}"#, "x".repeat(20_000));
        for answer in [
            "Usage: server [OPTIONS]",
            r#"{"level":"error","id":ID,"msg":"unknown method server/discover"}"#,
            r#"{"jsonrpc":"2.0","id":ID,"result":{"a":}}"#,
            r#"{"jsonrpc":"2.0","id":ID}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid request"}}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"}}"#,
            r#"{"jsonrpc":"2.0","id":ID,"error":null}"#,
            r#"{"jsonrpc":"2.0","id":ID,"error":"unknown"}"#,
            r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32022,"message":"x","data":{"supported":{}}}}"#,
            r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32020,"message":"x"}}"#,
            &format!(r#"{{"jsonrpc":"2.0","id":"ID","result":{discovered}}}"#),
            &format!(r#"[{{"jsonrpc":"2.0","id":ID,"result":{discovered}}}]"#),
            &format!(r#"{{"jsonrpc":"2.0","id":ID,"result":{discovered},"error":{{}}}}"#),
            &long,
        ] {
            let spec = TEST.peer("begins-badly").arg(answer);
            let client = Client::open(n, spec, impatient().max_line(10_000)).await?;
            let info = client.info().unwrap();
            assert_eq!((info.revision, &*info.server.name), (Revision::V2025_06_18, "old"), "{answer}");
            close_unharmed(&client).await?;
        }
    }
}

on_every_runtime! {
    async fn one_that_exits_when_it_is_asked_is_started_again_once(n, TEST) {
        for half in ["", r#"{"jsonrpc":"2.0","id":ID,"result":{"supp"#] {
            let client = Client::open(n, TEST.peer("begins-badly").arg(half).arg("0"), options()).await?;
            assert_eq!(client.info().unwrap().revision, Revision::V2025_06_18);
            assert_eq!(TEST.left().len(), 1, "the first one is gone");
            close_unharmed(&client).await?;
        }
        let error = Client::open(n, TEST.peer("begins-badly").arg("").arg("7").arg("refuse"), options()).await.unwrap_err();
        assert_eq!(error.disconnect().unwrap().exit_status().unwrap().code(), Some(7), "{error}");
        assert_says(&error, "exited with code 7; its last lines on standard error: «initialize is more than I can take»");
    }
}

on_every_runtime! {
    async fn a_call_that_never_reached_it_has_no_more_progress(n, TEST) {
        let client = Client::start(n, TEST.peer("begins-badly").arg("").arg("7").arg("refuse"), options())?;
        let (options, mut progress) = CallOptions::new().with_progress(3);
        let error = client.call_tool_with("echo", &json!({}), &options).await.unwrap_err();
        assert!(error.is_not_sent(), "{error}");
        assert!(progress.next().await.is_none());
        drop(options);
    }
}

on_every_runtime! {
    async fn one_that_hangs_up_when_it_is_asked_and_lives_is_ended_and_started_again(n, TEST) {
        let initialized = INITIALIZED.replace("ID", "'\"$id\"'");
        let script = format!(
            r#"
            read -r line
            case "$line" in *server/discover*) exec >&-; sleep 600;; esac
            id=$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
            printf '%s\n' '{initialized}'
            read -r line; read -r line
            id=$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
            printf '%s\n' '{{"jsonrpc":"2.0","id":'"$id"',"result":{{}}}}'
            read -r line
            "#
        );
        let clock = Clock::start();
        let client = Client::open(n, TEST.script(&script), options()).await?;
        assert_eq!(client.info().unwrap().revision, Revision::V2025_06_18);
        close_unharmed(&client).await?;
        clock.assert_within(30);
    }
}

on_every_runtime! {
    async fn an_answer_that_comes_when_it_is_open_already_changes_nothing(n, TEST) {
        let late = [
            json!({ "result": { "supportedVersions": ["2026-07-28"], "capabilities": {} } }),
            json!({ "error": { "code": -32022, "message": "no", "data": { "supported": ["2026-07-28"] } } }),
            json!({ "error": { "code": -32601, "message": "Method not found" } }),
        ];
        for mut answer in late {
            let (ours, theirs) = memory::pair(4096);
            let client = Client::start_stream(n, TEST.0, ours, impatient())?;
            let mut peer = Peer::new(theirs);
            let discover = peer.hear_of("server/discover").await;
            let initialize = peer.hear_of("initialize").await;
            let initialized: Value = serde_json::from_str(&INITIALIZED.replace("ID", "0"))?;
            peer.answer(&initialize, initialized["result"].clone()).await;
            peer.hear_of("notifications/initialized").await;
            assert_eq!(client.wait_ready().await?.revision, Revision::V2025_06_18);
            (answer["jsonrpc"], answer["id"]) = ("2.0".into(), discover["id"].clone());
            for late in [Value::Null, answer] {
                if !late.is_null() {
                    peer.say(late).await;
                }
                // Nothing is said of that, and what is said is of the legacy era.
                let ping = async {
                    let ping = peer.hear_of("ping").await;
                    assert!(ping["params"].get("_meta").is_none(), "{ping}");
                    peer.answer(&ping, json!({})).await;
                };
                let (answer, ()) = futures_util::join!(client.request_raw("ping", None), ping);
                assert_eq!(answer?.get(), "{}");
            }
            assert_eq!(client.close().await?.traffic.strays, 1);
        }
    }
}

on_every_runtime! {
    async fn a_server_of_the_modern_era_may_not_ask(n, TEST) {
        let (ours, theirs) = memory::pair(4096);
        let asked = options().on_elicitation(|_| async { panic!("nobody is to be asked") });
        let client = Client::start_stream(n, TEST.0, ours, asked)?;
        let mut peer = Peer::new(theirs);
        peer.open_modern(json!({})).await;
        assert_eq!(client.wait_ready().await?.revision, Revision::V2026_07_28);
        for method in ["elicitation/create", "sampling/createMessage", "roots/list", "tools/list", ""] {
            let answer = peer.ask("q", method, json!({ "message": "Who?" })).await;
            assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
        }
        client.close().await?;
    }
}
