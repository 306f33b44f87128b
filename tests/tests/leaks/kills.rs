//! Hosts that are killed at any moment, from before they have started anything until they are closing it.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use rustix::process::Signal;

use crate::dice::Dice;
use crate::host::again::How;
use crate::kinds::Client;
use crate::oracle::Place;
use crate::running::Running;

/// All together.
const KILLS: u64 = 200;

/// One test has so many, one after the other.
const ROUND: u64 = 10;

/// From the kill until nothing may be left.
const LIMIT: Duration = Duration::from_secs(2);

/// A host says five words for each server: it is killed after one of these.
const WORDS: u64 = 11;

/// The tests: a name and what is to be done for it.
pub(crate) fn rounds() -> impl Iterator<Item = (String, Client, u64)> {
    (0..KILLS / ROUND).map(|round| {
        let client = if round % 2 == 0 { Client::Tokio } else { Client::Smol };
        (format!("kills::{}::round_{round:02}", client.name()), client, round)
    })
}

/// One round of them.
pub(crate) fn run(client: Client, round: u64) -> Result<(), Failed> {
    (0..ROUND).try_for_each(|i| kill(client, round * ROUND + i))
}

fn kill(client: Client, seed: u64) -> Result<(), Failed> {
    let mut dice = Dice::new(seed);
    let place = Place::new()?;
    let arguments = How::For(seed).arguments(client, &place.door(), &place.mark);
    let mut host = Running::start(place, &arguments)?;
    let mut last = "nothing".to_owned();
    for _ in 0..dice.below(WORDS) {
        last = host.hear()?;
    }
    // Not for an order: it is the moment that is to be any. Starting takes milliseconds, closing some hundred.
    let longest = if last == "closing" { 450_000 } else { 8_000 };
    let after = Duration::from_micros(dice.below(longest));
    thread::sleep(after);
    host.signal(Signal::KILL);
    let start = Instant::now();
    host.end()?;
    let left = host.place.wait_until_empty(&BTreeSet::new(), start + LIMIT);
    if left.is_empty() {
        return Ok(());
    }
    let left: Vec<String> = left.iter().map(ToString::to_string).collect();
    Err(host.failed(&format!("left of the host with seed {seed}, killed {after:?} after it said {last:?}: {left:#?}")))
}
