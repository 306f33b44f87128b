//! Giving back the copy of a program's memory that a forked process has and does not need.
//!
//! Else what the host has in memory when it starts a server would stay there twice, from when the host writes to it.

use std::ops::Range;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mm::Advice;

/// Smaller ones are not worth it, and hold what a libc keeps outside its files.
const SMALLEST: usize = 256 * 1024;
/// What is kept below, and above, an address that is in use.
const BELOW: usize = 64 * 1024;
const ABOVE: usize = 256 * 1024;

/// Empties all large private mappings that belong to no file, but the surroundings of `in_use`. They stay mapped, and
/// read as zeros. What cannot be read or given back is kept: nothing depends on it.
///
/// # Safety
/// The caller never again touches what it had in those mappings: the heap, the frames it was called from, but those
/// whose locals lie within 256 KiB above an address of `in_use`. No other thread runs in this address space, and no
/// other process shares it.
pub(crate) unsafe fn give_back(in_use: &[usize]) {
    let Ok(maps) = rustix::fs::openat(CWD, c"/proc/self/maps", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
        return;
    };
    let mut line = [0u8; 128];
    let mut len = 0;
    let mut buf = [0u8; 4096];
    while let Ok(read @ 1..) = rustix::io::read(&maps, &mut buf[..]) {
        for byte in buf.iter().take(read) {
            if *byte != b'\n' {
                // The end of a long line is a file's name: not needed.
                if let Some(place) = line.get_mut(len) {
                    *place = *byte;
                    len += 1;
                }
                continue;
            }
            if let Some(mapping) = line.get(..len).and_then(large_and_private) {
                // SAFETY: the caller's promise.
                unsafe { empty(mapping, in_use) };
            }
            len = 0;
        }
    }
}

/// # Safety
/// As [`give_back`], for the pages of `mapping`.
unsafe fn empty(mapping: Range<usize>, in_use: &[usize]) {
    let mut start = mapping.start;
    // From hole to hole: the next address to be kept, and so on.
    while start < mapping.end {
        let mut end = mapping.end;
        let mut next = mapping.end;
        for address in in_use {
            let kept =
                address.saturating_sub(BELOW) & !0xffff..(address.saturating_add(ABOVE) | 0xffff).saturating_add(1);
            if kept.start <= start && start < kept.end {
                (end, next) = (start, kept.end);
                break;
            }
            if start < kept.start && kept.start < end {
                (end, next) = (kept.start, kept.start);
            }
        }
        if end > start {
            let address = std::ptr::with_exposed_provenance_mut(start);
            // SAFETY: the range lies within a private mapping, and the caller does not touch it again.
            let _ = unsafe { rustix::mm::madvise(address, end - start, Advice::LinuxDontNeed) };
        }
        start = next;
    }
}

/// The range of a line of `/proc/self/maps`, such as `7f00-7f08 rw-p 00000000 00:00 0 [heap]`, if it is to be emptied.
fn large_and_private(line: &[u8]) -> Option<Range<usize>> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut ends = fields.next()?.split(|byte| *byte == b'-');
    let range = hex(ends.next()?)?..hex(ends.next()?)?;
    let private = fields.next()? == b"rw-p";
    let inode = fields.nth(2)?;
    (private && inode == b"0" && range.end.checked_sub(range.start)? >= SMALLEST).then_some(range)
}

fn hex(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0usize, |number, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        number.checked_mul(16)?.checked_add(digit as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_private_memory_of_no_file_is_given_back() {
        let range = |line: &str| large_and_private(line.as_bytes());
        assert_eq!(range("10000-90000 rw-p 00000000 00:00 0 "), Some(0x10000..0x90000));
        assert_eq!(range("10000-90000 rw-p 00000000 00:00 0                  [heap]"), Some(0x10000..0x90000));
        for other in [
            "10000-20000 rw-p 00000000 00:00 0 ",
            "10000-90000 rw-s 00000000 00:00 0 ",
            "10000-90000 r--p 00000000 00:00 0 ",
            "10000-90000 rw-p 00001000 08:01 42 /usr/lib/libc.so",
            "90000-10000 rw-p 00000000 00:00 0 ",
            "10000 rw-p",
            "",
        ] {
            assert_eq!(range(other), None, "{other:?}");
        }
    }

    #[test]
    fn what_is_in_use_is_kept_and_the_rest_of_the_mapping_is_emptied() {
        use rustix::mm::{MapFlags, ProtFlags};
        let len = 4 << 20;
        // SAFETY: a new mapping; nothing else is there.
        let start = unsafe {
            let flags = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, flags.0, flags.1).unwrap()
        };
        // SAFETY: it is that long, and nobody else has it.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start.cast::<u8>(), len) };
        bytes.fill(1);
        let base = start.expose_provenance();
        let in_use = [base + (1 << 20), base + (3 << 20)];
        // SAFETY: bytes are valid whatever their value, and are read below as what they are then.
        unsafe { empty(base..base + len, &in_use) };
        let bytes = std::hint::black_box(bytes);
        for address in in_use {
            let kept = &bytes[address - BELOW - base..address + ABOVE - base];
            assert!(kept.iter().all(|byte| *byte == 1));
        }
        let kept = bytes.iter().filter(|byte| **byte == 1).count();
        assert!(kept <= 2 * (BELOW + ABOVE + 2 * 65536), "{kept} kept");
        // SAFETY: mapped above, and not used again.
        unsafe { rustix::mm::munmap(start, len).unwrap() };
    }
}
