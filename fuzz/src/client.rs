//! A client whose server says mutated lines.

use std::sync::Arc;
use std::time::Duration;

use futures_util::io::AsyncReadExt;
use scope_core::{Failure, Nursery, Spawns};
use scope_mcp::model::{CompleteParams, CompletionReference, ElicitResult, Root, SubscriptionFilter, TaskMetadata};
use scope_mcp::transport::memory;
use scope_mcp::{CallError, CallOptions, Client, ClientOptions, CloseReport, Ending, Rejection, Roots};
use serde_json::json;

use crate::Done;
use crate::corpus::{Corpus, with_id};
use crate::heap::Watch;
use crate::mutate::mutate;
use crate::random::Random;
use crate::talk::{Asked, Heard, Said, speak};

/// The client's limit on a line; mutated ones go beyond it.
const MAX_LINE: usize = 20_000;

/// All that a client may hold with these options: a line that is read and what is made of it, what waits to be read and
/// to be written, the calls, what is kept of noise and notifications.
const BOUND: usize = 4 * 1024 * 1024;

/// One conversation.
///
/// # Panics
/// If something does not hold.
pub fn run(corpus: &Arc<Corpus>, seed: u64) -> Done {
    scope_test::Config::new(seed).trace_limit(100).block_on(async |_| {
        let corpus = Arc::clone(corpus);
        let done = scope_test::nursery(async move |n| converse(n, &corpus, seed).await).await;
        done.unwrap_or_else(|error| panic!("with seed {seed}: {error}"))
    })
}

async fn converse<'s>(n: &'s Nursery<'s, '_>, corpus: &Corpus, seed: u64) -> Result<Done, Failure> {
    let mut random = Random::new(seed);
    // A byte at a time is slow, so that is rare.
    let capacity = if random.one_in(64) { 1 } else { *random.one_of(&[1000, 65_536]) };
    let (ours, theirs) = memory::pair(capacity);
    let options = ClientOptions::default()
        .open_timeout(Duration::from_secs(5))
        .call_timeout(Duration::from_secs(10))
        .max_line(MAX_LINE)
        .max_in_flight(*random.one_of(&[1, 4, 1024]))
        .max_waiting(*random.one_of(&[0, 3, 1000]))
        .max_notifications(*random.one_of(&[1, 10, 100]))
        .max_pages(20)
        .max_items(50)
        .roots(Roots::new([Root::new("file:///fuzz")]))
        .on_sampling(|question| async move {
            scope_core::sleep(Duration::from_millis(question.params.max_tokens)).await.ok();
            Err(Rejection::new(-1, "no"))
        })
        .on_elicitation(|_| async { Ok(ElicitResult::accept()) })
        .on_elicitation_url(|_| async { Ok(ElicitResult::decline()) });
    let watch = Watch::new(BOUND);
    let client = Client::start_stream(n, "peer", ours, options)?;
    let heard = Arc::new(Heard::default());
    let (reader, writer) = theirs.split();
    // One that stops reading some time, or never does.
    let deaf_after = if random.one_in(4) { random.below(10_000) } else { usize::MAX };
    let ear = {
        let heard = Arc::clone(&heard);
        n.task("server's ear").spawn_erased_with_handle(async move { heard.hear(reader, deaf_after).await })
    };
    if random.one_in(2) {
        let mut notifications = client.notifications();
        n.task("listener").spawn_erased(async move {
            while let Some(notification) = notifications.next().await {
                let _ = (notification.as_progress(), notification.as_log_message());
            }
            Ok(())
        });
    }
    let callers: Vec<_> = (0..1 + random.below(4))
        .map(|_| n.task("caller").spawn_erased_with_handle(call(client.clone(), Random::new(random.number()))))
        .collect();
    let said = speak(writer, &heard, &mut random, watch, |random| next_line(corpus, &heard, random)).await?;
    let report = client.close().await?;
    ear.await?;
    check_books(&report, &heard, deaf_after == usize::MAX);
    let mut done = done(&report, &said);
    for caller in callers {
        done.add(&caller.await?);
    }
    Ok(done)
}

fn next_line(corpus: &Corpus, heard: &Heard, random: &mut Random) -> Vec<u8> {
    let asked = heard.next_request();
    let (id, method) = match asked {
        Some(Asked { id, method }) => (id, method),
        None => (random.below(20).to_string(), String::new()),
    };
    let files = corpus.files();
    let (line, harm) = match method.as_str() {
        // To get any further, these have to be answered well, as a rule.
        "initialize" => (&files[0][0], 8),
        "server/discover" => (*random.one_of(&[&files[1][0], &files[0][6]]), 8),
        method => (corpus.answer_to(method, random), 2),
    };
    let mut line = with_id(line, &id);
    if random.one_in(harm) {
        mutate(&mut line, corpus.line(random), random);
    }
    line
}

fn check_books(report: &CloseReport, heard: &Heard, hears_all: bool) {
    let (traffic, lines) = (&report.traffic, heard.lines());
    assert!(traffic.strays <= traffic.received, "more strays than messages: {traffic:?}");
    // What was begun may have been cut off by the end.
    assert!(lines <= traffic.sent, "{lines} lines were heard: {traffic:?}");
    assert!(!hears_all || lines + 1 >= traffic.sent, "{lines} lines were heard: {traffic:?}");
    let _ = report.to_string();
}

fn done(report: &CloseReport, said: &Said) -> Done {
    let mut done = Done { inputs: said.lines, most_held: said.most_held, ..Done::default() };
    let traffic = &report.traffic;
    for (what, times) in [("messages", traffic.received), ("noise", traffic.noise), ("stray answers", traffic.strays)] {
        done.count(what, times);
    }
    let ending = match report.ending {
        Ending::NotOpened(_) => "connections not opened",
        Ending::Lost(_) => "connections lost",
        Ending::Closed => "connections closed",
        _ => panic!("it ended otherwise: {report}"),
    };
    done.count(ending, 1);
    done
}

/// Calls, one after the other; some are dropped in the middle. Each has to end.
async fn call(client: Client, mut random: Random) -> Result<Done, Failure> {
    let mut done = Done::default();
    for _ in 0..random.below(60) {
        if client.is_closed() {
            break;
        }
        let timeout = Duration::from_millis(*random.one_of(&[0, 100, 5000, 5000, 30_000]));
        let one = call_once(&client, random.below(12), timeout);
        let outcome = if random.one_in(8) {
            let patience = Duration::from_millis(random.below(2000) as u64);
            scope_core::move_on_after(patience, one).await?.unwrap_or("calls dropped")
        } else {
            one.await
        };
        done.count(outcome, 1);
    }
    Ok(done)
}

/// What came of it.
async fn call_once(client: &Client, kind: usize, timeout: Duration) -> &'static str {
    let options = CallOptions::new().timeout(timeout);
    let hello = json!({ "message": "hello" });
    let failed = match kind {
        0 => client.list_tools_with(&options).await.err(),
        1 => client.request_raw_with("ping", None, &options).await.err(),
        2 => client.request_raw_with("no/such", serde_json::from_str("{\"a\":[1]}").ok(), &options).await.err(),
        3 => client.list_resources_with(&options).await.err(),
        4 => client.read_resource_with("file:///a", &options).await.err(),
        5 => client.get_prompt_with("greet", &hello, &options).await.err(),
        6 => {
            let params = CompleteParams::new(CompletionReference::prompt("greet"), "who", "x");
            client.complete_with(&params, &options).await.err()
        }
        7 => listen(client, &options).await.err(),
        8 => {
            let task = client.start_tool_with("echo", &hello, &TaskMetadata::default(), &options).await;
            match task {
                Ok(mut task) => task.wait_for(timeout).await.err(),
                Err(error) => Some(error),
            }
        }
        9 => {
            let (options, mut progress) = options.with_progress(2);
            let failed = client.call_tool_with("echo", &hello, &options).await.err();
            while progress.next().await.is_some() {}
            failed
        }
        _ => client.call_tool_with("echo", &hello, &options).await.err(),
    };
    failed.map_or("calls answered", |error| outcome(&error))
}

/// Hears a few things at most.
async fn listen(client: &Client, options: &CallOptions) -> Result<(), CallError> {
    let filter = SubscriptionFilter::new().tools_list_changed().resource("file:///a");
    let mut subscription = client.listen_with(&filter, options).await?;
    let hear = async {
        for _ in 0..3 {
            subscription.next().await;
        }
    };
    let _ = scope_core::move_on_after(Duration::from_secs(5), hear).await;
    Ok(())
}

fn outcome(error: &CallError) -> &'static str {
    // What it says is made of what the server said.
    let _ = (error.to_string(), format!("{error:?}"));
    match error {
        _ if error.is_rejected() => "calls rejected",
        _ if error.is_malformed() => "calls answered improperly",
        _ if error.is_too_long() => "calls answered at too great length",
        _ if error.is_timeout() => "calls timed out",
        _ if error.is_busy() => "calls turned away",
        _ if error.is_endless() => "lists without end",
        _ if error.is_disconnected() => "calls lost with the server",
        _ if error.is_closed() => "calls closed",
        _ if error.open_error().is_some() => "calls of what was not opened",
        _ if error.is_unsupported() => "calls of what the server has not",
        _ if error.is_input_required() => "calls that need an answer",
        _ if error.is_ended() => "subscriptions ended by the server",
        _ => "calls that ended otherwise",
    }
}
