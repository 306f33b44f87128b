//! A process that is owned.

use std::fmt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

use scope_core::rt::Handle;

use crate::exit::Exited;
use crate::group::Group;
use crate::report::{Action, CloseReport, Ended, Log, Sent};
use crate::sweep::Swept;
use crate::{Budgets, PipeReader, PipeWriter, ProcessName, Shortfall, Tail, keeper, shutdown};

/// A process that was started here and is ended here, with everything it started: [`Command::spawn`].
///
/// [`close`](Process::close) asks it to end and waits until it has. Dropping it kills it instead.
///
/// [`Command::spawn`]: crate::Command::spawn
///
/// # What drop does
/// It sends SIGKILL to the group, and has everybody in a [containment](crate::Reach::Contained) killed, at once: inside a
/// runtime or outside, after it has shut down, in a panic. The rest is done in the moments that follow, by a thread of
/// this host ("scope-keeper"), or if the host ends first by its guardian: whoever has left the group is looked for and
/// killed, and only then the process is reaped. Dropping waits for none of that and never panics; where there can be no
/// such thread, it does the rest itself, and takes a few milliseconds.
///
/// To know that all is over, use [`close`](Process::close) or [`end_now`](Process::end_now).
#[must_use = "dropping a process kills it: keep it, and `close` it at the end"]
pub struct Process {
    pub(crate) rt: Handle,
    pub(crate) name: ProcessName,
    pub(crate) group: Arc<Group>,
    pub(crate) stdin: Option<PipeWriter>,
    pub(crate) stdout: Option<PipeReader>,
    pub(crate) stderr: Option<PipeReader>,
    /// For what `close` reads of it.
    pub(crate) tail: Option<Tail>,
    pub(crate) log: Log,
    budgets: Budgets,
    report: Option<CloseReport>,
    host: u32,
}

impl Process {
    pub(crate) fn new(
        rt: Handle,
        name: ProcessName,
        group: Group,
        budgets: Budgets,
        shortfalls: Vec<Shortfall>,
    ) -> Process {
        Process {
            rt,
            name,
            group: Arc::new(group),
            stdin: None,
            stdout: None,
            stderr: None,
            tail: None,
            log: Log { shortfalls, ..Log::default() },
            budgets,
            report: None,
            host: std::process::id(),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &ProcessName {
        &self.name
    }

    /// Its process number, which is its group's too. It cannot be another's before the process is closed.
    pub fn id(&self) -> u32 {
        self.group.raw_pid()
    }

    /// Its number among the children of this host: what its [marker](crate::OwnerId) says.
    pub fn number(&self) -> u64 {
        self.group.number
    }

    /// The writing end of its standard input, if that is a pipe and was not taken before.
    ///
    /// Who takes it must drop it before [`close`](Process::close), or [give it back](Process::give_back): it is the end of
    /// its input that tells a server to end.
    pub fn take_stdin(&mut self) -> Option<PipeWriter> {
        self.stdin.take()
    }

    /// The reading end of its standard output, if that is a pipe and was not taken before.
    ///
    /// A process whose output nobody reads cannot end politely once the pipe is full. What is not taken, or was given
    /// [back](Process::give_back), is read, and thrown away, by [`close`](Process::close).
    pub fn take_stdout(&mut self) -> Option<PipeReader> {
        self.stdout.take()
    }

    /// The reading end of its standard error, if that is a pipe and was not taken before. As for
    /// [`take_stdout`](Process::take_stdout).
    pub fn take_stderr(&mut self) -> Option<PipeReader> {
        self.stderr.take()
    }

    /// Takes pipes back that were taken, for [`close`](Process::close) to treat them like those that were not. With
    /// `None` nothing changes.
    pub fn give_back(&mut self, stdin: Option<PipeWriter>, stdout: Option<PipeReader>, stderr: Option<PipeReader>) {
        self.stdin = stdin.or(self.stdin.take());
        self.stdout = stdout.or(self.stdout.take());
        self.stderr = stderr.or(self.stderr.take());
    }

    /// Keeps what [`close`](Process::close) reads of standard error in `tail`, rather than throw it away: the last words,
    /// behind what was pushed there before.
    pub fn keep_stderr(&mut self, tail: &Tail) {
        self.tail = Some(tail.clone());
    }

    /// How it ended, once it has, even before it is closed; `None` while it runs. `None` too if someone else has reaped
    /// it.
    pub fn status(&self) -> Option<ExitStatus> {
        match &self.report {
            Some(report) => report.status(),
            None => self.group.status(),
        }
    }

    /// Waits until it has ended, by itself or by `close`. It is not reaped by that, and its children may go on.
    ///
    /// The future borrows nothing. Its error is that of a runtime that has shut down.
    pub fn exited(&self) -> Exited {
        Exited::new(Arc::clone(&self.group.exit))
    }

    /// Ends it, within the [budgets](crate::Command::budgets) it was started with, and says how that went:
    ///
    /// 1. its standard input is closed, unless that was taken and not given back: then the taker must have dropped it;
    /// 2. its end is waited for, for [`Budgets::after_eof`];
    /// 3. whoever is left, in its group or with its marker, gets SIGTERM (and SIGCONT), and [`Budgets::after_term`];
    /// 4. whoever is still left is killed, until nobody is found any more, for [`Budgets::after_kill`] at the most;
    /// 5. it is reaped, last: its number, and the group's, cannot be a stranger's before.
    ///
    /// Output that was not taken is read in the meantime, and thrown away, unless it is [kept](Process::keep_stderr). A
    /// second call returns the same report at once.
    ///
    /// # Cancel safety
    /// When the future is dropped, the process stays owned and keeps what was sent to it. Call `close` again, which
    /// begins anew with step 2, or [`close_with`](Process::close_with) less time, or drop the process.
    pub async fn close(&mut self) -> CloseReport {
        self.close_with(self.budgets).await
    }

    /// As [`close`](Process::close), with other budgets: [`Budgets::NONE`] for somebody in a hurry.
    ///
    /// # Cancel safety
    /// As [`close`](Process::close).
    pub async fn close_with(&mut self, budgets: Budgets) -> CloseReport {
        if let Some(report) = &self.report {
            return report.clone();
        }
        let status = shutdown::run(self, budgets).await;
        self.conclude(status)
    }

    /// Kills it and all that belongs to it, without a runtime, and says how that went.
    ///
    /// Blocks until nobody is left: a few milliseconds as a rule, [`Budgets::after_kill`] at the most (a little longer
    /// right after a `close` whose future was dropped as it was killing).
    pub fn end_now(mut self) -> CloseReport {
        self.kill_blocking()
    }

    /// The report of the [`close`](Process::close) that has run to its end.
    pub fn report(&self) -> Option<&CloseReport> {
        self.report.as_ref()
    }

    fn kill_blocking(&mut self) -> CloseReport {
        if let Some(report) = &self.report {
            return report.clone();
        }
        let start = Instant::now();
        let was_running = !self.group.exit.has_ended();
        self.log.notice(!was_running);
        let swept = self.group.sweep(self.budgets.for_kill());
        self.record_kill(swept, start.elapsed());
        // Not before: it would be asked and killed in one breath, and which of them it was would be chance.
        self.stdin = None;
        self.stdout = None;
        self.stderr = None;
        if was_running && self.log.ended == Some(Ended::AtKill) {
            self.log.ended = Some(Ended::InDrop);
        }
        let status = self.group.reap();
        self.conclude(status)
    }

    pub(crate) fn record_kill(&mut self, swept: Swept, took: std::time::Duration) {
        if self.log.ended.is_none() || !swept.killed.is_empty() {
            self.log.sent(Sent::Kill);
        }
        self.log.notice(self.group.exit.has_ended());
        self.log.found(&swept.killed);
        self.log.ran_out = swept.ran_out;
        if let Some(e) = &swept.error {
            self.log.unscanned(e);
        }
        self.log.step(Action::Kill, took, swept.survivors.len());
        self.log.survivors = swept.survivors;
    }

    fn conclude(&mut self, status: Option<ExitStatus>) -> CloseReport {
        self.log.status = status;
        let log = std::mem::take(&mut self.log);
        let report = CloseReport { name: self.name.clone(), pid: self.id(), log };
        self.report.insert(report).clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.report.is_some() {
            return;
        }
        // A host that forked without an exec has a copy of this; the process is not the copy's to end. Nor to let go of:
        // what is watched by the copy's reactor is watched by the host's, which is the same to the kernel.
        if std::process::id() != self.host {
            std::mem::forget((Arc::clone(&self.group), self.stdin.take(), self.stdout.take(), self.stderr.take()));
            return;
        }
        self.group.kill();
        let ended = keeper::Ended { group: Arc::clone(&self.group), limit: self.budgets.for_kill(), is_dropped: true };
        if keeper::end(ended).is_err() {
            self.kill_blocking();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("id", &self.id())
            .field("number", &self.number())
            .field("closed", &self.report.is_some())
            .finish_non_exhaustive()
    }
}
