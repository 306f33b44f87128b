//! P8: what events cost that nobody observes: opening and closing a scope, spawning and ending children. Judged by `count`,
//! in instructions, against the same program built with `--cfg scope_no_events`, in which there are none.

use crate::bench::{Bench, Goal, Peer};

use super::by_hand::poll_through;
use super::on_tokio::current_thread;

pub(crate) fn benches() -> Vec<Bench> {
    vec![
        Bench { name: "P8", case: "same-task", sizes: &[1000], peers: same_task, goals: &[Goal::Events(0.01)] },
        Bench { name: "P8", case: "tokio ct", sizes: &[1000], peers: on_tokio, goals: &[Goal::Events(0.01)] },
    ]
}

/// A nursery with one same-task child, `n` times.
fn same_task(n: usize) -> Vec<Peer> {
    vec![Peer::whole("scope", move || {
        move || {
            for _ in 0..n {
                let done = poll_through(scope_core::nursery(async |nursery| {
                    nursery.run_local(async {});
                    Ok(())
                }));
                done.expect("a child that does nothing cannot fail");
            }
        }
    })]
}

/// A nursery with one parallel child, `n` times.
fn on_tokio(n: usize) -> Vec<Peer> {
    use scope_tokio::SpawnExt as _;

    vec![Peer::whole("scope", move || {
        let runtime = current_thread();
        move || {
            runtime.block_on(async {
                for _ in 0..n {
                    let done = scope_tokio::nursery(async |nursery| {
                        nursery.run(async {});
                        Ok(())
                    });
                    done.await.expect("a child that does nothing cannot fail");
                }
            });
        }
    })]
}
