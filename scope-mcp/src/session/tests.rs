use std::task::Context;

use futures_util::FutureExt;
use serde_json::Value;

use super::reply::Pending;
use super::*;
use crate::client::ClientOptions;
use crate::codec::Framer;
use crate::error::{CallError, CallName, HowGone};
use crate::testing::Random;

/// A session and what a server sees of it.
struct Talk {
    session: Session,
    subscribers: Arc<Subscribers>,
    abandoned: Arc<Abandoned>,
    now: Instant,
    next: u64,
    framer: Framer,
}

impl Talk {
    fn new(options: ClientOptions) -> Talk {
        let subscribers = Arc::new(Subscribers::default());
        Talk {
            session: Session::new(&"s".into(), options.settings(), &subscribers),
            subscribers,
            abandoned: Arc::default(),
            now: Instant::now(),
            next: 1,
            framer: Framer::new(options.max_line),
        }
    }

    fn call(&mut self, method: &str) -> Pending<'static> {
        self.call_with(method, None)
    }

    fn call_with(&mut self, method: &str, params: Option<&str>) -> Pending<'static> {
        let id = self.next;
        self.next += 1;
        let name =
            CallName { server: std::borrow::Cow::Owned("s".into()), method: method.to_owned().into(), subject: None };
        let (reply, pending) = pair(id, name, &self.abandoned);
        let line = jsonrpc::request(id, method, params.map(str::as_bytes));
        self.session.call(self.now, NewCall::new(id, method, line, Duration::from_secs(10), reply));
        pending
    }

    /// Lets the session hear of dropped calls, as its owner does.
    fn hear_of_drops(&mut self) {
        let wakes = crate::testing::Wakes::new();
        for id in self.abandoned.poll_take(&mut Context::from_waker(&wakes.waker())) {
            self.session.abandon(id);
        }
    }

    /// What it writes, if the pipe takes `max` bytes.
    fn write(&mut self, max: usize) -> Vec<u8> {
        let mut places = [IoSlice::new(&[]); 64];
        let count = self.session.output(&mut places);
        let bytes: Vec<u8> = places[..count].iter().flat_map(|slice| slice.to_vec()).take(max).collect();
        self.session.wrote(bytes.len());
        bytes
    }

    /// The messages it writes, the pipe taking all.
    fn messages(&mut self) -> Vec<Value> {
        let mut bytes = Vec::new();
        while self.session.has_output() {
            bytes.extend(self.write(usize::MAX));
        }
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn hear(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() {
            let room = self.framer.room();
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            self.framer.filled(count);
            rest = &rest[count..];
            while let Some(came) = self.framer.next_to_keep() {
                self.session.hear(came);
            }
        }
    }

    fn answer(&mut self, id: u64, result: &str) {
        self.hear(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n").as_bytes());
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.expire(self.now);
    }

    #[track_caller]
    fn assert_idle(&self) {
        let it = &self.session;
        assert!(it.calls.is_empty() && it.deadlines.is_empty() && it.waiting.is_empty());
        assert_eq!((it.on_wire, it.waiting_count, it.waiting_bytes), (0, 0, 0));
    }
}

fn talk() -> Talk {
    Talk::new(ClientOptions::default())
}

#[track_caller]
fn ready(pending: Pending<'_>) -> Result<Box<RawValue>, CallError> {
    pending.now_or_never().expect("no answer yet").map(Given::into_raw)
}

#[track_caller]
fn error(pending: Pending<'_>) -> CallError {
    ready(pending).unwrap_err()
}

fn is_waiting(pending: &mut Pending<'_>) -> bool {
    pending.now_or_never().is_none()
}

#[test]
fn a_call_goes_out_and_its_answer_comes_back() {
    let mut talk = talk();
    let call = talk.call_with("tools/call", Some("{\"name\":\"a\"}"));
    let out = talk.messages();
    assert_eq!(out, [serde_json::json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}})]);
    talk.answer(1, "{ \"x\" : 1.50 }");
    assert_eq!(ready(call).unwrap().get(), "{ \"x\" : 1.50 }");
    talk.assert_idle();
}

#[test]
fn answers_may_come_in_any_order_and_each_finds_its_call() {
    let mut talk = talk();
    let calls: Vec<Pending<'_>> = (0..100).map(|_| talk.call("m")).collect();
    assert_eq!(talk.messages().len(), 100);
    let mut ids: Vec<u64> = (1..=100).collect();
    let mut random = Random::new(1);
    while !ids.is_empty() {
        let id = ids.swap_remove(random.below(ids.len()));
        talk.answer(id, &id.to_string());
    }
    for (at, call) in calls.into_iter().enumerate() {
        assert_eq!(ready(call).unwrap().get(), (at + 1).to_string());
    }
    talk.assert_idle();
}

#[test]
fn a_rejection_is_kept_as_it_is() {
    let mut talk = talk();
    let call = talk.call("m");
    talk.messages();
    talk.hear(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\": -32602,\"message\":\"no\",\"data\":[1]}}\n");
    let error = error(call);
    assert!(error.is_rejected() && !error.is_not_sent() && !error.is_sent_unknown());
    let rejection = error.rejection().unwrap();
    assert_eq!((rejection.code(), rejection.message()), (Some(-32602), Some("no")));
    assert_eq!(rejection.raw().get(), "{\"code\": -32602,\"message\":\"no\",\"data\":[1]}");
    assert_eq!(error.to_string(), "m at the server \"s\": the server refused: no (error -32602)");
}

#[test]
fn an_answer_to_nothing_changes_nothing() {
    let mut talk = talk();
    let mut call = talk.call("m");
    talk.answer(1, "{}"); // not sent yet: a guess
    assert!(is_waiting(&mut call));
    talk.messages();
    for id in ["2", "\"1\"", "null", "1.5", "-1", "18446744073709551616", "{}", "[1]", "true"] {
        talk.hear(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":0}}\n").as_bytes());
        assert!(is_waiting(&mut call), "{id} was taken for 1");
    }
    talk.hear(b"{\"jsonrpc\":\"2.0\",\"id\":1.0,\"result\":7}\n");
    assert_eq!(ready(call).unwrap().get(), "7");
    talk.answer(1, "8"); // a second time
    assert_eq!(talk.session.traffic().strays, 11);
    talk.assert_idle();
}

#[test]
fn an_answer_that_is_none_fails_its_call_at_once() {
    for (line, why) in [
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"error\":{}}", "a result and an error"),
        ("{\"jsonrpc\":\"2.0\",\"id\":1}", "neither"),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":}}", "not proper JSON"),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"result\":2}", "duplicate field"),
    ] {
        let mut talk = talk();
        let call = talk.call("m");
        talk.messages();
        talk.hear(format!("{line}\n").as_bytes());
        let error = error(call);
        assert!(error.is_malformed() && error.to_string().contains(why), "{line}: {error}");
        talk.assert_idle();
    }
}

#[test]
fn noise_is_counted_and_disturbs_nobody() {
    let mut talk = talk();
    let mut call = talk.call("m");
    talk.messages();
    let noise: [&[u8]; 7] = [
        b"Server listening",
        b"{\"level\":\"info\",\"id\":1,\"msg\":\"x\"}",
        b"{\"id\":1,\"result\":{}}",
        b"{\"id\":1, broken",
        b"[{\"id\":1,\"result\":{}}]",
        b"\xff\xfe",
        b"42",
    ];
    for line in noise {
        talk.hear(line);
        talk.hear(b"\n");
    }
    assert!(is_waiting(&mut call));
    assert_eq!(talk.session.traffic().noise, 7);
    assert_eq!(talk.session.noise().first(), Some("Server listening"));
    talk.pass(Duration::from_secs(10));
    let error = error(call);
    assert!(error.is_timeout() && error.to_string().ends_with("it printed what is no message: «42»"), "{error}");
}

#[test]
fn a_batch_is_taken_where_the_revision_has_them() {
    let mut talk = talk();
    talk.session.agreed(Revision::V2025_03_26);
    let (a, b) = (talk.call("a"), talk.call("b"));
    talk.messages();
    talk.hear(
        b"[{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":2},[],7,{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\"},\
          {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}]\n",
    );
    assert_eq!((ready(a).unwrap().get(), ready(b).unwrap().get()), ("1", "2"));
    assert_eq!(talk.session.traffic().noise, 2);
    assert_eq!(talk.messages(), [serde_json::json!([{"jsonrpc":"2.0","id":9,"result":{}}])], "answered as it came");
}

#[test]
fn a_time_out_tells_the_server_and_frees_the_place() {
    let mut talk = Talk::new(ClientOptions::default().max_in_flight(1));
    let first = talk.call("first");
    let mut second = talk.call("second");
    assert_eq!(talk.messages().len(), 1);
    assert_eq!(talk.session.next_deadline(), Some(talk.now + Duration::from_secs(10)));
    talk.pass(Duration::from_millis(9_999));
    let third = talk.call("third");
    talk.pass(Duration::from_millis(1));
    let first = error(first);
    assert!(first.is_timeout() && first.is_sent_unknown());
    assert_eq!(first.to_string(), "first at the server \"s\": no answer in 10 s");
    // The second waited just as long and was never sent; so the server does not hear of it.
    let second_error = (&mut second).now_or_never().unwrap().unwrap_err();
    assert!(second_error.is_timeout() && second_error.is_not_sent());
    let out = talk.messages();
    assert_eq!(out.len(), 2, "{out:?}");
    assert_eq!(out[0]["method"], "notifications/cancelled");
    assert_eq!(out[0]["params"]["requestId"], 1);
    assert_eq!(out[1]["method"], "third");
    talk.answer(1, "1"); // late
    talk.answer(3, "3");
    assert_eq!(ready(third).unwrap().get(), "3");
    assert_eq!(talk.session.traffic().strays, 1);
    talk.assert_idle();
}

#[test]
fn a_time_out_names_the_time_that_was_over() {
    // One is heard of to the last; the other, for a while.
    for (heard_of, told) in [(5, "no answer in 25 s"), (1, "no answer in 10 s")] {
        let mut talk = talk();
        let name = CallName { server: std::borrow::Cow::Owned("s".into()), method: "m".into(), subject: None };
        let (reply, pending) = pair(1, name, &talk.abandoned);
        let mut call = NewCall::new(1, "m", jsonrpc::request(1, "m", None), Duration::from_secs(10), reply);
        let (subscriber, _heard) = Subscriber::pair(ClientOptions::default().notifications());
        (call.max_timeout, call.progress) = (Duration::from_secs(25), Some(Arc::new(subscriber)));
        talk.session.call(talk.now, call);
        assert_eq!(talk.messages().len(), 1);
        for second in 0..25 {
            if second < heard_of * 5 {
                talk.hear(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n");
                talk.session.renew(talk.now);
            }
            talk.pass(Duration::from_secs(1));
        }
        assert_eq!(error(pending).to_string(), format!("m at the server \"s\": {told}"));
        assert_eq!(talk.messages()[0]["params"]["reason"], told);
        talk.assert_idle();
    }
}

#[test]
fn a_dropped_call_is_cancelled_and_its_late_answer_ignored() {
    let mut talk = Talk::new(ClientOptions::default().max_in_flight(1));
    let first = talk.call("first");
    let second = talk.call("second");
    talk.messages();
    drop(first);
    talk.hear_of_drops();
    let out = talk.messages();
    assert_eq!((&out[0]["method"], &out[0]["params"]["requestId"]), (&"notifications/cancelled".into(), &1.into()));
    assert_eq!(out[1]["method"], "second");
    talk.answer(1, "1");
    talk.answer(2, "2");
    assert_eq!(ready(second).unwrap().get(), "2");
    talk.assert_idle();
}

#[test]
fn a_call_dropped_before_a_byte_of_it_is_out_is_never_sent() {
    let mut talk = talk();
    let (a, b, c) = (talk.call("a"), talk.call("b"), talk.call("c"));
    let begun = talk.write(5);
    drop((a, b));
    talk.hear_of_drops();
    let mut line = begun;
    line.extend(talk.write(usize::MAX));
    let text = String::from_utf8(line).unwrap();
    let methods: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["method"].take()).collect();
    assert_eq!(methods, ["a", "c", "notifications/cancelled"]);
    talk.answer(3, "{}");
    assert!(ready(c).is_ok());
    talk.assert_idle();
}

#[test]
fn a_call_dropped_on_its_way_to_the_session_leaves_no_trace() {
    let mut talk = talk();
    let name = CallName { server: std::borrow::Cow::Owned("s".into()), method: "m".into(), subject: None };
    let (reply, pending) = pair(1, name, &talk.abandoned);
    drop(pending);
    talk.hear_of_drops();
    let call = NewCall::new(1, "m", jsonrpc::request(1, "m", None), Duration::from_secs(1), reply);
    talk.session.call(talk.now, call);
    assert!(talk.messages().is_empty());
    talk.assert_idle();
}

#[test]
fn initialize_is_never_cancelled() {
    let mut talk = talk();
    let call = talk.call("initialize");
    talk.messages();
    talk.pass(Duration::from_secs(10));
    assert!(error(call).is_timeout());
    assert!(talk.messages().is_empty());
}

#[test]
fn a_server_that_does_not_read_blocks_nothing_but_what_is_sent_to_it() {
    let options = ClientOptions::default().max_waiting(3).max_waiting_bytes(3 * HIGH_WATER);
    let mut talk = Talk::new(options);
    let params = format!("\"{}\"", "x".repeat(HIGH_WATER));
    let sent = talk.call_with("sent", Some(&params));
    talk.write(10);
    let w1 = talk.call_with("w1", Some(&params));
    let w2 = talk.call_with("w2", Some(&params));
    let too_much = error(talk.call_with("w3", Some(&params)));
    assert!(too_much.is_busy() && too_much.is_not_sent(), "{too_much}");
    let w3 = talk.call("w3");
    let too_many = error(talk.call("w4"));
    assert!(too_many.is_busy() && too_many.to_string().contains("3 calls wait"), "{too_many}");
    // Reading goes on.
    talk.hear(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n");
    drop(w3);
    talk.hear_of_drops();
    talk.pass(Duration::from_secs(10));
    assert!(error(sent).is_sent_unknown());
    for call in [w1, w2] {
        let error = error(call);
        assert!(error.is_timeout() && error.is_not_sent());
        assert!(error.to_string().contains("the server does not read"), "{error}");
    }
    talk.assert_idle();
    let last: Vec<Value> = String::from_utf8(talk.write(usize::MAX))
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(last.len(), 1, "only the one that was begun is finished, and cancelled");
}

#[test]
fn waiting_calls_that_come_and_go_leave_nothing() {
    let mut talk = Talk::new(ClientOptions::default().max_in_flight(1));
    let _first = talk.call("first");
    let _waits = talk.call("waits");
    for _ in 0..10_000 {
        drop(talk.call("gone"));
        talk.hear_of_drops();
    }
    assert!(talk.session.waiting.len() < 200, "{} ids kept", talk.session.waiting.len());
}

#[test]
fn requests_of_the_server_are_answered_with_the_id_they_came_with() {
    let mut talk = talk();
    talk.hear(b"{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"method\":\"ping\"}\n");
    talk.hear(b"{\"jsonrpc\":\"2.0\",\"id\":1.50,\"method\":\"roots/list\",\"params\":{}}\n");
    talk.hear(b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}\n");
    let asked = talk.session.next_request().unwrap();
    assert_eq!((&*asked.method, asked.params.unwrap().get()), ("roots/list", "{}"));
    talk.session.respond(asked.key, Err(&Rejection::method_not_found(&asked.method)));
    assert!(talk.session.next_request().is_none());
    let out = String::from_utf8(talk.write(usize::MAX)).unwrap();
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"result\":{}}"));
    let refusal = lines.next().unwrap();
    assert!(refusal.starts_with("{\"jsonrpc\":\"2.0\",\"id\":1.50,\"error\":{\"code\":-32601,"), "{refusal}");
    assert_eq!(lines.next(), None);
}

#[test]
fn a_server_that_asks_without_reading_gets_a_bounded_number_of_answers() {
    for method in ["ping", "roots/list"] {
        let mut talk = talk();
        for id in 0..100_000 {
            talk.hear(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"}}\n").as_bytes());
            // As the owner does with what can be answered at once.
            while let Some(arrived) = talk.session.next_request() {
                talk.session.respond(arrived.key, Ok("{}"));
            }
        }
        assert!(talk.session.outbox.bytes() < ANSWERS_MAX + 200, "{method}: {}", talk.session.outbox.bytes());
        assert!(talk.session.traffic().unanswered_requests > 0);
        // What waits is answered when there is room.
        let (answered, unanswered) = (talk.messages().len(), talk.session.traffic().unanswered_requests);
        while let Some(arrived) = talk.session.next_request() {
            talk.session.respond(arrived.key, Ok("{}"));
        }
        assert_eq!(answered + talk.messages().len() + unanswered as usize, 100_000, "{method}");
    }
}

#[test]
fn a_line_that_is_too_long_fails_the_call_it_answers_and_no_other() {
    let mut talk = Talk::new(ClientOptions::default().max_line(1000));
    let (mut a, b) = (talk.call("a"), talk.call("b"));
    talk.messages();
    let long = "x".repeat(200_000);
    talk.hear(format!("{{\"result\":\"{long}\",\"jsonrpc\":\"2.0\",\"id\":2}}\n").as_bytes());
    let error = error(b);
    assert!(error.is_too_long() && error.to_string().contains("the limit is 1000"), "{error}");
    talk.hear(format!("{{\"jsonrpc\":\"2.0\",\"method\":\"n\",\"id\":1,\"params\":\"{long}\"}}\n").as_bytes());
    assert!(is_waiting(&mut a));
    talk.answer(1, "{}");
    assert!(ready(a).is_ok());
}

#[test]
fn when_the_server_is_gone_everybody_learns_how_and_whether_it_may_have_acted() {
    let mut talk = Talk::new(ClientOptions::default().max_in_flight(2));
    let (sent, queued, waiting) = (talk.call("sent"), talk.call("queued"), talk.call("waiting"));
    talk.write(10);
    let gone = Gone::new("s", HowGone::Exited, None, Some(vec!["last words".into()]));
    talk.session.lost(&gone);
    let late = talk.call("late");
    let sent = error(sent);
    assert!(sent.is_disconnected() && sent.is_sent_unknown());
    assert!(sent.to_string().contains("«last words» (whether it acted on the call is not known)"), "{sent}");
    assert_eq!(sent.disconnect().unwrap().stderr_tail(), ["last words"]);
    for call in [queued, waiting, late] {
        let error = error(call);
        assert!(error.is_disconnected() && error.is_not_sent() && !error.is_closed(), "{error}");
    }
    assert!(!talk.session.has_output());
    talk.assert_idle();
}

#[test]
fn a_call_without_any_time_is_not_sent() {
    let mut talk = talk();
    let name = CallName { server: std::borrow::Cow::Owned("s".into()), method: "m".into(), subject: None };
    let (reply, pending) = pair(1, name, &talk.abandoned);
    let line = jsonrpc::request(1, "m", None);
    talk.session.call(talk.now, NewCall::new(1, "m", line, Duration::ZERO, reply));
    let error = error(pending);
    assert!(error.is_timeout() && error.is_not_sent() && !talk.session.has_output());
    talk.assert_idle();
}

#[test]
fn closing_answers_everybody() {
    let mut talk = talk();
    let (sent, dropped) = (talk.call("sent"), talk.call("dropped"));
    talk.messages();
    let unsent = talk.call("unsent");
    drop(dropped);
    let mut notifications = talk.subscribers.subscribe(ClientOptions::default().notifications());
    assert_eq!(talk.session.close(), 2);
    let (sent, unsent) = (error(sent), error(unsent));
    assert!(sent.is_closed() && sent.is_sent_unknown());
    assert!(unsent.is_closed() && unsent.is_not_sent());
    assert!(notifications.next().now_or_never().unwrap().is_none());
    assert_eq!(talk.session.close(), 0);
}

#[test]
fn a_session_that_is_dropped_leaves_nobody_waiting() {
    let mut talk = talk();
    let call = talk.call("m");
    drop(talk);
    assert!(error(call).is_closed());
}

#[test]
fn notifications_come_in_order_and_before_the_answer_of_their_call() {
    let mut talk = talk();
    let mut heard = talk.subscribers.subscribe(ClientOptions::default().max_notifications(3).notifications());
    let call = talk.call("m");
    talk.messages();
    let mut lines = String::new();
    for n in 0..5 {
        lines += &format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":1,\"progress\":{n}}}}}\n"
        );
    }
    talk.hear(lines.as_bytes());
    talk.answer(1, "{}");
    assert!(ready(call).is_ok());
    let progress: Vec<f64> =
        std::iter::from_fn(|| heard.try_next()).map(|it| it.as_progress().unwrap().progress).collect();
    assert_eq!(progress, [2.0, 3.0, 4.0]);
    assert_eq!(heard.missed(), 2);
}

#[test]
fn whatever_a_server_says_and_a_caller_does_the_books_balance() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut talk = Talk::new(ClientOptions::default().max_in_flight(4).max_waiting(6).max_line(120));
        if random.below(2) == 0 {
            talk.session.agreed(Revision::V2025_03_26);
        }
        let mut calls: Vec<Pending<'_>> = Vec::new();
        for _ in 0..300 {
            match random.below(8) {
                0 | 1 => calls.push(talk.call("m")),
                2 if !calls.is_empty() => drop(calls.swap_remove(random.below(calls.len()))),
                3 => drop(talk.write(random.below(90))),
                4 => talk.pass(Duration::from_secs(random.below(3) as u64)),
                5 => talk.hear_of_drops(),
                _ => hear_something(&mut talk, &mut random),
            }
            check_books(&talk.session, seed);
        }
        talk.session.close();
        for call in calls {
            assert!(call.now_or_never().is_some(), "seed {seed}: a call without an answer");
        }
        talk.assert_idle();
    }
}

fn hear_something(talk: &mut Talk, random: &mut Random) {
    let id = random.below(talk.next as usize + 2);
    let lines = [
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n"),
        format!("[{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{}}}}]\n"),
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"a\"}}]}}}}\n"
        ),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":\"{}\"}}\n", "x".repeat(200)),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id}}}\n"),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n"),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},"),
        "\n".into(),
        "noise".into(),
    ];
    let mut line = lines[random.below(lines.len())].clone().into_bytes();
    if random.below(4) == 0 && !line.is_empty() {
        let at = random.below(line.len());
        line[at] = random.below(256) as u8;
    }
    talk.hear(&line);
}

/// The invariants at the head of the module.
#[track_caller]
fn check_books(it: &Session, seed: u64) {
    let of = |stage| it.calls.iter().filter(|(_, call)| call.stage == stage).count();
    assert_eq!(it.on_wire, of(Stage::Queued) + of(Stage::Sent), "seed {seed}");
    assert_eq!(it.waiting_count, of(Stage::Waiting), "seed {seed}");
    assert!(it.on_wire <= it.max_in_flight && it.waiting_count <= it.max_waiting, "seed {seed}");
    assert!(it.deadlines.len() <= 2 * it.calls.len() + 64, "seed {seed}");
    assert!(it.calls.iter().all(|(id, call)| it.deadlines.contains(call.deadline, id)), "seed {seed}");
    assert!(it.waiting_count == 0 || !it.has_room(), "seed {seed}: calls wait with room on the wire");
    for (id, call) in it.calls.iter() {
        assert_eq!(it.waiting.contains(&id), call.stage == Stage::Waiting, "seed {seed}");
    }
}

#[test]
fn a_long_text_is_what_it_was_to_whoever_asked() {
    let long = "é, and more".repeat(20_000);
    for (before, after) in [("", ""), ("\"resultType\":\"complete\",", ""), ("", ",\"isError\":false")] {
        let mut talk = Talk::new(ClientOptions::default());
        for (text, kept) in [(long.clone(), false), (format!("{long}\\n"), true), (long.clone() + "\u{7f}", false)] {
            let pending = talk.call("tools/call");
            talk.write(usize::MAX);
            let result = format!("{{{before}\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]{after}}}");
            talk.answer(talk.next - 1, &result);
            assert_eq!(ready(pending).unwrap().get(), result);
            assert_eq!(talk.session.take_kept().is_some(), kept, "the line of a text is given away");
        }
    }
}

#[test]
fn the_memory_of_a_long_line_is_kept_for_a_while_and_no_longer() {
    let mut talk = Talk::new(ClientOptions::default());
    let now = talk.now;
    assert!(!talk.session.has_signs() && talk.session.next_deadline().is_none());
    talk.hear(format!("{{\"jsonrpc\":\"2.0\",\"method\":\"n\",\"params\":[{}1]}}\n", "1,".repeat(100_000)).as_bytes());
    assert!(talk.session.has_signs(), "it is to be told the time");
    talk.session.renew(now);
    assert!(!talk.session.has_signs());
    let until = talk.session.next_deadline().unwrap();
    assert!(until > now && until < now + Duration::from_secs(2));
    let _pending = talk.call("later");
    assert_eq!(talk.session.next_deadline(), Some(until));
    talk.session.expire(until);
    assert!(talk.session.take_kept().is_none() && talk.session.next_deadline() > Some(until));
}
