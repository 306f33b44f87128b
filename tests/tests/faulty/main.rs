//! A client and a server of ours on the deterministic runtime, with faulty pipes between them.
//!
//! A seed draws a [plan](plan): calls, what their handlers do, and what the pipes do to them (moves of any size, delays,
//! a cut at any byte, a byte that is spoiled); and it orders the steps of all tasks. What is seen on both sides is put
//! down in a [journal](journal), and [judged](judge) by rules that know nothing of how a connection works. That every
//! task is over at the end, and none waits for ever, is the runtime's to see.
//!
//! CI runs ten thousand seeds. `SCOPE_FAULTY_SEEDS` says how many, and `SCOPE_TEST_SEED` repeats one and prints its plan
//! and every step:
//!
//! ```sh
//! SCOPE_FAULTY_SEEDS=1000000 cargo test --release -p scope-tests --test faulty -- --nocapture
//! SCOPE_TEST_SEED=17 cargo test -p scope-tests --test faulty -- --nocapture
//! ```

mod asking;
mod journal;
mod judge;
mod plan;
mod run;
mod serving;
mod spoil;
mod tally;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use scope_test::{Config, SEED_VARIABLE, TestRuntime};

use journal::Journal;
use plan::Plan;
use tally::Tally;

/// A run takes some thousands.
const STEPS: u64 = 3_000_000;

#[test]
fn every_call_ends_as_it_should_whatever_the_pipes_do() {
    let repeats = std::env::var_os(SEED_VARIABLE).is_some();
    let seeds = match std::env::var("SCOPE_FAULTY_SEEDS") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("SCOPE_FAULTY_SEEDS is {text:?}: it takes a number")),
        Err(_) => 10_000,
    };
    let threads = if repeats { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let begun = std::time::Instant::now();
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    let work = || {
        let mine = Mutex::new(Tally::default());
        let seeds = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds));
        scope_test::for_each_config(seeds.map(config), async |rt| one(&rt, repeats, &mine).await);
        tally.lock().expect("no thread panics with it").merge(&mine.into_inner().expect("no thread panics with it"));
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let tally = tally.into_inner().expect("no thread panics with it");
    println!("{tally}in {:?}", begun.elapsed());
    if seeds >= 10_000 && !repeats {
        let missing = tally.missing();
        assert!(missing.is_empty(), "these come up too rarely: {missing:?}");
    }
}

/// Else a seed would not repeat what it found.
#[test]
fn a_seed_gives_the_same_steps_again() {
    for seed in 0..200 {
        let run = || {
            let tally = Mutex::new(Tally::default());
            let report = config(seed).try_block_on(async |rt| one(&rt, false, &tally).await);
            report.trace().fingerprint()
        };
        assert_eq!(run(), run(), "seed {seed} does not repeat its steps");
    }
}

fn config(seed: u64) -> Config {
    Config::new(seed).step_limit(STEPS).trace_limit(300)
}

async fn one(rt: &TestRuntime, show: bool, tally: &Mutex<Tally>) {
    let plan = Arc::new(Plan::draw(rt));
    if show {
        eprintln!("{plan:#?}");
    }
    let journal = Journal::new(rt);
    let ran = run::run(rt, &plan, &journal).await;
    let all = journal.take();
    if let Err(error) = ran {
        panic!("seed {}: {error:#}\n{plan:#?}\n{all:#?}", rt.seed());
    }
    let broken = judge::judge(&plan, &all);
    assert!(broken.is_empty(), "seed {} breaks rules:\n{}\n{plan:#?}\n{all:#?}", rt.seed(), broken.join("\n"));
    tally.lock().expect("no thread panics with it").add(&plan, &all);
}
