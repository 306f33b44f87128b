//! Seeing it: events and the tree (rows V), on every runtime: see [`scope_tests::on_every_runtime`].

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "a case is made for each runtime, also where it asks nothing of it by name"
)]

mod v01;
mod v02;
mod v02_waits;
mod v04;

scope_tests::on_every_runtime! {
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
    v02 {
        v02_each_scope_has_its_name_its_place_and_its_line_under_its_own
        v02_a_scope_that_is_ending_says_why
        v02_a_deadline_is_shown_as_it_stands
        v02_children_and_finalizers_stand_under_their_scope
        v02_services_and_adopted_scopes_are_shown
        v02_it_can_be_printed_anywhere
        v02_it_can_be_printed_while_all_changes
    }
    v02_waits {
        v02_what_each_child_waits_at_is_shown
        v02_it_is_the_last_one_that_is_shown
        v02_same_task_children_are_shown_from_their_first_pending
        v02_ages_are_shown_where_they_are_asked_for
    }
    v04 {
        v04_the_children_still_running_are_named
        v04_the_finalizers_still_running_are_named
        v04_services_and_adopted_scopes_are_named
        v04_what_is_in_the_way_further_in_is_named
        v04_of_a_scope_that_has_closed_it_says_so
    }
}
