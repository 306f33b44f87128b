//! Tasks and their identity (rows T), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod t01;
mod t02;
mod t03;
mod t04;
mod t05;
mod t06;

scope_tests::on_every_runtime! {
    t01 {
        t01_every_kind_of_child_is_a_task_of_its_own
        t01_ids_are_never_reused_in_the_process
        t01_a_child_has_the_name_it_was_given
        t01_a_task_knows_where_it_was_spawned
        t01_a_nursery_polled_where_no_task_is_becomes_a_root
        t01_a_root_dropped_in_mid_flight_ends_its_children
        t01_a_guard_does_not_outlive_the_body_it_was_opened_in
        t01_a_guard_does_not_outlive_the_child_that_opened_it
        t01_a_guard_is_closed_by_the_task_that_opened_it
    }
    t02 {
        t02_in_join_and_select
        t02_in_a_timeout
        t02_in_futures_unordered_and_buffers
        t02_in_join_all_of_30_and_31
        t02_in_nested_executors
        t02_in_a_nested_block_on
        t02_in_drop_of_a_cancelled_future
        t02_in_drop_of_a_finished_future
        t02_in_drop_of_an_untaken_output
        t02_in_drop_of_a_value_that_is_given_up
        t02_in_drop_of_an_aborted_root
        t02_in_drop_before_the_first_poll
    }
    t03 {
        t03_a_shared_future_is_in_the_task_that_drives_it
        t03_a_future_moved_to_another_task_is_in_that_task
        t03_one_waker_for_all_makes_them_no_one_task
        t03_two_roots_on_one_thread_are_two_tasks
        t03_outside_any_task_the_error_says_what_to_do
        t03_outside_any_task_an_owned_scope_is_an_error
        t03_outside_any_task_a_guard_cannot_be_closed
    }
    t04 {
        t04_a_panic_in_a_nested_poll_restores_the_outer_task
        t04_a_panic_in_a_root_leaves_no_task_on_its_thread
        t04_a_panicking_child_leaves_its_worker_clean
        t04_a_panic_in_a_destructor_restores_the_outer_task
    }
    t05 {
        t05_every_kind_of_child_inherits_it
        t05_a_service_has_its_openers
        t05_it_is_a_snapshot
        t05_it_comes_from_the_spawner_not_from_the_owner
        t05_each_key_is_its_own
        t05_branches_of_one_task_do_not_mix
        t05_it_holds_in_destructors
        t05_a_value_goes_with_the_last_task_that_has_it
    }
    t06 {
        t06_foreign_code_becomes_a_child_of_the_scope
        t06_the_scope_waits_for_who_has_entered
        t06_what_a_dropped_handler_leaves_is_adopted
        t06_a_cancellation_ends_what_has_entered
        t06_a_scope_that_has_ended_is_not_entered
        t06_a_cancelled_scope_is_entered_up_to_the_first_await_point
    }
}
