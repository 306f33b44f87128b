//! Finalizers and resources (rows F), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod adoption;
mod f01;
mod f02;
mod f03;
mod f03_printing;
mod f04;
mod f05;
mod f05_broken;
mod f05_errors;
mod f05_orphans;
mod f06;
mod f07;

scope_tests::on_every_runtime! {
    f01 {
        f01_exactly_once_last_in_first_out_however_it_ends
        f01_exactly_once_where_the_scope_is_dropped_half_way
        f01_after_the_body_and_every_child
        f01_shielded_from_every_cancellation
        f01_one_that_overruns_is_dropped_and_named_and_the_rest_still_run
        f01_the_budget_is_one_for_all
        f01_a_share_bounds_one_finalizer
        f01_one_within_the_budget_takes_the_time_it_needs
        f01_the_default_budget_is_five_seconds
        f01_with_no_budget_each_still_gets_to_its_first_await_point
        f01_without_a_runtime_they_run_all_the_same
        f01_one_that_panics_does_not_keep_the_rest_from_running
    }
    f02 {
        f02_ok
        f02_failed
        f02_cancelled
        f02_panicked
        f02_a_value_that_won_is_ok
        f02_a_finalizer_that_fails_is_not_how_the_scope_ended
    }
    f03 {
        f03_the_bodys_error_first_and_clean_ups_beside_it
        f03_a_childs_error_first_and_clean_ups_beside_it
        f03_a_good_body_does_not_hide_a_failed_clean_up
        f03_a_cancelled_scope_keeps_its_reason_and_its_failed_clean_up
        f03_a_panic_comes_through_a_failed_clean_up
    }
    f03_printing {
        f03_an_error_that_asks_its_scope_when_it_is_printed
        f03_an_error_that_cannot_be_printed
        f03_an_error_that_cannot_be_printed_in_a_dropped_scope
        f03_an_error_that_cannot_be_printed_in_an_owned_scope
        f03_an_error_that_cannot_be_printed_in_a_service
    }
    f04 {
        f04_acquired_and_released_with_the_scope
        f04_the_waiter_is_dropped_at_any_point
        f04_the_scope_is_cancelled_at_any_point
        f04_the_scope_around_is_cancelled
        f04_the_scopes_future_is_dropped_at_any_point
        f04_the_scope_waits_for_an_acquiring
        f04_what_could_not_be_acquired_is_not_released
        f04_an_error_that_nobody_waits_for_is_the_scopes
        f04_an_error_that_nobody_has_seen_is_the_scopes
        f04_a_release_that_fails_is_a_failed_clean_up
        f04_into_a_closed_scope_nothing_is_acquired
        f04_in_an_owned_scope
    }
    f05 {
        f05_the_loser_of_a_select
        f05_a_foreign_time_out
        f05_an_abort_of_the_task_around
        f05_same_task_children_are_dropped_in_place
        f05_the_nearest_ancestor_waits_a_block_too
        f05_one_that_is_carried_out_is_adopted_by_the_scope_it_is_inside
        f05_what_a_finalizer_drops_is_adopted_by_it
        f05_all_the_way_down
        f05_what_is_left_learns_that_the_future_was_dropped
        f05_a_block_that_is_dropped_hands_on_what_it_had_adopted
        f05_without_a_runtime_the_ancestor_does_it
        f05_without_a_runtime_what_was_dropped_in_a_first_poll_too
    }
    f05_broken {
        f05_a_destructor_that_panics_in_a_dropped_block
        f05_a_value_whose_destructor_panics_in_a_dropped_block
        f05_an_adopted_error_is_a_secondary_one_even_if_it_comes_first
        f05_a_child_that_had_failed_before_is_how_it_ended
    }
    f05_errors {
        f05_an_error_joins_the_ancestors
        f05_an_error_cancels_nobody
        f05_beside_the_ancestors_own_error
        f05_beside_the_ancestors_cancellation
        f05_a_childs_error_is_not_lost_with_the_future
        f05_an_error_of_another_type
        f05_one_that_overruns_is_named_by_the_ancestor
    }
    f05_orphans {
        f05_without_an_ancestor_the_orphan_root_takes_it
        f05_the_orphan_root_waits_for_each
        f05_an_orphans_error_is_told
        f05_with_no_runtime_left_it_is_dropped_and_reported
        f05_with_no_runtime_at_all_it_is_dropped_and_reported
        f05_a_runtime_that_ends_during_the_clean_up
    }
    f06 {
        f06_through_a_spawner_it_comes_back
        f06_through_a_spawner_while_it_is_open
        f06_added_by_a_finalizer
        f06_to_an_owned_scope_that_has_ended
        f06_by_a_destructor_of_the_body
        f06_by_a_destructor_of_a_same_task_child
        f06_while_the_scope_closes_each_is_run_or_comes_back
    }
    f07 {
        f07_read_to_the_end
        f07_it_runs_when_it_is_read
        f07_dropped_early_it_is_adopted
        f07_never_read_it_leaves_nothing
        f07_read_by_changing_tasks
        f07_read_by_changing_tasks_with_handles
        f07_carried_into_a_foreign_task_and_dropped_there
        f07_read_first_where_no_scope_is
        f07_an_error_is_the_last_item
        f07_an_item_that_was_put_in_comes_before_the_error
        f07_an_item_of_a_task_whose_executor_has_stopped
        f07_cancelled_with_the_scope_that_reads_it
    }
}
