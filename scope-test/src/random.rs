//! The source of every decision: splitmix64, which is small, fast, and mixes neighbouring seeds well.
//!
//! What a test draws is a [`Random`] stream. Which task is next is a [`Choices`]: neighbouring seeds take other first
//! choices, in every combination, before chance has it.

/// A stream of numbers that a seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `bound`; 0 if `bound` is 0. The bias of the multiplication is below 2^-32 for any bound met here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        scale(self.next(), bound)
    }
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn scale(number: u64, bound: u64) -> u64 {
    let wide = u128::from(number) * u128::from(bound);
    (wide >> 64) as u64
}

/// How many neighbouring seeds are systematic among each other: see [`Choices`].
pub(crate) const BLOCK: u64 = 1 << 16;

/// Which of the ready is next, choice after choice.
///
/// The seed, within its block of [`BLOCK`] seeds, is read as a number with mixed bases: its lowest digit, to the base of
/// how many there were to choose from, is the first choice, the next digit the second, and so on. So of any `n` seeds in a
/// row all combinations of the first choices occur, as long as there are no more than `n` of them. Each digit is turned
/// by a number that hangs on the choices before it alone: that keeps them all different, and lets chance decide when the
/// digits have been used up.
#[derive(Debug)]
pub(crate) struct Choices {
    digits: u64,
    path: u64,
    taken: Vec<Choice>,
    /// Of the alternatives in `taken`.
    product: u64,
    /// Whether there were more choices than `taken` has.
    more: bool,
}

/// One out of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) index: u32,
    pub(crate) of: u32,
}

impl Choices {
    pub(crate) fn new(seed: u64) -> Self {
        Choices { digits: seed % BLOCK, path: mix(seed / BLOCK), taken: Vec::new(), product: 1, more: false }
    }

    pub(crate) fn index(&mut self, of: usize) -> usize {
        if of < 2 {
            return 0;
        }
        let base = of as u64;
        let turn = scale(mix(self.path.wrapping_add(STEP)), base);
        let index = (self.digits % base + turn) % base;
        self.digits /= base;
        self.path = mix(self.path.wrapping_add(STEP.wrapping_mul(index + 2)));
        self.product = self.product.saturating_mul(base);
        if self.product <= BLOCK {
            self.taken.push(Choice { index: index as u32, of: of as u32 });
        } else {
            self.more = true;
        }
        index as usize
    }

    /// The first choices, as many as a block of seeds can have all combinations of, and whether there were more.
    pub(crate) fn first(&self) -> (Vec<Choice>, bool) {
        (self.taken.clone(), self.more)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{BLOCK, Choices, Random};

    #[test]
    fn known_values_of_splitmix64() {
        // The first numbers for seed 0, as published with the algorithm.
        let mut random = Random::new(0);
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(random.next(), 0x06c4_5d18_8009_454f);
    }

    #[test]
    fn below_reaches_every_number_and_never_the_bound() {
        let mut random = Random::new(5);
        let mut seen = [false; 7];
        for _ in 0..1000 {
            seen[random.below(7) as usize] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(random.below(1), 0);
        assert_eq!(random.below(0), 0);
    }

    /// The choices of one seed in a tree whose width hangs on where one is.
    fn walk(seed: u64, depth: usize) -> Vec<usize> {
        let mut choices = Choices::new(seed);
        let mut path = Vec::new();
        for level in 0..depth {
            path.push(choices.index(2 + (level + path.iter().sum::<usize>()) % 3));
        }
        path
    }

    #[test]
    fn neighbouring_seeds_take_every_combination_of_the_first_choices_once() {
        for start in [0, 17, 3 * BLOCK] {
            // Three ready tasks, four times over: 81 combinations.
            let paths = (start..start + 81).map(|seed| {
                let mut choices = Choices::new(seed);
                [(); 4].map(|()| choices.index(3))
            });
            assert_eq!(paths.collect::<HashSet<_>>().len(), 81);
        }
        // Where the tree has no even width: all paths of it, of which each has at most 4 * 4 * 4 * 4 beside it.
        let all: HashSet<_> = (0..10_000).map(|seed| walk(seed, 4)).collect();
        let first: HashSet<_> = (0..256).map(|seed| walk(seed, 4)).collect();
        assert_eq!(all, first);
    }

    #[test]
    fn what_comes_after_the_systematic_choices_is_left_to_chance() {
        for level in 0..24 {
            let ones: usize = (0..1024)
                .map(|seed| {
                    let mut choices = Choices::new(seed);
                    let path: Vec<_> = (0..24).map(|_| choices.index(2)).collect();
                    path[level]
                })
                .sum();
            assert!((400..=624).contains(&ones), "{ones} of 1024 at choice {level}");
        }
        // Long paths differ all, though only their first ten choices are systematic.
        let tails: HashSet<Vec<_>> = (0..1024).map(|seed| walk(seed, 60).split_off(20)).collect();
        assert_eq!(tails.len(), 1024);
    }

    #[test]
    fn seeds_of_other_blocks_go_other_ways() {
        let paths: HashSet<_> = (0..64).map(|block| walk(block * BLOCK, 30)).collect();
        assert_eq!(paths.len(), 64);
    }
}
