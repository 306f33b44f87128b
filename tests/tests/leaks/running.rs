//! A host that runs, seen from the test.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use libtest_mimic::Failed;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::host::VARIABLE;
use crate::oracle::{HANG, Place, hold, wait_for_end};

/// A host and what it started. Dropping it ends them.
pub(crate) struct Running {
    child: Child,
    handle: OwnedFd,
    input: Option<ChildStdin>,
    words: Receiver<String>,
    log: PathBuf,
    pub(crate) place: Place,
}

impl Running {
    /// Starts this binary as a host in `place`, in a group of its own, as a shell does.
    pub(crate) fn start(place: Place, arguments: &[String]) -> Result<Running, Failed> {
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.log", place.mark));
        // Tests that run in the background have had SIGINT ignored; a host without a handler would not end by it.
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "env --default-signal=INT true 2>/dev/null && exec env --default-signal=INT,HUP,QUIT \"$0\" \"$@\"
            exec \"$0\" \"$@\"",
        ]);
        command.arg(std::env::current_exe()?).args(arguments).env(VARIABLE, &place.mark).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut child = command.spawn()?;
        let handle = hold(child.id() as i32).ok_or("a child that is not waited for keeps its number")?;
        let output = child.stdout.take().ok_or("it is a pipe")?;
        let (send, words) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.map(|line| send.send(line)).take_while(Result::is_ok).for_each(drop);
        });
        let input = child.stdin.take();
        Ok(Running { child, handle, input, words, log, place })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits until the host says `word`.
    pub(crate) fn wait_for(&self, word: &str) -> Result<(), Failed> {
        match self.words.recv_timeout(HANG) {
            Ok(said) if said == word => Ok(()),
            Ok(said) => Err(self.failed(&format!("the host said {said:?} instead of {word:?}"))),
            Err(error) => Err(self.failed(&format!("the host did not say {word:?}: {error}"))),
        }
    }

    /// The next word of the host, whichever it is.
    pub(crate) fn hear(&self) -> Result<String, Failed> {
        self.words.recv_timeout(HANG).map_err(|error| self.failed(&format!("the host says nothing: {error}")))
    }

    pub(crate) fn tell(&mut self, word: &str) {
        if let Some(input) = &mut self.input {
            // One that has ended is noticed by what it does not say.
            _ = writeln!(input, "{word}");
        }
    }

    /// To the host alone. It may have ended, then there is nobody to tell.
    pub(crate) fn signal(&self, signal: Signal) {
        _ = kill_process(self.number(), signal);
    }

    /// To the host's group, as a terminal does.
    pub(crate) fn signal_group(&self, signal: Signal) {
        _ = kill_process_group(self.number(), signal);
    }

    fn number(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the host's end, and takes it from the table of processes.
    pub(crate) fn end(&mut self) -> Result<ExitStatus, Failed> {
        if !wait_for_end(&[&self.handle], HANG) {
            return Err(self.failed("the host does not end"));
        }
        Ok(self.child.wait()?)
    }

    /// What has gone wrong, and what the host has to say about it.
    pub(crate) fn failed(&self, what: &str) -> Failed {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let members = self.place.members();
        let members: BTreeSet<_> =
            members.into_iter().filter_map(crate::proc::Process::read).map(|one| one.to_string()).collect();
        format!("{what}\nhere are: {members:#?}\nthe host's standard error:\n{log}").into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail for one that has been waited for.
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_file(&self.log);
    }
}
