//! Calls of the modern era that take several rounds: a server that needs something of its client says so in the result
//! (`input_required`), and the call is made again with what it asked for.

use std::borrow::Cow;
use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::allowance::Allowance;
use super::call::written_raw;
use super::options::Terms;
use super::{CallOptions, Client};
use crate::decode::decode;
use crate::error::{CallError, CallName};
use crate::jsonrpc::{Members, Rejection, Written};
use crate::model::{InputRequest, InputRequests, InputResponses};
use crate::session::Given;
use crate::visible::Visible;
use crate::{Era, Revision};

/// The methods whose result may say that input is required.
const MAY_ASK: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// Questions in one answer. More would be put to nobody.
const MAX_QUESTIONS: usize = 100;

/// Of those, how many are put at a time.
const AT_A_TIME: usize = 8;

/// The longest pause before a call is made again for a server that asked for nothing but that.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a result is, by its `resultType`.
pub(super) enum ResultKind<'a> {
    /// What the method gives; or no object, which is found out when it is read.
    Complete,
    /// The call is to be made again.
    InputRequired(Wanted<'a>),
    /// A task was begun instead.
    Task,
}

/// What the call is to be made again with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wanted<'a> {
    #[serde(default)]
    input_requests: Option<InputRequests>,
    /// To the letter.
    #[serde(borrow, default)]
    request_state: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    #[serde(borrow, default)]
    result_type: Option<Cow<'a, str>>,
}

impl<'a> ResultKind<'a> {
    /// # Errors
    /// What is wrong with the result.
    pub(super) fn of(method: &str, result: &'a RawValue) -> Result<ResultKind<'a>, String> {
        /// As most servers begin.
        const USUAL: &str = r#"{"resultType":"complete","#;
        let text = result.get();
        if text.starts_with(USUAL) || !text.starts_with('{') {
            return Ok(ResultKind::Complete);
        }
        let head: Head<'a> = decode(text)?;
        match head.result_type.as_deref() {
            // One who speaks an older revision in a newer one's name.
            None | Some("complete") => Ok(ResultKind::Complete),
            Some("input_required") if MAY_ASK.contains(&method) => {
                let wanted: Wanted<'a> = decode(text)?;
                if wanted.input_requests.is_none() && wanted.request_state.is_none() {
                    return Err("input is required, but there is neither `inputRequests` nor `requestState`".to_owned());
                }
                Ok(ResultKind::InputRequired(wanted))
            }
            Some("task") if method == "tools/call" => Ok(ResultKind::Task),
            // Some call it by what it is about.
            Some("task") if method == "tasks/get" => Ok(ResultKind::Complete),
            Some(known @ ("input_required" | "task")) => {
                Err(format!("a result of the type \"{known}\", which {method} does not have"))
            }
            Some(other) => Err(format!("a result of the type \"{}\", which is not known", Visible::new(other, 100))),
        }
    }
}

/// What comes of a call after all its rounds.
pub(super) enum Outcome {
    /// Its result; in the legacy era, whatever it is.
    Result(Given),
    /// A task that will have its result (modern era).
    Task(Box<RawValue>),
}

impl Outcome {
    /// As it stood on the wire.
    pub(super) fn into_raw(self) -> Box<RawValue> {
        match self {
            Outcome::Result(given) => given.into_raw(),
            Outcome::Task(task) => task,
        }
    }
}

impl Client {
    /// A call with all its rounds: what comes back is no `input_required`. In the legacy era there is one round.
    pub(super) async fn converse(
        &self,
        name: &CallName<'_>,
        params: Option<Written>,
        options: &CallOptions,
    ) -> Result<Outcome, CallError> {
        let mut terms = options.terms(&self.shared.options);
        if self.spoken(name).await?.revision.era() == Era::Legacy {
            return self.request(name, params.map(Cow::Owned), terms).await.map(Outcome::Result);
        }
        let start = self.shared.now();
        terms.max_timeout = terms.limit();
        let first = self.request(name, params.as_ref().map(Cow::Borrowed), terms.again()).await?;
        self.further(name, params, terms, start, first).await
    }

    /// The further rounds of a call of the modern era that began at `start`, if its first answer says that there are more.
    pub(super) async fn further(
        &self,
        name: &CallName<'_>,
        params: Option<Written>,
        mut terms: Terms<'_>,
        start: Option<Instant>,
        first: Given,
    ) -> Result<Outcome, CallError> {
        let revision = self.spoken(name).await?.revision;
        let (timeout, limit) = (terms.timeout, terms.limit());
        let allowance = Allowance::since(start, limit);
        let max_rounds = self.shared.options.max_rounds.max(1);
        let mut answer = first;
        let mut pauses = 0;
        for round in 1..=max_rounds {
            let result = match answer {
                // Complete, by its form.
                Given::Text(_) | Given::Long(_) => return Ok(Outcome::Result(answer)),
                Given::Raw(raw) => raw,
            };
            let Wanted { input_requests, request_state } = match ResultKind::of(&name.method, &result) {
                Ok(ResultKind::InputRequired(wanted)) => wanted,
                Ok(ResultKind::Complete) => return Ok(Outcome::Result(Given::Raw(result))),
                Ok(ResultKind::Task) if self.shared.handlers.takes_tasks() => return Ok(Outcome::Task(result)),
                Ok(ResultKind::Task) => {
                    return Err(CallError::malformed(name, "a task, which this client does not take"));
                }
                Err(why) => return Err(CallError::malformed(name, why)),
            };
            let questions = input_requests.unwrap_or_default();
            let answering = self.answer_all(name, revision, &questions)?;
            if round == max_rounds {
                break;
            }
            // The user's time is the round's: nothing is heard of the server meanwhile.
            let answering = self.in_time(name, self.part_of(allowance, timeout), answering);
            let answers = answering.await??;
            if answers.is_empty() {
                self.pause(name, allowance, pause_after(pauses)).await?;
                pauses += 1;
            }
            let next = again(name, params.as_ref(), &answers, request_state)?;
            // Progress gives each round its time anew, within the limit for all.
            let left = self.left(allowance);
            (terms.timeout, terms.max_timeout) = (timeout.min(left), left);
            let next = self.request(name, Some(Cow::Owned(next)), terms.again()).await;
            answer = next.map_err(|error| error.in_a_later_round(limit))?;
        }
        let why = format!("the server asked for input {max_rounds} times, and still was not done");
        Err(CallError::endless(name, why))
    }

    /// Reads all questions, and puts them to their handlers when it is polled, some at a time.
    ///
    /// # Errors
    /// If one of them cannot be answered. Then nobody is asked anything.
    pub(super) fn answer_all(
        &self,
        name: &CallName<'_>,
        revision: Revision,
        questions: &InputRequests,
    ) -> Result<impl Future<Output = Result<InputResponses, CallError>> + Send + use<>, CallError> {
        if questions.len() > MAX_QUESTIONS {
            let why = format!("{} questions at a time, and no more than {MAX_QUESTIONS} are answered", questions.len());
            return Err(CallError::malformed(name, why));
        }
        let mut all = Vec::with_capacity(questions.len());
        for (key, InputRequest { method, params, .. }) in questions {
            let answering = self.shared.handlers.prepare(revision, method, params.as_deref());
            let answering = answering.map_err(|refusal| no_answer(name, method, &refusal))?;
            let (key, method, name) = (key.clone(), method.clone(), name.to_owned());
            all.push(async move {
                let answer = answering.await.map_err(|refusal| no_answer(&name, &method, &refusal))?;
                Ok((key, answer))
            });
        }
        Ok(stream::iter(all).buffer_unordered(AT_A_TIME).try_collect())
    }
}

/// The first time a server asks only to be called again, it is at once; then it is given time.
fn pause_after(before: u32) -> Duration {
    match before {
        0 => Duration::ZERO,
        more => LONGEST_PAUSE.min(Duration::from_millis(50) * 2u32.saturating_pow((more - 1).min(10))),
    }
}

/// The parameters of the next round: those of the first, with what was asked for.
fn again(
    name: &CallName<'_>,
    params: Option<&Written>,
    answers: &InputResponses,
    state: Option<&RawValue>,
) -> Result<Written, CallError> {
    let members = params.map_or(Some(Members::default()), |params| params.as_raw().and_then(Members::read));
    let Some(mut members) = members else {
        let why = "it cannot be put into parameters that are no object";
        return Err(CallError::unanswered(name, why));
    };
    members.remove("inputResponses");
    members.remove("requestState");
    if !answers.is_empty() {
        members.set("inputResponses", Cow::Owned(written_raw(name, answers)?));
    }
    if let Some(state) = state {
        members.set("requestState", Cow::Borrowed(state));
    }
    Ok(members.write().into())
}

fn no_answer(name: &CallName<'_>, method: &str, refusal: &Rejection) -> CallError {
    CallError::unanswered(name, format!("{}: {refusal}", Visible::new(method, 100)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    fn kind(method: &str, result: &str) -> Result<&'static str, String> {
        ResultKind::of(method, &raw(result)).map(|kind| match kind {
            ResultKind::Complete => "complete",
            ResultKind::InputRequired(_) => "input required",
            ResultKind::Task => "task",
        })
    }

    #[test]
    fn a_result_is_what_its_type_says_where_the_method_has_that_type() {
        for result in [
            r#"{"resultType":"complete","content":[]}"#,
            r#"{"content":[],"resultType":"comp\u006cete"}"#,
            r#"{"content":[],"resultType":null}"#,
            r#"{"content":[]}"#,
            "[1]",
            "null",
        ] {
            assert_eq!(kind("tools/call", result).unwrap(), "complete", "{result}");
        }
        let asks = r#"{"x":[{"resultType":1}],"requestState":"s","resultType":"input_required"}"#;
        for method in MAY_ASK {
            assert_eq!(kind(method, asks).unwrap(), "input required");
        }
        assert_eq!(kind("tools/call", r#"{"resultType":"task","taskId":"t"}"#).unwrap(), "task");
        assert_eq!(kind("tasks/get", r#"{"resultType":"task","taskId":"t"}"#).unwrap(), "complete");
        for (method, result, why) in [
            ("tools/list", asks, "\"input_required\", which tools/list does not have"),
            ("prompts/get", r#"{"resultType":"task"}"#, "\"task\", which prompts/get does not have"),
            ("tools/call", r#"{"resultType":"holo\u001bgram"}"#, "\"holo\\x1bgram\", which is not known"),
            ("tools/call", r#"{"resultType":7}"#, "resultType: "),
            ("tools/call", r#"{"resultType":"input_required"}"#, "neither"),
            ("tools/call", r#"{"resultType":"input_required","inputRequests":[]}"#, "inputRequests: "),
            ("tools/call", r#"{"resultType":"input_required","inputRequests":{"a":{}}}"#, "inputRequests.a: "),
        ] {
            let refused = kind(method, result).unwrap_err();
            assert!(refused.contains(why), "{result}: {refused}");
        }
    }

    #[test]
    fn the_next_round_is_the_first_with_the_answers_and_the_state_to_the_letter() {
        let name = CallName { server: std::borrow::Cow::Owned("s".into()), method: "tools/call".into(), subject: None };
        let params = raw(r#"{"name":"n","arguments":{"a":1.0e2},"requestState":"old","inputResponses":{}}"#).into();
        let text = |again: Written| String::from_utf8(again.as_bytes().to_vec()).unwrap();
        let answers = InputResponses::from([("b".to_owned(), raw(r#"{"x": 1.50}"#)), ("a".to_owned(), raw("{}"))]);
        let state = raw(r#""\u0061\/ \ud83d\ude00""#);
        assert_eq!(
            text(again(&name, Some(&params), &answers, Some(&state)).unwrap()),
            r#"{"name":"n","arguments":{"a":1.0e2},"inputResponses":{"a":{},"b":{"x": 1.50}},"requestState":"\u0061\/ \ud83d\ude00"}"#
        );
        let nothing = InputResponses::new();
        assert_eq!(
            text(again(&name, Some(&params), &nothing, None).unwrap()),
            r#"{"name":"n","arguments":{"a":1.0e2}}"#
        );
        let state_only = again(&name, None, &nothing, Some(&state)).unwrap();
        assert_eq!(text(state_only), format!("{{\"requestState\":{state}}}"));
        assert!(again(&name, Some(&raw("[]").into()), &nothing, None).unwrap_err().is_input_required());
    }

    #[test]
    fn a_server_that_only_wants_to_be_called_again_is_given_ever_more_time() {
        let pauses: Vec<u128> = (0..6).map(|before| pause_after(before).as_millis()).collect();
        assert_eq!(pauses, [0, 50, 100, 200, 400, 800]);
        assert_eq!((pause_after(20), pause_after(u32::MAX)), (LONGEST_PAUSE, LONGEST_PAUSE));
    }
}
