//! A client and a server that is a process, good or bad, on every runtime. After each test nothing of it is left.
//!
//! The server is this program again, so that whoever has built the tests has it: for that it has a `main` of its own, and
//! the tests are listed there.

mod asking;
mod bad_answers;
mod bad_lines;
mod bad_openings;
mod bad_peers;
mod bad_servers;
mod by_hand;
mod calls;
mod closing;
mod listening;
mod offers;
mod offers_modern;
mod opening;
mod peer;
mod probing;
mod reading;
mod rounds;
mod sending;
mod stdio;
mod streams;
mod support;
mod tasks;
mod telling;
mod together;
mod watching;

use libtest_mimic::{Arguments, Trial};

/// All of these, by module and name.
macro_rules! trials {
    ($($module:ident { $($test:ident)* })*) => {
        vec![$($(Trial::test(concat!(stringify!($module), "::", stringify!($test)), || {
            $module::$test();
            Ok(())
        })),*),*]
    };
}

fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some(peer::FLAG) {
        return peer::run(args);
    }
    let mut trials = trials! {
        asking {
            a_server_is_told_what_it_may_ask_and_gets_its_answers
            a_handler_that_panics_is_an_error_answer_and_the_connection_lives
            what_is_not_offered_is_refused
            a_question_that_is_taken_back_ends_its_handler
            the_end_of_the_connection_ends_its_handlers
            a_server_is_told_once_of_roots_that_change
        }
        calls {
            tools_are_listed_over_all_pages_and_nothing_of_them_is_lost
            a_tool_succeeds_fails_or_is_not_there
            a_thread_of_no_runtime_calls_as_well
            raw_requests_go_and_come_as_they_are
            many_tasks_call_at_once_and_each_gets_its_own_answer
            a_large_answer_and_a_large_question_pass
            a_call_that_takes_too_long_is_given_up_and_the_server_is_told
            a_dropped_call_is_cancelled_frees_its_place_and_its_late_answer_is_ignored
            calls_dropped_at_any_moment_disturb_no_other
            a_flood_of_calls_beyond_what_may_wait_is_refused_not_kept
        }
        closing {
            a_server_is_closed_from_a_task_that_did_not_open_it_and_its_calls_are_told
            a_server_that_ignores_the_end_of_its_input_is_ended_with_its_child
            closing_while_it_opens_takes_effect_at_once
            the_last_handle_dropped_ends_the_server
            the_end_of_the_nursery_is_the_end_of_its_servers
            a_cancelled_nursery_ends_its_servers_properly
            whoever_is_cancelled_with_the_connection_hears_of_that_and_not_of_its_end
            a_time_out_around_opening_leaves_nothing
            a_server_lives_where_its_spawner_leads
        }
        listening {
            a_legacy_server_is_asked_for_each_resource_and_heard_of_what_was_asked_for
            a_legacy_server_is_told_when_the_last_one_has_gone
            the_end_of_the_connection_is_the_end_of_a_subscription
            each_subscription_hears_what_is_its_own
            a_server_can_end_a_subscription_in_every_way
            a_subscription_that_is_dropped_is_cancelled
            a_subscription_that_does_not_begin_fails
        }
        offers {
            resources_templates_and_prompts_are_listed_over_all_pages
            pages_can_be_had_one_by_one
            a_list_that_changes_between_two_pages_is_what_the_pages_said
            a_list_without_end_or_with_too_much_is_given_up
            a_list_of_large_pages_is_given_up_by_its_bytes
            an_empty_cursor_ends_the_list_of_an_older_server
            what_a_server_does_not_declare_is_not_listed_but_can_be_asked_for
            a_resource_is_read_refused_or_malformed
            a_prompt_is_filled_in_refused_or_malformed
            an_argument_is_completed
            pings_levels_and_subscriptions_are_answered_with_nothing
        }
        offers_modern {
            an_empty_cursor_is_one_like_others
            each_request_says_for_itself_what_it_speaks_and_which_log_it_wants
            what_there_is_no_more_is_not_sent
            a_result_of_a_type_that_is_not_known_is_an_error_that_names_it
            our_own_server_offers_the_same_in_either_era
        }
        opening {
            a_good_server_opens_and_says_who_it_is
            every_known_revision_is_taken_and_no_other
            a_program_that_cannot_be_started_is_told_from_one_that_is_not_there
            a_server_that_exits_at_once_leaves_its_code_and_last_words
            a_server_that_never_answers_is_given_up_in_time
            a_program_that_prints_text_is_shown_what_it_printed
            an_improper_answer_to_initialize_is_told_by_what_is_wrong_with_it
            the_environment_is_what_the_server_needs_and_what_it_is_given
            calls_made_before_it_is_open_wait_for_it_or_fail_with_it
        }
        probing {
            a_server_of_the_legacy_era_is_asked_otherwise_whatever_it_did_at_first
            a_server_of_the_modern_era_is_known_by_its_answers
            a_server_with_nothing_in_common_says_what_it_speaks
            an_era_that_is_chosen_is_not_asked_for
            our_own_server_is_spoken_with_in_either_era
        }
        reading {
            a_call_that_is_not_polled_holds_up_nobody
            a_call_that_is_not_polled_holds_up_no_other_call
            a_call_that_is_dropped_leaves_reading_to_others
            a_call_that_moves_to_another_task_is_read_there
        }
        rounds {
            a_call_is_made_again_with_what_the_server_needs
            one_that_only_has_to_be_made_again_is
            what_nobody_can_answer_ends_the_call_and_nobody_is_asked
            a_handler_that_refuses_or_panics_ends_the_call
            a_server_that_never_has_enough_is_given_up
            all_rounds_together_have_the_time_of_one_call
            a_call_that_is_dropped_while_somebody_is_asked_ends_that_too
            a_call_ends_with_its_connection_while_somebody_is_asked
            a_result_of_no_known_type_is_none
            a_raw_call_can_take_its_rounds_by_itself
            progress_is_heard_of_in_every_round
        }
        sending {
            handles_errors_and_reports_go_anywhere
            a_program_that_uses_all_of_it_can_be_given_to_a_runtime_of_many_threads
        }
        stdio {
            a_pipe_is_opened_anew_and_stays_as_it_was
            a_socket_is_used_without_a_change_to_it
            a_terminal_is_opened_anew_and_stays_as_it_was
            a_file_is_read_and_written_by_threads_to_its_end
            an_input_that_is_empty_ends_at_once
            a_host_that_does_not_read_is_an_error_not_a_signal
            outside_a_runtime_it_says_what_to_do
        }
        streams {
            a_server_at_the_other_end_of_a_stream_is_opened_asked_and_closed
            one_that_closes_the_stream_is_gone_with_words_that_fit
            one_that_stops_reading_blocks_nothing_but_what_is_sent_to_it
            one_that_no_longer_reads_still_answers_what_it_was_sent
            one_that_says_nothing_is_given_up_in_time
            what_the_writer_keeps_back_is_flushed_and_it_is_closed_at_the_end
        }
        tasks {
            a_tool_that_is_a_task_is_followed_and_its_questions_are_answered
            one_that_fails_is_refused_as_the_call_would_have_been
            a_server_that_makes_no_tasks_is_called
            one_that_is_dropped_is_cancelled_and_one_that_is_detached_is_not
            one_that_is_cancelled_is_over
            a_server_that_tells_is_asked_at_once
            waiting_ends_in_time_and_can_be_taken_up
            a_call_that_a_modern_server_makes_a_task_of_is_waited_for
            a_modern_task_is_given_what_it_needs_and_asked_for_nothing_twice
            a_modern_task_ends_as_it_says
            a_call_that_is_dropped_cancels_its_task
        }
        together {
            a_tool_asks_for_everything_at_once_and_gets_it
            changes_are_told_to_who_listens
            the_tree_shows_what_both_ends_wait_for_also_after_calls
            a_task_is_waited_for_or_cancelled_and_asks_meanwhile
        }
        watching {
            every_line_is_seen_both_ways_in_order_and_without_secrets
            a_line_that_was_dropped_is_seen_as_a_note
            a_watcher_that_panics_ends_the_connection_and_nothing_else
        }
    };
    bad_peers::add_to(&mut trials);
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}
