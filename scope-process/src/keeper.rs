//! The keeper: one thread of the host that starts the [guardian](crate::guardian), starts it anew when it has been killed,
//! and ends what drops hand over to it.
//!
//! The state is under one lock. Nothing waits under it, no other lock is taken, and no code of a user runs: a start of a
//! guardian, a sweep, the end of a child's last handle all come after it is released.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::Pid;

use crate::group::Group;
use crate::guardian::Guardian;
use crate::{Budgets, sweep};

/// How long a start may wait for a guardian.
const PATIENCE: Duration = Duration::from_secs(1);

/// One that ends sooner than this, so many times in a row, will not do better the next time; not before a while is over.
const QUICK: Duration = Duration::from_secs(1);
const TRIES: u32 = 5;
const REST: Duration = Duration::from_secs(10);

/// No one child may keep the others waiting for longer.
const LONGEST: Duration = Duration::from_secs(10);

/// Enough for a scan, whose buffers are on the heap but for 8 KiB.
const STACK: usize = 256 * 1024;

struct Keeper {
    /// The process whose keeper it is: a copy that a fork made of a host has none.
    host: u32,
    /// Written to when there is something to do.
    bell: UnixStream,
    guardian: Post,
    /// Guardians that do not answer, to be dropped without the lock.
    retired: Vec<Arc<Guardian>>,
    /// Guardians in a row that ended at once.
    failures: u32,
    /// What a guardian is to know: lines without their verb.
    groups: BTreeMap<i32, Weak<Group>>,
    boxes: BTreeSet<String>,
    /// How many are being started.
    starts: usize,
    ended: Vec<Ended>,
}

enum Post {
    Vacant,
    Taken(Arc<Guardian>),
    /// And why there is none; until then, if it is worth another try.
    Given(String, Option<Instant>),
}

/// A child that is to be ended.
pub(crate) struct Ended {
    pub(crate) group: Arc<Group>,
    /// How long ending it may take.
    pub(crate) limit: Duration,
    /// Nobody else will reap it: it was dropped.
    pub(crate) is_dropped: bool,
}

static KEEPER: Mutex<Option<Keeper>> = Mutex::new(None);
/// Notified when the post has been filled or given up.
static FILLED: Condvar = Condvar::new();

/// Sees to it that there is a guardian before a process is started. Blocks for about a millisecond the first time.
///
/// # Errors
/// Why there is none.
pub(crate) fn guard() -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut state = state()?;
    loop {
        let Some(keeper) = state.as_mut() else { return Err("its thread is gone".to_owned()) };
        match &keeper.guardian {
            Post::Taken(_) => return Ok(()),
            Post::Given(why, _) => return Err(why.clone()),
            Post::Vacant => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("it was not there within a second".to_owned());
        }
        state = FILLED.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// While something is being started: a host that dies meanwhile may leave what nobody has been told of, nor can see yet.
pub(crate) struct Starting(());

/// Tells the guardian. To be kept until the group [has been added](add_group).
#[must_use]
pub(crate) fn starting() -> Starting {
    with(|keeper| {
        keeper.starts += 1;
        keeper.tell("new\n");
    });
    Starting(())
}

impl Drop for Starting {
    fn drop(&mut self) {
        with(|keeper| {
            keeper.starts = keeper.starts.saturating_sub(1);
            keeper.tell("old\n");
        });
    }
}

/// Tells the guardian of a new group.
pub(crate) fn add_group(group: &Arc<Group>) {
    let pid = group.pid.as_raw_pid();
    with(|keeper| {
        keeper.groups.insert(pid, Arc::downgrade(group));
        keeper.tell(&format!("add {pid}\n"));
    });
}

/// To be called before the number can be another's.
pub(crate) fn remove_group(pid: Pid) {
    with(|keeper| {
        if keeper.groups.remove(&pid.as_raw_pid()).is_some() {
            keeper.tell(&format!("del {}\n", pid.as_raw_pid()));
        }
    });
}

/// Tells the guardian of a cgroup. One whose path has a line break in it is kept to ourselves.
pub(crate) fn add_box(path: &Path) {
    let Some(path) = path.to_str().filter(|path| !path.contains(char::is_whitespace)) else { return };
    with(|keeper| {
        keeper.boxes.insert(path.to_owned());
        keeper.tell(&format!("box {path}\n"));
    });
}

/// It has been removed.
pub(crate) fn remove_box(path: &Path) {
    with(|keeper| {
        if path.to_str().is_some_and(|path| keeper.boxes.remove(path)) {
            keeper.tell(&format!("out {}\n", path.display()));
        }
    });
}

/// Hands over the rest of ending a child. Gives it back if there is nobody to do it.
pub(crate) fn end(ended: Ended) -> Result<(), Ended> {
    let Ok(mut state) = state() else { return Err(ended) };
    let Some(keeper) = state.as_mut() else { return Err(ended) };
    keeper.ended.push(ended);
    keeper.ring();
    Ok(())
}

/// Kills every process of this host that has not been closed, as a drop would: for a program in a hurry, at the second
/// Ctrl-C. Each keeps its owner, and whoever is closing one finds that it has ended.
///
/// What is being started at this moment by another thread may be missed. Waits for nothing, needs no runtime.
pub fn kill_all() {
    let mut groups = Vec::new();
    with(|keeper| groups.extend(keeper.groups.values().filter_map(Weak::upgrade)));
    for group in &groups {
        group.kill();
    }
    let killed = groups.into_iter().map(|group| Ended { group, limit: Budgets::MIN_AFTER_KILL, is_dropped: false });
    with(|keeper| {
        keeper.ended.extend(killed);
        keeper.ring();
    });
}

/// The process number of this host's guardian, if there is one: it was started with the first process, and is started
/// anew should it be killed. For who counts processes; it needs no care.
pub fn guardian_id() -> Option<u32> {
    let mut id = None;
    with(|keeper| {
        if let Post::Taken(guardian) = &keeper.guardian {
            id = Some(guardian.pid());
        }
    });
    id
}

fn lock() -> MutexGuard<'static, Option<Keeper>> {
    KEEPER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes the state, if this host has any.
fn with(change: impl FnOnce(&mut Keeper)) {
    if let Some(keeper) = lock().as_mut().filter(|keeper| keeper.host == std::process::id()) {
        change(keeper);
    }
}

/// The state, with a thread behind it.
///
/// # Errors
/// Why there is no thread.
fn state() -> Result<MutexGuard<'static, Option<Keeper>>, String> {
    let host = std::process::id();
    let mut state = lock();
    if state.as_ref().is_none_or(|keeper| keeper.host != host) {
        // What is there belongs to the host that forked us: no more than our copies of its descriptors are closed.
        drop(state.take());
        let (bell, heard) = UnixStream::pair().map_err(|e| e.to_string())?;
        let _ = bell.set_nonblocking(true);
        let _ = heard.set_nonblocking(true);
        let thread = std::thread::Builder::new().name("scope-keeper".to_owned()).stack_size(STACK);
        thread.spawn(move || keep(host, &heard)).map_err(|e| format!("no thread to start it from: {e}"))?;
        *state = Some(Keeper {
            host,
            bell,
            guardian: Post::Vacant,
            retired: Vec::new(),
            failures: 0,
            groups: BTreeMap::new(),
            boxes: BTreeSet::new(),
            starts: 0,
            ended: Vec::new(),
        });
    }
    Ok(state)
}

impl Keeper {
    fn ring(&self) {
        // A bell that is full has been heard.
        let _ = (&self.bell).write(&[0]);
    }

    fn tell(&mut self, line: &str) {
        if let Post::Taken(guardian) = &self.guardian
            && guardian.tell(line).is_err()
        {
            // It is dead or does not read. The next one is told all there is to know.
            self.retired.push(Arc::clone(guardian));
            self.guardian = Post::Vacant;
            self.ring();
        }
    }

    /// A guardian has been started, or not.
    fn fill(&mut self, started: std::io::Result<Guardian>) {
        self.guardian = match started {
            Ok(guardian) => {
                let groups = self.groups.keys().map(|group| format!("add {group}\n"));
                let boxes = self.boxes.iter().map(|path| format!("box {path}\n"));
                // In one piece: it has not begun to read, and line by line there is not much room.
                let starts = std::iter::repeat_n("new\n".to_owned(), self.starts);
                let lines: String = groups.chain(boxes).chain(starts).collect();
                match if lines.is_empty() { Ok(()) } else { guardian.tell(&lines) } {
                    Ok(()) => Post::Taken(Arc::new(guardian)),
                    Err(e) => self.failed(&e.to_string()),
                }
            }
            // What is missing now may be there at the next start.
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => self.failed(&format!("cannot start /bin/sh: {e}")),
            Err(_) => Post::Given("there is no /bin/sh".to_owned(), None),
        };
    }

    fn failed(&mut self, why: &str) -> Post {
        self.failures += 1;
        if self.failures < TRIES {
            return Post::Vacant;
        }
        self.failures = 0;
        Post::Given(why.to_owned(), Some(Instant::now() + REST))
    }
}

/// What the thread does, for as long as the host lives: the guardian is told when it ends.
fn keep(host: u32, heard: &UnixStream) {
    loop {
        let mut state = lock();
        let Some(keeper) = state.as_mut().filter(|keeper| keeper.host == host) else { return };
        let ended = std::mem::take(&mut keeper.ended);
        let retired = std::mem::take(&mut keeper.retired);
        match &keeper.guardian {
            Post::Vacant => {
                drop(state);
                let started = Guardian::start();
                with(|keeper| keeper.fill(started));
                FILLED.notify_all();
            }
            Post::Taken(guardian) if ended.is_empty() => {
                let guardian = Arc::clone(guardian);
                drop(state);
                if !wait(heard, Some(&guardian), None) {
                    let quick = guardian.since.elapsed() < QUICK;
                    with(|keeper| {
                        keeper.guardian = match quick {
                            true => keeper.failed("the shell /bin/sh ends at once"),
                            false => {
                                keeper.failures = 0;
                                Post::Vacant
                            }
                        };
                    });
                }
            }
            Post::Given(_, until) if ended.is_empty() => {
                let rest = until.map(|until| until.saturating_duration_since(Instant::now()));
                drop(state);
                if rest.is_some_and(|rest| rest.is_zero()) {
                    with(|keeper| keeper.guardian = Post::Vacant);
                } else {
                    wait(heard, None, rest);
                }
            }
            Post::Taken(_) | Post::Given(..) => drop(state),
        }
        drop(retired);
        sweep_all(ended);
    }
}

/// Waits for the bell, or until `limit` is over; `false` if it is the guardian that has ended.
fn wait(heard: &UnixStream, guardian: Option<&Guardian>, limit: Option<Duration>) -> bool {
    let mut polled = vec![PollFd::from_borrowed_fd(heard.as_fd(), PollFlags::IN)];
    polled.extend(guardian.map(|guardian| PollFd::from_borrowed_fd(guardian.end(), PollFlags::IN)));
    // Nobody sets one that does not fit.
    let limit = limit.and_then(|limit| limit.try_into().ok());
    if rustix::event::poll(&mut polled, limit.as_ref()).is_err() {
        // Interrupted. Anything else would be a lack of memory: not at once again.
        std::thread::sleep(Duration::from_millis(1));
        return true;
    }
    let ended = polled.get(1).is_some_and(|fd| !fd.revents().is_empty());
    let mut sound = [0; 64];
    while let Ok(1..) = (&mut &*heard).read(&mut sound) {}
    !ended
}

/// One look for all of them: a thousand that are dropped at once take no longer than one.
fn sweep_all(ended: Vec<Ended>) {
    let Some(limit) = ended.iter().map(|ended| ended.limit).max() else { return };
    let deadline = Instant::now() + limit.min(LONGEST);
    // Killed twice, or killed and dropped: one is locked once.
    let mut groups: Vec<&Group> = Vec::with_capacity(ended.len());
    let mut known = HashSet::new();
    groups.extend(ended.iter().map(|ended| &*ended.group).filter(|group| known.insert(group.number)));
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Nothing in there panics; but if it did, the thread must not end: that is the sign that the host has.
        let swept = catch_unwind(AssertUnwindSafe(|| sweep::sweep(&groups, left)));
        let is_blind = swept.is_ok_and(|swept| swept.iter().any(|swept| swept.error.is_some()));
        if !is_blind || left.is_zero() {
            break;
        }
        // No descriptor left to look with, say; that may pass.
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
    for ended in ended.iter().filter(|ended| ended.is_dropped) {
        ended.group.reap();
    }
}
