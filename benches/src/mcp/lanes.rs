//! Many calls, some at a time: as many tasks, each of which calls again when it has been answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::echo::{Connection, Echo, MESSAGE};
use super::host::Task;

/// Makes so many calls, and says how long they took, each lane for itself.
pub(super) fn calls(connection: &impl Connection, in_flight: usize, calls: usize) -> Vec<Vec<Duration>> {
    let each = calls / in_flight;
    let (host, client) = (connection.host(), Arc::clone(connection.client()));
    if in_flight == 1 {
        return vec![host.block_on(async move { lane(&*client, each).await })];
    }
    let spawn = host.spawn();
    host.block_on(async move {
        let lane = |_| {
            let client = Arc::clone(&client);
            spawn.spawn(async move { lane(&*client, each).await })
        };
        let lanes: Vec<Task<_>> = (0..in_flight).map(lane).collect();
        let mut times = Vec::with_capacity(in_flight);
        for lane in lanes {
            times.push(lane.join().await);
        }
        times
    })
}

async fn lane(client: &impl Echo, calls: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(calls);
    let mut begun = Instant::now();
    for _ in 0..calls {
        client.echo(MESSAGE).await;
        let now = Instant::now();
        times.push(now - begun);
        begun = now;
    }
    times
}
