//! Owned scopes (rows O), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod o01;
mod o02;
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
    }
}
