//! Services: one owner, many handles (rows S), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod s01;
mod s02;
mod s03;

scope_tests::on_every_runtime! {
    s01 {
        s01_one_task_opens_serves_and_ends_and_others_ask
        s01_it_is_ended_exactly_once_however_it_ends
        s01_it_ends_with_its_scope_even_where_a_handle_is_kept
        s01_handles_are_cheap_to_clone_and_go_anywhere
    }
    s02 {
        s02_close_waits_until_the_service_has_ended
        s02_close_from_any_handle_and_any_task
        s02_close_is_idempotent
        s02_a_close_that_is_dropped_has_asked_all_the_same
        s02_close_from_within_is_a_typed_error
        s02_blocking_where_the_runtime_runs_is_a_typed_error
        s02_close_of_one_whose_scope_is_cancelled_still_gets_the_report
    }
    s03 {
        s03_many_are_opened_at_once_and_one_is_closed
        s03_they_close_in_any_order
        s03_a_close_during_opening_takes_effect_at_once
        s03_a_close_before_it_began_to_open
        s03_one_who_waits_for_the_opening_hears_of_the_close
        s03_all_who_wait_for_an_answer_hear_of_the_close
    }
}
