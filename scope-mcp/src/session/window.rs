//! Things by numbers that are given out one after the other and mostly come back soon: found without being searched for.

use std::collections::HashMap;
use std::mem;

use crate::spread::BySpread;

/// At first, and at most, so many have a place of their own.
const FIRST: usize = 8;
const MOST: usize = 1024;

/// A map by such numbers.
#[derive(Debug)]
pub(super) struct Window<T> {
    /// As many as a power of two, or none. Each is at its number, without the upper bits.
    places: Vec<Option<(u64, T)>>,
    /// Those whose place was another's: they, or that, have been here for long.
    others: HashMap<u64, T, BySpread>,
    len: usize,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Window { places: Vec::new(), others: HashMap::default(), len: 0 }
    }
}

impl<T> Window<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        match self.places.get(self.place(number)) {
            Some(Some((it, value))) if *it == number => Some(value),
            _ if self.others.is_empty() => None,
            _ => self.others.get(&number),
        }
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let place = self.place(number);
        match self.places.get_mut(place) {
            Some(Some((it, value))) if *it == number => Some(value),
            _ if self.others.is_empty() => None,
            _ => self.others.get_mut(&number),
        }
    }

    /// There is none of that number yet.
    pub(super) fn insert(&mut self, number: u64, value: T) {
        self.len += 1;
        // Where most places are taken, more of them are worth it.
        while !self.is_free(number) && 2 * self.len > self.places.len() && self.places.len() < MOST {
            self.grow();
        }
        let place = self.place(number);
        match self.places.get_mut(place) {
            Some(free @ None) => *free = Some((number, value)),
            _ => drop(self.others.insert(number, value)),
        }
    }

    /// Takes out what is as it is to be.
    pub(super) fn remove_if(&mut self, number: u64, is: impl FnOnce(&T) -> bool) -> Option<T> {
        let place = self.place(number);
        let removed = match self.places.get_mut(place) {
            Some(taken @ Some(_)) if taken.as_ref().is_some_and(|(it, _)| *it == number) => {
                taken.take_if(|(_, value)| is(value)).map(|(_, value)| value)
            }
            _ if self.others.is_empty() => None,
            _ => self.others.get(&number).is_some_and(is).then(|| self.others.remove(&number)).flatten(),
        };
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// In no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let placed = self.places.iter().flatten().map(|(number, value)| (*number, value));
        placed.chain(self.others.iter().map(|(number, value)| (*number, value)))
    }

    /// All of them, in no order.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (u64, T)> + use<T> {
        let Window { places, others, .. } = mem::take(self);
        places.into_iter().flatten().chain(others)
    }

    fn is_free(&self, number: u64) -> bool {
        self.places.get(self.place(number)).is_some_and(Option::is_none)
    }

    fn place(&self, number: u64) -> usize {
        // The lower bits are what counts.
        number as usize & self.places.len().wrapping_sub(1)
    }

    fn grow(&mut self) {
        let many = (2 * self.places.len()).max(FIRST);
        let before = mem::take(&mut self.places);
        self.places.resize_with(many, || None);
        for (number, value) in before.into_iter().flatten() {
            // None meets another where none did before.
            let place = self.place(number);
            self.places[place] = Some((number, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testing::Random;

    #[test]
    fn it_holds_what_any_map_holds() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let (mut window, mut map) = (Window::default(), BTreeMap::new());
            let mut next = random.below(3) as u64 * (u64::MAX / 4);
            for _ in 0..3000 {
                // Some are kept for long; now and then there are many.
                if random.below(if seed % 2 == 0 { 2 } else { 5 }) != 0 && map.len() < 3 * MOST {
                    next += 1 + random.below(2) as u64;
                    window.insert(next, next);
                    map.insert(next, next);
                } else {
                    let number = next.wrapping_sub(random.below(1 + map.len() * 2) as u64);
                    assert_eq!(window.get(number), map.get(&number));
                    assert_eq!(window.get_mut(number), map.get_mut(&number));
                    assert_eq!(window.remove_if(number, |_| false), None);
                    assert_eq!(window.remove_if(number, |_| true), map.remove(&number));
                }
                assert_eq!((window.len(), window.is_empty()), (map.len(), map.is_empty()));
                assert!(window.places.len() <= MOST);
            }
            assert_eq!(window.iter().map(|(number, value)| (number, *value)).collect::<BTreeMap<_, _>>(), map);
            assert_eq!(window.take_all().collect::<BTreeMap<_, _>>(), map);
            assert!(window.is_empty() && window.iter().next().is_none());
        }
    }
}
