//! Nurseries (rows N), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod n01;
mod n02;
mod n03;
mod n04;
mod n05;
mod n06;
mod n08;
mod n10;
mod n15;

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
    n04 {
        n04_a_childs_panic_is_resumed_in_the_owner_after_the_join
        n04_the_payload_comes_through_as_it_is
        n04_a_destructors_panic_counts_as_its_childs
        n04_the_handle_of_a_child_that_panicked_says_so
        n04_a_caught_panic_goes_no_further
        n04_a_panic_after_an_error_is_a_leaf
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
    n08 {
        n08_cancelling_the_spawning_scope_leaves_the_child_alone
        n08_cancelling_the_nursery_ends_the_child_and_not_its_spawner
        n08_the_childs_failure_is_the_nurserys
        n08_the_nursery_waits_for_it
        n08_from_a_foreign_task_and_from_a_thread
        n08_from_a_scope_further_in
    }
    n10 {
        n10_a_parallel_child_runs_while_its_owner_is_not_polled
        n10_a_same_task_child_runs_only_in_its_owners_polls
        n10_same_task_children_borrow_and_stay
        n10_same_task_children_need_no_runtime
        n10_a_spawner_spawns_parallel_children_from_any_thread
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
}
