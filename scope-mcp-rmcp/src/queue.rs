//! The state of sending: what waits to be written, in order, and who waits for it.
//!
//! # Invariants
//! 1. The order of messages is that of [`Queue::push`]; nothing that comes later changes it.
//! 2. Messages `0..committed` have been handed to the pipe and stay until they are written, whoever still waits for
//!    them: half a line would spoil all that follow. The others are in `pending`, and can be taken back.
//! 3. Whoever sends and waits has its waker here before it tries the pipe. So who is told that the pipe takes more finds
//!    somebody to wake; one who was woken and goes away without having looked wakes the next.
//! 4. No waker runs while the queue is locked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use crate::TransportError;

/// Buffers that grew beyond this for one long message are given back.
const KEEP: usize = 1024 * 1024;

/// So many bytes of answers that nobody waits for are kept for a peer that does not read.
const REPLIES_MAX: usize = 1024 * 1024;

/// Locks, whatever happened to the last one who did.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is told when a descriptor or the server's end is worth a look: it wakes the one who receives and the first of
/// those who send.
#[derive(Debug)]
pub(crate) struct Hub {
    queue: Mutex<Queue>,
    /// Something besides the standard output may have happened since the last look.
    stirred: AtomicBool,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    committed: usize,
    /// Of the first entry.
    written: usize,
    pending: Vec<u8>,
    next: u64,
    over: Option<Over>,
    receiver: Option<Waker>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    len: usize,
    /// `None` before its future was polled, after it was woken, and when it is gone.
    waker: Option<Waker>,
    /// Whether there is a future that waits for it.
    awaited: bool,
}

#[derive(Debug)]
struct Over {
    /// The first message that was not written.
    from: u64,
    error: TransportError,
    /// Whether somebody waited for one that was not.
    told: bool,
    /// Whether receiving is over too.
    all: bool,
}

/// Whether anything more is to be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiving {
    GoesOn,
    IsOver {
        /// Somebody is being told that what it sent failed.
        told: bool,
    },
}

/// Where a message is.
#[derive(Debug)]
pub(crate) enum Fate {
    Waiting,
    Written,
    Failed(TransportError),
}

impl Hub {
    pub(crate) fn new() -> Arc<Hub> {
        // Nobody has looked yet, so nobody would be told.
        Arc::new(Hub { queue: Mutex::default(), stirred: AtomicBool::new(true) })
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Whether there is reason to look, once.
    pub(crate) fn take_stirred(&self) -> bool {
        self.stirred.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn stir(&self) {
        self.stirred.store(true, Ordering::Release);
        let woken = {
            let mut queue = self.queue();
            [queue.receiver.take(), queue.first_waker()]
        };
        woken.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Wake for Hub {
    fn wake(self: Arc<Self>) {
        self.stir();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.stir();
    }
}

impl Queue {
    /// Adds a line, and empties `line`. Its number.
    ///
    /// # Errors
    /// Sending is over.
    pub(crate) fn push(&mut self, line: &mut Vec<u8>) -> Result<u64, TransportError> {
        if let Some(over) = &self.over {
            return Err(over.error.clone());
        }
        Ok(self.add(line, true))
    }

    /// Adds a line that nobody waits for, unless there is too much of that. Whether it was added.
    pub(crate) fn push_reply(&mut self, mut line: Vec<u8>) -> bool {
        let room = self.over.is_none() && self.pending.len() + line.len() <= REPLIES_MAX;
        if room {
            self.add(&mut line, false);
        }
        room
    }

    fn add(&mut self, line: &mut Vec<u8>, awaited: bool) -> u64 {
        let number = self.next;
        self.next += 1;
        self.entries.push_back(Entry { number, len: line.len(), waker: None, awaited });
        if self.pending.is_empty() {
            std::mem::swap(&mut self.pending, line);
        } else {
            self.pending.extend_from_slice(line);
        }
        recycle(line);
        number
    }

    /// Hands what is pending to the pipe, whose last buffer has been written. Whether there was anything.
    pub(crate) fn commit(&mut self, buffer: &mut Vec<u8>) -> bool {
        recycle(buffer);
        if self.pending.is_empty() {
            return false;
        }
        std::mem::swap(&mut self.pending, buffer);
        self.committed = self.entries.len();
        true
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// `count` more bytes have been written. Those to be woken for it, `but` one who knows.
    #[must_use]
    pub(crate) fn wrote(&mut self, count: usize, but: Option<u64>) -> Vec<Waker> {
        let mut woken = Vec::new();
        self.written += count;
        while self.committed > 0
            && let Some(entry) = self.entries.pop_front_if(|entry| entry.len <= self.written)
        {
            self.written -= entry.len;
            self.committed -= 1;
            if but != Some(entry.number) {
                woken.extend(entry.waker);
            }
        }
        woken
    }

    /// Where the message is. One that waits is woken by `waker` from now on.
    pub(crate) fn fate(&mut self, number: u64, waker: &Waker) -> Fate {
        if let Some(over) = &self.over
            && number >= over.from
        {
            return Fate::Failed(over.error.clone());
        }
        let Some(at) = self.find(number) else { return Fate::Written };
        let entry = &mut self.entries[at];
        if entry.waker.as_ref().is_none_or(|old| !old.will_wake(waker)) {
            entry.waker = Some(waker.clone());
        }
        Fate::Waiting
    }

    /// Nobody waits for the message any more: it is taken back, unless the pipe has it already. The next to look, if
    /// this one was the one that should have.
    #[must_use]
    pub(crate) fn abandon(&mut self, number: u64) -> Option<Waker> {
        let at = self.find(number)?;
        if at < self.committed {
            let entry = &mut self.entries[at];
            entry.awaited = false;
            entry.waker = None;
        } else {
            let from: usize = self.entries.range(self.committed..at).map(|entry| entry.len).sum();
            let entry = self.entries.remove(at)?;
            self.pending.drain(from..from + entry.len);
        }
        self.first_waker().or_else(|| self.receiver.take())
    }

    /// Nothing is sent from here on, and nothing received if it is `all`. Those to be woken for it.
    #[must_use]
    pub(crate) fn finish(&mut self, error: TransportError, all: bool) -> Vec<Waker> {
        if let Some(over) = &mut self.over {
            over.all |= all;
            return self.receiver.take().into_iter().collect();
        }
        let from = self.entries.front().map_or(self.next, |entry| entry.number);
        let told = self.entries.iter().any(|entry| entry.awaited);
        self.over = Some(Over { from, error, told, all });
        self.pending = Vec::new();
        self.committed = 0;
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().filter_map(|entry| entry.waker).chain(self.receiver.take()).collect()
    }

    pub(crate) fn still_receiving(&self) -> Receiving {
        match &self.over {
            Some(Over { all: true, told, .. }) => Receiving::IsOver { told: *told },
            _ => Receiving::GoesOn,
        }
    }

    /// Registers the one who receives. Whether there is something to be written that nobody else will write.
    pub(crate) fn receiving(&mut self, waker: &Waker) -> bool {
        if self.receiver.as_ref().is_none_or(|old| !old.will_wake(waker)) {
            self.receiver = Some(waker.clone());
        }
        !self.entries.is_empty() && self.entries.iter().all(|entry| !entry.awaited)
    }

    fn first_waker(&mut self) -> Option<Waker> {
        self.entries.iter_mut().find_map(|entry| entry.waker.take())
    }

    fn find(&self, number: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&number, |entry| entry.number).ok()
    }
}

fn recycle(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEEP {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}

#[cfg(test)]
mod tests;
