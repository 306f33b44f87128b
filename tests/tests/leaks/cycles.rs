//! A thousand servers, one after the other, in one host: what it has at the end is what it had early on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use crate::host::again::{EARLY, How, LATE};
use crate::kinds::Client;
use crate::matrix::{more, until_none};
use crate::oracle::Place;
use crate::proc;
use crate::running::Running;

/// KiB that the host may have grown by.
const GROWTH: u64 = 1024;

/// For what the last close left to others to do.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) fn run(client: Client) -> Result<(), Failed> {
    let place = Place::new()?;
    let arguments = How::Count.arguments(client, &place.door(), &place.mark);
    let mut host = Running::start(place, &arguments)?;

    host.wait_for("early")?;
    // The host, and whoever watches over it.
    let members = host.place.everyone();
    let descriptors = proc::descriptors(host.pid());
    let memory = proc::own_memory(host.pid());
    host.tell("on");

    host.wait_for("late")?;
    let deadline = Instant::now() + GRACE;
    let left = host.place.wait_until_empty(&members, deadline);
    let zombies = until_none(deadline, || proc::zombies_of(host.pid()));
    let opened = until_none(deadline, || more(&descriptors, proc::descriptors(host.pid())));
    let grown = proc::own_memory(host.pid()).saturating_sub(memory);
    host.tell("on");
    let status = host.end()?;
    let rest = host.place.wait_until_empty(&BTreeSet::new(), Instant::now() + GRACE);

    let found = [
        (!left.is_empty()).then(|| format!("processes: {left:?}")),
        (!zombies.is_empty()).then(|| format!("zombies: {zombies:?}")),
        (!opened.is_empty()).then(|| format!("descriptors more than before: {opened:?}")),
        (grown > GROWTH).then(|| format!("{grown} KiB more memory; {GROWTH} KiB may be")),
        (!rest.is_empty()).then(|| format!("after the host: {rest:?}")),
        (!status.success()).then(|| format!("the host ended by {status}")),
    ];
    let found: Vec<String> = found.into_iter().flatten().collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(host.failed(&format!("from open and close number {EARLY} to {LATE}: {}", found.join("; "))))
}
