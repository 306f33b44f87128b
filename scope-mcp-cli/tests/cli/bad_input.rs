//! Whatever is wrong: one clear line that names it, the right exit code, in time, and nothing left running.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::host::{Host, PROGRAM, Running, on_each_runtime, script};

/// Runs every command that opens a server on a bad one, and asserts the same about each.
///
/// Where a time-out is expected, it comes after a second; where it is not, it must not come before the machine's load is
/// over.
#[track_caller]
fn each_command_fails(host: &Host, server: Value, code: i32, parts: &[&str]) {
    let config = host.config(&[("bad", server)]);
    let time = if code == 4 { "1" } else { "60" };
    for command in [
        vec!["list"],
        vec!["list", "--json"],
        vec!["call", "bad__echo", "{}"],
        vec!["call", "bad__echo", "--json"],
        vec!["list", "resources"],
        vec!["read", "bad", "x:y"],
        vec!["prompt", "bad", "p"],
        vec!["raw", "bad", "tools/list"],
    ] {
        let args = [command.as_slice(), &["--config", &config, "--timeout", time]].concat();
        let ended = host.run(&args).exits_with(code).says(parts).says(&["\"bad\""]);
        assert!(ended.stdout.is_empty() || args.contains(&"--json"), "{ended:?}");
        host.assert_nothing_left();
    }
    let ended = host.run(&["check", "--config", &config, "--timeout", time]).exits_with(code).says(&["\"bad\""]);
    for part in parts {
        assert!(ended.stdout.contains(part), "{part:?} is missing: {ended:?}");
    }
    host.assert_nothing_left();
}

#[test]
fn a_command_that_does_not_exist() {
    on_each_runtime(|host| {
        each_command_fails(host, host.server("/no/such/program", &[]), 3, &["/no/such/program", "there is no program"]);
        each_command_fails(
            host,
            host.server("no-such-program", &[]),
            3,
            &["no-such-program", "there is no program", "PATH"],
        );
    });
}

#[test]
fn a_command_that_is_a_directory() {
    on_each_runtime(|host| {
        let directory = host.path("directory");
        fs::create_dir(&directory).unwrap();
        let directory = directory.to_str().unwrap();
        each_command_fails(host, host.server(directory, &[]), 3, &[directory, "is a directory"]);
    });
}

#[test]
fn a_command_that_is_not_executable() {
    on_each_runtime(|host| {
        let file = host.file("plain.txt", "#!/bin/sh\n");
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        each_command_fails(host, host.server(&file, &[]), 3, &[&file, "make it executable"]);
    });
}

#[test]
fn a_working_directory_that_does_not_exist() {
    on_each_runtime(|host| {
        let mut server = host.bundled();
        server["cwd"] = json!("/no/such/directory");
        each_command_fails(host, server, 3, &["/no/such/directory", "working directory", "does not exist"]);
    });
}

#[test]
fn a_server_that_exits_at_once() {
    on_each_runtime(|host| {
        each_command_fails(host, host.server("false", &[]), 3, &["1"]);
        let lines = "echo 'no licence found' >&2; exit 7";
        each_command_fails(host, host.server("sh", &["-c", lines]), 3, &["7", "no licence found"]);
    });
}

#[test]
fn a_server_that_prints_text_instead_of_json() {
    on_each_runtime(|host| {
        let lines = "echo 'Welcome to my server!'; while read -r line; do :; done";
        each_command_fails(host, host.server("sh", &["-c", lines]), 4, &["JSON", "Welcome to my server!"]);
        each_command_fails(host, host.server("echo", &["Usage: server FILE"]), 3, &["Usage: server FILE"]);
    });
}

#[test]
fn a_server_that_never_answers() {
    on_each_runtime(|host| {
        each_command_fails(host, host.server("sh", &["-c", "while read -r line; do :; done"]), 4, &["1 s"]);
    });
}

#[test]
fn a_server_that_closes_its_output_and_stays() {
    on_each_runtime(|host| {
        let lines = "exec >&-; exec sleep 600";
        each_command_fails(host, host.server("sh", &["-c", lines]), 3, &[]);
    });
}

#[test]
fn a_server_that_says_what_acts_on_a_terminal() {
    on_each_runtime(|host| {
        let lines = "printf 'evil\\033]0;owned\\007\\033[2J\\n' >&2; exit 1";
        let ended = {
            each_command_fails(host, host.server("sh", &["-c", lines]), 3, &["evil"]);
            let config = host.config(&[("bad", host.server("sh", &["-c", lines]))]);
            host.run(&["list", "--config", &config])
        };
        assert!(!ended.stderr.contains(['\u{1b}', '\u{7}']), "{ended:?}");
    });
}

#[test]
fn a_configuration_that_is_wrong() {
    on_each_runtime(|host| {
        let cases = [
            ("servers: yes", vec!["c.json:1:1", "not JSON"]),
            ("", vec!["c.json", "empty"]),
            ("{\"mcpServers\": {}}", vec!["c.json:1:16", "no server"]),
            ("{\"mcpServers\":\n{\"a\": {\"comand\": \"x\"}}}", vec!["c.json:2:18", "\"comand\"", "\"command\""]),
            ("{\"mcpServers\": {\"a__b\": {\"command\": \"x\"}}}", vec!["c.json:1:25", "\"a__b\"", "\"a-b\""]),
        ];
        for (content, parts) in cases {
            let config = host.file("c.json", content);
            for command in [&["list"][..], &["check"], &["call", "a__b"], &["read", "a", "x:y"], &["raw", "a", "ping"]]
            {
                host.run(&[command, &["--config", &config]].concat()).exits_with(2).says(&parts);
            }
        }
        host.run(&["list", "--config", "/no/such/file"]).exits_with(2).says(&["/no/such/file", "No such file"]);
        let directory = host.path(".").to_str().unwrap().to_owned();
        host.run(&["list", "--config", &directory]).exits_with(2).says(&["directory"]);
        host.run(&["list", "--config", "/dev/zero"]).exits_with(2).says(&["/dev/zero", "larger"]);
        host.run(&["demo", "--config", &directory]).exits_with(2).says(&["demo", "--config"]);
    });
}

#[test]
fn arguments_that_are_not_a_json_object() {
    on_each_runtime(|host| {
        for (arguments, part) in [("[1]", "a list"), ("{", "not JSON"), ("text", "not JSON"), ("7", "a number")] {
            host.run(&["call", "bundled__echo", arguments]).exits_with(2).says(&[part, "JSON object"]);
        }
        host.run(&["raw", "bundled", "ping", "{"]).exits_with(2).says(&["not JSON"]);
    });
}

#[test]
fn a_command_line_that_is_wrong() {
    on_each_runtime(|host| {
        host.run(&[]).exits_with(2).says(&["a command is missing"]);
        host.run(&["lst"]).exits_with(2).says(&["'lst'", "'list'"]);
        host.run(&["call"]).exits_with(2).says(&["SERVER__TOOL"]);
        host.run(&["list", "resource"]).exits_with(2).says(&["'resource'", "'resources'"]);
        host.run(&["read", "bundled"]).exits_with(2).says(&["<URI>"]);
        host.run(&["read", "bundled", "x:y", "--json", "--raw"]).exits_with(2).says(&["--json", "--raw"]);
        host.run(&["list", "--jsn"]).exits_with(2).says(&["'--jsn'", "'--json'"]);
        for time in ["0", "-1", "nan", "soon"] {
            host.run(&["call", "bundled__echo", "--timeout", time]).exits_with(2).says(&["--timeout", time]);
        }
        host.run(&["list", "--log", "loud"]).exits_with(2).says(&["loud", "debug"]);
    });
}

#[test]
fn a_server_that_is_not_configured() {
    on_each_runtime(|host| {
        host.run(&["list", "--server", "bundle"]).exits_with(2).says(&["\"bundle\"", "\"bundled\""]);
        host.run(&["call", "bundle__echo"]).exits_with(2).says(&["\"bundle\"", "\"bundled\""]);
        host.run(&["read", "bundle", "x:y"]).exits_with(2).says(&["\"bundle\"", "\"bundled\""]);
        host.run(&["prompt", "bundle", "greet"]).exits_with(2).says(&["\"bundle\"", "\"bundled\""]);
        host.run(&["raw", "bundle", "ping"]).exits_with(2).says(&["\"bundle\"", "\"bundled\""]);
        host.run(&["call", "echo"]).exits_with(2).says(&["\"echo\"", "SERVER__TOOL"]);
    });
}

#[test]
fn a_tool_that_does_not_exist() {
    on_each_runtime(|host| {
        let config = host.config(&[("files", host.bundled())]);
        let ended = host.run(&["call", "files__ecko", "{}", "--config", &config]);
        let ended = ended.exits_with(2).says(&["\"files\"", "\"ecko\"", "did you mean \"echo\"?"]);
        assert!(ended.stdout.is_empty(), "{ended:?}");
        host.run(&["call", "files__remove", "--config", &config])
            .exits_with(2)
            .says(&["\"remove\"", "\"spawn_child\""]);
    });
}

#[test]
fn a_tool_that_is_in_no_list_and_fails() {
    on_each_runtime(|host| {
        let opening = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "script", "version": "1" },
        });
        let failure = json!({ "content": [{ "type": "text", "text": "the disk is full" }], "isError": true });
        let server = host.answering(&[
            ("initialize", &format!("\"result\":{opening}")),
            ("tools/list", r#""result":{"tools":[]}"#),
            ("tools/call", &format!("\"result\":{failure}")),
        ]);
        let config = host.config(&[("shy", server)]);
        let ended = host.run(&["call", "shy__hidden", "--config", &config]).exits_with(2);
        ended.says(&["lists no tool \"hidden\", and no other", "it says: the disk is full"]);
    });
}

#[test]
fn a_list_that_is_refused() {
    on_each_runtime(|host| {
        let opening = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "script", "version": "1" },
        });
        let server = host.answering(&[
            ("initialize", &format!("\"result\":{opening}")),
            ("tools/list", r#""error":{"code":-32000,"message":"log in first"}"#),
        ]);
        let config = host.config(&[("shut", server)]);
        for args in [&["list"][..], &["list", "--json"], &["check"], &["raw", "shut", "tools/list"]] {
            let ended = host.run(&[args, &["--config", &config]].concat()).exits_with(1).says(&["\"shut\""]);
            assert!(args != ["list"] || ended.stdout.is_empty(), "{ended:?}");
            ended.says(if args == ["check"] { &["1 of 1 failed"] } else { &["the server refused: log in first"] });
        }
    });
}

#[test]
fn a_call_that_takes_too_long() {
    on_each_runtime(|host| {
        let config = host.config(&[("slow", host.bundled())]);
        let args = ["call", "slow__sleep", r#"{"seconds": 600}"#, "--timeout", "1.5", "--config", &config];
        let ended = host.run(&args).exits_with(4).says(&["slow__sleep", "1.5 s"]);
        assert!(ended.stdout.is_empty(), "{ended:?}");
    });
}

/// Runs the program with its stdout somewhere else.
fn with_stdout(host: &Host, args: &[&str], stdout: Stdio) -> Running {
    let mut command: Command = host.command(args);
    Running::start(command.stdout(stdout))
}

#[test]
fn a_stdout_that_is_full() {
    on_each_runtime(|host| {
        let config = host.config(&[("some", host.bundled())]);
        let commands: [&[&str]; 8] = [
            &["list", "--config", &config],
            &["list", "--json", "--config", &config],
            &["call", "some__echo", r#"{"text": "x"}"#, "--config", &config],
            &["read", "some", "bundled:pixel.png", "--config", &config],
            &["prompt", "some", "haiku", "--config", &config],
            &["check", "--config", &config],
            &["raw", "some", "tools/list", "--config", &config],
            &["demo"],
        ];
        for args in commands {
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let ended = with_stdout(host, args, full.into()).end();
            ended.exits_with(2).says(&["stdout", "No space left on device"]);
            host.assert_nothing_left();
        }
    });
}

#[test]
fn a_stdout_that_nobody_reads() {
    on_each_runtime(|host| {
        let config = host.config(&[("some", host.bundled())]);
        let commands: [&[&str]; 8] = [
            &["list", "--config", &config],
            &["list", "--json", "--config", &config],
            &["call", "some__echo", r#"{"text": "x"}"#, "--config", &config],
            &["read", "some", "bundled:pixel.png", "--config", &config],
            &["prompt", "some", "haiku", "--config", &config],
            &["check", "--config", &config],
            &["raw", "some", "tools/list", "--config", &config],
            &["demo"],
        ];
        for args in commands {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            with_stdout(host, args, writer.into()).end().exits_with(0).says_nothing();
            host.assert_nothing_left();
        }
    });
}

#[test]
fn a_reader_that_goes_after_one_line() {
    on_each_runtime(|host| {
        let runtime = host.runtime();
        let line = script(
            host,
            "head.sh",
            &format!("set -e; {{ '{PROGRAM}' --runtime {runtime} demo; echo $? > code; }} 2> said | head -1"),
        );
        let mut command = Command::new("sh");
        command.arg(&line).current_dir(host.path(".")).stdin(Stdio::null()).stdout(Stdio::piped());
        let ended = Running::start(&mut command).end().exits_with(0);
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
        assert_eq!(fs::read_to_string(host.path("said")).unwrap(), "");
        assert_eq!(fs::read_to_string(host.path("code")).unwrap(), "0\n");
    });
}
