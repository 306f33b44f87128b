//! What is seen on a terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::host::{Ended, Host, Running, kill, on_each_runtime};

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

/// A terminal that is stopped, with nothing more to be written to it: its two ends.
fn stopped() -> (OwnedFd, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap();
    let mut filling = OpenOptions::new();
    filling.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let mut filling = filling.open(path.to_str().unwrap()).unwrap();
    // What was written moves on inside, and makes room again, for a while.
    for _ in 0..20 {
        while filling.write(&[b'x'; 64]).is_ok() {}
        while filling.write(b"x").is_ok() {}
        thread::sleep(Duration::from_millis(5));
    }
    (terminal, OpenOptions::new().write(true).open(path.to_str().unwrap()).unwrap())
}

#[test]
fn a_terminal_that_is_stopped_holds_up_neither_a_signal_nor_the_servers() {
    on_each_runtime(|host| {
        let (wire, record) = host.record();
        let (_held, stderr) = stopped();
        let config = host.config(&[("slow", host.bundled())]);
        let args = ["call", "slow__sleep", r#"{"seconds": 600}"#, "--config", &config, "--wire", &wire];
        let mut command = host.command(&args);
        let running = Running::start(command.env("TERM", "xterm").stderr(stderr.try_clone().unwrap()));
        record.wait_for("\"tools/call\"");
        // By then there is progress to be shown.
        thread::sleep(Duration::from_secs(1));
        kill(running.pid(), "TERM");
        running.end().exits_with(130);
        host.assert_nothing_left();

        // What it has to say of an error cannot be said; but the servers are closed.
        let args = ["call", "slow__sleep", r#"{"seconds": 600}"#, "--config", &config, "--timeout", "1"];
        let mut command = host.command(&args);
        let running = Running::start(command.env("TERM", "xterm").stderr(stderr));
        host.wait_for_marked(1);
        host.wait_for_none_marked();
        kill(running.pid(), "INT");
        running.end().exits_with(130);
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
