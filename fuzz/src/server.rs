//! A server whose client says mutated lines.

use std::sync::Arc;
use std::time::Duration;

use futures_util::io::AsyncReadExt;
use scope_core::{Failure, Nursery, Spawns};
use scope_mcp::model::{ElicitFormParams, FormField, LoggingLevel, Prompt, PromptArgument, Resource, ResourceTemplate};
use scope_mcp::transport::memory;
use scope_mcp::{
    Completing, Context, HandlerError, NoArguments, PromptArguments, ResourceUri, ServeEnding, ServeOptions,
    ServeReport, Server, ServerPrompt,
};
use serde_json::json;

use crate::Done;
use crate::corpus::{Corpus, with_id};
use crate::heap::Watch;
use crate::mutate::mutate;
use crate::random::Random;
use crate::talk::{Heard, Said, speak};

/// The server's limit on a line; mutated ones go beyond it.
const MAX_LINE: usize = 20_000;

/// All that a server may hold with these options: a line that is read and what is made of it, the requests, what waits to
/// be read and to be written.
const BOUND: usize = 8 * 1024 * 1024;

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

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    message: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Times {
    times: u8,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Millis {
    ms: u64,
}

/// What the corpus asks for.
fn server() -> Server {
    Server::builder("fuzzed", "1")
        .tool("echo", "Says it again", |args: Echo, _: Context| async move { args.message })
        .tool("sleep", "Takes its time", |args: Millis, _: Context| async move {
            scope_core::sleep(Duration::from_millis(args.ms)).await?;
            Ok::<_, HandlerError>("woke")
        })
        .tool("fails", "Fails", |_: NoArguments, _: Context| async move { Err::<String, _>(HandlerError::new("no")) })
        .tool("talks", "Tells how far it is", |args: Times, cx: Context| async move {
            for n in 0..args.times {
                cx.progress(f64::from(n), None, Some("on")).await;
                cx.log(LoggingLevel::Info, None, json!({ "n": n })).await;
                cx.server().resource_updated("test:///fixed");
            }
            "done"
        })
        .tool("asks", "Asks for a name", |_: NoArguments, cx: Context| async move {
            let form = ElicitFormParams::new("Who?").required_field("name", FormField::text());
            let answer = cx.elicit("who", form).await?;
            Ok::<_, HandlerError>(json!(answer).to_string())
        })
        .tool("panics", "Panics", |_: NoArguments, _: Context| async move {
            // As a panic, without what the hook prints.
            std::panic::resume_unwind(Box::new("on purpose"));
            #[expect(unreachable_code, reason = "for its type")]
            String::new()
        })
        .resource(Resource::new("test:///fixed", "fixed"), |_: ResourceUri, _: Context| async move { "text" })
        .template(ResourceTemplate::new("test:///items/{id}", "items"), |uri: ResourceUri, _: Context| async move {
            Ok::<_, HandlerError>(uri.variable("id")?.to_owned())
        })
        .add_prompt(
            ServerPrompt::new(
                Prompt::new("greet").argument(PromptArgument::new("who").required()),
                |args: PromptArguments, _: Context| async move {
                    Ok::<_, HandlerError>(format!("hello {}", args.required("who")?))
                },
            )
            .complete("who", |it: Completing, _: Context| async move { vec![it.value.clone()] }),
        )
        .dynamic_tools()
        .resource_updates()
        .logging()
        .build()
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn converse<'s>(n: &'s Nursery<'s, '_>, corpus: &Corpus, seed: u64) -> Result<Done, Failure> {
    let mut random = Random::new(seed);
    // A byte at a time is slow, so that is rare.
    let capacity = if random.one_in(64) { 1 } else { *random.one_of(&[1000, 65_536]) };
    let (ours, theirs) = memory::pair(capacity);
    let options = ServeOptions::default()
        .ask_timeout(Duration::from_secs(10))
        .max_line(MAX_LINE)
        .max_requests(*random.one_of(&[1, 4, 256]))
        .max_requests_waiting(*random.one_of(&[0, 3, 1000]))
        .max_subscriptions(*random.one_of(&[0, 2, 64]))
        .max_questions(*random.one_of(&[1, 64]));
    let watch = Watch::new(BOUND);
    let handle = server().start(n, ours, options)?;
    let heard = Arc::new(Heard::default());
    let (reader, writer) = theirs.split();
    // One that stops reading some time, or never does.
    let deaf_after = if random.one_in(4) { random.below(10_000) } else { usize::MAX };
    let ear = {
        let heard = Arc::clone(&heard);
        n.task("client's ear").spawn_erased_with_handle(async move { heard.hear(reader, deaf_after).await })
    };
    let mut mouth = Mouth::new(&mut random);
    let said = speak(writer, &heard, &mut random, watch, |random| mouth.next_line(corpus, &heard, random)).await?;
    // Whoever hangs up, it ends: the client has, or this side does.
    let report = handle.close().await?;
    ear.await?;
    // Closed before it had a turn, it has taken nothing in.
    let was_served = said.rested || !matches!(report.ending, ServeEnding::Closed) || report.traffic.received > 0;
    check_books(&report, &heard, &mouth, was_served && deaf_after == usize::MAX);
    Ok(done(&report, &said, &heard))
}

/// What the client says.
struct Mouth {
    /// Lines to begin with, which get it further.
    beginning: Vec<usize>,
    next_id: u64,
    /// How many requests were said whole, with an id that nothing else has: see [`probe`].
    probes: u64,
}

/// A request that is not mutated, and has to be answered once whatever is said around it.
fn probe(number: u64) -> String {
    format!("\"probe-{number}\"")
}

impl Mouth {
    fn new(random: &mut Random) -> Mouth {
        // With `initialize`, as a rule, and what follows it.
        let beginning = if random.one_in(4) { Vec::new() } else { vec![1, 0] };
        Mouth { beginning, next_id: 1, probes: 0 }
    }

    fn next_line(&mut self, corpus: &Corpus, heard: &Heard, random: &mut Random) -> Vec<u8> {
        if let Some(line) = self.beginning.pop() {
            return with_id(&corpus.files()[0][line], "0");
        }
        if random.one_in(16) {
            let id = probe(self.probes);
            self.probes += 1;
            let method = *random.one_of(&["ping", "tools/list", "tools/call", "no/such"]);
            return format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"}}").into_bytes();
        }
        let asked = if random.one_in(2) { heard.next_request() } else { None };
        let (line, id) = match asked {
            Some(asked) => (random.one_of(corpus.answers()), asked.id),
            None => {
                // A new one, or one that may be in use.
                let back = random.below(4) as u64 * random.below(3) as u64;
                let id = self.next_id.saturating_sub(back);
                self.next_id += u64::from(back == 0);
                (corpus.line(random), id.to_string())
            }
        };
        let mut line = with_id(line, &id);
        if random.one_in(2) {
            mutate(&mut line, corpus.line(random), random);
        }
        line
    }
}

fn check_books(report: &ServeReport, heard: &Heard, mouth: &Mouth, hears_all: bool) {
    let (traffic, lines) = (&report.traffic, heard.lines());
    assert!(traffic.strays <= traffic.received, "more strays than messages: {traffic:?}");
    assert!(lines <= traffic.sent, "{lines} lines were heard: {traffic:?}");
    assert!(!hears_all || lines + 1 >= traffic.sent, "{lines} lines were heard: {traffic:?}");
    let mut missing = 0;
    for number in 0..mouth.probes {
        let answers = heard.answers(&probe(number));
        assert!(answers <= 1, "request {number} was answered {answers} times");
        missing += 1 - answers;
    }
    // The last line may have been half a one.
    let excused = report.cut as u64 + traffic.unanswered_requests + 1;
    let client_ended = matches!(report.ending, ServeEnding::ClientEnded | ServeEnding::Closed);
    assert!(
        !hears_all || !client_ended || missing <= excused,
        "{missing} of {} were not answered: {report:?}",
        mouth.probes
    );
    let _ = report.to_string();
}

fn done(report: &ServeReport, said: &Said, heard: &Heard) -> Done {
    let mut done = Done { inputs: said.lines, most_held: said.most_held, ..Done::default() };
    let traffic = &report.traffic;
    for (what, times) in [
        ("messages", traffic.received),
        ("noise", traffic.noise),
        ("stray answers", traffic.strays),
        ("requests not answered", traffic.unanswered_requests),
        ("requests cut off", report.cut as u64),
        ("lines written", heard.lines()),
    ] {
        done.count(what, times);
    }
    let ending = match report.ending {
        ServeEnding::ClientEnded => "connections ended by the client",
        ServeEnding::Lost(_) => "connections lost",
        ServeEnding::Closed => "connections closed",
        _ => panic!("it ended otherwise: {report}"),
    };
    done.count(ending, 1);
    done
}
