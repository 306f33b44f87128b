//! The shim: a process between the host and a server, on which everything lands that loses its parent in there.
//!
//! The hook forks once more. The *child* goes back to std and becomes the server, with all that std has prepared for it.
//! The *parent*, whose number std knows, stays what it is, a copy of the host, and never returns: [`live`].
//!
//! # Invariants
//! 1. Until the shim closes its copy of std's pipe, with all else, `Command::spawn` does not return. So when it has, the
//!    shim is complete: it has left the server's group, and the server's number is in the control socket.
//! 2. The shim kills only its own children. Nobody else reaps them, so that no number is a stranger's.
//! 3. The shim ends only when it has no children left; unless it is killed, nobody is left in there then.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{DumpableBehavior, Pid, Resource, Signal, WaitId, WaitIdOptions, WaitOptions};

use super::memory;

/// The last message on the control socket: nobody is left.
pub(crate) const EMPTY: u8 = b'.';

/// What the shim holds on to, and is told by.
pub(crate) struct Ends {
    /// Its end of the control socket. It writes the server's number, how that ended, both four bytes, then [`EMPTY`].
    /// Closed or shut down at the other end, it kills.
    pub(crate) control: OwnedFd,
    /// A pidfd of the host, if there are any: a copy of the host's end of the socket may outlive the host, in a process
    /// that it forked.
    pub(crate) host: Option<OwnedFd>,
}

/// Has a shim come between this process and `command`'s child, which must be started as the leader of a group.
pub(crate) fn on_start(command: &mut Command, ends: Ends) {
    let fork = move || {
        let host = ends.host.as_ref().map(AsRawFd::as_raw_fd);
        // SAFETY: called between fork and exec only.
        unsafe { fork(ends.control.as_raw_fd(), host) }.map_err(Into::into)
    };
    // SAFETY: no more than system calls, see the functions below. `libc::fork` is what std itself has just called, in
    // a program that may have many threads; here there is one.
    unsafe { command.pre_exec(fork) };
}

/// Returns in the server only.
///
/// # Safety
/// To be called in a forked copy of the host, which has one thread.
unsafe fn fork(control: RawFd, host: Option<RawFd>) -> rustix::io::Result<()> {
    // Not rustix's: it has no word for the 0 that a group outside this PID namespace has.
    // SAFETY: these two take nothing and cannot fail.
    if unsafe { libc::getpgrp() != libc::getpid() } {
        return Err(Errno::INVAL);
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let signals = block_signals()?;
    let shim = rustix::process::getpid();
    let mut stack = Stack([MaybeUninit::uninit(); 4096]);
    let outside = Outside::new(&mut stack)?;
    // SAFETY: one thread; the child goes on as a child of std's, the parent never returns.
    match unsafe { libc::fork() } {
        -1 => {
            let error = last_error();
            outside.dismiss();
            Err(error)
        }
        0 => {
            await_leave(shim);
            signals.restore()
        }
        server => {
            let Some(server) = Pid::from_raw(server) else { exit(127) };
            if outside.enter().is_err() {
                // No signal to the group may end the shim before the rest. There is no reason known why it should fail.
                let _ = rustix::process::kill_process(server, Signal::KILL);
                exit(127);
            }
            // SAFETY: the hook owns them, and nothing returns from here to close them.
            let ends = unsafe { (BorrowedFd::borrow_raw(control), host.map(|fd| BorrowedFd::borrow_raw(fd))) };
            live(server, ends.0, ends.1)
        }
    }
}

/// Waits until the shim has left the server's group, or has ended. A server that stops its own group right at its start
/// would stop the shim too, and the host's start would wait for ever.
fn await_leave(shim: Pid) {
    // SAFETY: system calls; numbers go in and come out.
    unsafe {
        while libc::getppid() == shim.as_raw_pid() && libc::getpgid(shim.as_raw_pid()) == libc::getpgrp() {
            libc::sched_yield();
        }
    }
}

/// For the process below.
#[repr(align(16))]
struct Stack([MaybeUninit<u8>; 4096]);

/// A process group that is not the server's, for the shim: no signal to the server's group reaches it.
///
/// A group is made by a process whose number it bears, and the shim's own number is the server's group's. So a process
/// is started for that, which shares the shim's memory, since it does nothing; and it is ended once the shim is in there.
struct Outside<'a>(Pid, PhantomData<&'a mut Stack>);

impl Outside<'_> {
    fn new(stack: &mut Stack) -> rustix::io::Result<Outside<'_>> {
        extern "C" fn wait(_: *mut libc::c_void) -> libc::c_int {
            loop {
                // SAFETY: a system call. SIGKILL ends it.
                unsafe { libc::pause() };
            }
        }
        let top = stack.0.as_mut_ptr_range().end.cast();
        // SAFETY: `wait` needs a frame or two of the stack, which stays borrowed until the process has ended. It
        // touches nothing else: no signal is let through.
        let pid = unsafe { libc::clone(wait, top, libc::CLONE_VM | libc::SIGCHLD, std::ptr::null_mut()) };
        match Pid::from_raw(pid.max(0)) {
            Some(pid) => Ok(Outside(pid, PhantomData)),
            None => Err(last_error()),
        }
    }

    fn enter(self) -> rustix::io::Result<()> {
        let entered = rustix::process::setpgid(Some(self.0), Some(self.0))
            .and_then(|()| rustix::process::setpgid(None, Some(self.0)));
        self.dismiss();
        entered
    }

    fn dismiss(self) {
        let _ = rustix::process::kill_process(self.0, Signal::KILL);
        let _ = rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(self.0), WaitIdOptions::EXITED));
    }
}

/// The signal mask, and what was done at SIGCHLD, for the server to have as they were.
struct Signals {
    mask: libc::sigset_t,
    at_child: libc::sigaction,
}

/// Nothing but SIGKILL and SIGSTOP comes through any more: no handler of the host's runs in its copy, and what is sent
/// to the host's session does not end the shim. And the host may ignore SIGCHLD; then nobody could be waited for.
fn block_signals() -> rustix::io::Result<Signals> {
    // SAFETY: these are plain numbers to the system, which fills them in, and zero is a value of each.
    unsafe {
        let (mut all, mut mask): (libc::sigset_t, libc::sigset_t) = (std::mem::zeroed(), std::mem::zeroed());
        let (mut default, mut at_child): (libc::sigaction, libc::sigaction) = (std::mem::zeroed(), std::mem::zeroed());
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigfillset(&raw mut all);
        let blocked = libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut mask);
        if blocked != 0 || libc::sigaction(libc::SIGCHLD, &raw const default, &raw mut at_child) != 0 {
            return Err(last_error());
        }
        Ok(Signals { mask, at_child })
    }
}

impl Signals {
    fn restore(&self) -> rustix::io::Result<()> {
        // SAFETY: both came from the system.
        let restored = unsafe {
            libc::sigaction(libc::SIGCHLD, &raw const self.at_child, std::ptr::null_mut()) == 0
                && libc::sigprocmask(libc::SIG_SETMASK, &raw const self.mask, std::ptr::null_mut()) == 0
        };
        if restored { Ok(()) } else { Err(last_error()) }
    }
}

/// The life of the shim, which ends as the server did, when nobody is left.
fn live(server: Pid, control: BorrowedFd<'_>, host: Option<BorrowedFd<'_>>) -> ! {
    tell(control, &server.as_raw_pid().to_ne_bytes());
    let children = child_signals();
    // SAFETY: the name is a C string.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"scope-shim".as_ptr()) };
    // No folder is kept from being unmounted.
    let _ = rustix::process::chdir(c"/");
    close_all_but([Some(control), host, children.as_ref().map(AsFd::as_fd)]);
    let here = 0u8;
    // SAFETY: errno is there, for the few calls that go through the libc; all else that is used from here on is on this
    // stack, above `here` by less than the frames of this file. There is one thread, and `Outside` has ended.
    unsafe {
        memory::give_back(&[(&raw const here).expose_provenance(), libc::__errno_location().expose_provenance()])
    };

    let mut ended = 0;
    let mut rounds = None;
    loop {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == server => {
                    ended = status.as_raw();
                    tell(control, &ended.to_ne_bytes());
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                // No child is left.
                Err(_) => {
                    tell(control, &[EMPTY]);
                    end_as(ended);
                }
            }
        }
        match &mut rounds {
            // There is no last round: to give up would be to let go of them. Who starts itself again and again is up
            // against this for good; whom the system does not let it kill, or does not let die, it waits for.
            Some(rounds) => {
                kill_children();
                *rounds = u32::saturating_add(*rounds, 1);
                // Who has lost its parent has not told by that: looked for again soon, and later on more seldom.
                wait(&[], children.as_ref(), Some(if *rounds < 1000 { 1 } else { 100 }));
            }
            None => {
                let hosts = [Some(control), host];
                let hosts = hosts.as_slice();
                // Without a descriptor for the signal, zombies are cleared away from time to time.
                let limit = if children.is_some() { None } else { Some(100) };
                if wait(hosts, children.as_ref(), limit) {
                    rounds = Some(0);
                }
            }
        }
    }
}

/// Never waits: there is room for more than is ever sent. Nobody may be there to read it.
fn tell(control: BorrowedFd<'_>, message: &[u8]) {
    let _ = rustix::net::send(control, message, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

/// A descriptor that is readable when a child has ended.
fn child_signals() -> Option<OwnedFd> {
    // SAFETY: a mask is plain numbers, filled in by the calls; the descriptor is new, and nobody else's.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut mask);
        libc::sigaddset(&raw mut mask, libc::SIGCHLD);
        let fd = libc::signalfd(-1, &raw const mask, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
    }
}

/// Waits until one of `hosts` is readable or closed, which is the answer; or a child has ended; or `limit` is over, in
/// milliseconds.
fn wait(hosts: &[Option<BorrowedFd<'_>>], children: Option<&OwnedFd>, limit: Option<i64>) -> bool {
    let limit = limit.map(|limit| Timespec { tv_sec: 0, tv_nsec: (limit * 1_000_000) as _ });
    // In the place of one that is not there, another is looked at twice.
    let Some(first) = children.map(AsFd::as_fd).or(hosts.first().copied().flatten()) else {
        // Only the time is left to wait for.
        let _ = rustix::event::poll(&mut [], limit.as_ref());
        return false;
    };
    let mut fds = [first; 3].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    for (place, host) in fds.iter_mut().skip(1).zip(hosts) {
        if let Some(host) = host {
            *place = PollFd::from_borrowed_fd(*host, PollFlags::IN);
        }
    }
    let _ = rustix::event::poll(&mut fds, limit.as_ref());
    if let Some(children) = children {
        // What is in there says no more than that there is something.
        while rustix::io::read(children, &mut [0u8; 1024][..]).is_ok_and(|read| read > 0) {}
    }
    let hosts = hosts.iter().flatten().map(AsRawFd::as_raw_fd);
    hosts.into_iter().any(|host| fds.iter().any(|fd| fd.as_fd().as_raw_fd() == host && !fd.revents().is_empty()))
}

fn kill_children() {
    // At once whoever is in the server's group: the shim's own number, which cannot be another's.
    let _ = rustix::process::kill_process_group(rustix::process::getpid(), Signal::KILL);
    let kill = |pid| {
        // Another user's, or dead: nothing to be done.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    };
    if super::children::listed(kill).is_err() {
        super::children::searched(kill);
    }
}

/// Closes all descriptors but these, which are above 2 or not.
fn close_all_but(mut kept: [Option<BorrowedFd<'_>>; 3]) {
    kept.sort_unstable_by_key(|fd| fd.map(|fd| fd.as_raw_fd()));
    let mut from = 0;
    for kept in kept.iter().flatten().map(|fd| fd.as_raw_fd().unsigned_abs()) {
        close_range(from, kept.checked_sub(1));
        from = kept + 1;
    }
    close_range(from, Some(u32::MAX));
}

fn close_range(first: u32, last: Option<u32>) {
    let Some(last) = last.filter(|last| first <= *last) else {
        return;
    };
    // SAFETY: nothing in this process uses any of them: what owned them is not run any more.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, last, 0) == 0 {
            return;
        }
        // Before Linux 5.9.
        let limit = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
        let end = u64::from(last).saturating_add(1).min(limit);
        for fd in u64::from(first)..end {
            libc::close(fd as RawFd);
        }
    }
}

/// Ends as the server did, but leaves no core.
fn end_as(status: i32) -> ! {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
        // SAFETY: the mask is plain numbers, and no handler is set, but the default.
        unsafe {
            let mut mask: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut mask);
            libc::signal(signal, libc::SIG_DFL);
            libc::kill(libc::getpid(), signal);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut());
        }
        exit(128 + signal)
    }
    exit(libc::WEXITSTATUS(status))
}

fn exit(code: i32) -> ! {
    // SAFETY: ends the process, and runs nothing of the host's.
    unsafe { libc::_exit(code) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
