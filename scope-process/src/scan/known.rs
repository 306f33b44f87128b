//! What earlier looks have learnt of the processes of this system, so that a later one need not ask all of them again.
//!
//! A process is recognised by its number and by the inode of its folder in `/proc`. The kernel counts these inodes up, and
//! a folder does not outlive its process; so whoever gets the number next has another one. Two things hold for as long
//! as the process lives:
//!
//! * when it was there: who was listed before a child of ours was started does not descend from that child;
//! * whose marker it was seen with: who descends from one child does not descend from another.
//!
//! What may change is not kept: which group it is in, and that no marker was seen.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rustix::process::Pid;

use crate::marker;

#[derive(Clone, Copy)]
struct Known {
    pid: Pid,
    inode: u64,
    /// Children with this number, and all later ones, were started after it was listed.
    before: u64,
    /// The child it descends from, if that is known.
    child: Option<u64>,
}

/// Of the last look that was finished. Never waited for: a copy of the host, made by a fork, may find it locked for good.
static EARLIER: Mutex<Option<Arc<Vec<Known>>>> = Mutex::new(None);

/// Who is listed in one look, by number.
pub(super) struct Listing {
    earlier: Option<Arc<Vec<Known>>>,
    now: Vec<Known>,
    /// How many of those were listed in earlier passes. They are in order.
    sorted: usize,
}

impl Listing {
    pub(super) fn new() -> Listing {
        let earlier = EARLIER.try_lock().ok().and_then(|earlier| earlier.clone());
        let now = Vec::with_capacity(earlier.as_ref().map_or(128, |earlier| earlier.len() + 16));
        Listing { earlier, now, sorted: 0 }
    }

    /// Adds one that is listed. `None` if it has been before, in this look; else whether it is known not to descend from
    /// any of `children`.
    pub(super) fn add(&mut self, pid: Pid, inode: u64, children: Option<&BTreeSet<u64>>) -> Option<bool> {
        // By the number alone: where `/proc` is not the kernel's own, each listing may have other inodes.
        if self.now[..self.sorted].binary_search_by_key(&pid.as_raw_pid(), |known| known.pid.as_raw_pid()).is_ok() {
            return None;
        }
        let known = self.earlier.as_deref().and_then(|earlier| find(earlier, pid, inode));
        let known = known.unwrap_or(Known { pid, inode, before: u64::MAX, child: None });
        self.now.push(known);
        Some(children.is_some_and(|children| known.is_other_than(children)))
    }

    /// The one added last carries the marker of `child`.
    pub(super) fn descends_from(&mut self, child: u64) {
        if let Some(known) = self.now.last_mut() {
            known.child = Some(child);
        }
    }

    /// All have been added who were there to be listed.
    pub(super) fn end_pass(&mut self) {
        // Read when all have been listed: who gets this number is started after that.
        let next = marker::number_of_next_child();
        for known in &mut self.now[self.sorted..] {
            known.before = known.before.min(next);
        }
        self.now.sort_unstable_by_key(|known| (known.pid.as_raw_pid(), known.inode));
        self.sorted = self.now.len();
    }

    /// Leaves what was learnt to later looks.
    pub(super) fn keep(mut self) {
        self.now.shrink_to_fit();
        if let Ok(mut earlier) = EARLIER.try_lock() {
            *earlier = Some(Arc::new(self.now));
        }
    }
}

impl Known {
    fn is_other_than(&self, children: &BTreeSet<u64>) -> bool {
        let is_older = children.first().is_some_and(|first| *first >= self.before);
        is_older || self.child.is_some_and(|child| !children.contains(&child))
    }
}

fn find(sorted: &[Known], pid: Pid, inode: u64) -> Option<Known> {
    let key = (pid.as_raw_pid(), inode);
    let at = sorted.binary_search_by_key(&key, |known| (known.pid.as_raw_pid(), known.inode)).ok()?;
    sorted.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    fn known(before: u64, child: Option<u64>) -> Known {
        Known { pid: pid(7), inode: 1, before, child }
    }

    #[test]
    fn who_was_there_before_a_child_does_not_descend_from_it() {
        assert!(known(5, None).is_other_than(&BTreeSet::from([5])));
        assert!(known(5, None).is_other_than(&BTreeSet::from([6, 9])));
        assert!(!known(5, None).is_other_than(&BTreeSet::from([4])));
        assert!(!known(5, None).is_other_than(&BTreeSet::from([4, 9])));
        assert!(!known(u64::MAX, None).is_other_than(&BTreeSet::from([4])));
    }

    #[test]
    fn who_descends_from_one_child_does_not_from_another() {
        assert!(known(u64::MAX, Some(3)).is_other_than(&BTreeSet::from([4])));
        assert!(!known(u64::MAX, Some(3)).is_other_than(&BTreeSet::from([3, 4])));
    }

    #[test]
    fn a_number_that_comes_round_is_a_stranger() {
        let started = marker::next_child();
        let mut first = Listing { earlier: None, now: Vec::new(), sorted: 0 };
        assert_eq!(first.add(pid(9), 40, Some(&BTreeSet::from([started]))), Some(false));
        assert_eq!(first.add(pid(7), 30, Some(&BTreeSet::from([started]))), Some(false));
        first.end_pass();
        assert_eq!(first.add(pid(7), 30, None), None, "listed twice in one look");
        assert_eq!(first.add(pid(7), 31, None), None, "and with another inode");
        let later = BTreeSet::from([marker::next_child()]);
        let mut second = Listing { earlier: Some(Arc::new(first.now)), now: Vec::new(), sorted: 0 };
        assert_eq!(second.add(pid(7), 30, Some(&later)), Some(true));
        assert_eq!(second.add(pid(9), 41, Some(&later)), Some(false), "another of the same number");
        // Not of one that was started before it was listed, and not for who asks about all.
        let mut third = Listing { earlier: second.earlier.clone(), now: Vec::new(), sorted: 0 };
        assert_eq!(third.add(pid(7), 30, Some(&BTreeSet::from([started]))), Some(false));
        assert_eq!(third.add(pid(9), 40, None), Some(false));
    }
}
