//! Nurseries (rows N), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod n01;
mod n02;
mod n03;
mod n03_printing;
mod n04;
mod n04_recorded;
mod n04_supervisor;
mod n05;
mod n06;
mod n07;
mod n08;
mod n08_task_locals;
mod n09;
mod n10;
mod n10_begun;
mod n11;
mod n11_each;
mod n11_order;
mod n12;
mod n12_both;
mod n12_tasks;
mod n13;
mod n13_panics;
mod n14;
mod n15;
mod n15_nested;
mod parked;

scope_tests::on_every_runtime! {
    n01 {
        n01_waits_for_every_child
        n01_future_destroyed_before_return
        n01_output_destroyed_before_return
        n01_output_is_its_handles_after_return
        n01_still_waits_while_a_childs_destructors_run
        n01_destructors_have_run
        n01_nothing_shared_is_touched_after
        n01_children_added_while_it_waits
        n01_aborted_child_counts_as_ended_and_leaves_a_leaf
        n01_children_added_by_a_foreign_task_while_it_waits
    }
    n02 {
        n02_a_childs_error_cancels_siblings_and_body
        n02_a_childs_panic_cancels_siblings_and_body
        n02_a_bodys_error_cancels_the_children
        n02_a_bodys_panic_cancels_the_children
        n02_everything_is_joined_before_the_error_comes_out
        n02_siblings_are_told_that_a_sibling_failed
        n02_a_body_deep_in_scopes_is_cut_and_they_are_cleaned_up
    }
    n03 {
        n03_body_children_and_clean_up_are_all_in_the_result
        n03_adopted_work_too
        n03_each_leaf_has_its_path_of_scope_and_task_names
        n03_cancelled_is_never_a_leaf
        n03_one_shape_whether_one_or_many
        n03_the_message_names_the_scope_and_prints_once
    }
    n03_printing {
        n03_the_handle_of_a_child_whose_error_cannot_be_printed
        n03_the_start_of_a_child_whose_error_cannot_be_printed
        n03_a_supervisor_dropped_with_an_error_that_cannot_be_printed
    }
    n04 {
        n04_a_childs_panic_is_resumed_in_the_owner_after_the_join
        n04_the_payload_comes_through_as_it_is
        n04_a_destructors_panic_counts_as_its_childs
        n04_the_handle_of_a_child_that_panicked_says_so
        n04_a_caught_panic_goes_no_further
        n04_a_panic_after_an_error_is_a_leaf
    }
    n04_recorded {
        n04_the_first_is_resumed_and_the_others_recorded
        n04_a_sibling_whose_destructor_panics_meanwhile_aborts_nothing
        n04_destructors_that_panic_when_the_nursery_is_dropped
    }
    n04_supervisor {
        n04_supervised_failures_are_values_and_siblings_live
        n04_a_supervisor_says_which_child_it_was
        n04_supervised_children_are_cancelled_and_joined_like_others
        n04_a_supervised_failure_comes_after_the_childs_clean_up
        n04_a_supervisors_next_loses_nothing_when_it_is_dropped
        n04_failures_that_a_supervisor_has_not_read_are_not_lost
        n04_a_child_whose_supervisor_has_gone_is_like_any_other
        n04_a_supervisor_carried_out_of_its_scope_still_has_its_failures
    }
    n05 {
        n05_into_a_cancelled_one_starts_and_ends_at_the_first_await_point
        n05_into_a_cancelled_one_a_child_that_never_waits_completes
        n05_into_a_closed_one_is_an_error_and_drops_it_unpolled
        n05_into_a_dropped_one_is_an_error_and_drops_it_unpolled
        n05_on_a_runtime_that_has_shut_down_is_an_error_and_drops_it_unpolled
    }
    n06 {
        n06_the_last_child_may_spawn_as_its_last_act
        n06_the_last_same_task_child_may_spawn_as_its_last_act
        n06_the_last_childs_destructor_may_spawn
        n06_an_unwanted_outputs_destructor_spawns_into_the_closing_nursery
        n06_an_output_dropped_with_its_handle_while_the_nursery_closes
        n06_an_output_dropped_after_its_nursery_is_refused
        n06_destructors_of_cancelled_children_may_spawn
        n06_a_destructor_that_spawns_one_that_spawns
        n06_a_same_task_destructor_spawns_same_task_children
        n06_a_given_up_values_destructor_is_awaited_or_refused
        n06_a_finalizer_that_spawns_is_refused
        n06_a_same_task_spawn_while_the_nursery_is_dropped_is_refused
    }
    n07 {
        n07_cancel_ends_that_child_and_nobody_else
        n07_cancel_says_whether_it_was_the_one
        n07_cancelled_before_its_first_poll_it_starts
        n07_the_childs_own_scopes_end_first
        n07_waits_for_a_shield
        n07_cancel_from_any_thread_and_from_the_child_itself
        n07_all_that_runs_in_the_child_is_told
        n07_a_cancelled_childs_failure_is_still_the_nurserys
        n07_dropping_a_handle_gives_up_the_result_only
        n07_cancel_stands_though_the_handle_is_dropped
        n07_waiting_for_a_cancelled_childs_end_causes_no_polls
    }
    n08 {
        n08_cancelling_the_spawning_scope_leaves_the_child_alone
        n08_cancelling_the_nursery_ends_the_child_and_not_its_spawner
        n08_the_childs_failure_is_the_nurserys
        n08_the_nursery_waits_for_it
        n08_from_a_foreign_task_and_from_a_thread
        n08_from_a_scope_further_in
    }
    n08_task_locals {
        n08_the_childs_task_locals_are_the_spawning_tasks
        n08_they_are_a_snapshot_taken_at_the_spawn
        n08_a_child_spawned_from_outside_has_none
    }
    n09 {
        n09_waits_for_the_report_and_has_its_value
        n09_a_failure_before_the_report_comes_only_from_start
        n09_a_panic_before_the_report_comes_only_from_start
        n09_a_failure_after_the_report_is_the_nurserys
        n09_dropping_start_cancels_the_half_started_child
        n09_start_dropped_during_shielded_initialisation
        n09_a_child_that_ends_without_reporting_is_an_error
        n09_reporting_takes_the_means_to_report
        n09_a_cancellation_of_the_scope_goes_through_start
        n09_into_a_closed_scope_is_an_error
        n09_a_started_child_belongs_to_the_scope_it_was_started_in
        n09_the_starter_elsewhere_is_told_of_a_cancelled_child
        n09_a_given_up_childs_clean_up_error_is_not_lost
    }
    n10 {
        n10_a_parallel_child_runs_while_its_owner_is_not_polled
        n10_a_same_task_child_runs_only_in_its_owners_polls
        n10_same_task_children_borrow_and_stay
        n10_same_task_children_need_no_runtime
        n10_a_spawner_spawns_parallel_children_from_any_thread
    }
    n11_each {
        n11_each_item_has_its_child_and_so_many_run
        n11_children_begin_in_the_order_of_the_items
        n11_an_item_is_taken_when_there_is_room
        n11_each_is_not_woken_while_its_children_wait
        n11_a_child_that_spins_holds_up_no_item
        n11_each_fails_as_a_nursery_does
        n11_each_with_a_limit_of_zero_is_an_error
        n11_a_panic_of_items_closure_or_child_comes_out_last
        n11_each_drops_what_it_holds
        n11_each_is_cut_by_a_cancellation
        n15_each_makes_a_bounded_number_in_one_poll
    }
    n11_order {
        n11_places_are_given_in_the_order_in_which_they_were_asked_for
    }
    n10_begun {
        n10_a_child_that_ends_at_once_gives_its_value_to_who_begins_it
        n10_a_child_that_is_begun_and_waits_goes_on_and_is_joined
        n10_children_begun_one_after_the_other_in_one_room_are_like_others
        n10_a_child_that_is_begun_is_cancelled_like_others
        n10_a_panic_of_a_child_that_is_begun_is_its_nurserys_and_one_before_is_the_callers
        n10_nothing_is_begun_in_a_nursery_that_has_ended
        n10_what_is_begun_can_fail_its_nursery
    }
    n11 {
        n11_as_many_run_as_there_are_places
        n11_spawn_waits_for_a_place
        n11_a_place_is_free_when_nothing_of_the_child_is_left
        n11_a_spawn_dropped_while_it_waits_leaves_nothing
        n11_a_place_is_not_free_before_a_refused_childs_future_is_gone
        n11_a_place_offered_to_one_that_goes_is_offered_to_the_next
        n11_a_child_waiting_in_its_own_full_nursery_gets_an_error
        n11_a_child_may_spawn_into_its_own_nursery_where_there_is_a_place
        n11_a_bound_of_zero_is_an_error
        n11_waiting_for_a_place_ends_with_the_scope
        n11_waiting_for_a_place_in_a_scope_that_ends_is_answered
        n11_a_grandchild_waiting_for_its_ancestors_place_gets_an_error
    }
    n12_tasks {
        n12_unread_results_are_destroyed_as_the_task_that_made_them
    }
    n12_both {
        n12_results_of_both_kinds_keep_their_order
        n12_who_waits_for_one_kind_hears_of_the_other
        n12_results_of_children_added_in_a_scope_further_in
        n12_unread_results_of_same_task_children_are_destroyed_as_these
        n12_same_task_children_that_leave_nothing_are_not_waited_for
        n12_results_on_a_thread_that_the_body_waits_for
    }
    n12 {
        n12_results_come_in_completion_order
        n12_unread_results_keep_their_order
        n12_a_failure_is_the_nurserys
        n12_next_loses_nothing_when_it_is_dropped
        n12_nothing_is_kept_but_the_unfinished_and_the_unread
        n12_the_bound_counts_unfinished_and_unread
        n12_a_bound_of_zero_is_an_error
        n12_unread_results_do_not_hold_the_nursery
        n12_next_is_a_checkpoint
    }
    n13_panics {
        n13_losers_whose_destructors_panic
    }
    n13 {
        n13_a_races_losers_have_ended_before_it_returns
        n13_any_oks_losers_have_ended_before_it_returns
        n13_all_oks_others_have_ended_before_it_returns
        n13_the_first_to_be_ready_wins_the_race
        n13_any_ok_is_the_first_success
        n13_any_ok_has_every_error_when_all_fail
        n13_all_ok_has_every_value_in_order
        n13_all_ok_ends_at_the_first_error_and_loses_none
        n13_nobody_at_all
        n13_a_panic_is_resumed_when_the_others_have_ended
        n13_entries_may_borrow
        n13_dropped_or_cancelled_it_leaves_nothing
        n13_losers_go_no_further
    }
    n14 {
        n14_the_works_value_comes_back
        n14_a_panic_in_the_work_comes_out_where_it_is_awaited
        n14_it_can_ask_whether_its_scope_is_cancelled
        n14_it_is_cancelled_with_a_scope_further_out
        n14_it_can_call_back_into_its_scope
        n14_a_call_back_that_fails_is_the_scopes
        n14_a_call_back_into_a_cancelled_scope_ends
        n14_work_whose_waiter_is_dropped_is_joined_by_the_scope
        n14_cancellable_work_lets_its_waiter_go_and_is_joined
        n14_a_panic_of_work_whose_waiter_is_dropped_behind_it_is_the_scopes
        n14_refused_work_whose_destructor_panics_is_counted_out
        n14_without_a_runtime_it_is_an_error
        n14_others_go_on_meanwhile
    }
    n15 {
        n15_one_poll_does_a_bounded_amount_of_work
        n15_ready_children_do_not_starve_the_body
        n15_children_that_beget_children_do_not_starve_the_body
        n15_children_that_wake_each_other_do_not_starve_the_body
        n15_ready_children_do_not_starve_the_runtime
        n15_ready_children_do_not_starve_each_other
        n15_children_that_wait_cost_nothing
        n15_the_end_of_many_children_is_in_bounded_steps_too
        n15_keeps_to_the_runtimes_own_budget
    }
    n15_nested {
        n15_nested_nurseries_share_one_bound
    }
}
