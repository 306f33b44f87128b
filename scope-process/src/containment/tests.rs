//! Real processes that try to get out. What is left is asked of the kernel: by a cgroup around it all where one can be
//! made, and by the pipe that everything started in there has inherited.

use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::{Containment, Means, prepare};
use crate::{OwnerId, marker};

mod held;
mod hosts;
mod shimmed;

/// A daemon in a session of its own, whose parents are gone, with nothing in its environment, deaf to TERM.
const ESCAPE: &str = "(env -i setsid sh -c '(trap \"\" TERM HUP; echo out; while :; do sleep 1000; done) & exit' &)";

/// No slow machine takes as long.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Both, or what can be had here.
fn both() -> Vec<Means> {
    match prepare(Means::Cgroup, OwnerId::of_this_host(), marker::next_child()) {
        Ok(_) => vec![Means::Cgroup, Means::Shim],
        Err(why) => {
            println!("SKIPPED with a cgroup: {why}");
            vec![Means::Shim]
        }
    }
}

struct Inside {
    held: Containment,
    leader: Child,
    stdout: BufReader<ChildStdout>,
    /// Around it all, the shim too.
    oracle: Option<Containment>,
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

impl Inside {
    fn new(means: Means, script: &str) -> Inside {
        Inside::of(means, &mut sh(script)).unwrap()
    }

    fn of(means: Means, command: &mut Command) -> std::io::Result<Inside> {
        let mut held = prepare(means, OwnerId::of_this_host(), marker::next_child()).unwrap();
        // A process is in one cgroup only: there the one that holds it has to do.
        let mut oracle = match means {
            Means::Shim => prepare(Means::Cgroup, OwnerId::of_this_host(), marker::next_child()).ok(),
            Means::Any | Means::Cgroup => None,
        };
        if let Some(oracle) = &oracle {
            oracle.arm(command);
        }
        held.arm(command);
        let mut leader = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pid = Pid::from_child(&leader);
        held.started(pid);
        if let Some(oracle) = &mut oracle {
            oracle.started(pid);
        }
        let stdout = BufReader::new(leader.stdout.take().unwrap());
        Ok(Inside { held, leader, stdout, oracle })
    }

    fn says(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "nobody is left to say anything");
        line.trim_end().to_owned()
    }

    /// Waits until the server itself has ended.
    fn await_server(&mut self) {
        match self.held.end_fd().unwrap() {
            Some(fd) => assert!(crate::exit::wait_all(&[fd.as_fd()], Duration::from_secs(60))),
            None => drop(self.leader.wait().unwrap()),
        }
    }

    /// All that is still said, until nobody is left to say anything.
    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        rest
    }

    /// Kills it and sees that nobody is left. How the leader ended.
    fn end(mut self) -> ExitStatus {
        self.held.kill().unwrap();
        let pid = self.leader.id();
        assert!(self.held.wait_empty(later()), "{pid}: {:?} are left", self.held.members());
        let status = self.leader.wait().unwrap();
        assert_eq!(self.held.members().unwrap(), [0; 0]);
        if let Some(oracle) = &mut self.oracle {
            assert!(oracle.wait_empty(later()), "{:?} have got out", oracle.members());
            oracle.remove().unwrap();
        }
        self.rest();
        self.held.remove().unwrap();
        self.held.remove().unwrap();
        assert!(self.held.cgroup_path().is_none_or(|path| !path.exists()));
        status
    }
}

/// Runs the test `name` of the module `held`, `hosts` or `shimmed` again, in a process of its own that `command` starts,
/// with `word` to tell it what to do.
fn again(mut command: Command, name: &str, word: &str) -> Command {
    command.args(["--exact", &format!("containment::tests::{name}"), "--nocapture", "--test-threads=1"]);
    command.env(WORD, word);
    command
}

/// Set in such a process.
const WORD: &str = "SCOPE_TEST_CONTAINED";

fn word() -> Option<String> {
    std::env::var(WORD).ok()
}

/// Fails with what was printed, unless the test in there has run and passed.
fn passes(mut command: Command) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{}\n{text}", output.status);
}
