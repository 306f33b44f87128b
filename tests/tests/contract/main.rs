//! The contract, row by row, on every runtime.
//!
//! A core case is an `async fn <row>_<what>::<R: Rt>()` in the file of its row. [`on_every_runtime`] lists them all and
//! makes four tests of each: `tokio_ct::…`, `tokio_mt::…`, `smol::…` and `det::…` (256 seeds). A case that is not
//! listed is dead code, which the lints refuse.
//!
//! Cases that not every runtime can have:
//!
//! | file | rows | the reason |
//! |---|---|---|
//! | `tokio_only` | t02 | `tokio::select!`, `tokio::time::timeout` and `block_in_place` work inside tokio alone |
//! | `tokio_only` | t02 | `JoinHandle::abort` and `LocalSet` are tokio's; elsewhere the core case aborts by `Abortable` |
//! | `tokio_only` | t01, t02, n01, n05, s02 | the end of a real runtime; the core cases end one that runs on top of the runtime |
//! | `tokio_only` | n10, c01 | several threads at once: children that block for one another; a cancel that races with parking |
//! | `smol_only` | t02, n01, n05 | `Task::cancel`, and an executor that ends by being dropped |
//! | `det_only` | n01 | that the seeds find all orders: only there is the order a choice |
//! | `blocking_only` | s02 | blocking work that waits for a task needs a second real thread: on the deterministic runtime it is a task like others, unless asked for otherwise, which is done there |

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod blocking_only;
mod c01;
mod c03;
mod c04;
mod c05;
mod c11;
mod c15;
mod det_only;
mod f01;
mod f02;
mod f03;
mod n01;
mod n02;
mod n03;
mod n05;
mod n10;
mod s01;
mod s02;
mod s03;
mod smol_only;
mod t01;
mod t02;
mod t03;
mod t04;
mod tokio_only;
mod v01;

/// Makes a test of each case on each runtime. The modules' names are the runtimes', and `.ci` looks for them.
macro_rules! on_every_runtime {
    ($($row:ident { $($case:ident)+ })+) => {
        on_every_runtime!(@on tokio_ct TokioCt $($row { $($case)+ })+);
        on_every_runtime!(@on tokio_mt TokioMt $($row { $($case)+ })+);
        on_every_runtime!(@on smol Smol $($row { $($case)+ })+);
        on_every_runtime!(@on det Det $($row { $($case)+ })+);
    };
    (@on $module:ident $runtime:ident $($row:ident { $($case:ident)+ })+) => {
        mod $module {
            use scope_tests::{Rt, $runtime};

            $($(
                #[test]
                fn $case() {
                    $runtime::check(stringify!($case), crate::$row::$case::<$runtime>);
                }
            )+)+
        }
    };
}

on_every_runtime! {
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
    }
    f03 {
        f03_the_bodys_error_first_and_clean_ups_beside_it
        f03_a_childs_error_first_and_clean_ups_beside_it
        f03_a_good_body_does_not_hide_a_failed_clean_up
        f03_a_cancelled_scope_keeps_its_reason_and_its_failed_clean_up
        f03_a_panic_comes_through_a_failed_clean_up
    }
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
    v01 {
        v01_every_transition_is_one_event
        v01_an_empty_nursery_is_opened_and_closed
        v01_an_event_says_which_scope_and_task_when_and_where
        v01_a_failure_and_what_it_cancels
        v01_a_dropped_scope_is_adopted_then_closed
        v01_a_service_is_spawned_ready_and_ended
        v01_a_panicking_observer_is_switched_off_and_reported
        v01_an_observer_may_use_the_framework_and_ends_with_its_guard
        v01_a_guard_dropped_elsewhere_is_one_violation
        v01_a_dropped_scope_that_left_nothing_is_closed_at_once
    }
}
