//! Which era a server belongs to is found out, whatever it does when it is asked.

use std::time::Duration;

use scope_mcp::transport::memory;
use scope_mcp::{Client, Context, Era, NoArguments, Revision, ServeOptions, Server, State};
use serde_json::json;

use crate::calls::text;
use crate::peer::say;
use crate::support::{Clock, assert_says, on_every_runtime, open, options};

/// A server process that is asked `server/discover` first, and does something with it. `how` says what.
pub(crate) fn run(how: &str) {
    let mut asked = 0;
    while let Some(message) = crate::peer::receive() {
        let answer = |body: &str| say(&format!(r#"{{"jsonrpc":"2.0","id":{},{body}}}"#, message["id"]));
        let modern = r#""result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}"#;
        match (message["method"].as_str().unwrap_or_default(), how) {
            ("server/discover", "dies") => std::process::exit(9),
            ("server/discover", "ignores" | "late") => asked = message["id"].as_u64().unwrap_or_default(),
            ("server/discover", "empty") => answer(r#""result":{}"#),
            ("server/discover", "again" | "again-for-ever") => {
                asked += 1;
                if asked < 3 || how == "again-for-ever" {
                    answer(r#""error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}"#);
                } else {
                    answer(modern);
                }
            }
            ("server/discover", "newer") => {
                answer(r#""error":{"code":-32022,"message":"no","data":{"supported":["2031-01-01"]}}"#);
            }
            ("initialize", "late") => {
                // First what it was asked first.
                say(&format!(r#"{{"jsonrpc":"2.0","id":{asked},{modern}}}"#));
                answer(r#""error":{"code":-32601,"message":"Method not found"}"#);
            }
            ("initialize", _) => answer(
                r#""result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"old","version":"1"}}"#,
            ),
            ("tools/list", _) => answer(r#""result":{"tools":[]}"#),
            _ => {}
        }
    }
}

on_every_runtime! {
    async fn a_server_of_the_legacy_era_is_asked_otherwise_whatever_it_did_at_first(n, TEST) {
        for how in ["dies", "ignores", "empty"] {
            let options = options().probe_timeout(Duration::from_millis(100));
            let client = Client::open(n, TEST.peer("probed").arg(how), options).await?;
            let info = client.info().unwrap();
            assert_eq!((info.revision, &*info.server.name), (Revision::V2025_06_18, "old"), "{how}");
            let mut states = client.states();
            assert!(client.list_tools().await?.is_empty());
            let report = client.close().await?;
            assert!(report.is_polite(), "{how}: {report:#}");
            let mut course = Vec::new();
            while let Some(state) = states.next().await {
                course.push(state);
            }
            let twice = how == "dies";
            let again = if twice { &[State::Starting, State::Negotiating][..] } else { &[] };
            let expected =
                [again, &[State::Starting, State::Negotiating, State::Ready, State::Closing, State::Closed]].concat();
            assert_eq!(course, expected, "{how}");
        }
    }
}

on_every_runtime! {
    async fn a_server_of_the_modern_era_is_known_by_its_answers(n, TEST) {
        for (how, patience) in [("again", Duration::from_secs(60)), ("late", Duration::from_millis(100))] {
            let client = Client::open(n, TEST.peer("probed").arg(how), options().probe_timeout(patience)).await?;
            assert_eq!(client.info().unwrap().revision, Revision::V2026_07_28, "{how}");
            assert!(client.list_tools().await?.is_empty());
            client.close().await?;
        }
    }
}

on_every_runtime! {
    async fn a_server_with_nothing_in_common_says_what_it_speaks(n, TEST) {
        let clock = Clock::start();
        let error = open(n, TEST.peer("probed").arg("newer")).await.unwrap_err();
        assert!(error.is_unknown_revision(), "{error}");
        assert_says(&error, "it speaks revision «2031-01-01», and this program speaks 2024-11-05, ");
        let error = open(n, TEST.peer("probed").arg("again-for-ever")).await.unwrap_err();
        assert_eq!(error.rejection().unwrap().code(), Some(-32022), "{error}");
        clock.assert_within(10);
    }
}

on_every_runtime! {
    async fn an_era_that_is_chosen_is_not_asked_for(n, TEST) {
        // It would end, and be started again.
        let client = Client::open(n, TEST.peer("probed").arg("dies"), options().era(Era::Legacy)).await?;
        assert_eq!(client.info().unwrap().revision.era(), Era::Legacy);
        client.close().await?;
        let error = Client::open(n, TEST.peer("probed").arg("empty"), options().era(Era::Modern)).await.unwrap_err();
        assert!(error.is_malformed(), "{error}");
        let error = Client::open(n, TEST.peer("probed").arg("dies"), options().era(Era::Modern)).await.unwrap_err();
        assert_says(&error, "exited with code 9");
    }
}

on_every_runtime! {
    async fn our_own_server_is_spoken_with_in_either_era(n, TEST) {
        let _ = TEST;
        let server = Server::builder("own", "1.0")
            .tool("era", "Says its era", |_: NoArguments, cx: Context| async move { cx.revision().era().to_string() })
            .build()?;
        for (chosen, revision) in [(None, Revision::LATEST), (Some(Era::Legacy), Revision::LATEST_LEGACY)] {
            let (ours, theirs) = memory::pair(4096);
            let serving = server.start(n, theirs, ServeOptions::default())?;
            let options = chosen.into_iter().fold(options(), |options, era| options.era(era));
            let client = Client::open_stream(n, "own", ours, options).await?;
            let info = client.info().unwrap();
            assert_eq!((info.revision, &*info.server.name), (revision, "own"));
            assert_eq!(client.list_tools().await?[0].name, "era");
            let result = client.call_tool("era", &json!({})).await?;
            assert_eq!(text(&result), revision.era().to_string());
            client.close().await?;
            assert_eq!(serving.closed().await.unwrap().to_string(), "the client ended it");
        }
    }
}
