//! What is seen on a terminal.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::host::{Ended, Host, Running, on_each_runtime};

/// Runs the program with a terminal as its stderr, and returns what appeared there.
fn with_terminal(host: &Host, term: &str, args: &[&str]) -> (Ended, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap();
    let stderr = OpenOptions::new().write(true).open(path.to_str().unwrap()).unwrap();
    let mut command = host.command(args);
    let running = Running::start(command.env("TERM", term).stderr(stderr));
    // Its copy of the descriptor would keep the terminal open.
    drop(command);
    let reader = thread::spawn(move || {
        let mut seen = Vec::new();
        // It ends with an error, when the last writer has gone.
        _ = File::from(terminal).read_to_end(&mut seen);
        String::from_utf8(seen).unwrap()
    });
    let ended = running.end();
    (ended, reader.join().unwrap())
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
        let (ended, seen) = with_terminal(host, "xterm", &["raw", "bundled", "ping"]);
        assert_eq!(ended.exits_with(0).stdout, "{}\n");
        // On a machine that is busy elsewhere it may take its time.
        assert!(seen.is_empty() || seen.ends_with("\r\u{1b}[K"), "{seen:?}");
    });
}
