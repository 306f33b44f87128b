//! Memory of a crew's tasks that have ended, for those to come.
//!
//! Tasks are given by one thread and end on others, which are then in each other's way in the allocator: memory goes back to
//! where it was taken from, under a lock. So a task leaves its memory with the station where it has ended, for those that are
//! given there; what is too much goes on, so many blocks at once, to where there is none.
//!
//! Invariants
//! 1. A block that lies here was allocated with the layout of its class, and nobody else knows it.
//! 2. What a station has is touched by who has set `busy`. Nobody waits for that: who finds it set goes to the allocator.
//! 3. No more is kept than [`AT_HAND`] blocks of each class by each station, and [`KEPT`] bytes between them.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::array;
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::PoisonError;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The size of a class's blocks: so much, and a step more for each class. There are hardly any smaller tasks.
const SMALLEST: usize = 128;
const STEP: usize = 32;
const CLASSES: usize = 9;
/// What is aligned to more is not kept.
const ALIGN: usize = 16;
/// How many blocks move at once.
const BATCH: usize = 32;
const AT_HAND: usize = 2 * BATCH;
/// Bytes.
const KEPT: usize = 512 * 1024;

/// What one type of task needs.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    layout: Layout,
    /// None: it is not kept.
    class: Option<usize>,
}

impl Shape {
    /// With `cfg(scope_sanitized)` nothing is kept: the sanitizer sees more then.
    pub(crate) const fn of<T>() -> Self {
        if cfg!(scope_sanitized) { Shape { layout: Layout::new::<T>(), class: None } } else { Self::kept_of::<T>() }
    }

    const fn kept_of<T>() -> Self {
        let layout = Layout::new::<T>();
        let class = layout.size().saturating_sub(SMALLEST).div_ceil(STEP);
        if class >= CLASSES || layout.align() > ALIGN {
            return Shape { layout, class: None };
        }
        Shape { layout: layout_of(class), class: Some(class) }
    }

    fn allocate(self) -> NonNull<u8> {
        // SAFETY: not without size: a task has a header.
        let block = unsafe { alloc(self.layout) };
        NonNull::new(block).unwrap_or_else(|| handle_alloc_error(self.layout))
    }

    /// # Safety
    /// The block is of this shape, and nobody uses it any more.
    pub(super) unsafe fn free(self, block: NonNull<u8>) {
        // SAFETY: the caller's promise; the layout is that of all the class.
        unsafe { dealloc(block.as_ptr(), self.layout) };
    }
}

const fn layout_of(class: usize) -> Layout {
    match Layout::from_size_align(SMALLEST + class * STEP, ALIGN) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    }
}

/// What one station has at hand, by class. On cache lines of its own.
#[repr(align(128))]
pub(crate) struct Spares {
    busy: AtomicBool,
    blocks: UnsafeCell<[Vec<NonNull<u8>>; CLASSES]>,
}

// SAFETY: the blocks are memory that nobody else knows.
unsafe impl Send for Spares {}
// SAFETY: and they are touched by who has set `busy`.
unsafe impl Sync for Spares {}

/// What some stations have too much of, and others take.
#[repr(align(128))]
pub(crate) struct Store {
    stock: Mutex<Stock>,
    /// A bit for each class of which there is some, for those who look whether it is worth the lock.
    some: AtomicU32,
}

struct Stock {
    batches: [Vec<Batch>; CLASSES],
    /// Bytes in all.
    kept: usize,
}

struct Batch([NonNull<u8>; BATCH]);

// SAFETY: they are memory that nobody else knows.
unsafe impl Send for Batch {}

impl Spares {
    pub(crate) fn new() -> Self {
        Spares { busy: AtomicBool::new(false), blocks: UnsafeCell::new(array::from_fn(|_| Vec::new())) }
    }

    /// None where somebody else is at it.
    fn with<R>(&self, class: usize, f: impl FnOnce(&mut Vec<NonNull<u8>>) -> R) -> Option<R> {
        if self.busy.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: who has set it is alone with them until it is taken away.
        let done = f(unsafe { &mut (*self.blocks.get())[class] });
        self.busy.store(false, Ordering::Release);
        Some(done)
    }

    /// A block of this shape: one that was kept, if there is any at hand or in the store.
    pub(crate) fn take(&self, shape: Shape, store: &Store) -> NonNull<u8> {
        let kept = shape.class.and_then(|class| {
            self.with(class, |blocks| {
                if blocks.is_empty()
                    && let Some(Batch(batch)) = store.take(class)
                {
                    blocks.reserve_exact(AT_HAND);
                    blocks.extend(batch);
                }
                blocks.pop()
            })?
        });
        kept.unwrap_or_else(|| shape.allocate())
    }

    /// Keeps a block, or frees it.
    ///
    /// # Safety
    /// The block is of this shape, and nobody uses it any more.
    pub(crate) unsafe fn keep(&self, shape: Shape, block: NonNull<u8>, store: &Store) {
        let kept = shape.class.and_then(|class| {
            self.with(class, |blocks| {
                blocks.reserve_exact(if blocks.capacity() == 0 { AT_HAND } else { 0 });
                // Those that came last are near.
                if blocks.len() == AT_HAND
                    && let Some(batch) = blocks.first_chunk()
                {
                    store.put(class, Batch(*batch));
                    drop(blocks.drain(..BATCH));
                }
                blocks.push(block);
            })
        });
        if kept.is_none() {
            // SAFETY: the caller's promise.
            unsafe { shape.free(block) };
        }
    }
}

impl Store {
    pub(crate) fn new() -> Self {
        let stock = Stock { batches: array::from_fn(|_| Vec::new()), kept: 0 };
        Store { stock: Mutex::new(stock), some: AtomicU32::new(0) }
    }

    fn take(&self, class: usize) -> Option<Batch> {
        if self.some.load(Ordering::Relaxed) & 1 << class == 0 {
            return None;
        }
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = stock.take(class)?;
        self.note(&stock);
        Some(batch)
    }

    fn put(&self, class: usize, batch: Batch) {
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut others = Vec::new();
        while stock.kept + bytes(class) > KEPT {
            // What is asked for now is what ends now: others make room.
            let Some(other) = (0..CLASSES).find(|other| *other != class && !stock.batches[*other].is_empty()) else {
                drop(stock);
                // SAFETY: they were kept, and are ours.
                unsafe { free(class, batch.0) };
                return;
            };
            others.extend(stock.take(other).map(|batch| (other, batch)));
        }
        stock.batches[class].push(batch);
        stock.kept += bytes(class);
        self.note(&stock);
        drop(stock);
        for (class, Batch(blocks)) in others {
            // SAFETY: taken out, so ours.
            unsafe { free(class, blocks) };
        }
    }

    fn note(&self, stock: &Stock) {
        let some = (0..CLASSES).filter(|class| !stock.batches[*class].is_empty()).map(|class| 1 << class).sum();
        self.some.store(some, Ordering::Relaxed);
    }
}

impl Stock {
    fn take(&mut self, class: usize) -> Option<Batch> {
        let batch = self.batches[class].pop()?;
        self.kept -= bytes(class);
        Some(batch)
    }
}

/// Of one batch.
fn bytes(class: usize) -> usize {
    BATCH * layout_of(class).size()
}

/// # Safety
/// The blocks are of this class, and nobody else knows them.
unsafe fn free(class: usize, blocks: impl IntoIterator<Item = NonNull<u8>>) {
    for block in blocks {
        // SAFETY: the caller's promise.
        unsafe { dealloc(block.as_ptr(), layout_of(class)) };
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        for (class, blocks) in self.blocks.get_mut().iter_mut().enumerate() {
            // SAFETY: taken out, so ours.
            unsafe { free(class, blocks.drain(..)) };
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        for (class, batches) in stock.batches.iter_mut().enumerate() {
            // SAFETY: as above.
            unsafe { free(class, batches.drain(..).flat_map(|Batch(blocks)| blocks)) };
        }
    }
}

#[cfg(all(test, not(scope_loom)))]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape::kept_of::<[u64; 20]>();

    /// So many blocks of that shape.
    fn fresh(count: usize) -> Vec<NonNull<u8>> {
        (0..count).map(|_| SHAPE.allocate()).collect()
    }

    fn keep(spares: &Spares, store: &Store, blocks: impl IntoIterator<Item = NonNull<u8>>) {
        for block in blocks {
            // SAFETY: of that shape, and not used.
            unsafe { spares.keep(SHAPE, block, store) };
        }
    }

    fn drop_all(blocks: impl IntoIterator<Item = NonNull<u8>>) {
        for block in blocks {
            // SAFETY: as above.
            unsafe { SHAPE.free(block) };
        }
    }

    fn kept(store: &Store) -> usize {
        store.stock.lock().unwrap().kept
    }

    #[test]
    fn a_type_goes_with_others_of_nearly_its_size() {
        #[repr(align(64))]
        struct Aligned;
        assert_eq!(Shape::kept_of::<u8>().layout.size(), SMALLEST);
        assert_eq!(Shape::kept_of::<[u64; 16]>().class, Some(0));
        assert_eq!(Shape::kept_of::<[u64; 17]>().class, Some(1));
        assert_eq!((SHAPE.class, SHAPE.layout.size()), (Some(1), 160));
        assert_eq!(Shape::kept_of::<[u64; 48]>().class, Some(CLASSES - 1));
        assert_eq!(Shape::kept_of::<[u64; 49]>().layout, Layout::new::<[u64; 49]>());
        assert_eq!(Shape::kept_of::<[u64; 49]>().class, None);
        assert_eq!(Shape::kept_of::<Aligned>().class, None);
    }

    #[test]
    fn what_was_kept_last_is_taken_first() {
        let (spares, store) = (Spares::new(), Store::new());
        let blocks = fresh(2);
        keep(&spares, &store, blocks.clone());
        let taken = [spares.take(SHAPE, &store), spares.take(SHAPE, &store)];
        assert_eq!(taken, [blocks[1], blocks[0]]);
        drop_all(taken);
    }

    #[test]
    fn what_is_too_much_at_one_station_goes_to_others() {
        let (ends, gives, store) = (Spares::new(), Spares::new(), Store::new());
        let blocks = fresh(AT_HAND + 1);
        keep(&ends, &store, blocks[..AT_HAND].iter().copied());
        assert_eq!(kept(&store), 0);
        keep(&ends, &store, [blocks[AT_HAND]]);
        assert_eq!(kept(&store), bytes(1));
        // Those that were kept first.
        let taken: Vec<_> = (0..BATCH).map(|_| gives.take(SHAPE, &store)).collect();
        assert!(taken.iter().all(|block| blocks[..BATCH].contains(block)));
        assert_eq!(kept(&store), 0);
        assert_eq!(store.some.load(Ordering::Relaxed), 0);
        drop_all(taken);
    }

    #[test]
    fn the_store_is_bounded_and_what_is_not_asked_for_makes_room() {
        let (spares, store) = (Spares::new(), Store::new());
        let other = Shape::kept_of::<[u64; 40]>();
        for _ in 0..2 * KEPT / other.layout.size() {
            // SAFETY: of that shape, and not used.
            unsafe { spares.keep(other, other.allocate(), &store) };
        }
        assert!(kept(&store) <= KEPT && kept(&store) + bytes(6) > KEPT);
        keep(&spares, &store, fresh(2 * KEPT / SHAPE.layout.size()));
        assert!(kept(&store) <= KEPT && kept(&store) + bytes(1) > KEPT);
        assert!(store.take(6).is_none());
    }

    #[test]
    fn who_finds_another_at_it_goes_to_the_allocator() {
        let (spares, store) = (Spares::new(), Store::new());
        let block = SHAPE.allocate();
        keep(&spares, &store, [block]);
        spares.with(1, |blocks| {
            let another = spares.take(SHAPE, &store);
            assert_ne!(another, block);
            keep(&spares, &store, [another]);
            assert_eq!(blocks.len(), 1);
        });
    }
}
