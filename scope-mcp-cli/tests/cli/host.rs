//! The program under test, run as a user runs it, and what it leaves behind.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Map, Value, json};

/// The program itself, which is also the bundled server.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_scope-mcp");

/// Nothing here takes nearly as long; a test that does hangs.
const HANG: Duration = Duration::from_secs(90);

/// One test's place: a directory, and a mark on every server that is configured in it.
pub(crate) struct Host {
    runtime: &'static str,
    mark: String,
    dir: PathBuf,
}

/// Runs a test on each runtime, on both at once: most of it is waiting.
pub(crate) fn on_each_runtime(test: impl Fn(&Host) + Sync) {
    thread::scope(|threads| {
        for runtime in ["tokio", "smol"] {
            let test = &test;
            threads.spawn(move || {
                let host = Host::new(runtime);
                test(&host);
                host.assert_nothing_left();
                fs::remove_dir_all(&host.dir).expect("the test's directory can be removed");
            });
        }
    });
}

impl Host {
    fn new(runtime: &'static str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{number}-{runtime}", std::process::id());
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&mark);
        fs::create_dir_all(&dir).expect("the test's directory can be made");
        Host { runtime, mark, dir }
    }

    pub(crate) fn runtime(&self) -> &'static str {
        self.runtime
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A server's entry in a configuration, with the mark in its environment.
    pub(crate) fn server(&self, command: &str, args: &[&str]) -> Value {
        json!({"command": command, "args": args, "env": {"SCOPE_MCP_TEST": self.mark}})
    }

    pub(crate) fn bundled(&self) -> Value {
        self.server(PROGRAM, &["serve-bundled"])
    }

    /// A server that has one answer each to some methods: what stands behind the id, or none if that is empty. It knows
    /// no others.
    pub(crate) fn answering(&self, answers: &[(&str, &str)]) -> Value {
        let mut cases = String::new();
        let unknown = ("", r#""error":{"code":-32601,"message":"no such method"}"#);
        for (method, answer) in answers.iter().chain([&unknown]) {
            cases.push_str(&format!("*'\"{method}'*) said='{answer}';;\n"));
        }
        let lines = format!(
            "while read -r line; do\n\
             case $line in *'\"id\":'*) ;; *) continue;; esac\n\
             id=${{line#*'\"id\":'}}; id=${{id%%[,\\}}]*}}\n\
             case $line in\n{cases}esac\n\
             [ -n \"$said\" ] || continue\n\
             printf '%s\\n' '{{\"jsonrpc\":\"2.0\",\"id\":'\"$id,$said\"'}}'\n\
             done"
        );
        self.server("sh", &["-c", &lines])
    }

    /// Writes a configuration and returns its path.
    pub(crate) fn config(&self, servers: &[(&str, Value)]) -> String {
        let servers: Map<String, Value> =
            servers.iter().map(|(name, server)| ((*name).to_owned(), server.clone())).collect();
        self.file("servers.json", &json!({ "mcpServers": servers }).to_string())
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("a file can be written");
        path.to_str().expect("a UTF-8 path").to_owned()
    }

    /// The program with these arguments, not yet started.
    pub(crate) fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["--runtime", self.runtime]).args(args);
        command.current_dir(&self.dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the program.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(&mut self.command(args))
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.start(args).end()
    }

    /// The live processes that carry this test's mark.
    pub(crate) fn marked(&self) -> Vec<u32> {
        let wanted = format!("SCOPE_MCP_TEST={}", self.mark);
        processes()
            .filter(|pid| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) && is_alive(*pid)
            })
            .collect()
    }

    pub(crate) fn assert_nothing_left(&self) {
        let left: Vec<String> = self.marked().into_iter().map(describe).collect();
        assert!(left.is_empty(), "left running ({}): {left:?}", self.runtime);
    }

    /// Waits until as many marked processes run.
    pub(crate) fn wait_for_marked(&self, count: usize) {
        let start = Instant::now();
        while self.marked().len() < count {
            assert!(start.elapsed() < HANG, "they never came");
            // Nobody but /proc knows when the servers' children have become their programs, and it tells of nothing.
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until none runs any more.
    pub(crate) fn wait_for_none_marked(&self) {
        let start = Instant::now();
        while !self.marked().is_empty() {
            assert!(start.elapsed() < HANG, "they never went");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// A named pipe for the program to write its record to, and what comes out of it.
    pub(crate) fn record(&self) -> (String, Lines) {
        let path = self.path("wire");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe can be made");
        let name = path.to_str().expect("a UTF-8 path").to_owned();
        (name, Lines::of(move || fs::File::open(path)))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Only after a failed assertion is there anything left to end.
        for pid in self.marked() {
            kill(pid, "KILL");
        }
    }
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether a process exists and is no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    matches!(stat.rsplit_once(')'), Some((_, rest)) if !matches!(rest.trim_start().chars().next(), Some('Z' | 'X')))
}

fn describe(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} {}", String::from_utf8_lossy(&line).replace('\0', " "))
}

/// Sends a signal to one process.
pub(crate) fn kill(pid: u32, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, &pid.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "SIG{signal} to {pid} could not be sent");
}

/// The program, running.
pub(crate) struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

/// The program's end, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

fn collect(stream: Option<impl Read + Send + 'static>) -> Option<JoinHandle<String>> {
    let mut stream = stream?;
    Some(thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8(bytes).expect("the program writes UTF-8")
    }))
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        Running { stdout: collect(child.stdout.take()), stderr: collect(child.stderr.take()), child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let pid = Pid::from_child(&self.child);
        let ended = pidfd_open(pid, PidfdFlags::empty()).expect("a child that was not waited for has its pid");
        let hang = Timespec::try_from(HANG).expect("a small number");
        if poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&hang)).expect("a descriptor can be polled") == 0 {
            self.child.kill().expect("the program can be killed");
            self.child.wait().expect("the program can be waited for");
            let stderr = self.stderr.take().map(|thread| thread.join());
            panic!("the program hangs; it said {stderr:?}");
        }
        let status = self.child.wait().expect("the program can be waited for");
        let text =
            |thread: Option<JoinHandle<String>>| thread.map_or_else(String::new, |thread| thread.join().unwrap());
        Ended { status, stdout: text(self.stdout.take()), stderr: text(self.stderr.take()) }
    }
}

impl Ended {
    /// The exit code, or as a shell has it, 128 and the signal.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{self:?}");
        self
    }

    /// Asserts that one line, and no other, was said on stderr, with all of this in it.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        let line = self.stderr.strip_suffix('\n').unwrap_or(&self.stderr);
        assert!(!line.contains('\n') && line.starts_with("scope-mcp: "), "this is not one clear line: {self:?}");
        for part in parts {
            assert!(line.contains(part), "{part:?} is missing: {self:?}");
        }
        self
    }

    /// Asserts that nothing was said on stderr.
    #[track_caller]
    pub(crate) fn says_nothing(self) -> Self {
        assert!(self.stderr.is_empty(), "{self:?}");
        self
    }

    /// The servers that the demo started, by its own account.
    pub(crate) fn servers(&self) -> Vec<u32> {
        let number = |line: &str| line.split_once(": process ")?.1.split(',').next()?.parse().ok();
        self.stdout.lines().filter_map(number).collect()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// What is written to a pipe, line by line, as it comes. It is read whether or not anybody waits, so that whoever writes
/// is not held up.
pub(crate) struct Lines(mpsc::Receiver<String>);

impl Lines {
    /// Of a pipe that is opened in a thread of its own: a named one is not open before somebody writes.
    pub(crate) fn of<R: Read>(open: impl FnOnce() -> std::io::Result<R> + Send + 'static) -> Self {
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(open().expect("a pipe can be opened")).lines() {
                // Read on, also where the test is over.
                _ = send.send(line.expect("the program writes UTF-8"));
            }
        });
        Lines(lines)
    }

    /// Waits for a line with this in it.
    pub(crate) fn wait_for(&self, text: &str) {
        while !self.0.recv_timeout(HANG).unwrap_or_else(|error| panic!("{text:?} never came: {error}")).contains(text) {
        }
    }

    /// All that is still to come, until nobody writes any more.
    pub(crate) fn rest(self) -> String {
        self.0.iter().map(|line| line + "\n").collect()
    }
}

/// A script for `sh`.
pub(crate) fn script(host: &Host, name: &str, lines: &str) -> String {
    let path = host.path(name);
    let mut file = fs::File::create(&path).expect("a script can be written");
    writeln!(file, "#!/bin/sh\n{lines}").expect("a script can be written");
    path.to_str().expect("a UTF-8 path").to_owned()
}
