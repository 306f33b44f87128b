//! What the commands print when all is well.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::host::{PROGRAM, Running, on_each_runtime};

const TOOLS: [&str; 5] = ["echo", "add", "sleep", "fail", "spawn_child"];

#[test]
fn list_prints_the_tools_of_all_pages() {
    on_each_runtime(|host| {
        let ended = host.run(&["list"]).exits_with(0).says_nothing();
        for tool in TOOLS {
            assert!(ended.stdout.contains(&format!("bundled__{tool}")), "{tool}: {ended:?}");
        }
        assert!(ended.stdout.contains("2026-07-28"), "{ended:?}");

        let config = host.config(&[("one", host.bundled()), ("two", host.bundled())]);
        let ended = host.run(&["--config", &config, "list"]).exits_with(0);
        assert!(ended.stdout.find("one__echo") < ended.stdout.find("two__echo"), "{ended:?}");
        let ended = host.run(&["list", "--config", &config, "--server", "two"]).exits_with(0);
        assert!(!ended.stdout.contains("one__") && ended.stdout.contains("two__echo"), "{ended:?}");
    });
}

#[test]
fn list_prints_json() {
    on_each_runtime(|host| {
        let config = host.config(&[("one", host.bundled()), ("bad", host.server("false", &[]))]);
        let list = host.run(&["list", "--json", "--config", &config]).exits_with(3).says(&["\"bad\""]).json();
        let [one, bad] = list["servers"].as_array().unwrap().as_slice() else { panic!("two servers: {list}") };
        assert_eq!(one["name"], "one");
        assert_eq!(one["protocolVersion"], "2026-07-28");
        assert_eq!(one["serverInfo"]["name"], "scope-mcp-bundled");
        let names: Vec<&Value> = one["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, TOOLS);
        assert_eq!(one["tools"][1]["outputSchema"]["required"], json!(["sum"]));
        assert_eq!(bad["name"], "bad");
        assert!(bad["error"].is_string() && bad.get("tools").is_none(), "{bad}");
    });
}

#[test]
fn call_prints_what_the_tool_says() {
    on_each_runtime(|host| {
        let ended = host.run(&["call", "bundled__echo", r#"{"text": "one\ntwo"}"#]).exits_with(0).says_nothing();
        assert_eq!(ended.stdout, "one\ntwo\n");
        let ended = host.run(&["call", "bundled__add", r#"{"a": 2, "b": 0.5}"#]).exits_with(0).says_nothing();
        assert_eq!(ended.stdout, "2.5\n");
        let ended = host.run(&["call", "bundled__add", r#"{"a": 2, "b": 3}"#, "--json"]).exits_with(0).says_nothing();
        let result = ended.json();
        assert_eq!(result["content"], json!([{"type": "text", "text": "5"}]));
        assert_eq!(result["structuredContent"], json!({"sum": 5}));
    });
}

#[test]
fn a_tools_own_error_is_printed_all_the_same() {
    on_each_runtime(|host| {
        let args = ["call", "bundled__fail", r#"{"message": "out of paper"}"#];
        let ended = host.run(&args).exits_with(1).says(&["bundled__fail", "error"]);
        assert_eq!(ended.stdout, "out of paper\n");
        let ended = host.run(&[&args[..], &["--json"]].concat()).exits_with(1);
        assert_eq!(ended.json()["isError"], true);
        let ended = host.run(&["call", "bundled__add", r#"{"a": "2", "b": 3}"#]).exits_with(1);
        assert_eq!(ended.stdout, "the arguments of \"add\" do not fit: at /a: the value is not of type \"number\"\n");
        let ended = host.run(&["call", "bundled__add", r#"{"a": 1e308, "b": 1e308}"#]).exits_with(1);
        assert_eq!(ended.stdout, "the sum of 1e+308 and 1e+308 is too large\n");
        let ended = host.run(&["call", "bundled__sleep", r#"{"seconds": 3601}"#]).exits_with(1);
        assert!(ended.stdout.contains("at /seconds: "), "{ended:?}");
    });
}

#[test]
fn what_acts_on_a_terminal_is_made_visible() {
    on_each_runtime(|host| {
        let text = "\u{1b}[2Jx\r\u{9b}1m\u{202e}y";
        let arguments = json!({ "text": text }).to_string();
        let ended = host.run(&["call", "bundled__echo", &arguments]).exits_with(0);
        assert_eq!(ended.stdout, "\\x1b[2Jx\\r\\u{9b}1m\\u{202e}y\n");
        let ended = host.run(&["call", "bundled__echo", &arguments, "--json"]).exits_with(0);
        assert_eq!(ended.json()["content"][0]["text"], text);
        assert!(!ended.stdout.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{ended:?}");
    });
}

#[test]
fn check_prints_a_row_each() {
    on_each_runtime(|host| {
        // It is called what it will be called before the server is spoken with.
        let with_child = format!(
            "sleep 600 & until [ \"$(cat /proc/$!/comm)\" = sleep ]; do :; done; exec '{PROGRAM}' serve-bundled"
        );
        let config = host.config(&[
            ("good", host.bundled()),
            ("gone", host.server("/no/such/program", &[])),
            ("child", host.server("sh", &["-c", &with_child])),
        ]);
        let ended = host.run(&["check", "--config", &config]).exits_with(3).says(&["1 of 3", "\"gone\""]);
        let row = |name: &str| {
            let mut rows = ended.stdout.lines().filter(|line| line.trim_start().starts_with(name));
            rows.next().unwrap_or_else(|| panic!("no row for {name}: {ended:?}"))
        };
        for name in ["good", "child"] {
            assert!(
                row(name).contains("modern") && row(name).contains("2026-07-28") && row(name).contains('5'),
                "{ended:?}"
            );
        }
        assert!(row("child").contains("left behind and ended: ") && row("child").contains("sleep"), "{ended:?}");
        assert!(row("gone").contains("/no/such/program"), "{ended:?}");
        host.run(&["check"]).exits_with(0).says_nothing();
    });
}

#[test]
fn the_era_is_shown_and_makes_no_difference() {
    on_each_runtime(|host| {
        let complete = |mut result: Value| {
            result["resultType"] = json!("complete");
            result["ttlMs"] = json!(0);
            result["cacheScope"] = json!("private");
            format!("\"result\":{result}")
        };
        let discovered =
            json!({ "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {}, "resources": {} } });
        let modern = host.answering(&[
            ("server/discover", &complete(discovered)),
            ("tools/list", &complete(json!({ "tools": [{ "name": "t", "inputSchema": { "type": "object" } }] }))),
            ("resources/list", &complete(json!({ "resources": [{ "uri": "x:a", "name": "a" }] }))),
            ("resources/read", &complete(json!({ "contents": [{ "uri": "x:a", "text": "hello" }] }))),
        ]);
        let opening = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "serverInfo": { "name": "script", "version": "1" },
        });
        let legacy = host.answering(&[("initialize", &format!("\"result\":{opening}"))]);
        let config = host.config(&[("old", legacy), ("new", modern)]);
        let ended = host.run(&["check", "--config", &config]).exits_with(0).says_nothing();
        let row = |name: &str| ended.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        for (name, part) in
            [("SERVER", "ERA     REVISION"), ("old", "legacy  2025-11-25"), ("new", "modern  2026-07-28")]
        {
            assert!(row(name).contains(part), "{ended:?}");
        }
        let ended = host.run(&["list", "resources", "--config", &config, "--server", "new"]).exits_with(0);
        assert!(ended.stdout.contains("revision 2026-07-28, 1 resource\n  x:a  a\n"), "{ended:?}");
        let ended = host.run(&["read", "new", "x:a", "--config", &config]).exits_with(0).says_nothing();
        assert_eq!(ended.stdout, "hello");
    });
}

#[test]
fn the_log_goes_to_stderr() {
    on_each_runtime(|host| {
        let ended = host.run(&["call", "bundled__add", r#"{"a": 1, "b": 2}"#, "--log", "debug"]).exits_with(0);
        assert_eq!(ended.stdout, "3\n");
        for part in ["DEBUG", "scope-mcp: closed", "bundled"] {
            assert!(ended.stderr.contains(part), "{part:?} is missing: {ended:?}");
        }
    });
}

#[test]
fn raw_prints_the_answer_as_it_is() {
    on_each_runtime(|host| {
        let ended = host.run(&["raw", "bundled", "tools/list", "{}"]).exits_with(0).says_nothing();
        let answer = ended.json();
        assert_eq!(ended.stdout.lines().count(), 1);
        assert_eq!(answer["tools"][0]["name"], "echo");
        let ended = host.run(&["raw", "bundled", "no/such/method"]).exits_with(1).says(&["no/such/method"]);
        assert_eq!(ended.json()["code"], -32601);
    });
}

#[test]
fn a_child_of_a_server_is_not_left_behind() {
    on_each_runtime(|host| {
        let config = host.config(&[("parent", host.bundled())]);
        let ended = host.run(&["call", "parent__spawn_child", r#"{"seconds": 600}"#, "--config", &config]);
        let ended = ended.exits_with(0).says_nothing();
        assert!(ended.stdout.starts_with("process "), "{ended:?}");
        host.assert_nothing_left();
    });
}

#[test]
fn help_and_version_go_to_stdout() {
    on_each_runtime(|host| {
        let ended = host.run(&["--help"]).exits_with(0).says_nothing();
        for word in [
            "demo",
            "list",
            "call",
            "read",
            "prompt",
            "check",
            "raw",
            "--config",
            "--runtime",
            "--log",
            "--wire",
            "130",
        ] {
            assert!(ended.stdout.contains(word), "{word}: {ended:?}");
        }
        assert!(!ended.stdout.contains("serve-bundled"));
        let ended = host.run(&["--version"]).exits_with(0).says_nothing();
        assert_eq!(ended.stdout, format!("scope-mcp {}\n", env!("CARGO_PKG_VERSION")));
    });
}

#[test]
fn no_command_at_all_is_answered_with_help_on_stderr() {
    let mut command = Command::new(PROGRAM);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = Running::start(&mut command).end().exits_with(2);
    assert!(ended.stdout.is_empty() && ended.stderr.contains("Commands:"), "{ended:?}");
}

#[test]
fn help_that_cannot_be_written() {
    on_each_runtime(|host| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = host.command(&["--help"]);
        Running::start(command.stdout(full)).end().exits_with(2).says(&["stdout", "No space left on device"]);
    });
}
