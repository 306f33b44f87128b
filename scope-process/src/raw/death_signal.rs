//! A child that is told when the thread that started it has ended.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::Signal;

/// Has the kernel send `signal` to `command`'s child when the thread that starts it ends, with its process or before.
pub(crate) fn on_start(command: &mut Command, signal: Signal) {
    let hook = move || rustix::process::set_parent_process_death_signal(Some(signal)).map_err(Into::into);
    // SAFETY: one system call; an error is a number, and nothing is allocated for it.
    unsafe { command.pre_exec(hook) };
}
