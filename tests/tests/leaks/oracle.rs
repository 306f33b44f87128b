//! Who is left: a cgroup that the host enters before it does anything else, and that nobody leaves; where none can be
//! made, a mark in the environment, and on the command lines of those who clear it. Never what scope-process keeps.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::proc::{self, Process};

/// How the name of each place begins; then the test's process number, and the place's own.
const NAME: &str = "scope-leaks-";

/// Only against hanging for ever.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// Where cgroups can be made, and processes put into them; `None` if nowhere, or unwanted (`SCOPE_LEAKS_ORACLE=mark`).
static CGROUPS: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    if std::env::var_os("SCOPE_LEAKS_ORACLE").is_some_and(|value| value == "mark") {
        return None;
    }
    let own = own_cgroup()?;
    remove_stale(&own);
    let attempt = Place::beneath(Some(&own));
    let inside = attempt.as_ref().ok().and_then(|place| place.cgroup.as_deref())?;
    // Making one is not enough: `sh` has to be let in, and it has to be possible to kill what is there.
    let entered = std::process::Command::new("sh")
        .args(["-c", "echo 0 > \"$1/cgroup.procs\"", "sh"])
        .arg(inside)
        .stderr(std::process::Stdio::null())
        .status();
    (entered.is_ok_and(|status| status.success()) && inside.join("cgroup.kill").exists()).then_some(own)
});

/// A test that was killed has removed nothing.
fn remove_stale(own: &Path) {
    for place in directories(own) {
        let name = place.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(NAME));
        let test = name.and_then(|rest| rest.split('-').next());
        if test.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Unless someone is in it, who has been there all the time.
            _ = remove(&place);
        }
    }
}

/// What to tell about it.
pub(crate) fn describe() -> String {
    match &*CGROUPS {
        Some(place) => format!("cgroups in {}", place.display()),
        None => "a mark in the environment, for want of a cgroup".to_owned(),
    }
}

/// The directory of the cgroup (version 2) that this process is in.
fn own_cgroup() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        // Fields: number, parent, device, root, mount point, options, then optional ones up to `-`, and the type.
        let (before, after) = line.split_once(" - ")?;
        if after.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let inside = Path::new(path).strip_prefix(root).ok()?;
        Some(Path::new(point).join(inside))
    })
}

/// Where one host lives, with all that it starts. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Place {
    /// On everything in it, unless it has thrown it away.
    pub(crate) mark: String,
    cgroup: Option<PathBuf>,
}

impl Place {
    pub(crate) fn new() -> io::Result<Place> {
        Place::beneath(CGROUPS.as_deref())
    }

    fn beneath(parent: Option<&Path>) -> io::Result<Place> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{NAME}{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let cgroup = parent.map(|parent| parent.join(&mark));
        if let Some(cgroup) = &cgroup {
            fs::create_dir(cgroup)?;
        }
        Ok(Place { mark, cgroup })
    }

    /// For the host's command line: see [`enter`].
    pub(crate) fn door(&self) -> String {
        self.cgroup.as_ref().map_or("-".to_owned(), |path| path.display().to_string())
    }

    /// The live processes here.
    pub(crate) fn members(&self) -> BTreeSet<i32> {
        let mut members = BTreeSet::new();
        if let Some(cgroup) = &self.cgroup {
            collect(cgroup, &mut members);
        }
        members
    }

    /// The same, also by the mark: with cgroups, whoever was put into another one.
    pub(crate) fn everyone(&self) -> BTreeSet<i32> {
        let mut members = self.members();
        members.extend(proc::marked(&self.mark));
        members
    }

    /// Waits until nobody is here but `excused`, or `deadline`. Who is left then.
    ///
    /// It is the ends of processes that are waited for, and not looked for again and again.
    pub(crate) fn wait_until_empty(&self, excused: &BTreeSet<i32>, deadline: Instant) -> Vec<Process> {
        loop {
            let quick = self.live(self.members(), excused);
            // The search for marks reads all of /proc: only if the cgroup does not know better.
            let left = if quick.is_empty() { self.live(self.everyone(), excused) } else { quick };
            if left.is_empty() {
                return Vec::new();
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return left.iter().filter_map(|(pid, _)| Process::read(*pid)).collect();
            }
            let handles: Vec<&OwnedFd> = left.iter().map(|(_, handle)| handle).collect();
            wait_for_end(&handles, rest);
        }
    }

    /// Those who have not ended, each with a descriptor that becomes readable when it does.
    fn live(&self, members: BTreeSet<i32>, excused: &BTreeSet<i32>) -> Vec<(i32, OwnedFd)> {
        let others = members.into_iter().filter(|pid| !excused.contains(pid) && *pid != std::process::id() as i32);
        let held = others.filter_map(|pid| Some((pid, hold(pid)?)));
        held.filter(|(_, handle)| !wait_for_end(&[handle], Duration::ZERO)).collect()
    }

    /// Ends everyone who is here.
    fn end_all(&self) {
        let until = Instant::now() + HANG;
        if let Some(cgroup) = &self.cgroup {
            _ = fs::write(cgroup.join("cgroup.kill"), "1");
        }
        loop {
            for (_, handle) in self.live(self.everyone(), &BTreeSet::new()) {
                _ = pidfd_send_signal(handle, Signal::KILL);
            }
            let soon = Instant::now() + Duration::from_millis(100);
            if self.wait_until_empty(&BTreeSet::new(), soon).is_empty() || Instant::now() > until {
                return;
            }
        }
    }

    /// The cgroups that were made in this one, and are left.
    pub(crate) fn inner_groups(&self) -> Vec<PathBuf> {
        self.cgroup.as_deref().map(directories).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end_all();
        if let Some(cgroup) = &self.cgroup {
            // Those who have just ended are members for another moment, and there is no event for when they are not.
            let until = Instant::now() + Duration::from_secs(5);
            while remove(cgroup).is_err() && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// In the host: enters the cgroup that a [door](Place::door) leads to.
pub(crate) fn enter(door: &str) {
    if door != "-" {
        fs::write(Path::new(door).join("cgroup.procs"), "0").expect("what others could enter, the host can");
    }
}

fn collect(cgroup: &Path, into: &mut BTreeSet<i32>) {
    let members = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    into.extend(members.lines().filter_map(|line| line.parse::<i32>().ok()));
    directories(cgroup).iter().for_each(|inner| collect(inner, into));
}

fn directories(cgroup: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(cgroup) else { return Vec::new() };
    let entries = entries.filter_map(Result::ok);
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn remove(cgroup: &Path) -> io::Result<()> {
    directories(cgroup).iter().try_for_each(|inner| remove(inner))?;
    fs::remove_dir(cgroup)
}

/// A descriptor for a process; `None` if it is gone.
pub(crate) fn hold(pid: i32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

/// Waits until one of these processes has ended, or `limit`. Whether one has.
pub(crate) fn wait_for_end(handles: &[&OwnedFd], limit: Duration) -> bool {
    let mut polled: Vec<PollFd<'_>> = handles.iter().map(|handle| PollFd::new(*handle, PollFlags::IN)).collect();
    let limit = Timespec::try_from(limit).expect("a short time");
    loop {
        match poll(&mut polled, Some(&limit)) {
            Ok(ready) => return ready > 0,
            Err(Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}
