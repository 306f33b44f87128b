//! The host's own part of a nursery's same-task children: the run queue, the slots, and counts. No atomics are needed here;
//! those that are used are the headers', which others look at too.

use super::local::{Header, destroy};
use super::slab::Slab;
use super::stack::RunQueue;
use super::waker::is_alone;
use crate::sync::atomic::Ordering;

/// The host's part: touched by nobody else.
pub(super) struct Host {
    /// Spawned and woken here, or taken from the ready stack, in order.
    run: RunQueue<Header>,
    /// How many children the tree shows.
    pub(super) listed: usize,
    /// Whether all have been told of the scope's cancellation.
    pub(super) told: bool,
    /// Nothing is spawned or woken any more.
    pub(super) closed: bool,
    pub(super) slab: Slab,
    pub(super) feed: Feed,
}

/// The body adds children by and by, so many at once: [`Locals::poll_room`](super::local::Locals::poll_room).
pub(super) struct Feed {
    /// Children that the host has added and that have not ended.
    live: usize,
    /// The body was given room, and the children have not had their turn since.
    given: bool,
    /// The body waits until fewer than so many live.
    waits_below: Option<usize>,
}

/// How many children the body may add before they have their turn: few enough that their slots stay near.
const HELPING: usize = 64;

impl Feed {
    pub(super) fn added(&mut self) {
        self.live += 1;
    }

    pub(super) fn ended(&mut self) {
        self.live -= 1;
    }

    /// How many may be added, of `limit` in all. None: then the body is to be polled when there is room.
    pub(super) fn room(&mut self, limit: usize) -> Option<usize> {
        let room = limit.saturating_sub(self.live).min(HELPING);
        if room == 0 || self.given {
            self.waits_below = Some(limit);
            return None;
        }
        self.given = true;
        Some(room)
    }

    /// The children have had a turn. Whether the body is to be polled.
    pub(super) fn had_turn(&mut self) -> bool {
        self.given = false;
        let due = self.waits_below.is_some_and(|limit| self.live < limit);
        if due {
            self.waits_below = None;
        }
        due
    }
}

impl Host {
    pub(super) fn new() -> Self {
        Host {
            run: RunQueue::new(),
            listed: 0,
            told: false,
            closed: false,
            slab: Slab::new(),
            feed: Feed { live: 0, given: false, waits_below: None },
        }
    }

    /// Appends a stack that was taken whole, the oldest first.
    pub(super) fn collect(&mut self, top: *mut Header) {
        // SAFETY: what was queued has the host's reference, which is given up when it has been taken out.
        unsafe { self.run.collect(top) };
    }

    /// Appends one child, unless nothing is queued any more.
    ///
    /// # Safety
    /// The header is valid, in no stack and no run queue, and its `queued` has just been set.
    pub(super) unsafe fn append(&mut self, header: *mut Header) {
        if !self.closed {
            // SAFETY: the caller's promise.
            unsafe { self.append_open(header) };
        }
    }

    /// The same, while children are queued.
    ///
    /// # Safety
    /// As for [`append`](Self::append).
    #[inline(always)]
    pub(super) unsafe fn append_open(&mut self, header: *mut Header) {
        // SAFETY: the caller's promise, and as in `collect`.
        unsafe { self.run.append(header) };
    }

    pub(super) fn has_next(&self) -> bool {
        !self.run.is_empty()
    }

    /// Takes the first off the run queue.
    pub(super) fn pop(&mut self) -> Option<*const Header> {
        self.run.pop()
    }

    /// Gives up the host's reference to a child that has ended.
    ///
    /// # Safety
    /// The host has it, and the child is queued nowhere.
    #[inline(always)]
    pub(super) unsafe fn release(&mut self, header: *const Header) {
        // SAFETY: whoever gives up the last reference is alone with the header.
        unsafe {
            if is_alone(header) || (*header).refs.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.free(header);
            }
        }
    }

    /// Frees a child that has ended.
    ///
    /// # Safety
    /// The host's is the last reference, and the child is queued nowhere.
    #[inline(always)]
    pub(super) unsafe fn free(&mut self, header: *const Header) {
        // SAFETY: the caller's promise.
        unsafe {
            let (chunk, index) = ((*header).chunk, (*header).index);
            destroy(header);
            self.slab.give(chunk, index);
        }
    }

    /// Takes back the slots that others have returned.
    pub(super) fn take_back(&mut self, mut top: *mut Header) {
        while !top.is_null() {
            // SAFETY: nobody else knows them any more; what they need for this was left in them, none of which has a
            // destructor.
            unsafe {
                let (chunk, index) = ((*top).chunk, (*top).index);
                let below = (*top).below.load(Ordering::Relaxed);
                self.slab.give(chunk, index);
                top = below;
            }
        }
    }
}
