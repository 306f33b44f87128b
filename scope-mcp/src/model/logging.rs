use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Object, setters};

/// How important a line of a log is, as in syslog (RFC 5424). The later, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoggingLevel {
    /// For those who look for a mistake.
    Debug,
    /// What goes on.
    Info,
    /// What goes on and does not happen often.
    Notice,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    Error,
    /// A part of the program failed.
    Critical,
    /// Somebody has to act at once.
    Alert,
    /// Nothing can be used any more.
    Emergency,
}

impl LoggingLevel {
    /// All of them, the least important first.
    pub const ALL: [LoggingLevel; 8] = [
        LoggingLevel::Debug,
        LoggingLevel::Info,
        LoggingLevel::Notice,
        LoggingLevel::Warning,
        LoggingLevel::Error,
        LoggingLevel::Critical,
        LoggingLevel::Alert,
        LoggingLevel::Emergency,
    ];

    /// As it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            LoggingLevel::Debug => "debug",
            LoggingLevel::Info => "info",
            LoggingLevel::Notice => "notice",
            LoggingLevel::Warning => "warning",
            LoggingLevel::Error => "error",
            LoggingLevel::Critical => "critical",
            LoggingLevel::Alert => "alert",
            LoggingLevel::Emergency => "emergency",
        }
    }
}

impl fmt::Display for LoggingLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// There is no level of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLevel(());

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such level of a log: it is one of")?;
        for (place, level) in LoggingLevel::ALL.into_iter().enumerate() {
            write!(f, "{} {level}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownLevel {}

impl FromStr for LoggingLevel {
    type Err = UnknownLevel;

    fn from_str(name: &str) -> Result<Self, UnknownLevel> {
        LoggingLevel::ALL.into_iter().find(|level| level.as_str() == name).ok_or(UnknownLevel(()))
    }
}

/// A line of a server's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogMessage {
    /// As the server sent it; servers do not keep to the names of [`LoggingLevel`], see
    /// [`known_level`](LogMessage::known_level).
    pub level: String,
    /// Which part of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logger: Option<String>,
    /// What it says.
    pub data: Value,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl LogMessage {
    /// `data` at `level`.
    pub fn new(level: LoggingLevel, data: impl Into<Value>) -> Self {
        LogMessage {
            level: level.as_str().to_owned(),
            logger: None,
            data: data.into(),
            meta: None,
            extra: Object::new(),
        }
    }

    setters!(LogMessage { logger: String });

    /// The level, if it is one.
    pub fn known_level(&self) -> Option<LoggingLevel> {
        self.level.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_written_as_they_are_read_and_grow() {
        assert!(LoggingLevel::ALL.is_sorted());
        for level in LoggingLevel::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
            assert_eq!(serde_json::from_value::<LoggingLevel>(level.as_str().into()).unwrap(), level);
        }
        let error = "warn".parse::<LoggingLevel>().unwrap_err().to_string();
        assert!(error.ends_with("it is one of debug, info, notice, warning, error, critical, alert, emergency"));
        assert!(serde_json::from_str::<LoggingLevel>("\"Info\"").is_err());
    }

    #[test]
    fn a_line_at_a_level_that_does_not_exist_is_not_lost() {
        let line: LogMessage = serde_json::from_str(r#"{"level":"warn","data":1,"pid":3}"#).unwrap();
        assert_eq!((line.known_level(), &line.extra["pid"]), (None, &3.into()));
        assert_eq!(LogMessage::new(LoggingLevel::Alert, "x").known_level(), Some(LoggingLevel::Alert));
    }
}
