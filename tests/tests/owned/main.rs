//! Owned scopes (rows O), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod o01;
mod o01_closing;
mod o01_services;
mod o02;
mod o03;
mod o04;
mod o05;
mod o06;
mod o06_nurseries;
mod o07;
mod o08;
mod o09;
mod o09_elsewhere;
mod o09_order;
mod o09_outputs;
mod watch;

scope_tests::on_every_runtime! {
    o01 {
        o01_close_in_another_task_names_the_scope_both_tasks_and_the_place
        o01_a_same_task_child_is_another_task
        o01_a_foreign_task_is_no_home
        o01_who_polls_the_close_counts
        o01_home_is_the_task_wherever_in_it
        o01_home_has_ended_and_its_ancestor_has_cleaned_up
        o01_an_error_thrown_away_drops_the_scope_where_it_is
        o01_a_close_at_home_brings_what_failed
    }
    o01_closing {
        o01_a_close_carried_elsewhere_when_home_ends_in_a_finalizer
        o01_a_close_dropped_half_way_is_gone_on_with
        o01_a_close_carried_elsewhere_when_home_ends_with_a_child_left
        o01_a_close_of_a_cancelled_scope_is_told_that_its_home_has_ended
    }
    o01_services {
        o01_opened_in_open_and_closed_in_end
        o01_given_away_by_a_service
    }
    o02 {
        o02_in_another_task_it_is_one_event_with_both_tasks_and_places
        o02_home_waits_for_the_clean_up_and_the_stranger_does_not
        o02_outside_any_task
        o02_on_a_thread_without_a_runtime
        o02_after_homes_end_the_ancestor_has_done_it
        o02_the_heir_is_homes_ancestor_not_the_strangers
        o02_a_drop_at_home_breaks_no_rule
        o02_a_drop_while_unwinding_at_home
        o02_a_drop_while_unwinding_elsewhere
        o02_what_fails_in_clean_up_goes_to_homes_scope_and_cancels_nobody
    }
    o03 {
        o03_in_order_it_is_no_misuse
        o03_over_open_ones_they_are_closed_first_and_it_is_reported
        o03_what_fails_inside_is_in_the_report
        o03_over_one_that_another_task_holds
        o03_a_block_begun_inside_ends_with_the_code_that_began_it
        o03_a_block_inside_that_is_still_held_is_cancelled
        o03_from_within_it_is_an_error_without_effect
        o03_closed_twice_through_a_shared_handle
        o03_closed_through_two_handles_at_once
        o03_a_shared_handle_in_the_wrong_task
        o03_the_last_clone_dropped_is_the_guard_dropped
        o03_nothing_is_opened_inside_one_that_has_ended
    }
    o04 {
        o04_a_child_follows_the_handle_it_was_spawned_by
        o04_an_owned_scope_follows_the_scope_it_was_opened_in
        o04_a_cancellation_goes_inwards_only
        o04_a_blocks_parent_is_the_scope_that_polls_it_first
        o04_a_block_ends_with_its_parent_wherever_it_is_carried
        o04_join_of_two_branches_in_any_closing_order
        o04_join_of_two_branches_one_of_which_fails
    }
    o05 {
        o05_a_nursery_polled_in_another_task_is_one_event
        o05_a_block_polled_in_another_task_is_one_event
        o05_what_only_foreign_tasks_poll_is_not_noticed
        o05_a_close_gone_on_with_in_another_task_is_one_event
    }
    o06 {
        o06_a_forgotten_guard_ends_with_its_home
        o06_a_guard_forgotten_by_a_child
        o06_a_forgotten_close
        o06_what_never_began_leaves_nothing
    }
    o06_nurseries {
        o06_a_forgotten_nursery_ends_with_the_scope_around
        o06_a_nursery_forgotten_by_a_child
        o06_a_nursery_in_a_forgotten_block
    }
    o07 {
        o07_it_is_a_scope_like_the_other
        o07_a_same_task_child_is_still_told_when_it_runs
        o07_it_ends_like_the_other
        o07_outside_any_task_it_is_an_error
    }
    o08 {
        o08_report_is_the_default
        o08_panic_panics_where_it_was_broken_and_makes_it_good
        o08_panic_while_panicking_only_tells
        o08_panic_when_a_task_ends_with_a_scope_open
        o08_settable_per_root_and_inherited
        o08_set_from_within
    }
    o09 {
        o09_whatever_way_the_child_ends
        o09_only_its_own
        o09_what_fails_then_goes_to_the_scope_around
        o09_its_task_is_aborted_while_another_holds_the_guard
    }
    o09_elsewhere {
        o09_opened_inside_another_tasks
        o09_opened_inside_another_tasks_and_an_own_one_inside_that
    }
    o09_order {
        o09_the_newest_first_one_after_the_other
    }
    o09_outputs {
        o09_a_guard_opened_while_the_output_is_destroyed
        o09_a_guard_opened_by_blocking_work
    }
}
