//! The children of a process that may not allocate. Both ways may miss one that comes at that moment: look again.

use std::mem::MaybeUninit;

use rustix::fs::{CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;
use rustix::process::Pid;

/// Calls `each` with every child, as the kernel lists them.
///
/// # Errors
/// It does not, in some builds.
pub(crate) fn listed(each: impl Fn(Pid)) -> rustix::io::Result<()> {
    let path = c"/proc/thread-self/children";
    let list = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut number = 0;
    let mut buf = [0u8; 1024];
    loop {
        match rustix::io::read(&list, &mut buf[..]) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                for byte in buf.iter().take(read) {
                    match char::from(*byte).to_digit(10) {
                        Some(digit) => number = next(number, digit),
                        None => Pid::from_raw(std::mem::take(&mut number)).into_iter().for_each(&each),
                    }
                }
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// Calls `each` with every process that says that this one is its parent.
pub(crate) fn searched(each: impl Fn(Pid)) {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(proc) = rustix::fs::openat(CWD, c"/proc", flags | OFlags::DIRECTORY, Mode::empty()) else {
        return;
    };
    let own = rustix::process::getpid().as_raw_pid();
    let mut space = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(&proc, &mut space);
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_bytes();
        if !name.iter().all(u8::is_ascii_digit) {
            continue;
        }
        let Ok(process) = rustix::fs::openat(&proc, entry.file_name(), flags | OFlags::DIRECTORY, Mode::empty()) else {
            continue;
        };
        let mut buf = [0u8; 512];
        let read = rustix::fs::openat(&process, c"stat", flags, Mode::empty())
            .and_then(|stat| rustix::io::read(stat, &mut buf[..]));
        if let Some(stat) = read.ok().and_then(|read| buf.get(..read))
            && parent(stat) == Some(own)
        {
            let pid = name.iter().fold(0, |pid, digit| next(pid, u32::from(digit - b'0')));
            Pid::from_raw(pid).into_iter().for_each(&each);
        }
    }
}

fn next(number: i32, digit: u32) -> i32 {
    number.saturating_mul(10).saturating_add_unsigned(digit)
}

/// `pid (comm) state ppid …`: the name may hold anything, brackets and blanks too.
fn parent(stat: &[u8]) -> Option<i32> {
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let parent = stat.get(close + 1..)?.split(|byte| *byte == b' ').nth(2)?;
    std::str::from_utf8(parent).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_parent_stands_behind_a_name_that_may_hold_anything() {
        assert_eq!(parent(b"42 (a) R 7 (b\n) S 12 42 42 0"), Some(12));
        assert_eq!(parent(b"42 (a) S"), None);
        assert_eq!(parent(b""), None);
    }

    #[test]
    fn a_child_is_found_either_way() {
        let mut children: Vec<_> = (0..3).map(|_| Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()).collect();
        let (in_proc, in_list) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let enter = |found: &RefCell<Vec<u32>>, pid: Pid| found.borrow_mut().push(pid.as_raw_pid().unsigned_abs());
        searched(|pid| enter(&in_proc, pid));
        // The list is of those that this thread has started, and a kernel may be built without it.
        let has_list = std::fs::exists("/proc/thread-self/children").unwrap();
        assert_eq!(listed(|pid| enter(&in_list, pid)).is_ok(), has_list);
        for child in &children {
            assert!(in_proc.borrow().contains(&child.id()));
            assert!(!has_list || in_list.borrow().contains(&child.id()));
        }
        for child in &mut children {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}
