//! The core beside what people use instead. Figures are for one unit: an empty nursery, one child of the `n`.

mod by_hand;
mod cancel_check;
mod cancel_parked;
mod empty;
mod events;
mod nested;
mod on_smol;
mod on_tokio;
mod parallel;
mod same_task;
mod service;

use crate::bench::Bench;

pub(crate) fn benches() -> Vec<Bench> {
    [
        empty::benches(),
        parallel::benches(),
        on_smol::benches(),
        same_task::benches(),
        cancel_parked::benches(),
        cancel_check::benches(),
        nested::benches(),
        events::benches(),
        service::benches(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
