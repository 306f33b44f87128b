//! A few runs of each target: the same ones each time, and few enough for every build.

use std::sync::Arc;

use fuzz::corpus::Corpus;
use fuzz::{Done, client, codec, heap, server};

/// One test: what is held is counted for the whole program.
#[test]
fn a_few_runs_of_each_target_hold_and_come_to_every_outcome() {
    let (whole, servers, clients) = (Corpus::whole(), Arc::new(Corpus::of_servers()), Arc::new(Corpus::of_clients()));
    let (mut done, mut before) = (Done::default(), 0);
    for seed in 0..100 {
        done.add(&codec::run(&whole, seed));
        done.add(&client::run(&servers, seed));
        done.add(&server::run(&clients, seed));
        // The first runs fill what is kept for good.
        if seed == 20 {
            before = heap::held();
        }
    }
    let left = heap::held().saturating_sub(before);
    assert!(left < 512 * 1024, "{left} bytes are left on the heap");
    assert!(done.inputs > 10_000, "{done:?}");
    for outcome in [
        "lines too long",
        "noise",
        "stray answers",
        "calls answered",
        "calls rejected",
        "calls answered improperly",
        "calls timed out",
        "calls turned away",
        "calls dropped",
        "calls lost with the server",
        "connections not opened",
        "connections lost",
        "connections closed",
        "connections ended by the client",
        "requests cut off",
    ] {
        assert!(done.outcomes.contains_key(outcome), "no run came to this: {outcome}: {done:#?}");
    }
}
