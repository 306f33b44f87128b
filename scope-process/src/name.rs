use std::fmt;
use std::sync::Arc;

/// What a process is called in messages and reports: the configured name of a server, say. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessName(Arc<str>);

impl ProcessName {
    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: AsRef<str>> From<T> for ProcessName {
    fn from(name: T) -> Self {
        ProcessName(Arc::from(name.as_ref()))
    }
}

/// Control characters are shown escaped: names come from configuration files, and go to terminals.
impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Visible(&self.0).fmt(f)
    }
}

impl fmt::Debug for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text of somebody else's making, fit for a terminal.
pub(crate) struct Visible<'a>(pub(crate) &'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_send_control_characters_to_a_terminal() {
        assert_eq!(ProcessName::from("a\u{1b}[31mb\n").to_string(), "a\\u{1b}[31mb\\n");
        assert_eq!(ProcessName::from("zeitzähler").to_string(), "zeitzähler");
    }
}
