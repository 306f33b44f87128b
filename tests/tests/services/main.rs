//! Services: one owner, many handles (rows S), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod handshake;
mod s01;
mod s02;
mod s03;
mod s04;
mod s05;
mod s06;
mod s07;
mod s07_bounded;
mod s08;
mod s08_blocking;

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
        s02_who_waits_in_an_executor_that_has_stopped
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
    s04 {
        s04_fail_after_around_opening_leaves_nothing_when_it_returns
        s04_fail_after_in_a_child_around_opening_in_the_outer_scope
        s04_fail_after_around_a_scope_that_opens_leaves_nothing
        s04_a_foreign_time_out_leaves_nothing_when_the_scope_returns
        s04_a_failed_opening_returns_its_typed_cause
        s04_a_failed_opening_causes_no_wake_ups_afterwards
    }
    s05 {
        s05_the_typed_cause_reaches_its_callers
        s05_the_typed_cause_reaches_closed
        s05_the_cause_reaches_the_events
        s05_it_cancels_nobody_who_merely_opened_it
        s05_a_cancelled_caller_is_not_told_that_the_service_was
        s05_a_caller_of_a_cancelled_service_is_told_and_lives_on
    }
    s06 {
        s06_the_last_handle_dropped_ends_it
        s06_a_handle_in_use_is_a_handle
        s06_a_handle_kept_in_a_static_does_not_hang_the_nursery
        s06_services_are_asked_when_body_and_children_have_ended
        s06_one_that_is_opened_while_all_are_asked_is_asked_too
        s06_a_reconnect_does_not_reuse_a_dying_runner
        s06_a_reconnect_sees_no_stale_stop_signal
        s06_a_reconnect_after_a_failure
    }
    s07 {
        s07_it_outlives_the_request_that_opened_it
        s07_it_outlives_the_requests_made_of_it
        s07_it_dies_with_its_scope
        s07_an_end_that_overruns_its_budget_is_ended
    }
    s07_bounded {
        s07_a_bounded_close_of_one_that_ends_in_time_is_a_close
        s07_a_bounded_close_that_runs_out_of_time_ends_the_task
        s07_the_shortest_bound_decides
        s07_a_bounded_close_with_no_time_at_all
    }
    s08 {
        s08_from_a_thread_without_a_runtime
        s08_what_never_waits_works_in_any_synchronous_code
        s08_a_service_of_this_runtime_is_used_from_a_second
        s08_a_service_of_a_second_runtime_is_used_from_this
    }
    s08_blocking {
        s08_blocking_calls_do_what_the_others_do
        s08_blocking_calls_hear_of_the_end
        s08_blocking_the_services_own_thread_is_a_typed_error
    }
    handshake {
        s06_closed_in_its_handshake_in_every_order
        s06_closed_in_its_handshake_by_all_at_once
    }
}
