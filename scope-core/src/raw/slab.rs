//! Memory for same-task children: slots of a few sizes, taken from chunks and used again, so that a child costs no
//! allocation of its own.
//!
//! Invariants
//! 1. A slot is the host's to take and to give back while its queue is open. Whoever else gives up the last reference to
//!    a child puts its slot onto the queue's stack of returned ones, which the host takes; once that is closed, the chunk
//!    counts them.
//! 2. A chunk is freed when none of its slots is in use, by whoever sees that: the host, or the last that a closed queue
//!    has left. It keeps its queue alive until then, and so does each of its slots that is in use.
//! 3. `shown`, `next` and `previous` are changed by the host under the queue's lock.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

use super::queue::Queue;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// The sizes of slots. What is larger, or aligned to more than [`ALIGN`], has a chunk of its own.
const SIZES: [usize; 16] = [80, 96, 112, 128, 144, 160, 192, 224, 256, 320, 384, 512, 768, 1024, 2048, 4096];
const ALIGN: usize = 16;
const ALONE: u8 = u8::MAX;

/// A slot for one type.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    layout: Layout,
    /// Its place in [`SIZES`], or [`ALONE`].
    class: u8,
}

impl Shape {
    pub(super) const fn of<T>() -> Self {
        let layout = Layout::new::<T>();
        let mut class = 0;
        while class < SIZES.len() && SIZES[class] < layout.size() {
            class += 1;
        }
        if class == SIZES.len() || layout.align() > ALIGN {
            return Shape { layout, class: ALONE };
        }
        Shape { layout, class: class as u8 }
    }
}

/// A few slots of one size. They lie behind it in the same allocation.
#[repr(align(16))]
pub(super) struct Chunk {
    pub(super) queue: Arc<Queue>,
    /// Of the whole allocation.
    layout: Layout,
    first: usize,
    stride: usize,
    class: u8,
    /// A bit for each slot.
    all: u64,
    /// A bit for each slot that is not in use: the host's.
    free: Cell<u64>,
    /// Slots in use, less those returned, once the host has gone.
    left: AtomicUsize,
    /// All chunks of the slab: the host's.
    newer: Cell<*const Chunk>,
    older: Cell<*const Chunk>,
    /// Those with a free slot, by class: the host's.
    before: Cell<*const Chunk>,
    behind: Cell<*const Chunk>,
    /// A bit for each slot whose child is to be shown in the tree.
    pub(super) shown: Cell<u64>,
    /// Those with such a child.
    pub(super) next: Cell<*const Chunk>,
    pub(super) previous: Cell<*const Chunk>,
}

/// A slot that has been taken.
pub(super) struct Slot {
    pub(super) chunk: *const Chunk,
    pub(super) index: u8,
    pub(super) at: *mut u8,
}

/// Allocates a chunk with all its slots free, in no list.
fn chunk(queue: &Arc<Queue>, slot: Layout, class: u8, capacity: u8) -> *const Chunk {
    let own = Layout::new::<Chunk>();
    let stride = slot.pad_to_align().size();
    let slots = Layout::from_size_align(stride * usize::from(capacity), slot.align());
    let Ok((layout, first)) = slots.and_then(|slots| own.extend(slots)) else {
        // A future that exists is smaller than half the address space; with what we add it may not be.
        handle_alloc_error(slot);
    };
    let all = u64::MAX >> (u64::BITS - u32::from(capacity));
    let chunk = Chunk {
        queue: queue.clone(),
        layout,
        first,
        stride,
        class,
        all,
        free: Cell::new(all),
        left: AtomicUsize::new(0),
        newer: Cell::new(ptr::null()),
        older: Cell::new(ptr::null()),
        before: Cell::new(ptr::null()),
        behind: Cell::new(ptr::null()),
        shown: Cell::new(0),
        next: Cell::new(ptr::null()),
        previous: Cell::new(ptr::null()),
    };
    // SAFETY: the layout is not empty: a chunk is in it. What is written fits, being its first part.
    unsafe {
        let at = alloc(layout).cast::<Chunk>();
        if at.is_null() {
            handle_alloc_error(layout);
        }
        at.write(chunk);
        at
    }
}

/// # Safety
/// None of its slots is in use, it is in no list, and nobody uses it again.
unsafe fn free(chunk: *const Chunk) {
    // SAFETY: allocated by `chunk` with this layout, and not freed before.
    unsafe {
        let layout = (*chunk).layout;
        ptr::drop_in_place(chunk.cast_mut());
        dealloc(chunk.cast_mut().cast(), layout);
    }
}

impl Chunk {
    /// The start of a slot.
    ///
    /// # Safety
    /// `chunk` is valid, and has a slot of this number.
    pub(super) unsafe fn slot(chunk: *const Chunk, index: u8) -> *mut u8 {
        // SAFETY: within the allocation by the caller's promise.
        unsafe { chunk.cast_mut().cast::<u8>().add((*chunk).first + usize::from(index) * (*chunk).stride) }
    }

    fn is_idle(&self) -> bool {
        self.free.get() == self.all
    }

    /// Counts out a slot that came back when the queue had closed.
    ///
    /// # Safety
    /// The slot was in use, and is not any more; the chunk is not used by the caller again.
    pub(super) unsafe fn count_out(chunk: *const Chunk) {
        // SAFETY: valid until the last of its slots has been counted, of which the caller's is one (invariant 2). Whoever
        // comes to zero is the last: the host has added what was in use, or it would be below.
        unsafe {
            if (*chunk).left.fetch_sub(1, Ordering::AcqRel) == 1 {
                free(chunk);
            }
        }
    }
}

/// Takes a slot in a chunk of its own: for who is not the host.
pub(super) fn alone(queue: &Arc<Queue>, shape: Shape) -> Slot {
    let chunk = chunk(queue, shape.layout, ALONE, 1);
    // SAFETY: it has one slot.
    Slot { chunk, index: 0, at: unsafe { Chunk::slot(chunk, 0) } }
}

/// Frees the chunk, if it is one of a single slot. False if it is not.
///
/// # Safety
/// The slot was in use, and is not any more.
pub(super) unsafe fn free_if_alone(chunk: *const Chunk) -> bool {
    // SAFETY: valid as its slot was in use; one of a single slot is in no list of the slab's.
    unsafe {
        let alone = (*chunk).class == ALONE;
        if alone {
            free(chunk);
        }
        alone
    }
}

/// The host's chunks.
pub(super) struct Slab {
    newest: *const Chunk,
    /// The chunks with a free slot, of each class.
    usable: [*const Chunk; SIZES.len()],
    /// How many slots the latest chunk of each class has.
    grown: [u8; SIZES.len()],
}

impl Slab {
    pub(super) const fn new() -> Self {
        Slab { newest: ptr::null(), usable: [ptr::null(); SIZES.len()], grown: [0; SIZES.len()] }
    }

    /// Takes a slot.
    #[inline]
    pub(super) fn take(&mut self, queue: &Arc<Queue>, shape: Shape) -> Slot {
        if shape.class == ALONE {
            return alone(queue, shape);
        }
        let class = usize::from(shape.class);
        if self.usable[class].is_null() {
            self.grow(queue, class);
        }
        let chunk = self.usable[class];
        // SAFETY: a chunk in our lists is valid; one that is usable has a free slot.
        unsafe {
            let free = (*chunk).free.get();
            let index = free.trailing_zeros() as u8;
            let left = free & (free - 1);
            (*chunk).free.set(left);
            if left == 0 {
                self.unlink_usable(chunk);
            }
            Slot { chunk, index, at: Chunk::slot(chunk, index) }
        }
    }

    /// Adds a chunk, twice as large as the one before, up to 64 slots or some 8 KiB.
    #[cold]
    fn grow(&mut self, queue: &Arc<Queue>, class: usize) {
        let size = SIZES[class];
        let most = (8192 / size).clamp(1, 64);
        let capacity = match usize::from(self.grown[class]) {
            0 => (512 / size).max(1),
            latest => (latest * 2).min(most),
        };
        self.grown[class] = capacity as u8;
        // SAFETY: a power of two, and sizes that are multiples of it.
        let slot = unsafe { Layout::from_size_align_unchecked(size, ALIGN) };
        let chunk = chunk(queue, slot, class as u8, capacity as u8);
        // SAFETY: it is fresh, so in no list; those in our lists are valid.
        unsafe {
            (*chunk).older.set(self.newest);
            if let Some(older) = self.newest.as_ref() {
                older.newer.set(chunk);
            }
            self.newest = chunk;
            self.link_usable(chunk);
        }
    }

    /// Gives a slot back. A chunk with none in use is freed, but for one of each class.
    ///
    /// # Safety
    /// The slot was taken, and is not used any more. The caller is the host.
    #[inline]
    pub(super) unsafe fn give(&mut self, chunk: *const Chunk, index: u8) {
        // SAFETY: valid as its slot was in use.
        unsafe {
            if free_if_alone(chunk) {
                return;
            }
            let free = (*chunk).free.get();
            (*chunk).free.set(free | 1 << index);
            if free == 0 {
                self.link_usable(chunk);
            }
            if (*chunk).is_idle() && !((*chunk).before.get().is_null() && (*chunk).behind.get().is_null()) {
                self.remove(chunk);
            }
        }
    }

    /// # Safety
    /// The chunk is ours, and idle.
    #[cold]
    unsafe fn remove(&mut self, chunk: *const Chunk) {
        // SAFETY: it and its neighbours are valid, being ours.
        unsafe {
            self.unlink_usable(chunk);
            let (newer, older) = ((*chunk).newer.get(), (*chunk).older.get());
            match newer.as_ref() {
                Some(newer) => newer.older.set(older),
                None => self.newest = older,
            }
            if let Some(older) = older.as_ref() {
                older.newer.set(newer);
            }
            free(chunk);
        }
    }

    /// # Safety
    /// The chunk is ours, has a free slot, and is not linked.
    unsafe fn link_usable(&mut self, chunk: *const Chunk) {
        // SAFETY: it and those linked are valid, being ours.
        unsafe {
            let first = &mut self.usable[usize::from((*chunk).class)];
            (*chunk).before.set(ptr::null());
            (*chunk).behind.set(*first);
            if let Some(behind) = first.as_ref() {
                behind.before.set(chunk);
            }
            *first = chunk;
        }
    }

    /// # Safety
    /// The chunk is ours, and linked.
    unsafe fn unlink_usable(&mut self, chunk: *const Chunk) {
        // SAFETY: as above.
        unsafe {
            let (before, behind) = ((*chunk).before.get(), (*chunk).behind.get());
            match before.as_ref() {
                Some(before) => before.behind.set(behind),
                None => self.usable[usize::from((*chunk).class)] = behind,
            }
            if let Some(behind) = behind.as_ref() {
                behind.before.set(before);
            }
        }
    }

    /// Gives up all chunks: each is freed when the last of its slots comes back.
    ///
    /// # Safety
    /// The caller is the host; the stack of returned slots has been closed, and what was on it given back.
    pub(super) unsafe fn close(&mut self) {
        let mut at = self.newest;
        *self = Slab::new();
        while !at.is_null() {
            // SAFETY: ours until its slots in use are added: whoever comes to zero then is the last (invariant 2).
            unsafe {
                let older = (*at).older.get();
                let used = ((*at).all & !(*at).free.get()).count_ones() as usize;
                if (*at).left.fetch_add(used, Ordering::AcqRel).wrapping_add(used) == 0 {
                    free(at);
                }
                at = older;
            }
        }
    }
}
