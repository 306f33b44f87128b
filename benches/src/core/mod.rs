//! The core beside what people use instead. Figures are for one unit: an empty nursery, one child of the `n`.

mod cancel_check;
mod cancel_parked;
mod empty;
mod on_tokio;
mod parallel;
mod same_task;

use crate::bench::Bench;

pub(crate) fn benches() -> Vec<Bench> {
    [empty::benches(), parallel::benches(), same_task::benches(), cancel_check::benches(), cancel_parked::benches()]
        .into_iter()
        .flatten()
        .collect()
}
