//! Clients that break the rules: what they may do wrong, with the tests for it. Each is refused with a code that says what
//! is wrong or has no answer, in a bounded time; the connection lives if it can, and nothing is left when it has ended.

use std::sync::Arc;
use std::time::Duration;

use scope_core::Nursery;
use scope_mcp::model::{ElicitFormParams, FormField, Prompt, Resource, Tool};
use scope_mcp::{
    Context, HandlerError, NoArguments, PromptArguments, ResourceUri, ServeEnding, ServeOptions, ServeReport, Server,
    ServerHandle, ServerTool,
};
use serde_json::json;

use crate::wire::Peer;
use crate::{bad_lines, bad_requests, bad_ways};

type Tests = &'static [fn()];

/// What a client may do, and the tests of it.
const LIST: &[(&str, Tests)] = &[
    ("a line that is not JSON", &[bad_lines::what_is_no_json_is_refused_as_such]),
    ("invalid UTF-8", &[bad_lines::what_is_no_json_is_refused_as_such]),
    (
        "a lone surrogate",
        &[
            bad_lines::what_is_json_and_no_message_is_refused_as_such,
            bad_requests::parameters_that_do_not_fit_are_refused_by_the_name_of_the_field,
            bad_requests::a_request_is_answered_with_the_id_it_came_with,
        ],
    ),
    ("a byte order mark", &[bad_lines::what_is_no_json_is_refused_as_such]),
    ("CRLF", &[bad_lines::line_ends_and_spaces_of_every_kind_are_taken]),
    ("JSON that is not an object", &[bad_lines::what_is_json_and_no_message_is_refused_as_such]),
    (
        "a batch",
        &[
            bad_lines::a_batch_is_answered_as_one_in_the_revision_that_has_them,
            bad_lines::a_batch_is_refused_as_a_whole_in_every_other_revision,
        ],
    ),
    ("duplicate keys", &[bad_lines::a_key_twice_is_refused]),
    (
        "ids 1, 1.0, \"1\", over 2^53 and worse",
        &[
            bad_requests::a_request_is_answered_with_the_id_it_came_with,
            bad_requests::what_cannot_be_an_id_is_refused_without_one,
            bad_requests::an_id_in_use_is_refused_and_one_that_was_answered_is_not,
        ],
    ),
    ("half a line at the end", &[bad_lines::the_end_of_the_input_ends_a_whole_line_and_half_a_one_counts_for_nothing]),
    ("a byte at a time", &[bad_lines::a_request_may_come_a_byte_at_a_time]),
    (
        "64 MiB + 1 in one line",
        &[
            bad_lines::a_line_that_is_too_long_is_refused_and_the_next_is_read,
            bad_lines::the_limit_is_64_mib_unless_set,
        ],
    ),
    ("10 000 levels of nesting", &[bad_lines::deep_nesting_is_refused_where_it_would_be_followed]),
    (
        "an answer to an id never sent, sent twice, with both or neither, of the wrong type",
        &[bad_requests::answers_that_nobody_waits_for_are_counted_and_have_no_answer],
    ),
    (
        "an answer of the wrong shape to a question of ours",
        &[bad_requests::a_question_that_is_answered_badly_fails_its_call_and_no_other],
    ),
    ("a request there is none of", &[bad_requests::a_method_there_is_none_of_is_refused_and_a_notification_ignored]),
    ("a request before its time", &[bad_requests::requests_before_the_beginning_and_a_second_beginning_are_refused]),
    (
        "parameters of the wrong shape",
        &[
            bad_requests::parameters_that_do_not_fit_are_refused_by_the_name_of_the_field,
            bad_requests::what_the_modern_era_needs_and_is_not_there_is_refused,
        ],
    ),
    ("a schema whose pattern explodes", &[bad_requests::a_pattern_that_explodes_costs_nothing]),
    (
        "a flood",
        &[
            bad_ways::a_flood_of_requests_is_answered_or_refused_each,
            bad_ways::a_flood_of_notifications_and_cancellations_is_read_on,
        ],
    ),
    (
        "stops reading",
        &[
            bad_ways::one_that_does_not_read_is_kept_a_bounded_number_of_answers,
            bad_ways::one_that_does_not_read_and_says_no_more_is_ended_in_time,
        ],
    ),
    (
        "goes away",
        &[
            bad_ways::one_that_is_gone_takes_its_requests_with_it,
            bad_ways::one_that_stops_listening_is_gone_when_it_is_told_something,
        ],
    ),
];

#[test]
fn everything_a_bad_client_may_do_is_tested() {
    for (what, tests) in LIST {
        assert!(!tests.is_empty(), "nothing tests: {what}");
    }
}

/// Has a bit of everything.
pub(crate) fn server() -> Server {
    let hard = json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": "^(a+)+$" } } });
    let hard = Tool::new("hard", hard.as_object().cloned().unwrap());
    Server::builder("good", "1")
        .tool("echo", "Says it again", |args: Echo, _: Context| async move { args.message })
        .tool("wait", "Waits for ever", |_: NoArguments, cx: Context| async move {
            cx.progress(0.0, None, None).await;
            std::future::pending::<String>().await
        })
        .tool("ask", "Asks for a name", |_: NoArguments, cx: Context| async move {
            let form = ElicitFormParams::new("Who?").required_field("name", FormField::text());
            let answer = cx.elicit("who", form).await?;
            Ok::<_, HandlerError>(json!(answer).to_string())
        })
        .add_tool(ServerTool::raw(hard, |_, _: Context| async move { "matched" }))
        .resource(Resource::new("test:///fixed", "fixed"), |_: ResourceUri, _: Context| async move { "text" })
        .prompt(Prompt::new("greet"), |_: PromptArguments, _: Context| async move { "hello".to_owned() })
        .resource_updates()
        .logging()
        .build()
        .expect("a proper server")
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    message: String,
}

/// A client that has begun well.
pub(crate) async fn begin(n: &Nursery<'_, '_>, revision: &str) -> (Peer, ServerHandle) {
    let options = ServeOptions::default().drain(Duration::from_millis(200));
    let (mut peer, handle) = Peer::of(n, &server(), options);
    peer.initialize(revision, json!({ "elicitation": {} })).await;
    (peer, handle)
}

/// Whatever was said, the server answers as before, has nothing else to say, and ends with its client.
pub(crate) async fn assert_unharmed(mut peer: Peer, handle: ServerHandle) -> Arc<ServeReport> {
    let answer = peer.call("tools/call", json!({ "name": "echo", "arguments": { "message": "still there" } })).await;
    assert_eq!(answer["result"]["content"][0]["text"], "still there", "{answer}");
    peer.end_input().await;
    assert_eq!(peer.hear_or_end().await, None, "nothing is said twice");
    let report = handle.closed().await.expect("it ends");
    assert!(matches!(report.ending, ServeEnding::ClientEnded), "{report}");
    report
}
