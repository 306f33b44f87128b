//! The record of every line to and from the servers: `--wire FILE`.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

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

/// What the configuration puts into a server's environment: secret wherever it turns up, under whatever name.
struct Secrets {
    /// As they stand in JSON, the longest first.
    values: Vec<String>,
}

impl Secrets {
    fn of(server: &Server) -> Self {
        let mut values: Vec<String> = server
            .env
            .iter()
            // Most short values are switches and numbers, and would be taken out of everything.
            .filter(|(name, value)| value.chars().count() >= if names_a_secret(name) { 3 } else { 8 })
            .map(|(_, value)| {
                let quoted = serde_json::Value::from(value.as_str()).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            })
            .collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Secrets { values }
    }

    fn redact(&self, mut line: String) -> String {
        for value in &self.values {
            if line.contains(value) {
                line = line.replace(value, MARK);
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_environment_are_redacted_wherever_they_are() {
        let env = [("GITHUB_TOKEN", "abc"), ("URL", "https://x/\"y"), ("DEBUG", "1"), ("GITHUB_PASSWORD", "abcdef")];
        let secrets = Secrets::of(&Server {
            name: "s".into(),
            command: "c".into(),
            args: Vec::new(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            cwd: None,
            reach: scope_process::Reach::default(),
        });
        let clean = secrets.redact(r#"{"text":"abcdef abc https://x/\"y 1"}"#.to_owned());
        assert_eq!(clean, r#"{"text":"[redacted] [redacted] [redacted] 1"}"#);
    }
}
