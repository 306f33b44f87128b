use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::*;

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::<Bell>::default();
    (Arc::clone(&bell), bell.into())
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

fn written(queue: &mut Queue, buffer: &mut Vec<u8>) -> String {
    let mut all = String::new();
    while queue.commit(buffer) {
        all += std::str::from_utf8(buffer).unwrap();
        queue.wrote(buffer.len(), None).into_iter().for_each(Waker::wake);
    }
    all
}

fn is_written(queue: &mut Queue, number: u64) -> bool {
    matches!(queue.fate(number, Waker::noop()), Fate::Written)
}

#[test]
fn whoever_is_woken_has_been_written_whole() {
    for step in 1..8 {
        let mut queue = Queue::default();
        let bells: Vec<_> = (0..3).map(|_| bell()).collect();
        for (at, text) in ["aaa", "", "cc"].into_iter().enumerate() {
            let number = queue.push(&mut line(text)).unwrap();
            assert_eq!(number, at as u64);
            assert!(matches!(queue.fate(number, &bells[at].1), Fate::Waiting));
        }
        let mut buffer = Vec::new();
        assert!(queue.commit(&mut buffer));
        assert_eq!(buffer, b"aaa\n\ncc\n");
        let mut at = 0;
        while at < buffer.len() {
            let count = step.min(buffer.len() - at);
            at += count;
            queue.wrote(count, Some(1)).into_iter().for_each(Waker::wake);
            let rung: Vec<_> = bells.iter().map(|(bell, _)| bell.rung()).collect();
            let ends = |end: usize| usize::from(at >= end && at - count < end);
            assert_eq!(rung, [ends(4), 0, ends(8)], "the second knows by itself");
            assert_eq!(is_written(&mut queue, 1), at >= 5);
        }
        assert!(!queue.commit(&mut buffer) && buffer.is_empty());
    }
}

#[test]
fn what_the_pipe_has_not_is_taken_back_and_the_rest_stays_in_order() {
    let (mut queue, mut buffer) = (Queue::default(), Vec::new());
    for text in ["begun", "too"] {
        queue.push(&mut line(text)).unwrap();
    }
    assert!(queue.commit(&mut buffer));
    for text in ["c", "dd", "eee", "f"] {
        queue.push(&mut line(text)).unwrap();
    }
    let _ = queue.wrote(3, None);
    for number in [0, 3, 5] {
        assert!(queue.abandon(number).is_none());
    }
    assert_eq!(buffer, b"begun\ntoo\n", "it has these");
    let _ = queue.wrote(buffer.len() - 3, None);
    assert_eq!(written(&mut queue, &mut buffer), "c\neee\n");
    assert!(queue.entries.is_empty());
}

/// The one who was woken to write, and goes away instead.
#[test]
fn the_turn_to_write_is_handed_on() {
    let hub = Hub::new();
    let (first, second, receiver) = (bell(), bell(), bell());
    for (number, (_, waker)) in [&first, &second].into_iter().enumerate() {
        hub.queue().push(&mut line("x")).unwrap();
        hub.queue().fate(number as u64, waker);
    }
    assert!(!hub.queue().receiving(&receiver.1), "these two will write it");
    hub.stir();
    assert_eq!((first.0.rung(), second.0.rung(), receiver.0.rung()), (1, 0, 1));
    let next = hub.queue().abandon(0);
    next.into_iter().for_each(Waker::wake);
    assert_eq!(second.0.rung(), 1);
}

#[test]
fn what_nobody_waits_for_is_the_receivers_to_write() {
    let mut queue = Queue::default();
    let (rings, waker) = bell();
    let number = queue.push(&mut line("half")).unwrap();
    queue.commit(&mut Vec::new());
    assert!(!queue.receiving(&waker));
    queue.abandon(number).into_iter().for_each(Waker::wake);
    assert_eq!(rings.rung(), 1);
    assert!(queue.receiving(&waker));
    assert!(queue.push_reply(line("answer")));
    assert!(!queue.push_reply(vec![b'x'; REPLIES_MAX]), "a peer that asks and does not read");
}

#[test]
fn an_end_tells_those_who_wait_and_nobody_else() {
    let mut queue = Queue::default();
    let (rings, waker) = bell();
    for _ in 0..3 {
        queue.push(&mut line("x")).unwrap();
    }
    let mut buffer = Vec::new();
    queue.commit(&mut buffer);
    let _ = queue.wrote(2, None);
    queue.fate(1, &waker);
    queue.finish(TransportError::closed(), false).into_iter().for_each(Waker::wake);
    assert_eq!(rings.rung(), 1);
    assert!(is_written(&mut queue, 0));
    for number in [1, 2] {
        assert!(matches!(queue.fate(number, Waker::noop()), Fate::Failed(error) if error.is_closed()));
    }
    assert!(queue.push(&mut line("late")).unwrap_err().is_closed());
    assert_eq!(queue.still_receiving(), Receiving::GoesOn);
    let _ = queue.finish(TransportError::closed(), true);
    assert_eq!(queue.still_receiving(), Receiving::IsOver { told: true });
}
