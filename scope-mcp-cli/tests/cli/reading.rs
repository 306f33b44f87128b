//! Resources and prompts.

use std::fs;

use serde_json::{Value, json};

use crate::host::{Host, on_each_runtime};

#[test]
fn list_prints_resources_and_templates() {
    on_each_runtime(|host| {
        let ended = host.run(&["list", "resources"]).exits_with(0).says_nothing();
        let mut lines = ended.stdout.lines();
        assert!(lines.next().unwrap().ends_with(", 2 resources, 1 template"), "{ended:?}");
        for part in ["bundled:readme ", "readme (text/plain): What this", "bundled:pixel.png", "bundled:echo/{text}"] {
            assert!(ended.stdout.contains(part), "{part:?} is missing: {ended:?}");
        }
        let list = host.run(&["list", "resources", "--json", "--server", "bundled"]).exits_with(0).json();
        let server = &list["servers"][0];
        assert_eq!(server["resources"][1]["mimeType"], "image/png");
        assert_eq!(server["resourceTemplates"][0]["uriTemplate"], "bundled:echo/{text}");
        assert!(server.get("tools").is_none() && server.get("prompts").is_none(), "{list}");
    });
}

#[test]
fn list_prints_prompts_as_they_are_to_be_asked_for() {
    on_each_runtime(|host| {
        let ended = host.run(&["list", "prompts"]).exits_with(0).says_nothing();
        assert!(ended.stdout.contains(", 2 prompts\n  greet name=… [language=…]  Asks"), "{ended:?}");
        let list = host.run(&["list", "prompts", "--json"]).exits_with(0).json();
        assert_eq!(list["servers"][0]["prompts"][0]["arguments"][0]["name"], "name");
        // The word for what was always listed.
        assert_eq!(host.run(&["list", "tools"]).exits_with(0).stdout, host.run(&["list"]).exits_with(0).stdout);
    });
}

#[test]
fn read_gives_a_file_or_a_pipe_what_there_is_byte_by_byte() {
    on_each_runtime(|host| {
        let ended = host.run(&["read", "bundled", "bundled:readme"]).exits_with(0).says_nothing();
        assert!(
            ended.stdout.starts_with("This server is bundled") && ended.stdout.ends_with("installed.\n"),
            "{ended:?}"
        );
        let hostile = "\u{1b}[2J\r\u{9b}1m\u{202e}";
        let ended = host.run(&["read", "bundled", &format!("bundled:echo/{hostile}")]).exits_with(0);
        assert_eq!(ended.stdout, hostile);
        for output in ["-o", "--output"] {
            // Longer than a pixel, so that what were left of it would be seen.
            let file = host.file("pixel.png", &"x".repeat(1000));
            host.run(&["read", "bundled", "bundled:pixel.png", output, &file]).exits_with(0).says_nothing();
            let bytes = fs::read(&file).unwrap();
            assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.ends_with(b"IEND\xaeB`\x82"), "{bytes:?}");
        }
        let ended = host.run(&["read", "bundled", "bundled:readme", "-o", "-"]).exits_with(0);
        assert!(ended.stdout.starts_with("This server"), "{ended:?}");
    });
}

#[test]
fn read_prints_json() {
    on_each_runtime(|host| {
        let hostile = "bundled:echo/\u{1b}[2J\u{9b}";
        let ended = host.run(&["read", "bundled", hostile, "--json"]).exits_with(0).says_nothing();
        let text = &hostile["bundled:echo/".len()..];
        let contents = json!([{ "uri": hostile, "mimeType": "text/plain", "text": text }]);
        assert_eq!(ended.json()["contents"], contents);
        assert!(!ended.stdout.contains(['\u{1b}', '\u{9b}']), "{ended:?}");
    });
}

#[test]
fn a_file_that_cannot_be_written() {
    on_each_runtime(|host| {
        for (file, why) in [("/no/such/directory/x", "No such file"), ("/dev/full", "No space left"), (".", "Is a dir")]
        {
            let args = ["read", "bundled", "bundled:readme", "-o", file];
            host.run(&args).exits_with(2).says(&[file, "--output", why]);
        }
        // Nothing is written where nothing was read.
        let file = host.file("kept", "as it was");
        host.run(&["read", "bundled", "bundled:none", "-o", &file]).exits_with(1).says(&["bundled:none"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "as it was");
    });
}

#[test]
fn prompt_prints_its_messages() {
    on_each_runtime(|host| {
        let ended =
            host.run(&["prompt", "bundled", "greet", "name=A=B\u{1b}", "language="]).exits_with(0).says_nothing();
        assert_eq!(ended.stdout, "user:\nGreet A=B\\x1b in .\n");
        let ended = host.run(&["prompt", "bundled", "haiku"]).exits_with(0);
        let heads: Vec<&str> = ended.stdout.split("\n\n").filter_map(|message| message.lines().next()).collect();
        assert_eq!(heads, ["user:", "assistant:", "user:"]);
        let result = host.run(&["prompt", "bundled", "greet", "name=Ada", "--json"]).exits_with(0).json();
        assert_eq!(result["messages"][0]["content"]["text"], "Greet Ada in English.");
    });
}

#[test]
fn a_prompt_that_is_asked_for_wrongly() {
    on_each_runtime(|host| {
        let prompt = |args: &[&str]| host.run(&[&["prompt", "bundled"], args].concat()).exits_with(2);
        prompt(&["great"]).says(&["no prompt \"great\"", "did you mean \"greet\"?"]);
        prompt(&["greet", "language=French"]).says(&["\"greet\"", "needs name=VALUE"]);
        prompt(&["greet", "name"]).says(&["'name'", "NAME=VALUE"]);
        prompt(&["greet", "name=x", "name=y"]).says(&["\"name\"", "twice"]);
        prompt(&[]).says(&["<PROMPT>"]);
    });
}

/// A server that says one thing each to `resources/list`, `resources/read` and `prompts/get`, or nothing for `null`, and
/// knows no templates.
fn one_that_says(host: &Host, list: &Value, read: &Value, get: &Value) -> String {
    let opening = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": { "resources": {}, "prompts": {} },
        "serverInfo": { "name": "script", "version": "1" },
    });
    let result = |value: &Value| if value.is_null() { String::new() } else { format!("\"result\":{value}") };
    let read = read.as_str().map_or_else(|| result(read), str::to_owned);
    let server = host.answering(&[
        ("initialize", &result(&opening)),
        ("resources/list", &result(list)),
        ("resources/read", &read),
        ("prompts/get", &result(get)),
        ("prompts/list", &result(&json!({ "prompts": [] }))),
    ]);
    host.config(&[("odd", server)])
}

#[test]
fn a_resource_that_does_not_exist() {
    on_each_runtime(|host| {
        let gone = json!("\"error\":{\"code\":-32002,\"message\":\"not here\\u001b\"}");
        let list = json!({ "resources": [{ "uri": "file:///notes", "name": "n" }] });
        let config = one_that_says(host, &list, &gone, &json!({}));
        let read = |uri: &str| host.run(&["read", "odd", uri, "--config", &config]);
        let parts = ["\"odd\"", "no resource \"file:///note\"", "\"file:///notes\"?", "it says: not here\\x1b"];
        read("file:///note").exits_with(2).says(&parts);
        // It is in the list, and yet is not there.
        read("file:///notes").exits_with(1).says(&["file:///notes", "not here\\x1b", "-32002"]);
        let ended = host.run(&["list", "resources", "--config", &config]).exits_with(0);
        assert!(ended.stdout.contains("1 resource\n"), "{ended:?}");
        // Where there are templates, the list does not tell.
        host.run(&["read", "bundled", "bundled:readm"]).exits_with(1).says(&["bundled:readm", "-32602"]);
    });
}

#[test]
fn a_resource_or_a_prompt_that_takes_too_long() {
    on_each_runtime(|host| {
        let config = one_that_says(host, &json!({ "resources": [] }), &Value::Null, &Value::Null);
        for args in [["read", "odd", "x:slow"], ["prompt", "odd", "slow"]] {
            let args = [&args[..], &["--timeout", "1.5", "--config", &config]].concat();
            let ended = host.run(&args).exits_with(4).says(&["odd", "slow: no answer in 1.5 s"]);
            assert!(ended.stdout.is_empty(), "{ended:?}");
        }
    });
}

#[test]
fn contents_that_are_not_proper() {
    on_each_runtime(|host| {
        let list = json!({ "resources": [] });
        for (contents, said) in [
            (json!([{ "uri": "x:a", "blob": "!" }]), "contents of x:a: its base64 is wrong"),
            (json!([{ "uri": "x:a" }]), "contents of x:a: there is neither text nor bytes"),
            (json!([{ "uri": 7 }]), "contents[0].uri: invalid type"),
            (json!("none"), "contents: invalid type"),
        ] {
            let config = one_that_says(host, &list, &json!({ "contents": contents }), &json!({}));
            let file = host.path("none");
            let args = ["read", "odd", "x:a", "-o", file.to_str().unwrap(), "--config", &config];
            host.run(&args).exits_with(3).says(&["\"odd\"", said]);
            assert!(!file.exists());
        }
        let config = one_that_says(host, &list, &json!({}), &json!({ "messages": [{ "role": "nobody" }] }));
        host.run(&["prompt", "odd", "p", "--config", &config]).exits_with(3).says(&["\"odd\"", "messages[0].role"]);
        // Bytes without padding, and several contents: one after the other.
        let several = json!({ "contents": [{ "uri": "x:a", "blob": "aGk" }, { "uri": "x:b", "text": "ho" }] });
        let config = one_that_says(host, &list, &several, &json!({}));
        assert_eq!(host.run(&["read", "odd", "x:a", "--config", &config]).exits_with(0).stdout, "hiho");
    });
}
