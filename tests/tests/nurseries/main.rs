//! Nurseries (rows N), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod n01;
mod n02;
mod n03;
mod n05;
mod n10;

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
    }
    n02 {
        n02_a_childs_error_cancels_siblings_and_body
        n02_a_childs_panic_cancels_siblings_and_body
        n02_a_bodys_error_cancels_the_children
        n02_a_bodys_panic_cancels_the_children
        n02_everything_is_joined_before_the_error_comes_out
        n02_siblings_are_told_that_a_sibling_failed
    }
    n03 {
        n03_body_children_and_clean_up_are_all_in_the_result
        n03_adopted_work_too
        n03_each_leaf_has_its_path_of_scope_and_task_names
        n03_cancelled_is_never_a_leaf
        n03_one_shape_whether_one_or_many
        n03_the_message_names_the_scope_and_prints_once
    }
    n05 {
        n05_into_a_cancelled_one_starts_and_ends_at_the_first_await_point
        n05_into_a_cancelled_one_a_child_that_never_waits_completes
        n05_into_a_closed_one_is_an_error_and_drops_it_unpolled
        n05_into_a_dropped_one_is_an_error_and_drops_it_unpolled
        n05_on_a_runtime_that_has_shut_down_is_an_error_and_drops_it_unpolled
    }
    n10 {
        n10_a_parallel_child_runs_while_its_owner_is_not_polled
        n10_a_same_task_child_runs_only_in_its_owners_polls
        n10_same_task_children_borrow_and_stay
        n10_same_task_children_need_no_runtime
        n10_a_spawner_spawns_parallel_children_from_any_thread
    }
}
