//! Ctrl-C and SIGTERM: servers are closed properly, a second time hurries, and nothing is left running.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::host::{Host, Lines, Running, is_alive, kill, on_each_runtime};

/// A server that answers like the bundled one, but ignores the end of its input and SIGTERM, and so does its child.
fn stubborn(host: &Host) -> Value {
    let lines =
        format!("trap '' TERM; sleep 600 & '{}' serve-bundled; while :; do sleep 600; done", crate::host::PROGRAM);
    host.server("sh", &["-c", &lines])
}

/// A call that lasts, recorded there.
fn call(host: &Host, server: Value, wire: String) -> [String; 7] {
    let config = host.config(&[("slow", server)]);
    let arguments = r#"{"seconds": 600}"#;
    ["call", "slow__sleep", arguments, "--config", &config, "--wire", &wire].map(str::to_owned)
}

/// Starts it, and waits until it is on its way.
fn in_a_call(host: &Host, server: Value) -> Running {
    let (wire, record) = host.record();
    let running = Running::start(&mut host.command(&call(host, server, wire)));
    record.wait_for("\"tools/call\"");
    running
}

#[test]
fn a_signal_in_the_middle_of_a_call() {
    on_each_runtime(|host| {
        for signal in ["INT", "TERM"] {
            let running = in_a_call(host, host.bundled());
            assert!(!host.marked().is_empty());
            kill(running.pid(), signal);
            let ended = running.end().exits_with(130).says(&["interrupted", signal]);
            assert!(ended.stdout.is_empty(), "{ended:?}");
            host.assert_nothing_left();
            std::fs::remove_file(host.path("wire")).unwrap();
        }
    });
}

#[test]
fn a_signal_while_a_server_is_opened() {
    on_each_runtime(|host| {
        let config = host.config(&[("mute", host.server("sleep", &["600"])), ("fine", host.bundled())]);
        for command in [&["list"][..], &["check"], &["call", "mute__x"], &["raw", "mute", "ping"]] {
            let running = host.start(&[command, &["--config", &config]].concat());
            host.wait_for_marked(1);
            kill(running.pid(), "INT");
            running.end().exits_with(130).says(&["interrupted"]);
            host.assert_nothing_left();
        }
    });
}

#[test]
fn a_server_that_does_not_want_to_end_is_killed() {
    on_each_runtime(|host| {
        let running = in_a_call(host, stubborn(host));
        host.wait_for_marked(3);
        kill(running.pid(), "INT");
        running.end().exits_with(130);
        host.assert_nothing_left();
    });
}

#[test]
fn a_second_signal_hurries() {
    on_each_runtime(|host| {
        let (wire, record) = host.record();
        let (stderr, writer) = std::io::pipe().unwrap();
        let running = Running::start(host.command(&call(host, stubborn(host), wire)).stderr(writer));
        let said = Lines::of(|| Ok(stderr));
        record.wait_for("\"tools/call\"");
        host.wait_for_marked(3);
        let start = Instant::now();
        kill(running.pid(), "INT");
        said.wait_for("interrupted (SIGINT)");
        kill(running.pid(), "TERM");
        running.end().exits_with(130);
        host.assert_nothing_left();
        let said = said.rest();
        assert!(said.contains("interrupted again (SIGTERM)"), "{said}");
        // It would be given three seconds otherwise.
        assert!(start.elapsed() < Duration::from_millis(2500), "{:?} {said}", start.elapsed());
    });
}

#[test]
fn a_signal_in_the_middle_of_the_demo() {
    on_each_runtime(|host| {
        let (wire, record) = host.record();
        let running = host.start(&["demo", "--wire", &wire]);
        record.wait_for("\"tools/call\"");
        kill(running.pid(), "TERM");
        let ended = running.end();
        // It may have been over already.
        assert!(matches!(ended.code(), 0 | 130), "{ended:?}");
        let servers = ended.servers();
        assert!(servers.len() >= 2, "{ended:?}");
        for server in servers {
            assert!(!is_alive(server), "{server} is alive: {ended:?}");
        }
    });
}

#[test]
fn a_reader_that_does_not_read_is_no_obstacle() {
    on_each_runtime(|host| {
        let config = host.config(&[("some", host.bundled())]);
        // More than a pipe holds.
        let arguments = json!({"text": "x".repeat(100_000)}).to_string();
        let mut command = host.command(&["call", "some__echo", &arguments, "--config", &config]);
        let (mut reader, writer) = std::io::pipe().unwrap();
        let running = Running::start(command.stdout(writer));
        drop(command);
        // The first byte is there once the program has begun to write; the rest does not fit.
        std::io::Read::read_exact(&mut reader, &mut [0]).unwrap();
        kill(running.pid(), "INT");
        running.end().exits_with(130);
        host.assert_nothing_left();
    });
}
