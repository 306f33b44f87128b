//! The places of a bounded set: none is lost, none is given twice.

use std::pin::Pin;
use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{check, poll_once};
use crate::places::Places;
use crate::sync::block_on;

/// The one that is given a place goes at that moment: the next in line gets it.
#[test]
fn a_place_is_not_lost_with_the_waiter_that_it_was_given_to() {
    check(|| {
        let places = Places::new(1);
        let held = places.try_take();
        assert!(held.is_some());
        let mut first = Box::pin(places.take());
        assert!(poll_once(Pin::new(&mut first)).is_pending());
        let leaving = thread::spawn(move || drop(first));
        let giving = thread::spawn(move || drop(held));
        drop(block_on(places.take()));
        assert!(leaving.join().is_ok() && giving.join().is_ok());
        assert!(places.try_take().is_some());
    });
}

/// Two that wait for one place have it one after the other.
#[test]
fn a_place_is_had_by_one_at_a_time() {
    check(|| {
        let (places, inside) = (Places::new(1), Arc::new(AtomicUsize::new(0)));
        let (also, within) = (places.clone(), inside.clone());
        let other = thread::spawn(move || {
            let permit = block_on(also.take());
            assert_eq!(within.fetch_add(1, Ordering::Relaxed), 0);
            within.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        });
        let permit = block_on(places.take());
        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
        inside.fetch_sub(1, Ordering::Relaxed);
        drop(permit);
        assert!(other.join().is_ok());
        let last = places.try_take();
        assert!(last.is_some() && places.try_take().is_none());
    });
}
