//! The tasks that were spawned last, held on to for a while, so that their memory is given back by who spawns.
//!
//! The memory of a task is given back by whoever lets go of it last. On several threads that is the worker that ran it, and
//! then the workers are in the allocator's way of whoever spawns, which is from where that memory came. So the handle of a
//! task is kept until so many others have been spawned from the same thread: most have ended by then. A task that has ended
//! has destroyed its future and all that was in it; what is kept is a block of memory.
//!
//! Bounded by [`KEPT`] tasks of no more than [`LARGEST`] bytes for each worker, and as many for all other threads together.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

const KEPT: usize = 128;
/// Of the future.
const LARGEST: usize = 384;

/// None where one thread does all. The first is for threads that are no workers.
#[derive(Debug)]
pub(crate) struct Recent(Box<[OfThread]>);

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
        Recent((0..threads).map(|_| OfThread::default()).collect())
    }

    /// Keeps the handle of a task with a future of `size` bytes, which has just been spawned.
    pub(crate) fn keep(&self, task: JoinHandle<()>, size: usize) {
        if self.0.is_empty() || size > LARGEST {
            return;
        }
        let thread = tokio::runtime::worker_index().map_or(0, |worker| worker + 1);
        // Another's, in somebody else's runtime.
        let Some(OfThread(recent)) = self.0.get(thread).or(self.0.first()) else { return };
        let oldest;
        {
            // Not worth waiting for.
            let Ok(mut recent) = recent.try_lock() else { return };
            oldest = if recent.len() < KEPT { None } else { recent.pop_front() };
            recent.push_back(task);
        }
        drop(oldest);
    }
}
