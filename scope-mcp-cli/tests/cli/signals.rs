//! Ctrl-C and SIGTERM: servers are closed properly, a second time hurries, and nothing is left running.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::{Host, Running, kill, on_each_runtime, wait_for_text};

/// A server that answers like the bundled one, but ignores the end of its input and SIGTERM, and so does its child.
fn stubborn(host: &Host) -> Value {
    let lines =
        format!("trap '' TERM; sleep 600 & '{}' serve-bundled; while :; do sleep 600; done", crate::host::PROGRAM);
    host.server("sh", &["-c", &lines])
}

/// Starts a call that lasts, and waits until it is on its way.
fn in_a_call(host: &Host, server: Value) -> Running {
    let config = host.config(&[("slow", server)]);
    let wire = host.path("wire");
    let wire_path = wire.to_str().unwrap();
    let args = ["call", "slow__sleep", r#"{"seconds": 600}"#, "--config", &config, "--wire", wire_path];
    let running = host.start(&args);
    wait_for_text(&wire, "\"tools/call\"");
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
        let running = in_a_call(host, stubborn(host));
        host.wait_for_marked(3);
        kill(running.pid(), "INT");
        let first = Instant::now();
        kill(running.pid(), "INT");
        // Two signals that come at once may be taken for one.
        std::thread::sleep(Duration::from_millis(200));
        kill(running.pid(), "TERM");
        let ended = running.end();
        assert_eq!(ended.code(), 130, "{ended:?}");
        host.assert_nothing_left();
        // Half of what the server would be given without the second signal.
        assert!(first.elapsed() < Duration::from_secs(2), "{:?} {ended:?}", first.elapsed());
    });
}

#[test]
fn a_signal_in_the_middle_of_the_demo() {
    on_each_runtime(|host| {
        let wire = host.path("wire");
        let running = host.start(&["demo", "--wire", wire.to_str().unwrap()]);
        wait_for_text(&wire, "\"tools/call\"");
        kill(running.pid(), "TERM");
        let ended = running.end();
        // It may have been over already.
        assert!(matches!(ended.code(), 0 | 130), "{ended:?}");
    });
}
