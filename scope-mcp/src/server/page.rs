//! Lists that change while they are read, and their pages.
//!
//! What is added gets a number that nothing before it has had, and a cursor says which number was seen last. So a reader
//! between two pages sees nothing twice, and misses nothing that was there when it began and still is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::jsonrpc::Rejection;
use crate::spread::BySpread;

/// Things by name, in the order in which they were added.
#[derive(Debug)]
pub(super) struct Listed<T> {
    /// Which list, so that a cursor of another one is not taken for ours.
    kind: u8,
    entries: BTreeMap<u64, Arc<T>>,
    /// Who asks for a name that is none adds nothing here.
    by_name: HashMap<Box<str>, (u64, Arc<T>), BySpread>,
    next: u64,
}

/// There is one of that name.
#[derive(Debug)]
pub(super) struct Taken;

/// A cursor that this list has not given out.
#[derive(Debug)]
pub(super) struct BadCursor;

impl BadCursor {
    pub(super) fn rejection() -> Rejection {
        Rejection::invalid_params("the cursor is none that this list has given out: begin again without one")
    }
}

#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) entries: Vec<Arc<T>>,
    pub(super) next_cursor: Option<String>,
}

impl<T> Listed<T> {
    pub(super) fn new(kind: u8) -> Self {
        Listed { kind, entries: BTreeMap::new(), by_name: HashMap::default(), next: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.entries.values()
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<T>> {
        self.by_name.get(name).map(|(_, entry)| Arc::clone(entry))
    }

    /// What is added is the caller's too, so that it is dropped where the caller holds no lock.
    pub(super) fn add(&mut self, name: &str, entry: &Arc<T>) -> Result<(), Taken> {
        if self.by_name.contains_key(name) {
            return Err(Taken);
        }
        self.by_name.insert(name.into(), (self.next, Arc::clone(entry)));
        self.entries.insert(self.next, Arc::clone(entry));
        self.next += 1;
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Arc<T>> {
        let (number, _) = self.by_name.remove(name)?;
        self.entries.remove(&number)
    }

    /// At most `size` entries, and at least one if there are any.
    pub(super) fn page(&self, cursor: Option<&str>, size: usize) -> Result<Page<T>, BadCursor> {
        let from = match cursor {
            None => 0,
            Some(cursor) => self.after(cursor).ok_or(BadCursor)?,
        };
        let mut rest = self.entries.range(from..);
        let entries: Vec<_> = rest.by_ref().take(size.max(1)).collect();
        let last = entries.last().map(|(number, _)| **number);
        let next_cursor = rest.next().and(last).map(|last| self.cursor(last));
        Ok(Page { entries: entries.into_iter().map(|(_, entry)| Arc::clone(entry)).collect(), next_cursor })
    }

    fn cursor(&self, last: u64) -> String {
        let mut bytes = [0; 9];
        bytes[0] = self.kind;
        bytes[1..].copy_from_slice(&last.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The first number after those that the reader has seen.
    fn after(&self, cursor: &str) -> Option<u64> {
        let mut bytes = [0; 9];
        let length = URL_SAFE_NO_PAD.decode_slice(cursor, &mut bytes).ok()?;
        let (kind, last) = bytes.split_first()?;
        let last = u64::from_be_bytes(last.try_into().ok()?);
        (length == 9 && *kind == self.kind && last < self.next).then(|| last + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn names(page: &Page<String>) -> Vec<&str> {
        page.entries.iter().map(|name| name.as_str()).collect()
    }

    fn list(names: &[&str]) -> Listed<String> {
        let mut list = Listed::new(b't');
        for name in names {
            list.add(name, &Arc::new((*name).to_owned())).unwrap();
        }
        list
    }

    #[test]
    fn pages_have_the_order_of_adding_and_end() {
        let list = list(&["c", "a", "b"]);
        let page = list.page(None, 2).unwrap();
        assert_eq!(names(&page), ["c", "a"]);
        let page = list.page(page.next_cursor.as_deref(), 2).unwrap();
        assert_eq!((names(&page), page.next_cursor.is_none()), (vec!["b"], true));
        let page = list.page(None, 3).unwrap();
        assert_eq!((names(&page), page.next_cursor.is_none()), (vec!["c", "a", "b"], true), "no empty page follows");
        assert_eq!(names(&list.page(None, 0).unwrap()), ["c"], "a size of 0 would never end");
        assert!(Listed::<String>::new(b't').page(None, 5).unwrap().entries.is_empty());
    }

    #[test]
    fn a_reader_sees_nothing_twice_and_misses_nothing_that_stays() {
        let mut list = list(&["a", "b", "c", "d"]);
        let first = list.page(None, 2).unwrap();
        list.remove("a").unwrap();
        list.remove("b").unwrap();
        list.remove("c").unwrap();
        list.add("a", &Arc::new("a".to_owned())).unwrap();
        let second = list.page(first.next_cursor.as_deref(), 2).unwrap();
        assert_eq!(names(&second), ["d", "a"], "one that was added again is new");
    }

    #[test]
    fn names_are_taken_once() {
        let mut list = list(&["a"]);
        assert!(list.add("a", &Arc::new("other".to_owned())).is_err());
        assert_eq!(*list.get("a").unwrap(), "a");
        assert!(list.remove("a").is_some() && list.remove("a").is_none() && list.get("a").is_none());
        assert!(list.is_empty() && list.iter().next().is_none());
        assert!(list.add("a", &Arc::new("other".to_owned())).is_ok());
    }

    #[test]
    fn a_cursor_that_was_not_given_out_is_refused() {
        let list = list(&["a", "b"]);
        let good = list.page(None, 1).unwrap().next_cursor.unwrap();
        let other = Listed::<String>::new(b'p').cursor(0);
        let beyond = list.cursor(2);
        for bad in ["", "1", "invalid-cursor", &good[1..], &format!("{good}A"), &other, &beyond, &"A".repeat(100_000)] {
            assert!(list.page(Some(bad), 1).is_err(), "{bad:.80}");
        }
        let mut random = Random::new(1);
        for _ in 0..10_000 {
            let text: String = (0..random.below(16)).map(|_| char::from(random.next() as u8)).collect();
            assert!(text == good || list.page(Some(&text), 1).is_err(), "{text:?}");
        }
    }
}
