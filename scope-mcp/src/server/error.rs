//! What can go wrong in a handler, and while a server is put together.

use std::error::Error;
use std::fmt;

use super::AskError;
use crate::jsonrpc::Rejection;
use crate::visible::Visible;

/// How much of an error's text is sent.
const SENT: usize = 4000;

/// Why a tool, a resource, a prompt or a completion could not do what it was asked for.
///
/// Any error becomes one by `?`; its text, and that of its sources, is sent to the client, so put nothing into it that the
/// client should not read. To answer with a text of your own, or with an error of the protocol:
///
/// ```
/// use scope_mcp::{HandlerError, Rejection};
/// # let _ = |n: u32| {
/// if n == 0 {
///     return Err(HandlerError::new("there is nothing to divide by"));
/// }
/// if n > 100 {
///     return Err(HandlerError::from(Rejection::new(-32050, "the quota is used up")));
/// }
/// let parsed: u32 = "7".parse()?;
/// # Ok(parsed)
/// # };
/// ```
///
/// What becomes of it depends on who fails. A tool's failure is a result that says so (`isError`), for the model to read;
/// one of anything else is an error of the protocol (-32603).
pub struct HandlerError(Kind);

enum Kind {
    Failed(String),
    NotFound(String),
    Rejected(Rejection),
    Error(Box<dyn Error + Send + Sync>),
}

impl HandlerError {
    /// It failed, for that reason.
    pub fn new(message: impl fmt::Display) -> Self {
        HandlerError(Kind::Failed(message.to_string()))
    }

    /// What was asked for is not there: the error that the protocol has for a resource that does not exist.
    pub fn not_found(message: impl fmt::Display) -> Self {
        HandlerError(Kind::NotFound(message.to_string()))
    }

    /// The error that became this one, if it was a `T`.
    pub(crate) fn downcast_ref<T: Error + 'static>(&self) -> Option<&T> {
        match &self.0 {
            Kind::Error(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// What a tool answers with: a text for its result, or an error of the protocol.
    pub(super) fn for_tool(self) -> Result<String, Rejection> {
        match self.protocol_error() {
            Some(rejection) => Err(rejection),
            None => Ok(self.to_string()),
        }
    }

    /// The error of the protocol that it stands for, if it does.
    fn protocol_error(&self) -> Option<Rejection> {
        match &self.0 {
            Kind::Rejected(rejection) => Some(rejection.clone()),
            _ => self.downcast_ref::<AskError>().and_then(AskError::rejection),
        }
    }

    /// What everything else answers with; `not_found` makes the error of something that is not there.
    pub(super) fn rejection(self, not_found: impl FnOnce(String) -> Rejection) -> Rejection {
        if let Some(rejection) = self.protocol_error() {
            return rejection;
        }
        match self.0 {
            Kind::NotFound(_) => not_found(self.to_string()),
            _ => Rejection::internal(self.to_string()),
        }
    }
}

impl From<Rejection> for HandlerError {
    fn from(rejection: Rejection) -> Self {
        HandlerError(Kind::Rejected(rejection))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        HandlerError(Kind::Error(Box::new(error)))
    }
}

/// What is sent: the text, with those of the sources, escaped and cut. (It is not itself an error, so that every error can
/// become one.)
impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Failed(message) | Kind::NotFound(message) => Sent(message).fmt(f),
            Kind::Rejected(rejection) => rejection.fmt(f),
            Kind::Error(error) => Sent(&chain(error.as_ref())).fmt(f),
        }
    }
}

/// A text that goes to the client. It was written for people, in several lines if need be.
struct Sent<'a>(&'a str);

impl fmt::Display for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.0.floor_char_boundary(SENT);
        Visible::multi_line(&self.0[..cut]).fmt(f)?;
        if cut < self.0.len() { write!(f, "… ({} more bytes)", self.0.len() - cut) } else { Ok(()) }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source
        && message.len() < SENT
    {
        let text = cause.to_string();
        // Many errors say what their source says.
        if !message.ends_with(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = cause.source();
    }
    message
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandlerError({self})")
    }
}

/// Why a server cannot offer what it was told to offer.
///
/// Its text names the tool, resource or prompt, and what is wrong with it.
#[derive(Debug)]
pub struct BuildError {
    offered: Offered,
    wrong: Wrong,
}

/// What was to be offered.
#[derive(Debug)]
pub(super) enum Offered {
    Tool(String),
    Resource(String),
    Template(String),
    Prompt(String),
    Server(String),
}

#[derive(Debug)]
pub(super) enum Wrong {
    /// It is there already.
    Twice,
    Name(&'static str),
    Schema {
        which: &'static str,
        why: String,
    },
    Template(String),
    Argument {
        name: String,
        why: &'static str,
    },
    Completion {
        argument: String,
        why: &'static str,
    },
    /// It was built without the switch for that.
    Fixed {
        switch: &'static str,
    },
    Random(String),
}

impl BuildError {
    pub(super) fn new(offered: Offered, wrong: Wrong) -> Self {
        BuildError { offered, wrong }
    }

    /// There is something of that name, address or template already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self.wrong, Wrong::Twice)
    }

    /// A JSON Schema is none, or none that can be used here.
    pub fn is_bad_schema(&self) -> bool {
        matches!(self.wrong, Wrong::Schema { .. })
    }

    /// The server's lists do not change: it was built without the switch for that.
    pub fn is_fixed(&self) -> bool {
        matches!(self.wrong, Wrong::Fixed { .. })
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match &self.offered {
            Offered::Tool(name) => ("the tool", name),
            Offered::Resource(uri) => ("the resource", uri),
            Offered::Template(template) => ("the resource template", template),
            Offered::Prompt(name) => ("the prompt", name),
            Offered::Server(name) => ("the server", name),
        };
        let what = if self.is_fixed() { "change" } else { "offer" };
        write!(f, "cannot {what} {kind} {name:?}: ")?;
        match &self.wrong {
            Wrong::Twice => f.write_str("there is one already"),
            Wrong::Name(why) => write!(f, "its name {why}"),
            Wrong::Schema { which, why } => write!(f, "its {which} schema {why}"),
            Wrong::Template(why) => f.write_str(why),
            Wrong::Argument { name, why } => write!(f, "its argument {name:?} {why}"),
            Wrong::Completion { argument, why } => write!(f, "the completion of {argument:?} {why}"),
            Wrong::Fixed { switch } => {
                write!(f, "this server's list does not change while it runs; build it with {switch} to change it")
            }
            Wrong::Random(why) => write!(f, "the system gives no random numbers for its key: {why}"),
        }
    }
}

impl Error for BuildError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot read the figure")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_becomes_one_with_all_its_reasons() {
        let inner = "x".parse::<u8>().unwrap_err();
        let error = HandlerError::from(Outer(inner));
        assert_eq!(error.to_string(), "cannot read the figure: invalid digit found in string");
        assert_eq!(error.for_tool().unwrap(), "cannot read the figure: invalid digit found in string");
    }

    #[test]
    fn what_is_sent_is_cut_and_has_no_control_characters() {
        let text = HandlerError::new(format!("one\ntwo\u{1b}{}", "é".repeat(SENT))).to_string();
        assert!(text.starts_with("one\ntwo\\x1bé") && text.len() < SENT + 50, "{text}");
        assert!(text.ends_with(&format!("… ({} more bytes)", SENT + 8)), "{text}");
    }

    #[test]
    fn the_error_it_was_can_be_had() {
        let error = HandlerError::from(Outer("x".parse::<u8>().unwrap_err()));
        assert!(error.downcast_ref::<Outer>().is_some() && error.downcast_ref::<std::fmt::Error>().is_none());
        assert!(HandlerError::new("x").downcast_ref::<Outer>().is_none());
    }

    #[test]
    fn what_becomes_of_it_depends_on_who_fails() {
        let none = |message| Rejection::new(-32002, message);
        assert_eq!(HandlerError::new("x").rejection(none).code(), Some(-32603));
        assert_eq!(HandlerError::not_found("x").rejection(none).code(), Some(-32002));
        let own = || HandlerError::from(Rejection::new(-1, "x"));
        assert_eq!(own().rejection(none).code(), Some(-1));
        assert_eq!(own().for_tool().unwrap_err().code(), Some(-1));
    }

    #[test]
    fn a_build_error_names_what_is_wrong() {
        let error = BuildError::new(Offered::Tool("add".into()), Wrong::Twice);
        assert!(error.is_duplicate() && !error.is_bad_schema() && !error.is_fixed());
        assert_eq!(error.to_string(), "cannot offer the tool \"add\": there is one already");
    }
}
