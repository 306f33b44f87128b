//! The record of every line to and from the servers: `--wire FILE`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use regex::{NoExpand, Regex, RegexBuilder};
use scope_mcp::redact::{MARK, names_a_secret};
use scope_mcp::{Direction, Wire, WireLine};

use crate::config::Server;
use crate::exit::Stop;
use crate::{sanitize, stderr};

/// Writes the lines to a file that only its owner may read.
pub(crate) struct Record {
    /// `None` after writing has failed.
    file: Mutex<Option<File>>,
    path: String,
    start: Instant,
    /// By the name of the server.
    secrets: HashMap<String, Secrets>,
}

impl Record {
    /// Starts a record, in place of an earlier one.
    pub(crate) fn create(path: &Path, servers: &[Server]) -> Result<Self, Stop> {
        let shown = sanitize::line(&path.display().to_string());
        let cannot = |error| Stop::usage(format_args!("cannot write the record {shown} (--wire): {error}"));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(cannot)?;
        // The mode above is for new files. A device or a pipe is left as it is.
        if file.metadata().map_err(cannot)?.is_file() {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(cannot)?;
        }
        let secrets = servers.iter().map(|server| (server.name.clone(), Secrets::of(server))).collect();
        Ok(Record { file: Mutex::new(Some(file)), path: shown, start: Instant::now(), secrets })
    }

    fn write(&self, line: &str) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = file.as_mut() else { return };
        if let Err(error) = open.write_all(line.as_bytes()) {
            *file = None;
            stderr::say(format_args!("the record {} (--wire) ends here: {error}", self.path));
        }
    }
}

impl Wire for Record {
    fn line(&self, line: &WireLine<'_>) {
        let mut text = line.text();
        if let Some(secrets) = self.secrets.get(line.server()) {
            text = secrets.redact(text);
        }
        let arrow = match line.direction() {
            Direction::Sent => "->",
            Direction::Received => "<-",
        };
        let seconds = self.start.elapsed().as_secs_f64();
        let server = sanitize::line(line.server());
        self.write(&format!("{seconds:.6} {server} {arrow} {}\n", sanitize::json(&text)));
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What the configuration puts into a server's environment: secret wherever it turns up, under whatever name, and however it
/// is spelled.
struct Secrets {
    /// The longest first.
    values: Vec<Regex>,
}

impl Secrets {
    fn of(server: &Server) -> Self {
        let mut values: Vec<&str> = server
            .env
            .iter()
            // Most short values are switches and numbers, and would be taken out of everything.
            .filter(|(name, value)| value.chars().count() >= if names_a_secret(name) { 3 } else { 8 })
            .map(|(_, value)| value.as_str())
            .collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Secrets { values: values.into_iter().filter_map(spelled).collect() }
    }

    fn redact(&self, mut line: String) -> String {
        for value in &self.values {
            if let Cow::Owned(clean) = value.replace_all(&line, NoExpand(MARK)) {
                line = clean;
            }
        }
        line
    }
}

/// Finds a value as it may stand in JSON, or in JSON in a string in JSON: writers differ in what they escape, and each level
/// adds backslashes.
fn spelled(value: &str) -> Option<Regex> {
    let mut pattern = String::new();
    for c in value.chars() {
        let plain = match c {
            '\\' => r"\\+".to_owned(),
            '"' | '/' => format!(r"\\*{c}"),
            '\u{8}' => r"\\+b".to_owned(),
            '\u{c}' => r"\\+f".to_owned(),
            '\n' => r"\\+n".to_owned(),
            '\r' => r"\\+r".to_owned(),
            '\t' => r"\\+t".to_owned(),
            c => regex::escape(c.encode_utf8(&mut [0; 4])),
        };
        let units = c
            .encode_utf16(&mut [0; 2])
            .iter()
            .fold(String::new(), |units, unit| units + &format!(r"\\+u(?i:{unit:04x})"));
        pattern.push_str(&format!("(?:{plain}|{units})"));
    }
    // As large as the longest value that a program can be given makes it.
    let whole = RegexBuilder::new(&pattern).size_limit(1 << 30).build();
    whole.or_else(|_| Regex::new(&regex::escape(value))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(env: &[(&str, &str)]) -> Secrets {
        Secrets::of(&Server {
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..Server::new("s", "c".into())
        })
    }

    #[test]
    fn values_of_the_environment_are_redacted_wherever_they_are() {
        let env = [("GITHUB_TOKEN", "abc"), ("URL", "https://x/\"y"), ("DEBUG", "1"), ("GITHUB_PASSWORD", "abcdef")];
        let clean = secrets(&env).redact(r#"{"text":"abcdef abc https://x/\"y 1"}"#.to_owned());
        assert_eq!(clean, r#"{"text":"[redacted] [redacted] [redacted] 1"}"#);
    }

    #[test]
    fn however_a_value_is_spelled_it_is_redacted() {
        let value = "gr\u{fc}n+/&\\x\"\n\u{1f600}.";
        let env = [("ANY", value)];
        // As serde_json, Python, PHP, Go and .NET write it.
        for written in [
            r#"grün+/&\\x\"\n😀."#,
            r#"gr\u00fcn+/&\\x\"\n\ud83d\ude00."#,
            r#"gr\u00fcn+\/&\\x\"\n\ud83d\ude00."#,
            r#"grün+/\u0026\\x\"\n😀."#,
            r#"gr\u00FCn\u002B/\u0026\\x\u0022\n\uD83D\uDE00."#,
        ] {
            let line = format!("{{\"text\":\"a {written} b\"}}");
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["text"], format!("a {value} b"), "{line}");
            assert_eq!(secrets(&env).redact(line.clone()), r#"{"text":"a [redacted] b"}"#);
            let inner = serde_json::json!({ "t": line }).to_string();
            assert_eq!(secrets(&env).redact(inner.clone()), r#"{"t":"{\"text\":\"a [redacted] b\"}"}"#, "{inner}");
        }
        let other = r#"{"text":"grun+/&\\x\"\n😀. gr\u00fcn+/&x"}"#;
        assert_eq!(secrets(&env).redact(other.to_owned()), other);
    }

    #[test]
    fn of_a_long_value_nothing_is_left() {
        let value: String = (0..10_001_u64).map(|n| char::from(b'a' + (n * n % 26) as u8)).collect();
        assert_eq!(secrets(&[("ANY", &value)]).redact(format!("<{value}>")), "<[redacted]>");
    }
}
