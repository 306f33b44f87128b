//! The tasks that were spawned last, held on to for a while, so that their memory is given back by who spawns.
//!
//! The memory of a task is given back by whoever lets go of it last. On several threads that is the worker that ran it, and
//! then the workers are in the allocator's way of whoever spawns, which is from where that memory came. So the handle of a
//! task is kept until so many others have been spawned from the same thread: most have ended by then. A task that has ended
//! has destroyed its future and all that was in it; what is kept is a block of memory.
//!
//! Bounded by [`KEPT`] tasks of no more than [`LARGEST`] bytes in all: by as many for each worker, and for all other threads
//! together.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

/// Some 1 MiB with what tokio adds.
const KEPT: usize = 2560;
/// Of one thread. More of them do not lie in its cache.
const KEPT_BY_ONE: usize = 512;
/// Of the future.
const LARGEST: usize = 384;

/// None where one thread does all. The first is for threads that are no workers.
#[derive(Debug)]
pub(crate) struct Recent {
    threads: Box<[OfThread]>,
    /// How many each keeps.
    kept: usize,
}

/// On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct OfThread(Mutex<VecDeque<JoinHandle<()>>>);

impl Recent {
    pub(crate) fn of(runtime: &Handle) -> Self {
        let threads = match runtime.runtime_flavor() {
            RuntimeFlavor::CurrentThread => 0,
            _ => runtime.metrics().num_workers() + 1,
        };
        Recent {
            threads: (0..threads).map(|_| OfThread::default()).collect(),
            kept: KEPT.checked_div(threads).map_or(0, |each| each.min(KEPT_BY_ONE)),
        }
    }

    /// Keeps the handle of a task with a future of `size` bytes, which has just been spawned.
    pub(crate) fn keep(&self, task: JoinHandle<()>, size: usize) {
        if self.kept == 0 || size > LARGEST {
            return;
        }
        let thread = tokio::runtime::worker_index().map_or(0, |worker| worker + 1);
        // Another's, in somebody else's runtime.
        let Some(OfThread(recent)) = self.threads.get(thread).or(self.threads.first()) else { return };
        let oldest;
        {
            // Not worth waiting for.
            let Ok(mut recent) = recent.try_lock() else { return };
            oldest = if recent.len() < self.kept { None } else { recent.pop_front() };
            recent.push_back(task);
        }
        drop(oldest);
    }
}
