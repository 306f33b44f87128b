//! What a row of runs has covered of the tree of first choices.

use std::collections::{HashMap, HashSet};

use crate::random::Choice;

/// The choices that were met, each by those before it.
#[derive(Debug)]
pub(crate) struct Coverage {
    met: HashMap<Vec<u32>, Met>,
    /// No run had more choices than are in `met`.
    whole: bool,
}

#[derive(Debug, Default)]
struct Met {
    of: u32,
    taken: HashSet<u32>,
}

impl Coverage {
    pub(crate) fn new() -> Self {
        Coverage { met: HashMap::new(), whole: true }
    }

    pub(crate) fn add(&mut self, (choices, more): (Vec<Choice>, bool)) {
        let mut before = Vec::with_capacity(choices.len());
        for Choice { index, of } in choices {
            let met = self.met.entry(before.clone()).or_default();
            // Where a test draws numbers of its own, there may be more to choose from with another seed.
            met.of = met.of.max(of);
            met.taken.insert(index);
            before.push(index);
        }
        self.whole &= !more;
    }

    /// The first choice of which not every combination with those before it was taken.
    fn first_incomplete(&self) -> Option<usize> {
        let incomplete = self.met.iter().filter(|(_, met)| (met.taken.len() as u32) < met.of);
        incomplete.map(|(before, _)| before.len()).min()
    }

    /// Of how many first choices every combination was taken.
    pub(crate) fn first_choices(&self) -> usize {
        let longest = self.met.keys().map(|before| before.len() + 1).max().unwrap_or(0);
        self.first_incomplete().unwrap_or(longest)
    }

    /// Whether there is no other order of steps.
    pub(crate) fn is_exhaustive(&self) -> bool {
        self.whole && self.first_incomplete().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(choices: &[[u32; 2]]) -> Vec<Choice> {
        choices.iter().map(|[index, of]| Choice { index: *index, of: *of }).collect()
    }

    #[test]
    fn a_choice_is_covered_when_every_alternative_was_taken_after_all_before_it() {
        let mut coverage = Coverage::new();
        assert!(coverage.is_exhaustive());
        assert_eq!(coverage.first_choices(), 0);
        coverage.add((of(&[[0, 2], [0, 2]]), false));
        assert_eq!(coverage.first_choices(), 0);
        coverage.add((of(&[[1, 2]]), false));
        assert_eq!(coverage.first_choices(), 1);
        assert!(!coverage.is_exhaustive());
        coverage.add((of(&[[0, 2], [1, 2]]), false));
        assert_eq!(coverage.first_choices(), 2);
        assert!(coverage.is_exhaustive());
        coverage.add((of(&[[0, 2], [1, 2]]), true));
        assert!(!coverage.is_exhaustive());
    }
}
