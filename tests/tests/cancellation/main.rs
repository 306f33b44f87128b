//! Cancellation, deadlines, shields (rows C), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod c01;
mod c01_ended;
mod c01_wakers;
mod c02;
mod c03;
mod c04;
mod c05;
mod c06;
mod c07;
mod c08;
mod c09;
mod c10;
mod c11;
mod c11_more;
mod c11_unpolled;
mod c12;
mod c13;
mod c14;
mod c15;
mod c16;
mod c17;
mod c18_foreign;
mod c18_ours;
mod c19;
mod c20;
mod c21;
mod clock;
mod counted;
mod primitives;
mod timers;
mod told;

scope_tests::on_every_runtime! {
    c01 {
        c01_cancel_is_idempotent_and_the_first_reason_wins
        c01_cancel_works_from_any_thread
        c01_many_threads_at_once_agree_on_one_reason
        c01_cancel_never_blocks_even_from_a_waker_it_wakes
        c01_cancel_from_a_destructor_that_cancelling_runs
        c01_cancel_after_the_end_does_nothing
    }
    c01_ended {
        c01_one_that_has_ended_is_not_cancelled
        c01_one_that_has_ended_keeps_no_hook
    }
    c01_wakers {
        c01_a_waker_that_drops_its_task
        c01_a_waker_that_panics_keeps_nobody_from_being_told
    }
    c02 {
        c02_asking_does_not_use_it_up
        c02_a_body_is_told_of_a_same_task_childs_cancel
        c02_nothing_swallows_it
        c02_polling_again_does_not_help
        c02_the_body_is_not_polled_past_its_end
        c02_what_comes_later_is_cancelled_too
        c02_it_stays_cancelled_after_its_end
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
    c06 {
        c06_a_scope_absorbs_its_own
        c06_the_outer_one_catches_in_whatever_order
        c06_the_outermost_of_those_that_were_cancelled
        c06_an_outer_one_catches_while_the_inner_one_cleans_up
        c06_what_failed_further_in_comes_out_of_the_one_that_catches
        c06_an_inner_value_wins_and_the_next_await_point_ends
        c06_of_two_deadlines_the_outer_one_catches
        c06_the_scope_around_a_child_catches
    }
    c07 {
        c07_a_shield_masks_what_is_cancelled_further_out
        c07_not_the_shielded_scopes_own_cancellation
        c07_nor_its_deadline
        c07_nor_those_further_in
        c07_it_does_not_cover_the_nurserys_children
        c07_it_covers_nurseries_in_it_with_their_children
        c07_beside_a_shield
        c07_a_shield_in_a_child_is_the_childs
        c07_it_does_not_mask_a_drop
        c07_a_shield_in_a_shield
        c07_two_shields_beside_each_other
        c07_only_an_open_shield_counts
    }
    c08 {
        c08_a_shield_lifted_by_another_task
        c08_lifted_before_anything_is_cancelled
        c08_nothing_to_lift
        c08_an_outer_shield_stays
        c08_leaving_a_shield_delivers_at_the_next_await_point
        c08_five_scopes_of_which_the_outer_two_are_cancelled_in_a_shield
        c08_five_scopes_with_the_shield_in_the_middle
    }
    c09 {
        c09_children_are_told_though_the_host_is_shielded
        c09_with_a_finalizer_of_the_childs
        c09_a_failure_is_told_too
        c09_from_further_out
    }
    c10 {
        c10_a_body_in_a_shield
        c10_a_child_in_a_shield
        c10_slow_clean_up
        c10_a_deadline_that_passed_while_shielded
        c10_cancelling_again
        c10_a_checkpoint_beside_a_shield
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
    c11_more {
        c11_a_body_whose_checkpoints_are_always_ready
        c11_an_outer_deadline_and_always_ready_checkpoints
        c11_each_kind_of_checkpoint_reads_the_clock
        c11_always_ready_checkpoints_in_time
        c11_deadlines_fire_inside_shields_they_belong_to
        c11_deadlines_further_out_wait_for_the_shield
        c11_always_ready_checkpoints_in_turn_with_shielded_ones
        c11_a_block_is_told_of_its_deadline
    }
    told {
        c02_of_a_hundred_parked_children_each_is_told
        c08_what_was_masked_is_seen_once_it_is_lifted
        c08_a_shield_that_ends_elsewhere_wakes_the_body
    }
    c11_unpolled {
        c11_an_owned_scopes_deadline
        c11_an_owned_scope_that_ends_before_its_deadline
        c11_an_owned_scopes_deadline_without_a_runtime
        c20_the_grace_of_an_owned_scope
        c11_a_childs_own_deadline
        c11_a_block_whose_body_has_ended
        c11_as_far_ahead_as_the_clock_counts
    }
    c12 {
        c12_none
        c12_the_earliest_of_all
        c12_in_children_and_after_an_edit
        c12_a_shield_cuts
        c12_children_in_a_shield
        c12_at_the_ends_of_time
    }
    c13 {
        c13_a_body_without_an_await_point
        c13_nor_is_its_error_overruled
        c13_after_its_last_await_point
        c13_children_without_an_await_point
        c13_the_first_await_point_after_it_ends
        c13_nothing_is_left_of_the_deadline
    }
    c14 {
        c14_cancelled_before_its_deadline_with_a_slow_clean_up
        c14_with_slow_destructors
        c14_timed_out_and_then_cancelled
        c14_in_the_same_tick_the_first_recorded_wins
        c14_a_failure_before_the_deadline_is_neither
        c14_an_outer_deadline_is_the_outer_scopes
        c14_fail_after_says_timed_out_only_of_its_own_deadline
    }
    c15 {
        c15_an_explicit_one
        c15_one_with_a_cause_of_the_callers
        c15_a_deadline
        c15_a_siblings_failure
        c15_one_from_a_parent
        c15_the_runtimes_shutdown
    }
    c16 {
        c16_a_task_that_is_aborted_and_cancelled_in_the_same_tick
        c16_a_task_that_does_both_to_itself
        c16_the_scope_around_waits_for_what_is_left
        c16_aborted_while_it_cleans_up
        c16_a_child_that_its_runtime_takes_away
    }
    c17 {
        c17_a_parallel_child_per_level_cancelled
        c17_a_parallel_child_per_level_dropped
        c17_ended_from_the_inside_out
        c17_owned_scopes_cancelled_and_dropped
        c17_same_task_nesting_to_the_documented_depth
        c17_deadline_edits_leave_no_timers
    }
    c18_foreign {
        c18_async_channel_recv
        c18_async_channel_send
        c18_async_channel_send_keeps_count_of_its_message
        c18_async_lock_mutex
        c18_async_lock_rwlock_write
        c18_async_lock_rwlock_read
        c18_async_lock_rwlock_lets_readers_pass_a_cancelled_writer
        c18_async_lock_semaphore
        c18_event_listener
        c18_futures_channel
        c18_tokio_sync_channels
        c18_tokio_sync_locks
        c18_async_lock_barrier_counts_the_cancelled
    }
    c18_ours {
        c18_a_task_handle
        c18_results
        c18_a_supervisor
        c18_a_place_in_a_bounded_nursery
        c18_an_inbox
        c18_a_place_in_a_backlog
    }
    c19 {
        c19_blocking_work_runs_to_its_end
        c19_cancelled_before_the_thread_has_begun
        c19_the_scope_waits_for_the_thread
    }
    c20 {
        c20_those_who_ask_are_told
        c20_a_late_one_is_told_at_once
        c20_when_the_grace_ends_it_is_a_cancellation
        c20_one_deadline_for_the_whole_subtree
        c20_the_grace_does_not_grow
        c20_no_grace_and_no_more_need
        c20_cancelled_in_the_grace
        c20_clean_up_and_the_scopes_own_deadline
    }
    c21 {
        c21_a_token_is_a_parent
        c21_the_scope_under_it_catches
        c21_a_token_cancelled_before
        c21_shields_and_deadlines_in_it
        c21_a_scope_drives_a_token
        c21_when_a_token_is_left_alone
        c21_a_token_above_and_below
    }
}
