//! What can go wrong, told apart by predicates and told to people by `Display`.
//!
//! What a server said is shown with control characters escaped, cut, and without what looks like a secret.

mod call;
mod gone;
mod open;

pub use call::CallError;
pub(crate) use call::{CallName, Delivery, Fault};
pub use gone::{Gone, HowGone};
pub use open::OpenError;
pub(crate) use open::OpenKind;

use std::fmt;
use std::time::Duration;

use crate::redact::redact;
use crate::visible::Visible;

/// How much of a server's text goes into a message.
pub(crate) const SHOWN: usize = 300;

/// A server's text in a message.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "«{}»", Visible::new(&redact(self.0), SHOWN))
    }
}

/// Why something is not what it should be, from a parser: it may quote what the server sent, at any length.
pub(crate) fn parse_error(error: &serde_json::Error) -> String {
    Visible::new(&redact(&error.to_string()), SHOWN).to_string()
}

/// A duration as people say it.
pub(crate) struct Spoken(pub(crate) Duration);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis < 1000 {
            write!(f, "{millis} ms")
        } else if millis.is_multiple_of(1000) {
            write!(f, "{} s", millis / 1000)
        } else {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(Spoken(Duration::from_millis(250)).to_string(), "250 ms");
        assert_eq!(Spoken(Duration::from_secs(10)).to_string(), "10 s");
        assert_eq!(Spoken(Duration::from_millis(1500)).to_string(), "1.5 s");
        assert_eq!(Spoken(Duration::ZERO).to_string(), "0 ms");
    }

    #[test]
    fn a_parser_quotes_no_secret_and_not_too_much() {
        let long = format!("{{\"content\":\"api_key=hush {}\"}}", "x".repeat(100_000));
        let error = serde_json::from_str::<crate::model::CallToolResult>(&long).unwrap_err();
        let text = parse_error(&error);
        assert!(text.starts_with("invalid type: string") && text.len() < 400 && !text.contains("hush"), "{text}");
    }

    #[test]
    fn quotes_hide_secrets_and_control_characters() {
        assert_eq!(Quoted("\u{1b}c token=abc").to_string(), "«\\x1bc token=[redacted]»");
        assert!(Quoted(&"x".repeat(10_000)).to_string().len() < 400);
    }
}
