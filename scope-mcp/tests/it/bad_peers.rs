//! Peers that break the rules. The list of what they may do wrong, each with the tests for it: on every runtime a typed
//! error in a bounded time, and nothing left running.

use std::collections::BTreeMap;

use libtest_mimic::Trial;

/// What a peer may do, and the tests of it. A test may stand for several.
macro_rules! list {
    ($($what:literal { $($module:ident :: $test:ident)* })*) => {
        [$(($what, &[$((concat!(stringify!($module), "::", stringify!($test)), crate::$module::$test as fn())),*] as Tests)),*]
    };
}

type Tests = &'static [(&'static str, fn())];

/// Adds the tests, by module and name, that are not there yet.
pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    let list = list! {
        "a line that is not JSON" {
            bad_lines::text_between_messages_is_counted_and_disturbs_no_call
            bad_lines::what_cannot_be_told_from_text_is_named_when_the_time_is_over
            bad_lines::an_answer_that_is_not_proper_json_fails_its_call_at_once
        }
        "invalid UTF-8" {
            bad_lines::text_between_messages_is_counted_and_disturbs_no_call
            bad_lines::an_answer_that_is_not_proper_json_fails_its_call_at_once
        }
        "a lone surrogate" { bad_lines::a_lone_surrogate_passes_raw_and_is_told_where_text_is_wanted }
        "a byte order mark" {
            bad_lines::text_between_messages_is_counted_and_disturbs_no_call
            bad_lines::what_cannot_be_told_from_text_is_named_when_the_time_is_over
        }
        "CRLF" { bad_lines::line_ends_and_spaces_of_every_kind_are_taken }
        "JSON that is not an object" { bad_lines::text_between_messages_is_counted_and_disturbs_no_call }
        "a batch" {
            bad_lines::a_batch_is_taken_in_the_revision_that_has_it
            bad_lines::a_batch_is_refused_in_any_other_revision
        }
        "duplicate keys" {
            bad_lines::a_key_twice_fails_the_call_whose_id_is_not_in_doubt
        }
        "ids 1, 1.0, \"1\" and over 2^53" {
            bad_answers::an_id_counts_by_its_value_and_its_type
            bad_answers::requests_of_the_server_are_answered_with_the_id_they_came_with
        }
        "an id of any length" { bad_answers::an_id_that_is_too_long_is_none }
        "half a line at the end" {
            bad_lines::a_whole_message_without_its_line_end_counts_at_the_end_and_half_a_one_does_not
            bad_servers::one_that_dies_between_two_halves_of_an_answer
        }
        "a byte at a time" { bad_lines::an_answer_may_come_in_pieces_of_any_size }
        "64 MiB + 1 in one line" {
            bad_lines::a_line_of_one_byte_too_many_fails_its_call_and_no_other
            bad_lines::the_limit_is_64_mib_unless_set
            bad_servers::one_whose_answer_is_over_the_limit_fails_that_call_and_no_other
        }
        "10 000 levels of nesting" { bad_lines::deep_nesting_is_carried_raw_and_refused_where_it_would_be_followed }
        "an answer to an id never sent" { bad_answers::answers_that_nobody_waits_for_are_counted_and_change_nothing }
        "an answer sent twice" { bad_answers::answers_that_nobody_waits_for_are_counted_and_change_nothing }
        "an answer with result and error, with neither" {
            bad_answers::an_answer_with_both_or_neither_fails_its_call_at_once
        }
        "an answer with an id of the wrong type" { bad_answers::an_id_counts_by_its_value_and_its_type }
        "a request from a server that may not send one" {
            bad_answers::requests_of_the_server_are_answered_with_the_id_they_came_with
            bad_servers::one_that_asks_for_what_we_do_not_offer_is_answered
            bad_openings::a_server_of_the_modern_era_may_not_ask
        }
        "a flood of notifications with nobody listening" {
            bad_answers::a_flood_that_nobody_listens_to_is_read_on
            bad_answers::large_notifications_push_out_those_before_them
            bad_servers::one_that_floods_with_notifications_is_read_on
            bad_servers::one_that_floods_without_end_and_does_not_read_is_closed_all_the_same
        }
        "a log line on standard output" {
            bad_lines::text_between_messages_is_counted_and_disturbs_no_call
            bad_lines::what_cannot_be_told_from_text_is_named_when_the_time_is_over
        }
        "exits on server/discover" {
            bad_openings::one_that_exits_when_it_is_asked_is_started_again_once
            bad_openings::a_call_that_never_reached_it_has_no_more_progress
            bad_openings::one_that_hangs_up_when_it_is_asked_and_lives_is_ended_and_started_again
            probing::a_server_of_the_legacy_era_is_asked_otherwise_whatever_it_did_at_first
        }
        "answers no probe" {
            bad_openings::whatever_else_is_answered_is_no_answer_of_the_modern_era
            probing::a_server_of_the_legacy_era_is_asked_otherwise_whatever_it_did_at_first
            probing::a_server_with_nothing_in_common_says_what_it_speaks
        }
        "answers the probe after its time" {
            bad_openings::an_answer_that_comes_when_it_is_open_already_changes_nothing
            probing::a_server_of_the_modern_era_is_known_by_its_answers
        }
        "stops reading" {
            bad_servers::one_that_stops_reading_blocks_neither_other_calls_nor_closing
            bad_answers::one_that_asks_without_reading_the_answers_gets_a_bounded_number_of_them
        }
        "closes its output and lives" { bad_servers::one_that_closes_its_output_and_lives }
        "closes its input and lives" {
            bad_servers::one_that_closes_its_input_and_lives
            bad_servers::one_that_stops_listening_and_asks_is_gone_when_it_is_answered
        }
        "closes its standard error" {
            bad_servers::one_that_closes_its_standard_error_and_lives_is_a_good_one
            bad_servers::one_that_fills_its_standard_error_is_read_and_its_last_lines_are_kept
        }
        "dies" {
            bad_servers::one_that_dies_between_two_halves_of_an_answer
            bad_servers::one_that_is_ended_by_a_signal_takes_all_calls_with_it
            bad_servers::one_that_dies_among_many_callers_leaves_none_of_them_waiting
            bad_servers::one_that_leaves_a_child_with_its_pipes
        }
        "changes its tools between two pages" {
            bad_answers::tools_that_change_between_two_pages_are_listed_as_they_came
            bad_answers::a_cursor_that_is_refused_fails_the_list
        }
        "loops its cursor" {
            bad_servers::one_whose_cursor_loops
            bad_servers::one_whose_pages_do_not_end
            bad_answers::a_cursor_that_loops_over_several_pages_is_seen
        }
        "a result of the wrong shape" {
            bad_answers::a_result_of_the_wrong_shape_fails_its_call_at_once
            bad_servers::one_that_lists_a_tool_without_a_schema
        }
        "a schema whose pattern explodes" { bad_answers::a_pattern_that_explodes_costs_nothing }
    };
    let mut all: BTreeMap<&str, fn()> = BTreeMap::new();
    for (what, tests) in list {
        assert!(!tests.is_empty(), "nothing tests a peer that has or does this: {what}");
        all.extend(tests.iter().copied());
    }
    all.retain(|name, _| trials.iter().all(|trial| trial.name() != *name));
    trials.extend(all.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    }));
}
