//! A cell of the matrix, from the host's start until it is known what is left.

use std::collections::BTreeSet;
use std::fmt;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use rustix::process::{Pid, Signal, kill_process};

use crate::host::Plan;
use crate::kinds::{Cell, Ending, Server};
use crate::oracle::{HANG, Place};
use crate::proc::{self, Process};
use crate::running::Running;

/// What was left when the time was over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    pub(crate) processes: Vec<Process>,
    /// Dead, and never waited for by the host, which lives.
    pub(crate) zombies: Vec<Process>,
    /// What the host has open more than before.
    pub(crate) descriptors: Vec<String>,
    /// Cgroups that were made for servers.
    pub(crate) groups: Vec<PathBuf>,
    /// From the beginning of the end until nothing was left, or the time was over.
    pub(crate) took: Duration,
}

impl Left {
    /// What the table shows.
    pub(crate) fn count(&self) -> usize {
        self.processes.len() + self.zombies.len()
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.count() == 0 && self.descriptors.is_empty() && self.groups.is_empty()
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "left after {:?}:", self.took)?;
        self.processes.iter().try_for_each(|one| write!(f, "\n  process {one}"))?;
        self.zombies.iter().try_for_each(|one| write!(f, "\n  zombie of the host {one}"))?;
        self.descriptors.iter().try_for_each(|one| write!(f, "\n  descriptor more than before: {one}"))?;
        self.groups.iter().try_for_each(|one| write!(f, "\n  cgroup {}", one.display()))
    }
}

/// For what is asked of a host that was told to go: not the servers' time any more.
const GRACE: Duration = Duration::from_secs(2);

/// What a host that lives on had before.
struct Before {
    members: BTreeSet<i32>,
    descriptors: Vec<String>,
}

/// Runs one.
///
/// # Errors
/// If it did not come to its end as it should: that is no leak, but nothing was measured.
pub(crate) fn run(cell: Cell) -> Result<Left, Failed> {
    let Cell { client, server, ending } = cell;
    let place = Place::new()?;
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&place.mark)?)?;
    socket.set_read_timeout(Some(HANG))?;
    let plan = Plan { client, server, ending, socket: place.mark.clone(), mark: place.mark.clone() };
    let arguments = plan.arguments(&place.door());
    let mut host = Running::start(place, &arguments)?;

    let mut before = None;
    if ending.is_survived() {
        host.wait_for("before")?;
        before = Some(Before { members: host.place.everyone(), descriptors: proc::descriptors(host.pid()) });
        host.tell("on");
    }
    host.wait_for("ready")?;
    if matches!(server, Server::NeverReads | Server::Floods) {
        let told = socket.recv(&mut [0; 8]);
        told.map_err(|error| host.failed(&format!("the server has not come to what it is for: {error}")))?;
    }
    if server == Server::Stopped {
        stop_servers(&host)?;
    }

    let start = Instant::now();
    let deadline = start + cell.limit();
    begin_the_end(ending, &mut host)?;
    let left = match before {
        before if !client.is_ours() => of_peer(&host, before, start, deadline),
        Some(before) => survived(ending, &mut host, &before, start, deadline)?,
        None => {
            let status = host.end()?;
            check(&host, ending, status)?;
            let processes = host.place.wait_until_empty(&BTreeSet::new(), deadline);
            Left { processes, took: start.elapsed(), ..Left::default() }
        }
    };
    Ok(Left { groups: host.place.inner_groups(), ..left })
}

/// Counts, whatever has become of the host: it may hang, or have died of what it was to survive.
fn of_peer(host: &Running, before: Option<Before>, start: Instant, deadline: Instant) -> Left {
    let mut excused = before.map(|before| before.members).unwrap_or_default();
    excused.insert(host.pid());
    let processes = host.place.wait_until_empty(&excused, deadline);
    Left { processes, took: start.elapsed(), ..Left::default() }
}

/// Counts while the host lives, first with its runtime and then without, and again when it has gone.
fn survived(
    ending: Ending,
    host: &mut Running,
    before: &Before,
    start: Instant,
    mut deadline: Instant,
) -> Result<Left, Failed> {
    let mut processes = host.place.wait_until_empty(&before.members, deadline);
    host.wait_for("ended")?;
    if ending.is_awaited() && processes.is_empty() {
        // Who has waited for the end finds it ended, and not soon after.
        deadline = Instant::now();
        processes = host.place.wait_until_empty(&before.members, deadline);
    }
    let zombies = until_none(deadline, || proc::zombies_of(host.pid()));
    let took = start.elapsed();
    host.tell("finish");
    host.wait_for("over")?;
    // The runtime may have closed as late as now.
    let descriptors = until_none(Instant::now() + GRACE, || more(&before.descriptors, proc::descriptors(host.pid())));
    host.tell("leave");
    let status = host.end()?;
    if !status.success() {
        return Err(host.failed(&format!("the host ended by {status}")));
    }
    // Whoever was there before, and was waiting for the host.
    let late = host.place.wait_until_empty(&BTreeSet::new(), Instant::now() + GRACE);
    processes.extend(late.into_iter().filter(|one| before.members.contains(&one.pid)));
    Ok(Left { processes, zombies, descriptors, took, groups: Vec::new() })
}

/// What ends the host, or tells it to begin.
fn begin_the_end(ending: Ending, host: &mut Running) -> Result<(), Failed> {
    match ending {
        Ending::SigTerm | Ending::SigTermUnhandled => host.signal(Signal::TERM),
        Ending::SigInt | Ending::SigIntUnhandled => host.signal_group(Signal::INT),
        Ending::SigIntTwice => {
            host.signal_group(Signal::INT);
            host.wait_for("closing")?;
            host.signal_group(Signal::INT);
        }
        Ending::SigKill => host.signal(Signal::KILL),
        _ => host.tell("end"),
    }
    Ok(())
}

/// Whether a host that is gone went as it should. Otherwise the cell is another than it says.
fn check(host: &Running, ending: Ending, status: ExitStatus) -> Result<(), Failed> {
    let signal = |signal: Signal| status.signal() == Some(signal.as_raw());
    let right = match ending {
        Ending::Exit => status.code() == Some(6),
        Ending::SigTerm | Ending::SigInt => status.success(),
        // The closing may be over before the second comes; then it may find a host without a handler.
        Ending::SigIntTwice => status.success() || status.code() == Some(130) || signal(Signal::INT),
        Ending::SigTermUnhandled => signal(Signal::TERM),
        Ending::SigIntUnhandled => signal(Signal::INT),
        Ending::SigKill => signal(Signal::KILL),
        Ending::Abort => signal(Signal::ABORT),
        _ => false,
    };
    if right { Ok(()) } else { Err(host.failed(&format!("the host ended by {status}"))) }
}

fn stop_servers(host: &Running) -> Result<(), Failed> {
    let until = Instant::now() + HANG;
    let servers = || host.place.everyone().into_iter().filter_map(Process::read).filter(Process::is_server);
    for server in servers() {
        if let Some(pid) = Pid::from_raw(server.pid) {
            kill_process(pid, Signal::STOP)?;
        }
    }
    // Whether a process that is another's child has stopped cannot be waited for.
    while servers().any(|server| server.state != 'T') {
        if Instant::now() > until {
            return Err(host.failed("the server did not stop when told to"));
        }
        thread::yield_now();
    }
    Ok(())
}

/// What is in `now` more often than in `before`.
pub(crate) fn more(before: &[String], now: Vec<String>) -> Vec<String> {
    // What a descriptor leads to is told by kind: the number of a pipe or socket is another each time.
    let kind = |one: &String| one.split(':').next().unwrap_or_default().to_owned();
    let mut known: Vec<String> = before.iter().map(kind).collect();
    now.into_iter()
        .filter(|one| match known.iter().position(|known| *known == kind(one)) {
            Some(at) => {
                known.swap_remove(at);
                false
            }
            None => true,
        })
        .collect()
}

/// Looks again and again until there is nothing, or `deadline`: there is no event for these.
pub(crate) fn until_none<T>(deadline: Instant, mut look: impl FnMut() -> Vec<T>) -> Vec<T> {
    loop {
        let found = look();
        if found.is_empty() || Instant::now() >= deadline {
            return found;
        }
        thread::sleep(Duration::from_millis(2));
    }
}
