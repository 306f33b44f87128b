//! Random programs, run on the deterministic runtime and judged by the rules of the contract.
//!
//! A program is a tree of acts ([`program`]), made from a seed ([`generate`]), run on scope-core ([`interpret`]) while
//! everything that happens is noted ([`journal`]), and judged by rules that know the contract and not the code
//! ([`rules`]). A program that breaks one is made smaller as long as it breaks it ([`shrink`]).
//!
//! CI runs ten thousand programs. By hand, a million, with a summary of what they did:
//!
//! ```sh
//! SCOPE_RANDOM_PROGRAMS=1000000 cargo test --release -p scope-tests --test random campaign -- --nocapture
//! ```
//!
//! `SCOPE_RANDOM_FIRST` says with which program to begin, `SCOPE_RANDOM_SCHEDULES` with how many seeds to run each, and
//! `SCOPE_RANDOM_CARRIED=1` adds scopes whose futures are polled in one task, put aside, and taken up in another.

mod campaign;
mod dice;
mod facts;
mod generate;
mod interpret;
mod journal;
mod planted;
mod program;
mod resources;
mod rules;
mod run;
mod serve;
mod shrink;
mod tally;
mod watch;

use campaign::{Campaign, explain, run_all};

/// How many broken rules are explained, one program for each set of rules.
const EXPLAINED: usize = 5;

#[test]
fn campaign_keeps_the_contract() {
    let campaign = Campaign::from_environment();
    let begun = std::time::Instant::now();
    let (tally, failures) = run_all(campaign);
    println!("{tally}in {:?}", begun.elapsed());
    let mut explained = Vec::new();
    for failure in &failures {
        if explained.len() < EXPLAINED && !explained.contains(&&failure.rules) {
            explained.push(&failure.rules);
            println!("{}", explain(failure));
        }
    }
    if campaign.programs >= Campaign::ENOUGH_TO_COVER {
        let missing = tally.missing();
        assert!(missing.is_empty(), "the generator reaches these too rarely: {missing:?}");
    }
    assert!(failures.is_empty(), "{} programs break rules; the first ones are explained above", failures.len());
}
