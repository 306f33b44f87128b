//! What is seen on a terminal.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::process::Command;
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::host::{Ended, Host, Running, on_each_runtime};

/// Runs the program with a terminal as one of its streams, and returns what appeared there.
fn on_terminal(command: Command, give: impl FnOnce(&mut Command, File)) -> (Ended, Vec<u8>) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap();
    let stream = OpenOptions::new().write(true).open(path.to_str().unwrap()).unwrap();
    let mut command = command;
    give(&mut command, stream);
    let running = Running::start(&mut command);
    // Its copy of the descriptor would keep the terminal open.
    drop(command);
    let reader = thread::spawn(move || {
        let mut seen = Vec::new();
        // It ends with an error, when the last writer has gone.
        _ = File::from(terminal).read_to_end(&mut seen);
        seen
    });
    let ended = running.end();
    (ended, reader.join().unwrap())
}

/// Runs the program with a terminal as its stderr, and returns what appeared there.
fn with_terminal(host: &Host, term: &str, args: &[&str]) -> (Ended, String) {
    let (ended, seen) = on_terminal(host.command(args), |command, stderr| {
        command.env("TERM", term).stderr(stderr);
    });
    (ended, String::from_utf8(seen).unwrap())
}

/// Runs the program with a terminal as its stdout, and returns what appeared there, with its line breaks as written.
fn seen_on_stdout(host: &Host, args: &[&str]) -> Vec<u8> {
    let (ended, seen) = on_terminal(host.command(args), |command, stdout| {
        command.stdout(stdout);
    });
    ended.exits_with(0).says_nothing();
    // A terminal shows each of them as two characters.
    seen.iter()
        .enumerate()
        .filter(|(at, byte)| **byte != b'\r' || seen.get(at + 1) != Some(&b'\n'))
        .map(|(_, byte)| *byte)
        .collect()
}

#[test]
fn long_work_shows_progress_and_takes_it_away_again() {
    on_each_runtime(|host| {
        let args = ["call", "bundled__sleep", r#"{"seconds": 1.5}"#];
        let (ended, seen) = with_terminal(host, "xterm", &args);
        assert_eq!(ended.exits_with(0).stdout, "slept for 1.5 seconds\n");
        assert!(seen.contains("s: calling bundled__sleep"), "{seen:?}");
        let left = seen.rsplit_once("\r\u{1b}[K").map(|(_, left)| left);
        assert_eq!(left, Some(""), "{seen:?}");

        let (ended, seen) = with_terminal(host, "dumb", &args);
        ended.exits_with(0);
        assert_eq!(seen, "");
    });
}

#[test]
fn short_work_shows_nothing() {
    on_each_runtime(|host| {
        let (ended, seen) = with_terminal(host, "xterm", &["read", "bundled", "bundled:echo/x"]);
        assert_eq!(ended.exits_with(0).stdout, "x");
        // On a machine that is busy elsewhere it may take its time.
        assert!(seen.is_empty() || seen.ends_with("\r\u{1b}[K"), "{seen:?}");
    });
}

#[test]
fn what_a_resource_has_is_made_safe_for_a_terminal() {
    on_each_runtime(|host| {
        let seen = |args: &[&str]| String::from_utf8(seen_on_stdout(host, args)).unwrap();
        let hostile = "bundled:echo/\u{1b}[2J\u{9b}x";
        assert_eq!(seen(&["read", "bundled", hostile]), "\\x1b[2J\\u{9b}x\n");
        assert!(seen(&["read", "bundled", "bundled:readme"]).ends_with("nothing installed.\n"));
        let pixel = seen(&["read", "bundled", "bundled:pixel.png"]);
        assert_eq!(pixel, "[bundled:pixel.png, image/png, 70 bytes; -o FILE saves them]\n");
        assert!(!seen(&["read", "bundled", hostile, "--json"]).contains(['\u{1b}', '\u{9b}']));
        // Unless one insists.
        assert_eq!(seen(&["read", "bundled", hostile, "--raw"]), "\u{1b}[2J\u{9b}x");
        assert!(seen_on_stdout(host, &["read", "bundled", "bundled:pixel.png", "--raw"]).starts_with(b"\x89PNG"));
    });
}
