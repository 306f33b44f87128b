//! rmcp on our transports. Whether anything is left is never asked of the crate itself: see `oracle`.

mod ending;
mod faults;
mod oracle;
mod outside;
mod peer;
mod sending;
mod serving;
mod support;
mod swap;
mod talking;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

/// Far more than any test takes. Only against hanging for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A test for each name, on both flavours of tokio.
macro_rules! tests {
    ($($module:ident: $($name:ident)*;)*) => {
        vec![$($(
            Trial::test(concat!("ct::", stringify!($module), "::", stringify!($name)), || on(false, $module::$name())),
            Trial::test(concat!("mt::", stringify!($module), "::", stringify!($name)), || on(true, $module::$name())),
        )*)*]
    };
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, first, kind, rest @ ..] = &arguments[..]
        && first == "peer"
    {
        return peer::run(kind, rest);
    }
    let mut trials = tests! {
        talking:
            lists_and_calls
            a_refusal_is_the_servers_own
            many_calls_at_once
            answers_in_pieces_are_put_together
            a_receive_that_is_dropped_loses_nothing
            standard_error_that_is_full_stops_nobody
            standard_error_can_be_taken;
        sending:
            messages_go_out_in_the_order_of_send
            a_message_taken_back_is_not_sent
            what_is_begun_is_finished_by_whoever_comes
            a_full_pipe_holds_up_nobody_else
            who_only_sends_reads_standard_error_and_hears_of_the_end
            sending_after_the_end_is_an_error;
        faults:
            an_answer_over_the_limit_fails_its_call
            an_answer_within_the_limit_is_taken
            an_answer_that_is_no_json_fails_its_call
            an_answer_that_is_not_utf8_fails_its_call
            an_answer_of_the_wrong_form_fails_its_call
            text_is_counted_and_passed_over
            a_request_that_cannot_be_read_is_refused
            a_server_that_dies_takes_its_call_with_it
            a_server_that_dies_of_a_full_pipe_is_named
            a_server_that_dies_at_once_is_named
            a_server_that_no_longer_reads_is_named
            a_missing_program_is_named
            a_setting_that_would_be_lost_is_refused;
        ending:
            close_ends_the_server_and_its_child
            what_is_ended_can_be_chosen
            close_of_one_that_never_reads_takes_its_budget
            a_failed_handshake_leaves_nothing
            an_aborted_task_leaves_nothing
            a_dropped_handle_leaves_nothing
            a_cut_close_leaves_nothing
            dropping_outside_a_runtime_leaves_nothing;
        serving:
            a_client_below_is_served
            standard_input_and_output_of_a_pipe
            standard_input_and_output_of_a_socket
            standard_input_from_a_file
            our_own_client_speaks_to_it;
        outside:
            no_secret_is_shown;
        swap:
            one_program_on_either_transport;
    };
    trials.push(Trial::test("dropping_with_the_runtime_leaves_nothing", || {
        ending::dropping_with_the_runtime_leaves_nothing();
        Ok(())
    }));
    trials.push(Trial::test("dropping_after_the_runtime_leaves_nothing", || {
        ending::dropping_after_the_runtime_leaves_nothing();
        Ok(())
    }));
    trials.push(Trial::test("a_panic_leaves_nothing", || {
        ending::a_panic_leaves_nothing();
        Ok(())
    }));
    trials.push(Trial::test("the_readme_shows_the_program", || {
        swap::the_readme_shows_the_program();
        Ok(())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

pub(crate) fn runtime(parallel: bool) -> tokio::runtime::Runtime {
    let mut builder = if parallel {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2);
        builder
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder.enable_all().build().unwrap()
}

fn on(parallel: bool, test: impl Future<Output = ()>) -> Result<(), libtest_mimic::Failed> {
    let limited = async { tokio::time::timeout(PATIENCE, test).await };
    Ok(runtime(parallel).block_on(limited)?)
}
