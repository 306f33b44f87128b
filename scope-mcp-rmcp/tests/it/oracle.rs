//! What is left, read from the system by the tests themselves.

use std::fs;
use std::time::{Duration, Instant};

use scope_mcp_rmcp::ChildHandle;
use scope_process::OwnerId;

/// A server that should be gone.
pub(crate) struct Suspect {
    /// As it is in the environment; the second for those whose daemons are spared.
    variables: [String; 2],
    pid: u32,
}

impl Suspect {
    pub(crate) fn new(handle: &ChildHandle) -> Suspect {
        let (own, number) = (OwnerId::of_this_host().variable(), handle.number());
        Suspect { variables: [format!("{own}={number}"), format!("{own}=s{number}")], pid: handle.id() }
    }

    /// The live processes that carry its marker.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").unwrap();
        let all = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        all.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let marked =
                environment.split(|b| *b == 0).any(|entry| self.variables.iter().any(|own| entry == own.as_bytes()));
            marked && stat(*pid).is_some_and(|stat| stat.state != 'Z' && stat.state != 'X')
        })
        .collect()
    }

    /// Waits until there are so many. A process that is just becoming its program has no environment for a moment, and
    /// nobody tells when it has.
    pub(crate) fn await_processes(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.processes().len() != count {
            assert!(Instant::now() < deadline, "not {count} processes: {:?}", self.processes());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until one of them leads a session of its own, beside the session of this program. Nobody tells of that either.
    /// Read from /proc, since `getsid` of rustix panics on a session that was begun outside this PID namespace, which is 0.
    pub(crate) fn await_session_leader(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let leads = |pid: u32| stat(pid).is_some_and(|stat| stat.session == pid);
        while !self.processes().into_iter().any(leads) {
            assert!(Instant::now() < deadline, "nobody left the session: {:?}", self.processes());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Fails unless nothing is left: no process with its marker, and no zombie of its own.
    pub(crate) fn assert_gone(&self) {
        let left = self.processes();
        assert!(left.is_empty(), "processes left: {left:?}");
        assert!(!self.is_our_child(), "not reaped");
    }

    /// The same within a moment: for what ends behind the back of whoever dropped it. There is no event for that.
    pub(crate) fn assert_gone_soon(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.is_gone() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.assert_gone();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.processes().is_empty() && !self.is_our_child()
    }

    fn is_our_child(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.parent == std::process::id())
    }
}

/// What the kernel says of a process.
struct Stat {
    state: char,
    parent: u32,
    /// 0 for a session that was begun outside this PID namespace.
    session: u32,
}

fn stat(pid: u32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Stat { state, parent, session: fields.nth(1)?.parse().ok()? })
}
