//! Questions of a handler to its client.
//!
//! In the legacy era a question is a request. In the modern era there are none: a handler that lacks an answer ends, what it
//! asked becomes the result (`input_required`), and the client makes its call again with the answers. The handler then runs
//! from its start, and finds them. What was answered in earlier rounds travels in the signed state that the client brings
//! back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::Era;
use crate::error::CallError;
use crate::jsonrpc::Rejection;
use crate::model::{InputRequest, InputRequests, Object};

/// A capability that a client lacks.
pub(crate) const MISSING_CAPABILITY: i64 = -32021;

/// So many questions can be asked in one call, over all rounds.
const MAX_QUESTIONS: usize = 256;

/// Answers by the keys of their questions.
pub(crate) type Answers = BTreeMap<String, Value>;

/// Why a handler has no answer of its client.
///
/// Pass it on with `?`: where the client is only to be asked, the call is answered with the question, and the handler runs
/// again when the answer is there.
#[derive(Debug)]
pub struct AskError {
    era: Era,
    method: &'static str,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// It is to be asked.
    Needed,
    /// It has not said that it can do that. With what it would have to say.
    NotOffered(Value),
    /// What it answered is of the wrong shape.
    Malformed(String),
    /// There was no answer, or an error.
    Call(CallError),
    /// Ours: the question cannot be asked.
    Wrong(String),
}

impl AskError {
    pub(super) fn not_offered(era: Era, method: &'static str, capability: Value) -> AskError {
        AskError { era, method, why: Why::NotOffered(capability) }
    }

    pub(super) fn malformed(era: Era, method: &'static str, why: String) -> AskError {
        AskError { era, method, why: Why::Malformed(why) }
    }

    pub(super) fn call(method: &'static str, error: CallError) -> AskError {
        AskError { era: Era::Legacy, method, why: Why::Call(error) }
    }

    pub(super) fn wrong(era: Era, method: &'static str, why: String) -> AskError {
        AskError { era, method, why: Why::Wrong(why) }
    }

    /// The client has not been asked yet: end the handler with this, and it is.
    pub fn is_needed(&self) -> bool {
        matches!(self.why, Why::Needed)
    }

    /// The client has not declared that it can do that.
    pub fn is_not_offered(&self) -> bool {
        matches!(self.why, Why::NotOffered(_))
    }

    /// The client answered with an error, or not at all.
    pub fn call_error(&self) -> Option<&CallError> {
        match &self.why {
            Why::Call(error) => Some(error),
            _ => None,
        }
    }

    /// What a handler that ends with this is answered with, if that is more than a failure of its own.
    pub(crate) fn rejection(&self) -> Option<Rejection> {
        match (&self.why, self.era) {
            (Why::Needed, _) => Some(Rejection::needs_input()),
            (Why::NotOffered(capability), Era::Modern) => {
                let data = serde_json::json!({ "requiredCapabilities": capability });
                Some(Rejection::new(MISSING_CAPABILITY, self.to_string()).with_data(data))
            }
            (Why::Malformed(_), Era::Modern) => Some(Rejection::invalid_params(self.to_string())),
            _ => None,
        }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method;
        match &self.why {
            Why::Needed => write!(f, "the client is to be asked first ({method})"),
            Why::NotOffered(capability) => {
                write!(f, "this needs a client that declares {capability}, for {method}")
            }
            Why::Malformed(why) => write!(f, "what the client answered to {method} does not fit: {why}"),
            Why::Call(error) => match error.rejection() {
                Some(rejection) => write!(f, "the client refused {method}: {rejection}"),
                None if error.is_timeout() => write!(f, "the client did not answer {method} in time"),
                None if error.is_malformed() => write!(f, "the client sent no proper answer to {method}"),
                None => write!(f, "the client is gone, or going, and did not answer {method}"),
            },
            Why::Wrong(why) => write!(f, "{method} cannot be asked: {why}"),
        }
    }
}

impl std::error::Error for AskError {}

/// The questions of one call in the modern era.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// From this round and those before.
    answers: Answers,
    /// Whose answers the handler has looked at: only those are worth keeping.
    used: BTreeSet<String>,
    asked: InputRequests,
}

impl Questions {
    /// With what was answered before, and now.
    pub(super) fn new(earlier: Answers, now: Object) -> Questions {
        let mut answers = earlier;
        answers.extend(now);
        Questions(Mutex::new(State { answers, ..State::default() }))
    }

    /// The answer to a question; without one it is asked.
    pub(super) fn answer(
        &self,
        key: &str,
        method: &'static str,
        params: Option<Box<RawValue>>,
    ) -> Result<Value, AskError> {
        let mut state = self.state();
        if let Some(answer) = state.answers.get(key).cloned() {
            state.used.insert(key.to_owned());
            return Ok(answer);
        }
        if state.asked.len() + state.used.len() >= MAX_QUESTIONS && !state.asked.contains_key(key) {
            let why = format!("a call cannot ask more than {MAX_QUESTIONS} questions");
            return Err(AskError::wrong(Era::Modern, method, why));
        }
        state.asked.insert(key.to_owned(), InputRequest::new(method, params));
        Err(AskError { era: Era::Modern, method, why: Why::Needed })
    }

    /// What was asked, and what is to be remembered until it is answered.
    pub(super) fn take(&self) -> (InputRequests, Answers) {
        let mut state = self.state();
        let State { answers, used, asked } = &mut *state;
        let mut answers = std::mem::take(answers);
        answers.retain(|key, _| used.contains(key));
        (std::mem::take(asked), answers)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_has_no_answer_is_asked_and_what_was_used_is_kept() {
        let earlier = Answers::from([("a".to_owned(), json!(1)), ("b".to_owned(), json!(2))]);
        let questions = Questions::new(earlier, object(json!({ "b": 3, "never looked at": 4 })));
        assert_eq!(questions.answer("b", "m", None).unwrap(), 3, "the newer one");
        assert_eq!(questions.answer("a", "m", None).unwrap(), 1);
        assert!(questions.answer("c", "roots/list", None).unwrap_err().is_needed());
        assert!(questions.answer("d", "m", None).unwrap_err().rejection().unwrap().is_needs_input());
        let (asked, kept) = questions.take();
        assert_eq!(asked.keys().collect::<Vec<_>>(), ["c", "d"]);
        assert_eq!(asked["c"].method, "roots/list");
        assert_eq!(kept, Answers::from([("a".to_owned(), json!(1)), ("b".to_owned(), json!(3))]));
    }

    #[test]
    fn nobody_asks_without_end() {
        let questions = Questions::default();
        for n in 0..MAX_QUESTIONS {
            assert!(questions.answer(&n.to_string(), "m", None).unwrap_err().is_needed());
        }
        assert!(!questions.answer("one more", "m", None).unwrap_err().is_needed());
        assert!(questions.answer("7", "m", None).unwrap_err().is_needed(), "asked already");
    }

    #[test]
    fn a_capability_that_is_missing_is_named() {
        let error = AskError::not_offered(Era::Modern, "sampling/createMessage", json!({ "sampling": {} }));
        let rejection = error.rejection().unwrap();
        assert_eq!(rejection.code(), Some(MISSING_CAPABILITY));
        assert_eq!(rejection.data().unwrap(), &json!({ "requiredCapabilities": { "sampling": {} } }));
        assert!(AskError::not_offered(Era::Legacy, "m", json!({})).rejection().is_none());
    }
}
