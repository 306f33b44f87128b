//! Servers of PyPI.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scope_mcp::Era;
use serde_json::json;

use super::{Call, MANY, Offers, Origin, Peer, Start, a_little_of_everything, call, installed, ours};
use crate::site;

fn python(args: &[&str], scratch: &Path) -> Start {
    Start {
        command: "python3".into(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: vec![("PYTHONPATH", installed().join("python").display().to_string())],
        cwd: scratch.into(),
    }
}

/// `mcp-server-time`
pub(crate) struct Time;

impl Peer for Time {
    fn name(&self) -> &'static str {
        "time"
    }

    fn origin(&self) -> Origin {
        Origin::PyPi("mcp_server_time")
    }

    fn start(&self, scratch: &Path) -> Start {
        python(&["-m", "mcp_server_time"], scratch)
    }

    fn tools(&self) -> &'static [&'static str] {
        &["get_current_time", "convert_time"]
    }

    fn succeeds(&self, _scratch: &Path) -> Call {
        call(
            "convert_time",
            json!({"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}),
            "T21:00:00+09:00",
        )
    }

    fn fails(&self, _scratch: &Path) -> Call {
        call("get_current_time", json!({"timezone": "Nowhere/Land"}), "Invalid timezone")
    }

    fn one_of_many(&self, i: usize, _scratch: &Path) -> Call {
        let time = format!("{:02}:{:02}", i / 60, i % 60);
        call(
            "convert_time",
            json!({"source_timezone": "UTC", "time": time, "target_timezone": "UTC"}),
            format!("T{time}:00+00:00"),
        )
    }

    fn says_on_stderr(&self) -> &'static str {
        "Nowhere/Land"
    }
}

/// `mcp-server-git`
pub(crate) struct Git;

fn repository(scratch: &Path) -> PathBuf {
    scratch.join("repository")
}

fn tag(i: usize) -> String {
    format!("tag-{i}")
}

fn message(i: usize) -> String {
    format!("commit {i} ends here")
}

impl Peer for Git {
    fn name(&self) -> &'static str {
        "git"
    }

    fn origin(&self) -> Origin {
        Origin::PyPi("mcp_server_git")
    }

    fn start(&self, scratch: &Path) -> Start {
        python(&["-m", "mcp_server_git", "--repository", &repository(scratch).display().to_string()], scratch)
    }

    /// A repository with a commit and a tag for each of the many, made by two processes only.
    fn prepare(&self, scratch: &Path) {
        let git = |subcommand: &[&str], stdin: &str| {
            let mut child = Command::new("git")
                .args(subcommand)
                .stdin(Stdio::piped())
                .spawn()
                .unwrap_or_else(|error| panic!("cannot start git: {error}"));
            child.stdin.take().expect("it was asked for").write_all(stdin.as_bytes()).expect("git should read");
            assert!(child.wait().expect("it is our child").success(), "git {subcommand:?} failed");
        };
        let place = repository(scratch).display().to_string();
        git(&["init", "--quiet", "--initial-branch=main", &place], "");
        let mut commits = String::new();
        for i in 0..MANY {
            let (tag, message) = (tag(i), message(i));
            write!(
                commits,
                "commit refs/heads/main\ncommitter A Test <a@test.invalid> {i} +0000\ndata {}\n{message}\n\
                 reset refs/tags/{tag}\nfrom refs/heads/main\n\n",
                message.len(),
            )
            .expect("a string takes everything");
        }
        git(&["-C", &place, "fast-import", "--quiet"], &commits);
    }

    fn tools(&self) -> &'static [&'static str] {
        &["git_status", "git_log", "git_show"]
    }

    fn succeeds(&self, scratch: &Path) -> Call {
        call("git_log", json!({"repo_path": repository(scratch), "max_count": 2}), message(MANY - 1))
    }

    fn fails(&self, scratch: &Path) -> Call {
        call("git_show", json!({"repo_path": repository(scratch), "revision": "no-such-thing"}), "no-such-thing")
    }

    fn one_of_many(&self, i: usize, scratch: &Path) -> Call {
        call("git_show", json!({"repo_path": repository(scratch), "revision": tag(i)}), message(i))
    }

    fn says_on_stderr(&self) -> &'static str {
        ""
    }
}

/// `mcp-server-fetch`. What it fetches is [ours](site).
pub(crate) struct Fetch;

impl Peer for Fetch {
    fn name(&self) -> &'static str {
        "fetch"
    }

    fn origin(&self) -> Origin {
        Origin::PyPi("mcp_server_fetch")
    }

    fn start(&self, scratch: &Path) -> Start {
        let mut start = python(&["-m", "mcp_server_fetch", "--allow-private-ips", "--ignore-robots-txt"], scratch);
        start.env.push(("NO_PROXY", "*".to_owned()));
        start
    }

    fn tools(&self) -> &'static [&'static str] {
        &["fetch"]
    }

    fn fails(&self, _scratch: &Path) -> Call {
        call("fetch", json!({"url": site::missing()}), "status code 404")
    }

    fn one_of_many(&self, i: usize, _scratch: &Path) -> Call {
        call("fetch", json!({"url": site::page(i)}), site::content(i))
    }

    fn offers(&self, _era: Era) -> Offers {
        Offers {
            prompts: vec!["fetch"],
            gets: vec![("fetch", json!({"url": site::page(3)}), site::content(3))],
            ..Offers::default()
        }
    }

    fn slow(&self) -> Option<Call> {
        Some(call("fetch", json!({"url": site::silent()}), "never"))
    }

    fn says_on_stderr(&self) -> &'static str {
        ""
    }
}

/// `fastmcp`, with a server of ours on it.
pub(crate) struct FastMcp;

impl Peer for FastMcp {
    fn name(&self) -> &'static str {
        "fastmcp"
    }

    fn origin(&self) -> Origin {
        Origin::PyPi("fastmcp")
    }

    fn start(&self, scratch: &Path) -> Start {
        python(&[&ours("fastmcp_server.py").display().to_string()], scratch)
    }

    fn tools(&self) -> &'static [&'static str] {
        &["add", "divide", "wait", "echo_0", "echo_6"]
    }

    fn succeeds(&self, _scratch: &Path) -> Call {
        call("add", json!({"a": 20, "b": 22}), "42")
    }

    fn fails(&self, _scratch: &Path) -> Call {
        call("divide", json!({"a": 1, "b": 0}), "nothing can be divided by zero")
    }

    fn one_of_many(&self, i: usize, _scratch: &Path) -> Call {
        call("add", json!({"a": 1000, "b": i}), (1000 + i).to_string())
    }

    fn offers(&self, _era: Era) -> Offers {
        a_little_of_everything()
    }

    fn slow(&self) -> Option<Call> {
        Some(call("wait", json!({"seconds": 600}), "never"))
    }

    fn says_on_stderr(&self) -> &'static str {
        "wait was cancelled"
    }
}
