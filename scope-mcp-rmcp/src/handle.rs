use std::process::ExitStatus;
use std::sync::{Arc, OnceLock};

use scope_mcp::{Gone, HowGone};
use scope_process::{CloseReport, ProcessName, Tail};

use crate::fault::{Fault, Faults};

/// What can be asked of a server after its [`ChildProcess`](crate::ChildProcess) was given to rmcp: made by
/// [`ChildProcess::handle`](crate::ChildProcess::handle).
///
/// It owns nothing: a clone that is kept keeps no process alive, and dropping it ends none.
#[derive(Clone, Debug)]
pub struct ChildHandle(pub(crate) Arc<Known>);

/// What is known of a server, during its life and after.
#[derive(Debug)]
pub(crate) struct Known {
    name: ProcessName,
    id: u32,
    number: u64,
    tail: Option<Tail>,
    pub(crate) faults: Faults,
    gone: OnceLock<Gone>,
    report: OnceLock<CloseReport>,
}

impl ChildHandle {
    /// What the server is called in messages.
    pub fn name(&self) -> &ProcessName {
        &self.0.name
    }

    /// The number of its process. It may be another's after the transport has been closed or dropped.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// Its number among the children of this host, by which its [marker](scope_process::OwnerId) tells them apart.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// The last lines of its standard error, oldest first. Empty unless they are [kept](crate::Stderr::Tail).
    pub fn stderr_tail(&self) -> Vec<String> {
        self.0.tail.as_ref().map(Tail::lines).unwrap_or_default()
    }

    /// How many lines came from it that could not be taken as messages.
    pub fn fault_count(&self) -> u64 {
        self.0.faults.count()
    }

    /// The latest 16 of [them](ChildHandle::fault_count), oldest first.
    pub fn faults(&self) -> Vec<Fault> {
        self.0.faults.latest()
    }

    /// That it ended or hung up by itself, if it did: rmcp's own errors only say that the transport was closed.
    pub fn gone(&self) -> Option<Gone> {
        self.0.gone.get().cloned()
    }

    /// How it was ended, once it was closed. There is none of one that was dropped.
    pub fn close_report(&self) -> Option<CloseReport> {
        self.0.report().cloned()
    }
}

impl Known {
    pub(crate) fn new(name: ProcessName, id: u32, number: u64, tail: Option<Tail>) -> Arc<Known> {
        let (gone, report) = (OnceLock::new(), OnceLock::new());
        Arc::new(Known { name, id, number, tail, faults: Faults::default(), gone, report })
    }

    pub(crate) fn name(&self) -> &ProcessName {
        &self.name
    }

    /// What it wrote to its standard error.
    pub(crate) fn heard(&self, bytes: &[u8]) {
        if let Some(tail) = &self.tail {
            tail.push(bytes);
        }
    }

    pub(crate) fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    pub(crate) fn gone(&self, how: HowGone, status: Option<ExitStatus>) -> Gone {
        let gone = self.gone.get_or_init(|| {
            let gone = self.describe(how, status);
            let (server, status, exited) = (&self.name, gone.exit_status(), gone.has_exited());
            // Without what it said, which may be anything.
            tracing::warn!(%server, ?status, exited, "the server is gone");
            gone
        });
        gone.clone()
    }

    pub(crate) fn describe(&self, how: HowGone, status: Option<ExitStatus>) -> Gone {
        Gone::new(self.name.as_str(), how, status, self.tail.as_ref().map(Tail::lines))
    }

    pub(crate) fn closed(&self, report: &CloseReport) {
        let _ = self.report.set(report.clone());
    }

    pub(crate) fn report(&self) -> Option<&CloseReport> {
        self.report.get()
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }
}
