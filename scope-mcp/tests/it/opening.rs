use std::time::Duration;

use scope_mcp::{Client, Ending, Era, OpenError, Revision};

use crate::support::{Clock, assert_says, on_every_runtime, open, options};

on_every_runtime! {
    /// Opened, asked, closed: what is known at each point.
    async fn a_good_server_opens_and_says_who_it_is(n, TEST) {
        let client = open(n, TEST.peer("good")).await?;
        let info = client.info().unwrap();
        assert_eq!((info.server.name.as_str(), info.server.version.as_str()), ("peer", "1.0"));
        assert_eq!(info.server.title.as_deref(), Some("A peer"));
        assert_eq!(info.revision, Revision::LATEST_LEGACY);
        assert_eq!(info.instructions.as_deref(), Some("Be nice."));
        assert!(info.capabilities.has("tools") && !info.capabilities.has("prompts"));
        assert_eq!(TEST.left(), [info.pid.unwrap()]);
        assert_eq!(info.to_string(), "peer 1.0, revision 2025-11-25");
        let report = client.close().await?;
        assert!(matches!(report.ending, Ending::Closed), "{report}");
        assert!(report.is_polite() && report.is_complete(), "{report:#}");
        assert_eq!(report.exit_status().unwrap().code(), Some(0));
        assert_eq!(report.stderr_tail, ["good server, at your service"]);
        assert!(TEST.left().is_empty());
    }
}

on_every_runtime! {
    async fn every_known_revision_is_taken_and_no_other(n, TEST) {
        for revision in Revision::of(Era::Legacy) {
            let client = open(n, TEST.peer("speaks-only").arg(revision.as_str())).await?;
            assert_eq!(client.info().unwrap().revision, revision);
            client.close().await?;
        }
        let answer = r#"{"jsonrpc":"2.0","id":ID,"result":{"protocolVersion":"1999-01-01\u0007","capabilities":{},
            "serverInfo":{"name":"a","version":"b"}}}"#.replace('\n', "");
        let error = open(n, TEST.peer("answers-initialize-with").arg(answer)).await.unwrap_err();
        assert!(error.is_unknown_revision());
        assert_says(&error, "it speaks revision «1999-01-01\\x07», and this program speaks 2024-11-05, ");
    }
}

on_every_runtime! {
    async fn a_program_that_cannot_be_started_is_told_from_one_that_is_not_there(n, TEST) {
        let missing: OpenError = open(n, TEST.program("no-such-program-here")).await.unwrap_err();
        assert!(missing.is_not_found() && !missing.is_not_executable(), "{missing}");
        assert_says(&missing, "cannot start \"peer\": there is no program \"no-such-program-here\"");
        let directory = open(n, TEST.program("/")).await.unwrap_err();
        assert!(directory.is_not_executable(), "{directory}");
        assert_says(&directory, "is a directory");
        let no_program = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let file = open(n, TEST.program(no_program)).await.unwrap_err();
        assert!(file.is_not_executable(), "{file}");
        let nowhere = open(n, TEST.peer("good").cwd("/no/such/place")).await.unwrap_err();
        assert!(nowhere.spawn_error().unwrap().is_bad_cwd(), "{nowhere}");
    }
}

on_every_runtime! {
    async fn a_server_that_exits_at_once_leaves_its_code_and_last_words(n, TEST) {
        for code in [0, 1, 7] {
            let client = Client::start(n, TEST.peer("exits").arg(code.to_string()), options())?;
            let error = client.wait_ready().await.unwrap_err();
            let gone = error.disconnect().unwrap();
            assert_eq!(gone.exit_status().unwrap().code(), Some(code));
            assert_eq!(gone.stderr_tail(), ["first words", "last \u{1b}[1mwords"]);
            assert_eq!(
                error.to_string(),
                format!(
                    "cannot open the server \"peer\" (command {:?}): before it had answered, it exited with code {code}; its \
                     last lines on standard error: «first words» «last \\x1b[1mwords»",
                    error.command().unwrap()
                )
            );
            let report = client.closed().await.unwrap();
            assert!(matches!(report.ending, Ending::NotOpened(_)));
            assert_eq!(report.exit_status().unwrap().code(), Some(code));
        }
    }
}

on_every_runtime! {
    async fn a_server_that_never_answers_is_given_up_in_time(n, TEST) {
        let clock = Clock::start();
        let short = options().open_timeout(Duration::from_millis(200));
        let error = Client::open(n, TEST.peer("silent"), short).await.unwrap_err();
        assert!(error.is_timeout() && error.printed_instead().is_none());
        assert_says(&error, "it said nothing in 200 ms; check that the command starts");
        clock.assert_within(10);
        assert!(TEST.left().is_empty());
    }
}

on_every_runtime! {
    async fn a_program_that_prints_text_is_shown_what_it_printed(n, TEST) {
        let short = options().open_timeout(Duration::from_millis(300));
        let error = Client::open(n, TEST.peer("text"), short).await.unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(error.printed_instead(), Some("Welcome to \u{1b}[31mserver\u{7} token=hush-hush!"));
        assert_says(&error, "it did not answer in 300 ms; it printed text instead of JSON: ");
        assert_says(&error, "«Welcome to \\x1b[31mserver\\x07 token=[redacted]»");
        let clock = Clock::start();
        let error = open(n, TEST.peer("text-without-end")).await.unwrap_err();
        assert!(error.is_malformed(), "{error}");
        assert_says(&error, "none was a message; it printed text instead of JSON: «y»");
        clock.assert_within(20);
    }
}

on_every_runtime! {
    async fn an_improper_answer_to_initialize_is_told_by_what_is_wrong_with_it(n, TEST) {
        let answers = [
            (r#"{"jsonrpc":"2.0","id":ID,"result":{}}"#, "missing field `protocolVersion`"),
            (r#"{"jsonrpc":"2.0","id":ID,"result":[]}"#, "invalid type: sequence"),
            (r#"{"jsonrpc":"2.0","id":ID,"result":null}"#, "invalid type: null"),
            (r#"{"jsonrpc":"2.0","id":ID}"#, "neither a result nor an error"),
            (r#"{"jsonrpc":"2.0","id":ID,"result":{"protocolVersion":"\ud800","capabilities":{}}}"#, "hex escape"),
        ];
        for (answer, why) in answers {
            let error = open(n, TEST.peer("answers-initialize-with").arg(answer)).await.unwrap_err();
            assert!(error.is_malformed() && error.to_string().contains(why), "{answer}: {error}");
        }
        let refusal = r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"go away"}}"#;
        let error = open(n, TEST.peer("answers-initialize-with").arg(refusal)).await.unwrap_err();
        assert_eq!(error.rejection().unwrap().code(), Some(-32000));
        assert_says(&error, "it refused to begin: go away (error -32000)");
    }
}

on_every_runtime! {
    async fn the_environment_is_what_the_server_needs_and_what_it_is_given(n, TEST) {
        // Whatever there is that programs do not need.
        let needed = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "TZ", "LANG", "LANGUAGE"];
        let (private, _) = std::env::vars()
            .find(|(name, _)| !needed.contains(&name.as_str()) && !name.starts_with("LC_") && !name.starts_with("SCOPE_"))
            .expect("an environment to inherit from");
        for all in [false, true] {
            let spec = TEST.peer("good").env("GIVEN", "yes").cwd("/").inherit_env(all);
            let client = open(n, spec).await?;
            let result = client.call_tool("env", &serde_json::json!({})).await?;
            let seen = result.structured_content.unwrap();
            assert_eq!((&seen["env"]["GIVEN"], &seen["cwd"]), (&"yes".into(), &"/".into()));
            assert!(seen["env"]["PATH"].is_string());
            assert_eq!(seen["env"][&private].is_string(), all);
            client.close().await?;
        }
    }
}

on_every_runtime! {
    async fn calls_made_before_it_is_open_wait_for_it_or_fail_with_it(n, TEST) {
        let client = Client::start(n, TEST.peer("good"), options())?;
        assert!(client.info().is_none());
        assert_eq!(client.list_tools().await?.len(), 7);
        client.close().await?;

        let client = Client::start(n, TEST.program("no-such-program-here"), options())?;
        let error = client.request_raw("ping", None).await.unwrap_err();
        assert!(error.is_not_sent(), "{error}");
        let error = client.list_tools().await.unwrap_err();
        assert!(error.open_error().unwrap().is_not_found(), "{error}");
    }
}
