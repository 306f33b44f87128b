//! What an event costs when nobody observes (row v03), on every runtime: see [`scope_tests::on_every_runtime`].
//!
//! A binary of its own: it counts the allocations of the whole process, and in the others somebody observes.

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod v03;

scope_tests::on_every_runtime! {
    v03 {
        v03_unobserved_an_event_allocates_nothing
        v03_when_the_last_observer_has_gone_nothing_is_paid_any_more
        v03_an_observer_that_was_switched_off_costs_nothing
    }
}
