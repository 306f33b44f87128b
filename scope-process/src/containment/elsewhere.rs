//! Where there is neither cgroup nor subreaper: nothing to hold a server by.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use rustix::process::Pid;

use super::{Means, Uncontained};
use crate::OwnerId;

/// There is none.
pub(crate) struct Containment(Infallible);

pub(crate) fn prepare(_: Means, _: OwnerId, _: u64) -> Result<Containment, Uncontained> {
    Err(Uncontained("it takes Linux to hold a daemon: here is neither a cgroup nor a subreaper".to_owned()))
}

impl Containment {
    pub(crate) fn arm(&self, _: &mut Command) {
        match self.0 {}
    }

    pub(crate) fn started(&mut self, _: Pid) {
        match self.0 {}
    }

    pub(crate) fn end_fd(&self) -> io::Result<Option<OwnedFd>> {
        match self.0 {}
    }

    pub(crate) fn server(&self) -> Option<Pid> {
        match self.0 {}
    }

    pub(crate) fn status(&self) -> Option<ExitStatus> {
        match self.0 {}
    }

    pub(crate) fn members(&self) -> io::Result<Vec<u32>> {
        match self.0 {}
    }

    pub(crate) fn dooms(&self, _: Pid) -> bool {
        match self.0 {}
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn wait_empty(&self, _: Instant) -> bool {
        match self.0 {}
    }

    pub(crate) fn cgroup_path(&self) -> Option<&Path> {
        match self.0 {}
    }

    pub(crate) fn remove(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}
