use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Gone, OpenError, Quoted, SHOWN, Spoken};
use crate::jsonrpc::Rejection;
use crate::redact::redact;
use crate::visible::Visible;

/// Which call, for messages. Borrowed as a rule: most calls do not fail.
#[derive(Clone, Debug)]
pub(crate) struct CallName<'a> {
    pub(crate) server: Cow<'a, Arc<str>>,
    pub(crate) method: Cow<'a, str>,
    /// What it is about: a tool, a prompt, the address of a resource.
    pub(crate) subject: Option<Cow<'a, str>>,
}

impl CallName<'_> {
    /// To be kept.
    pub(crate) fn to_owned(&self) -> CallName<'static> {
        CallName {
            server: Cow::Owned(Arc::clone(&self.server)),
            method: Cow::Owned(self.method.clone().into_owned()),
            subject: self.subject.clone().map(|subject| Cow::Owned(subject.into_owned())),
        }
    }
}

impl fmt::Display for CallName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        match &self.subject {
            // An address may be long, and hold a key.
            Some(subject) => {
                let subject = format!("{:?}", redact(subject));
                write!(f, " {} at the server {:?}", Visible::new(&subject, SHOWN), &**self.server)
            }
            None => write!(f, " at the server {:?}", &**self.server),
        }
    }
}

/// How far a call got. Decides whether it may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Not a byte of it reached the server.
    NotSent,
    /// At least a part of it went out, and no answer came.
    SentUnknown,
    /// It was answered.
    Answered,
}

/// Why a call has no result.
///
/// First of all it says whether the server can have acted on it: [`is_not_sent`](CallError::is_not_sent),
/// [`is_sent_unknown`](CallError::is_sent_unknown), or answered. Only a call that was not sent may be made again without
/// a thought.
#[derive(Clone)]
pub struct CallError(Arc<Inner>);

struct Inner {
    name: CallName<'static>,
    delivery: Delivery,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    TimedOut { after: Duration, noise: Option<String> },
    Rejected(Rejection),
    Malformed(String),
    TooLong { limit: usize, len: u64 },
    Gone(Gone),
    Closed,
    NotOpened(OpenError),
    Busy { waiting: usize },
    NotJson(String),
    Ended(String),
    Endless(String),
    Unsupported(String),
    Unanswered(String),
    Other(String),
}

/// Why a call has no result, as a session tells it, which does not know what the call is called.
#[derive(Debug)]
pub(crate) struct Fault {
    delivery: Delivery,
    kind: Kind,
}

impl Fault {
    /// Of the call of that name.
    pub(crate) fn of(self, name: &CallName<'_>) -> CallError {
        CallError::new(name, self.delivery, self.kind)
    }

    pub(crate) fn timed_out(delivery: Delivery, after: Duration, noise: Option<String>) -> Self {
        Fault { delivery, kind: Kind::TimedOut { after, noise } }
    }

    pub(crate) fn rejected(rejection: Rejection) -> Self {
        Fault { delivery: Delivery::Answered, kind: Kind::Rejected(rejection) }
    }

    pub(crate) fn malformed(why: impl Into<String>) -> Self {
        Fault { delivery: Delivery::Answered, kind: Kind::Malformed(why.into()) }
    }

    pub(crate) fn too_long(limit: usize, len: u64) -> Self {
        Fault { delivery: Delivery::Answered, kind: Kind::TooLong { limit, len } }
    }

    pub(crate) fn gone(delivery: Delivery, gone: Gone) -> Self {
        Fault { delivery, kind: Kind::Gone(gone) }
    }

    pub(crate) fn closed(delivery: Delivery) -> Self {
        Fault { delivery, kind: Kind::Closed }
    }

    pub(crate) fn busy(waiting: usize) -> Self {
        Fault { delivery: Delivery::NotSent, kind: Kind::Busy { waiting } }
    }

    /// The server ended what it had begun, which it may for a subscription.
    pub(crate) fn ended(reason: &str) -> Self {
        Fault { delivery: Delivery::Answered, kind: Kind::Ended(reason.to_owned()) }
    }
}

impl CallError {
    fn new(name: &CallName<'_>, delivery: Delivery, kind: Kind) -> Self {
        CallError(Arc::new(Inner { name: name.to_owned(), delivery, kind }))
    }

    pub(crate) fn timed_out(name: &CallName<'_>, delivery: Delivery, after: Duration) -> Self {
        Fault::timed_out(delivery, after, None).of(name)
    }

    pub(crate) fn rejected(name: &CallName<'_>, rejection: Rejection) -> Self {
        Fault::rejected(rejection).of(name)
    }

    pub(crate) fn malformed(name: &CallName<'_>, why: impl Into<String>) -> Self {
        Fault::malformed(why).of(name)
    }

    pub(crate) fn gone(name: &CallName<'_>, delivery: Delivery, gone: Gone) -> Self {
        Fault::gone(delivery, gone).of(name)
    }

    pub(crate) fn closed(name: &CallName<'_>, delivery: Delivery) -> Self {
        Fault::closed(delivery).of(name)
    }

    pub(crate) fn ended(name: &CallName<'_>, reason: &str) -> Self {
        Fault::ended(reason).of(name)
    }

    pub(crate) fn not_opened(name: &CallName<'_>, error: OpenError) -> Self {
        CallError::new(name, Delivery::NotSent, Kind::NotOpened(error))
    }

    /// Ours, not the server's: the parameters cannot be written.
    pub(crate) fn not_json(name: &CallName<'_>, why: impl Into<String>) -> Self {
        CallError::new(name, Delivery::NotSent, Kind::NotJson(why.into()))
    }

    pub(crate) fn endless(name: &CallName<'_>, why: impl Into<String>) -> Self {
        CallError::new(name, Delivery::Answered, Kind::Endless(why.into()))
    }

    /// Ours, not the server's: it is not sent.
    pub(crate) fn unsupported(name: &CallName<'_>, why: impl Into<String>) -> Self {
        CallError::new(name, Delivery::NotSent, Kind::Unsupported(why.into()))
    }

    /// The server needs something that it does not get.
    pub(crate) fn unanswered(name: &CallName<'_>, why: impl Into<String>) -> Self {
        CallError::new(name, Delivery::Answered, Kind::Unanswered(why.into()))
    }

    /// Of a call that has been answered before: the server knows of it, however far this round got; and what its time was
    /// is not what was left for this round.
    pub(crate) fn in_a_later_round(self, timeout: Duration) -> Self {
        let Inner { name, delivery, kind } = &*self.0;
        let delivery = if *delivery == Delivery::NotSent { Delivery::SentUnknown } else { *delivery };
        let kind = match kind {
            Kind::TimedOut { noise, .. } => Kind::TimedOut { after: timeout, noise: noise.clone() },
            other => other.clone(),
        };
        CallError::new(name, delivery, kind)
    }

    pub(crate) fn other(name: &CallName<'_>, delivery: Delivery, why: impl Into<String>) -> Self {
        CallError::new(name, delivery, Kind::Other(why.into()))
    }

    /// What happened, without the name of the call.
    pub(crate) fn reason(&self) -> String {
        match &self.0.kind {
            Kind::Malformed(why) => why.clone(),
            _ => self.to_string(),
        }
    }

    /// The server's name.
    pub fn server(&self) -> &str {
        &self.0.name.server
    }

    /// The method that was called.
    pub fn method(&self) -> &str {
        &self.0.name.method
    }

    /// Nothing of the call reached the server: making it again cannot do anything twice.
    pub fn is_not_sent(&self) -> bool {
        self.0.delivery == Delivery::NotSent
    }

    /// The call went out, at least in part, and was not answered: the server may have acted on it, or not.
    pub fn is_sent_unknown(&self) -> bool {
        self.0.delivery == Delivery::SentUnknown
    }

    /// No answer came in time. A server that had got the call has been told to stop.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, Kind::TimedOut { .. })
    }

    /// The server answered with an error: see [`rejection`](CallError::rejection).
    pub fn is_rejected(&self) -> bool {
        matches!(self.0.kind, Kind::Rejected(_))
    }

    /// The error that the server answered with.
    pub fn rejection(&self) -> Option<&Rejection> {
        match &self.0.kind {
            Kind::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// The server answered with something that is no answer to this call.
    pub fn is_malformed(&self) -> bool {
        matches!(self.0.kind, Kind::Malformed(_))
    }

    /// The answer was longer than [`ClientOptions::max_line`](crate::ClientOptions::max_line).
    pub fn is_too_long(&self) -> bool {
        matches!(self.0.kind, Kind::TooLong { .. })
    }

    /// The server ended a subscription, with `notifications/cancelled`.
    pub fn is_ended(&self) -> bool {
        matches!(self.0.kind, Kind::Ended(_))
    }

    /// The list has no end: a cursor came again, or there is more than is allowed.
    pub fn is_endless(&self) -> bool {
        matches!(self.0.kind, Kind::Endless(_))
    }

    /// The server needs something of this client to go on, and does not get it: there is no handler for it, or the handler
    /// refused, or its answer was not what was asked for. Nothing of it was sent.
    pub fn is_input_required(&self) -> bool {
        matches!(self.0.kind, Kind::Unanswered(_))
    }

    /// The server is gone: see [`disconnect`](CallError::disconnect).
    pub fn is_disconnected(&self) -> bool {
        matches!(self.0.kind, Kind::Gone(_))
    }

    /// How the server went: its exit status and the last lines of its standard error.
    pub fn disconnect(&self) -> Option<&Gone> {
        match &self.0.kind {
            Kind::Gone(gone) => Some(gone),
            _ => None,
        }
    }

    /// The connection was closed on this side, by [`close`](crate::Client::close) or with its scope.
    pub fn is_closed(&self) -> bool {
        matches!(self.0.kind, Kind::Closed)
    }

    /// The connection was never opened, and this is why.
    pub fn open_error(&self) -> Option<&OpenError> {
        match &self.0.kind {
            Kind::NotOpened(error) => Some(error),
            _ => None,
        }
    }

    /// Too many calls wait already, or too much of them: see
    /// [`ClientOptions::max_waiting`](crate::ClientOptions::max_waiting).
    pub fn is_busy(&self) -> bool {
        matches!(self.0.kind, Kind::Busy { .. })
    }

    /// The revision that is spoken with the server has no such call; nothing was sent.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.0.kind, Kind::Unsupported(_))
    }

    /// The parameters cannot be written as JSON, or are not an object or an array.
    pub fn is_invalid_params(&self) -> bool {
        matches!(self.0.kind, Kind::NotJson(_))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { name, delivery, kind } = &*self.0;
        write!(f, "{name}: ")?;
        match kind {
            Kind::TimedOut { after, noise } => {
                match delivery {
                    Delivery::NotSent if after.is_zero() => f.write_str("not sent, for it was given no time")?,
                    Delivery::NotSent => {
                        write!(f, "could not be sent in {}: the server does not read", Spoken(*after))?
                    }
                    _ => write!(f, "no answer in {}", Spoken(*after))?,
                }
                match noise {
                    Some(line) => write!(f, "; meanwhile it printed what is no message: {}", Quoted(line)),
                    None => Ok(()),
                }
            }
            Kind::Rejected(rejection) => write!(f, "the server refused: {rejection}"),
            Kind::Malformed(why) => write!(f, "the server sent no proper answer: {why}"),
            Kind::TooLong { limit, len } => {
                write!(f, "the answer was dropped: it is {len} bytes long, and the limit is {limit}")
            }
            Kind::Gone(gone) => write!(f, "the server {}{}", gone.story(), delivery.aside()),
            Kind::Closed => write!(f, "the connection has been closed{}", delivery.aside()),
            Kind::NotOpened(_) => f.write_str("not sent, for the server could not be opened"),
            Kind::Busy { waiting } => {
                write!(f, "not sent, for {waiting} calls wait for this server already; call less at a time")
            }
            Kind::NotJson(why) => write!(f, "not sent, for the parameters are not right: {why}"),
            Kind::Unsupported(why) => write!(f, "not sent, for {why}"),
            Kind::Ended(reason) if reason.is_empty() => f.write_str("the server ended it, and did not say why"),
            Kind::Ended(reason) => write!(f, "the server ended it: {}", Quoted(reason)),
            Kind::Unanswered(why) => write!(f, "the server needs input that it does not get: {why}"),
            Kind::Endless(why) | Kind::Other(why) => f.write_str(why),
        }
    }
}

impl Delivery {
    fn aside(self) -> &'static str {
        match self {
            Delivery::NotSent => " (the call was not sent)",
            Delivery::SentUnknown => " (whether it acted on the call is not known)",
            Delivery::Answered => "",
        }
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallError")
            .field("call", &format_args!("{}", self.0.name))
            .field("delivery", &self.0.delivery)
            .field("kind", &self.0.kind)
            .finish()
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            Kind::NotOpened(error) => Some(error),
            // Its own story is part of this text already.
            Kind::Gone(gone) => gone.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_is_about_is_quoted_cut_and_without_secrets() {
        let shown = |subject: &str| {
            CallName { server: Cow::Owned("s".into()), method: "m".into(), subject: Some(subject.into()) }.to_string()
        };
        assert_eq!(shown("a \"b\"\u{1b}\u{202e}"), r#"m "a \"b\"\u{1b}\u{202e}" at the server "s""#);
        assert!(!shown("https://host/?token=hush").contains("hush"));
        assert!(shown(&"x".repeat(100_000)).len() < 400);
    }
}
