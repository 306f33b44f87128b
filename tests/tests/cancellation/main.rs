//! Cancellation, deadlines, shields (rows C), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod c01;
mod c03;
mod c04;
mod c05;
mod c11;
mod c15;

scope_tests::on_every_runtime! {
    c01 {
        c01_cancel_is_idempotent_and_the_first_reason_wins
        c01_cancel_works_from_any_thread
        c01_many_threads_at_once_agree_on_one_reason
        c01_cancel_never_blocks_even_from_a_waker_it_wakes
        c01_cancel_from_a_destructor_that_cancelling_runs
        c01_cancel_after_the_end_does_nothing
    }
    c03 {
        c03_a_body_past_its_last_await_point_returns_its_value
        c03_its_children_are_cancelled_all_the_same
        c03_so_does_its_error
        c03_a_childs_value_wins_too
        c03_nothing_leaks_past_the_scope
        c03_a_checkpoint_of_ours_is_an_await_point_in_a_cancelled_scope
    }
    c04 {
        c04_entered_under_a_cancelled_scope
        c04_entered_two_levels_down_and_in_a_child
        c04_entered_after_its_deadline
        c04_a_body_that_never_waits_still_completes
    }
    c05 {
        c05_a_finished_nursery_does_not_run_again
        c05_a_nursery_never_awaited_never_began
    }
    c11 {
        c11_a_relative_deadline_starts_at_entry
        c11_a_deadline_ends_body_and_children_wherever_they_wait
        c11_a_deadline_moves_earlier
        c11_a_deadline_moves_later_and_away
        c11_moving_a_deadline_never_uncancels
        c11_a_past_deadline_lets_the_body_start
        c11_a_deadline_moved_into_the_past_ends_at_the_next_await_point
        c11_a_deadline_reaches_children_after_the_body_has_ended
        c11_a_deadline_does_not_reach_clean_up
        c11_a_deadline_beyond_all_clocks_is_none
        c11_fail_after
    }
    c15 {
        c15_an_explicit_one
        c15_one_with_a_cause_of_the_callers
        c15_a_deadline
        c15_a_siblings_failure
        c15_one_from_a_parent
        c15_the_runtimes_shutdown
    }
}
