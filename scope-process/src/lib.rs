//! Child processes that cannot be left behind.
//!
//! [`Command::spawn`] starts a process in a group of its own and puts a [marker](OwnerId) into its environment, which
//! everything it starts inherits. [`Process::close`] ends it politely, then less politely, and with it whoever is in the
//! group or carries the marker; dropping it kills them all at once. Either way nobody is left, and a [`CloseReport`]
//! says what it took.
//!
//! Nothing here belongs to one runtime: a process asks [`scope_core::rt`] to watch its pipes and its end.
//!
//! # Limits
//! * A program that clears its environment *and* leaves its group (`env -i setsid …`) escapes. So do processes of other
//!   users (`sudo`), and work handed to a service that was running before (`docker run`, `systemd-run`).
//! * Ending a program that starts itself again and again is a race, not a proof: it is looked for until one look finds
//!   nobody, or the time is over. One that takes more than 100 ms to become another program (an exec from a slow
//!   drive) can be missed in that time.
//! * A process in an uninterruptible wait in the kernel (state D) dies when the kernel lets it. It is reported as a
//!   survivor.
//! * Daemons that a server meant to leave running (gpg-agent, an ssh ControlMaster) are ended too.
//! * A host that is killed by SIGKILL, or that calls `process::exit`, runs no destructors: its processes see the end of
//!   their input, and most end at that.
//! * Linux is what this is tested on. Elsewhere (macOS) it compiles: there is no `/proc` to search, so that only the
//!   group is ended and who has left it is lost; and without pidfds the end of a process is asked for every 32 ms.

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
