//! The requests of the peer, from their arrival to their answers.
//!
//! ```text
//!              a handler is free            it has ended
//!  arrived ───────────────────────▶ running ─────────────▶ answered, or nothing said if it was cancelled
//!     └── cancelled: forgotten
//! ```
//! Invariants:
//! 1. `requests` has each request that has arrived and is not over, `by_id` those that the peer can still cancel;
//! 2. `arrived` names only requests that have arrived, or are gone already; `bytes` is what all in `requests` weigh;
//! 3. `running` counts those handed out, and is at most `max_running`.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::numbered::Numbered;
use super::outbox::Answers;
use crate::jsonrpc::{Id, Line};

/// A request of the peer that is to be answered.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// Ours, since a peer may use an id again.
    pub(crate) key: u64,
    pub(crate) id: Id,
    pub(crate) method: Arc<str>,
    pub(crate) params: Option<Box<RawValue>>,
}

/// How many requests of a peer are kept, and run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServedBounds {
    pub(crate) max_running: usize,
    pub(crate) max_arrived: usize,
    pub(crate) max_bytes: usize,
}

#[derive(Debug)]
struct Request {
    id: Id,
    batch: Option<u64>,
    /// Bytes: of what waits here, or has been handed out to be kept there.
    weight: usize,
    /// While it has not been handed out.
    waits: Option<Waits>,
    /// No answer is wanted any more.
    cancelled: bool,
}

#[derive(Debug)]
struct Waits {
    method: Arc<str>,
    params: Option<Box<RawValue>>,
}

/// Answers that go out together.
#[derive(Debug)]
struct Batch {
    /// Requests of it that are not over.
    open: usize,
    /// Still being read: more may come.
    reading: bool,
    answers: Vec<u8>,
    /// How many those are.
    count: usize,
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A request of that id is not over.
    InUse,
    /// So many wait already.
    Busy(usize),
    /// Those that wait or run have so many bytes already.
    TooMuch(usize),
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Served {
    bounds: ServedBounds,
    next_key: u64,
    requests: Numbered<Request>,
    by_id: HashMap<Id, u64>,
    arrived: VecDeque<u64>,
    waiting: usize,
    bytes: usize,
    running: usize,
    /// Handed out, and then cancelled by the peer: for those who run them.
    cancelled: Vec<u64>,
    batches: Numbered<Batch>,
    /// That of the last one: the next is mostly of the same.
    method: Arc<str>,
}

impl Served {
    pub(super) fn new(bounds: ServedBounds) -> Served {
        Served {
            bounds,
            next_key: 1,
            requests: Numbered::default(),
            by_id: HashMap::new(),
            arrived: VecDeque::new(),
            waiting: 0,
            bytes: 0,
            running: 0,
            cancelled: Vec::new(),
            batches: Numbered::default(),
            method: "".into(),
        }
    }

    /// Takes a request in.
    pub(super) fn arrive(
        &mut self,
        id: Id,
        method: &str,
        params: Option<&RawValue>,
        batch: Option<u64>,
    ) -> Result<(), Refused> {
        let Entry::Vacant(by_id) = self.by_id.entry(id) else { return Err(Refused::InUse) };
        let weight = method.len() + params.map_or(0, |raw| raw.get().len());
        // Those that can run at once do not wait.
        let free = self.bounds.max_running.saturating_sub(self.running);
        if self.waiting >= self.bounds.max_arrived.saturating_add(free) {
            return Err(Refused::Busy(self.waiting - free));
        }
        if weight > self.bounds.max_bytes.saturating_sub(self.bytes) {
            return Err(Refused::TooMuch(self.bytes));
        }
        let key = self.next_key;
        self.next_key += 1;
        if &*self.method != method {
            self.method = method.into();
        }
        let waits = Waits { method: Arc::clone(&self.method), params: params.map(ToOwned::to_owned) };
        self.bytes += weight;
        self.waiting += 1;
        if self.arrived.len() > 2 * self.waiting + 64 {
            // Mostly keys of requests that have gone.
            let requests = &self.requests;
            self.arrived.retain(|key| requests.get(key).is_some_and(|request| request.waits.is_some()));
        }
        self.arrived.push_back(key);
        let id = by_id.key().clone();
        by_id.insert(key);
        if let Some(batch) = batch.and_then(|batch| self.batches.get_mut(&batch)) {
            batch.open += 1;
        }
        self.requests.insert(key, Request { id, batch, weight, waits: Some(waits), cancelled: false });
        Ok(())
    }

    /// Whether a request of that id and weight may be begun at once, without having been taken in: before all others.
    pub(super) fn may_go_first(&self, id: &Id, weight: usize) -> bool {
        self.waiting == 0
            && self.running < self.bounds.max_running
            && weight <= self.bounds.max_bytes.saturating_sub(self.bytes)
            && (self.by_id.is_empty() || !self.by_id.contains_key(id))
    }

    /// A number for a request that is begun at once.
    pub(super) fn new_key(&mut self) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        key
    }

    /// Such a request has not ended at once: from here on it is one that runs, like others.
    pub(super) fn goes_on(&mut self, key: u64, id: Id, weight: usize) {
        self.running += 1;
        self.bytes += weight;
        self.by_id.insert(id.clone(), key);
        self.requests.insert(key, Request { id, batch: None, weight, waits: None, cancelled: false });
    }

    /// Whether there is a request to be run, and one more may run.
    pub(super) fn may_begin(&self) -> bool {
        self.waiting > 0 && self.running < self.bounds.max_running
    }

    /// Whether a request is to be begun, or one that runs to be cancelled.
    pub(super) fn has_more_to_do(&self) -> bool {
        self.may_begin() || !self.cancelled.is_empty()
    }

    /// The next request to be run, if one more may run.
    pub(super) fn next(&mut self) -> Option<Arrived> {
        while self.running < self.bounds.max_running {
            let key = self.arrived.pop_front()?;
            let Some(request) = self.requests.get_mut(&key) else { continue };
            let Some(waits) = request.waits.take() else { continue };
            self.waiting -= 1;
            self.running += 1;
            return Some(Arrived { key, id: request.id.clone(), method: waits.method, params: waits.params });
        }
        None
    }

    /// The peer wants no answer any more. What comes back is to be written now: the rest of its batch.
    pub(super) fn cancel(&mut self, id: &Id) -> Option<Answers> {
        let key = self.by_id.remove(id)?;
        let request = self.requests.get_mut(&key)?;
        request.cancelled = true;
        if request.waits.is_none() {
            self.cancelled.push(key);
            return None;
        }
        self.waiting -= 1;
        let request = self.requests.remove(&key)?;
        self.bytes -= request.weight;
        self.leave_batch(request.batch)
    }

    /// Those that run and were cancelled since the last time.
    pub(super) fn take_cancelled(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.cancelled)
    }

    /// The id that an answer of this request is to carry, if one is wanted.
    pub(super) fn wanted(&self, key: u64) -> Option<&Id> {
        self.requests.get(&key).filter(|request| !request.cancelled).map(|request| &request.id)
    }

    /// A request that was handed out is over. `answer` is a line, or nothing; what comes back is to be written now.
    pub(super) fn over(&mut self, key: u64, answer: Option<Line>) -> Option<Answers> {
        let request = self.requests.remove(&key)?;
        self.running -= 1;
        self.bytes -= request.weight;
        if !request.cancelled {
            self.by_id.remove(&request.id);
        }
        let answer = answer.filter(|_| !request.cancelled);
        match request.batch {
            None => answer.map(Answers::one),
            Some(batch) => {
                if let Some(answer) = answer {
                    self.add_to_batch(batch, &answer.whole());
                }
                self.leave_batch(Some(batch))
            }
        }
    }

    /// Begins a batch: what arrives in it is answered in one line.
    pub(super) fn begin_batch(&mut self) -> u64 {
        let key = self.new_key();
        self.batches.insert(key, Batch { open: 0, reading: true, answers: Vec::new(), count: 0 });
        key
    }

    /// Adds an answer that is known at once.
    pub(super) fn add_to_batch(&mut self, batch: u64, line: &[u8]) {
        let Some(batch) = self.batches.get_mut(&batch) else { return };
        batch.answers.push(if batch.answers.is_empty() { b'[' } else { b',' });
        batch.answers.extend_from_slice(line.trim_ascii_end());
        batch.count += 1;
    }

    /// A batch has been read. What comes back is to be written now.
    pub(super) fn end_batch(&mut self, key: u64) -> Option<Answers> {
        self.batches.get_mut(&key)?.reading = false;
        self.flush_batch(key)
    }

    /// Nothing of the peer's waits or runs.
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many have not been answered, and should be: also those whose answers wait for the rest of their batch.
    pub(super) fn unanswered(&self) -> usize {
        self.by_id.len() + self.batches.values().map(|batch| batch.count).sum::<usize>()
    }

    /// Forgets what waits, and wants no answer to what runs.
    pub(super) fn abandon(&mut self) {
        self.arrived.clear();
        self.waiting = 0;
        self.by_id.clear();
        self.batches.clear();
        self.requests.retain(|_, request| {
            request.cancelled = true;
            request.batch = None;
            request.waits.is_none()
        });
        self.bytes = self.requests.values().map(|request| request.weight).sum();
    }

    fn leave_batch(&mut self, batch: Option<u64>) -> Option<Answers> {
        let key = batch?;
        let batch = self.batches.get_mut(&key)?;
        batch.open -= 1;
        self.flush_batch(key)
    }

    fn flush_batch(&mut self, key: u64) -> Option<Answers> {
        let batch = self.batches.get(&key)?;
        if batch.reading || batch.open > 0 {
            return None;
        }
        let Batch { answers: mut line, count, .. } = self.batches.remove(&key)?;
        if line.is_empty() {
            return None;
        }
        line.extend_from_slice(b"]\n");
        Some(Answers { line: line.into(), count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(json: &str) -> Id {
        Id::from_json(json.as_bytes()).unwrap()
    }

    fn served(max_running: usize, max_arrived: usize) -> Served {
        Served::new(ServedBounds { max_running, max_arrived, max_bytes: 100 })
    }

    #[test]
    fn so_many_run_and_so_many_wait() {
        let mut it = served(2, 2);
        for n in ["1", "2", "3", "4"] {
            it.arrive(id(n), "m", None, None).unwrap();
        }
        assert_eq!(it.arrive(id("5"), "m", None, None), Err(Refused::Busy(2)));
        assert_eq!(it.arrive(id("1"), "m", None, None), Err(Refused::InUse));
        let (first, second) = (it.next().unwrap(), it.next().unwrap());
        assert_eq!((first.id.as_json(), second.id.as_json()), ("1", "2"));
        assert_eq!(it.arrive(id("5"), "m", None, None), Err(Refused::Busy(2)));
        assert!(it.next().is_none() && it.unanswered() == 4);
        assert_eq!(it.over(first.key, Some(b"a".to_vec().into())), Some(Answers::one(b"a".to_vec())));
        assert_eq!(it.next().unwrap().id.as_json(), "3");
        assert!(it.arrive(id("1"), "m", None, None).is_ok(), "an id can be used again");
    }

    #[test]
    fn what_weighs_too_much_is_refused() {
        let mut it = served(1, 10);
        let heavy: Box<RawValue> = RawValue::from_string(format!("\"{}\"", "x".repeat(90))).unwrap();
        it.arrive(id("1"), "m", Some(&heavy), None).unwrap();
        assert_eq!(it.arrive(id("2"), "m", Some(&heavy), None), Err(Refused::TooMuch(93)));
        assert_eq!(it.cancel(&id("1")), None);
        it.arrive(id("2"), "m", Some(&heavy), None).unwrap();
        let running = it.next().unwrap();
        assert!(it.arrive(id("3"), "m", Some(&heavy), None).is_err(), "what runs has its parameters");
        assert_eq!(it.cancel(&id("2")), None);
        assert!(it.arrive(id("3"), "m", Some(&heavy), None).is_err(), "also when it is cancelled, until it has ended");
        assert_eq!(it.over(running.key, None), None);
        it.arrive(id("3"), "m", Some(&heavy), None).unwrap();
    }

    #[test]
    fn a_cancelled_request_has_no_answer() {
        let mut it = served(1, 10);
        it.arrive(id("1"), "m", None, None).unwrap();
        it.arrive(id("2"), "m", None, None).unwrap();
        let first = it.next().unwrap();
        for n in ["1", "2", "1", "9"] {
            assert_eq!(it.cancel(&id(n)), None);
        }
        assert_eq!(it.take_cancelled(), [first.key]);
        assert!(it.wanted(first.key).is_none());
        it.arrive(id("1"), "again", None, None).unwrap();
        assert_eq!(it.over(first.key, Some(b"late".to_vec().into())), None);
        let again = it.next().unwrap();
        assert_eq!(&*again.method, "again");
        assert_eq!(it.over(again.key, Some(b"x".to_vec().into())), Some(Answers::one(b"x".to_vec())));
        assert!(it.is_empty() && it.next().is_none());
    }

    #[test]
    fn a_batch_is_answered_in_one_line_when_its_last_is_over() {
        let mut it = served(3, 10);
        let batch = it.begin_batch();
        for n in ["1", "2", "3", "4"] {
            it.arrive(id(n), "m", None, Some(batch)).unwrap();
        }
        it.add_to_batch(batch, b"{}\n");
        let keys: Vec<u64> = std::iter::from_fn(|| it.next()).map(|arrived| arrived.key).collect();
        assert_eq!(keys.len(), 3);
        assert_eq!(it.over(keys[1], Some(b"two\n".to_vec().into())), None);
        assert_eq!(it.end_batch(batch), None);
        assert_eq!(it.cancel(&id("1")), None);
        assert_eq!(it.over(keys[0], Some(b"one\n".to_vec().into())), None);
        assert_eq!(it.over(keys[2], Some(b"three\n".to_vec().into())), None);
        let rest = Answers { line: b"[{},two,three]\n".to_vec().into(), count: 3 };
        assert_eq!(it.unanswered(), 4, "three answers wait for the rest");
        assert_eq!(it.cancel(&id("4")), Some(rest), "the last of it never ran");
        let empty = it.begin_batch();
        assert_eq!(it.end_batch(empty), None);
        assert!(it.batches.is_empty());
    }

    #[test]
    fn keys_of_requests_that_went_do_not_pile_up() {
        let mut it = served(1, 10);
        for n in 0..10_000 {
            it.arrive(id(&n.to_string()), "m", None, None).unwrap();
            assert_eq!(it.cancel(&id(&n.to_string())), None);
        }
        assert!(it.arrived.len() < 200 && it.requests.is_empty() && it.by_id.is_empty());
    }
}
