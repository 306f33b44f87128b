use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("c.json", text).map_err(|stop| {
        assert_eq!(stop.code, crate::exit::Code::Usage);
        let message = stop.to_string();
        assert!(!message.contains('\n'), "more than one line: {message}");
        message
    })
}

fn error(text: &str) -> String {
    parse(text).expect_err("this configuration is wrong")
}

#[test]
fn the_usual_form_is_understood() {
    let config = parse(
        r#"{"mcpServers": {
            "files": {"command": "npx", "args": ["-y", "x"], "env": {"A": "1"}, "cwd": "/tmp", "type": "stdio"},
            "time": {"command": "time", "reach": "contained"},
            "old": {"command": "old", "disabled": true}
        }}"#,
    )
    .unwrap();
    assert_eq!(config.names().collect::<Vec<_>>(), ["files", "time"]);
    let files = config.server("files").unwrap();
    assert_eq!(files.command, "npx");
    assert_eq!(files.args, ["-y", "x"]);
    assert_eq!(files.env, [("A".to_owned(), "1".to_owned())]);
    assert_eq!(files.cwd.as_deref(), Some(Path::new("/tmp")));
    assert_eq!(files.reach, Reach::Marked);
    assert_eq!(config.server("time").unwrap().reach, Reach::Contained);
}

#[test]
fn an_error_names_file_line_column_key_and_what_to_do() {
    let cases = [
        ("", "c.json is empty; it should look like {\"mcpServers\""),
        (" \n ", "c.json is empty"),
        ("servers: x", "c.json:1:1: this is not JSON: expected value"),
        ("{\n  \"mcpServers\": {,}\n}", "c.json:2:18: this is not JSON: key must be a string"),
        ("{\"mcpServers\": {", "c.json:1:16: this is not JSON: EOF while parsing"),
        ("[]", "c.json:1:1: the configuration should be an object, but is a list"),
        ("{}", "c.json:1:1: the key \"mcpServers\" is missing; write {"),
        (
            r#"{"mcpServers": {"a": {"command": "x", "reach": "far"}}}"#,
            "c.json:1:48: \"mcpServers.a.reach\" is \"far\"; write \"marked\" (as without it), \"contained\"",
        ),
        ("{\"mcpservers\": {}}", "c.json:1:16: unknown key \"mcpservers\"; did you mean \"mcpServers\"?"),
        ("{\"mcpServers\": {}}", "c.json:1:16: \"mcpServers\" names no server; write {"),
        ("{\"mcpServers\": []}", "c.json:1:16: \"mcpServers\" should be an object, but is a list"),
        (
            "{\"mcpServers\": {\n\"a__b\": {\"command\": \"x\"}}}",
            "c.json:2:9: the server name \"a__b\" contains \"__\", which stands between a server and its tool; rename \
             it, for example to \"a-b\"",
        ),
        ("{\"mcpServers\": {\"\": {\"command\": \"x\"}}}", "c.json:1:21: a server has an empty name"),
        ("{\"mcpServers\": {\"a\": {}}}", "c.json:1:22: \"mcpServers.a\" has no \"command\"; name the program"),
        ("{\"mcpServers\": {\"a\": {\"command\": \"\"}}}", "\"mcpServers.a.command\" is empty"),
        (
            "{\"mcpServers\": {\"a\": {\"comand\": \"x\"}}}",
            "c.json:1:33: unknown key \"comand\" in \"mcpServers.a\"; did you mean \"command\"?",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"autostart\": true}}}",
            "unknown key \"autostart\" in \"mcpServers.a\"; known here: \"command\", \"args\"",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": [\"x\"]}}}",
            "c.json:1:34: \"mcpServers.a.command\" should be a string, but is a list",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": \"y\"}}}",
            "\"mcpServers.a.args\" should be a list, but is a string",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": [\"y\", 1]}}}",
            "c.json:1:53: \"mcpServers.a.args[1]\" should be a string, but is a number; put it in quotes",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"env\": {\"PORT\": 80}}}}",
            "\"mcpServers.a.env.PORT\" should be a string, but is a number; put it in quotes",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"env\": {\"A=B\": \"\"}}}}",
            "\"A=B\" cannot be the name of an environment variable",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"cwd\": null}}}",
            "\"mcpServers.a.cwd\" should be a string, but is null; remove it",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"disabled\": \"yes\"}}}",
            "\"mcpServers.a.disabled\" should be true or false, but is a string",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"type\": \"http\", \"url\": \"http://h\"}}}",
            "\"mcpServers.a.type\" is \"http\", but only \"stdio\" servers",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"url\": \"http://h\"}}}",
            "\"mcpServers.a.url\" belongs to a server on the network",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\"}, \"a\": {\"command\": \"y\"}}}",
            "\"a\" stands twice in \"mcpServers\"; remove one",
        ),
        ("{\"mcpServers\": {\"a\": {\"command\": \"x\\u0000\"}}}", "contains a NUL character"),
        ("{\"mcpServers\": {\"a\": {\"command\": \"x\", \"disabled\": true}}}", "every server is disabled"),
        ("{\"mcpServers\": {\"a\": {\"command\": \"\\ud800\"}}}", "\"mcpServers.a.command\" cannot be read: "),
        ("{\"mcpServers\": {\"\\ud800\": {}}}", "\"mcpServers\" cannot be read: "),
        ("{\"mcpServers\": {\"a\": {\"command\": 1, \"disabled\": true}}}", "should be a string"),
    ];
    for (text, expected) in cases {
        let message = error(text);
        assert!(message.contains(expected), "\n{text}\nsays    {message}\nwithout {expected}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_nearest() {
    let config = parse(
        r#"{"mcpServers": {"files": {"command": "f"}, "time": {"command": "t"}, "old": {"command": "o", "disabled": true}}}"#,
    )
    .unwrap();
    let said = |name| config.server(name).unwrap_err().to_string();
    assert_eq!(said("flies"), "c.json has no server \"flies\"; did you mean \"files\"?");
    assert_eq!(said("qqqqqq"), "c.json has no server \"qqqqqq\"; there are \"files\", \"time\"");
    assert!(said("old").starts_with("server \"old\" is disabled in c.json"), "{}", said("old"));
}

#[test]
fn a_target_is_a_server_and_a_tool() {
    let config = parse(r#"{"mcpServers": {"files": {"command": "f"}}}"#).unwrap();
    let (server, tool) = config.target("files__read__all").unwrap();
    assert_eq!((server.name.as_str(), tool), ("files", "read__all"));
    let said = |target| config.target(target).unwrap_err().to_string();
    assert_eq!(said("file__read"), "c.json has no server \"file\"; did you mean \"files\"?");
    assert!(said("read").starts_with("\"read\" is not SERVER__TOOL, such as \"files__echo\""), "{}", said("read"));
    assert!(said("files__").starts_with("\"files__\" is not SERVER__TOOL"), "{}", said("files__"));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let config = parse(r#"{"mcpServers": {"a": {"command": "x", "env": {"API_KEY": "hunter2"}}}}"#).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("API_KEY") && !shown.contains("hunter2"), "{shown}");
}
