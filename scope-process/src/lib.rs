//! Child processes that cannot be left behind.
//!
//! [`Command::spawn`] starts a process in a group of its own and puts a [marker](OwnerId) into its environment, which
//! everything it starts inherits. [`Process::close`] ends it politely, then less politely, and with it whoever is in the
//! group or carries the marker; dropping it kills them all at once. Either way nobody is left, and a [`CloseReport`]
//! says what it took. [`Reach`] says how far that goes.
//!
//! Nothing here belongs to one runtime: a process asks [`scope_core::rt`] to watch its pipes and its end.
//!
//! # When the host is killed
//! With the first process a *guardian* is started: one `sh` for each host, in a group of its own, which ignores what a
//! terminal sends. When the host has died, however that came (SIGKILL, an abort, `process::exit`), it gives what is left a
//! quarter of a second to end by itself, SIGTERM and as much again, then SIGKILL until nobody is found, and goes. It is
//! started anew when it is killed; [`guardian_id`] names it. A thread of the host, "scope-keeper", looks after it.
//!
//! Ctrl-C in a terminal reaches the host alone, for its processes are in groups of their own: what they are told is the
//! host's to say. [`kill_all`] is for the second one.
//!
//! # Limits
//! * A program that clears its environment *and* leaves its group (`env -i setsid …`) escapes, unless it was started with
//!   [`Reach::Contained`]. So do processes of other users (`sudo`), and work handed to a service that was running before
//!   (`docker run`, `systemd-run`).
//! * Ending a program that starts itself again and again is a race, not a proof: it is looked for until one look finds
//!   nobody, or the time is over. One that takes more than 100 ms to become another program (an exec from a slow
//!   drive) can be missed in that time. In a cgroup there is no such race.
//! * A process in an uninterruptible wait in the kernel (state D) dies when the kernel lets it. It is reported as a
//!   survivor.
//! * Daemons that a server meant to leave running (gpg-agent, an ssh ControlMaster) are ended too, unless it was started
//!   with [`Reach::Session`].
//! * Host and guardian killed at the same moment leave its processes to notice the end of their input, but for those
//!   below a subreaper. The guardian needs `/bin/sh`, and `grep` to see the markers; it outlives the host by up to a
//!   second, and signals by number, so that a number that changes hands within a millisecond could be hit. Beyond some
//!   70 000 processes on a machine its `grep` is given more than it takes, and the markers are not seen; groups are.
//! * A host that is PID 1 (of a container, say) becomes the parent of every orphan. What is ended here is reaped here; a
//!   daemon that ends unasked stays a zombie: give the container an init.
//! * A copy that a fork makes of the host, without an exec, does nothing to the host's processes by dropping its copies of
//!   [`Process`]; but a [`PipeReader`] or [`PipeWriter`] that was taken, dropped there, is no longer watched in the host
//!   either, whose reactor the copy shares.
//! * What is missing on a system (no `sh`, no pidfds, no readable `/proc`) is told once as a warning, and in each report:
//!   [`Shortfall`].
//! * Linux is what this is tested on. Elsewhere (macOS) it compiles: there is no `/proc` to search, so that only the
//!   group is ended and who has left it is lost; there is no containment; and without pidfds the end of a process is asked
//!   for every 32 ms.

#[cfg(not(unix))]
compile_error!("scope-process owns processes by their group and needs a Unix system");

mod blocking;
mod budgets;
mod command;
mod containment;
mod environment;
mod error;
mod exit;
mod group;
mod guardian;
mod keeper;
mod looks;
mod lookup;
mod marker;
mod name;
mod orphans;
mod pipe;
mod process;
#[cfg(target_os = "linux")]
mod raw;
mod reach;
mod report;
mod scan;
mod shortfall;
mod shutdown;
mod sweep;
mod tail;

pub use budgets::Budgets;
pub use command::{Command, Stdio};
pub use environment::Inherit;
pub use error::SpawnError;
pub use exit::Exited;
pub use keeper::{guardian_id, kill_all};
pub use marker::{OwnerId, ParseOwnerIdError};
pub use name::ProcessName;
pub use pipe::{PipeReader, PipeWriter};
pub use process::Process;
pub use reach::Reach;
pub use report::{Action, CloseReport, Ended, Sent, Step};
pub use scan::{Straggler, marked, marked_by};
pub use shortfall::Shortfall;
pub use tail::Tail;
