//! Everything that is no result: messages, the log, and the line that shows progress on a terminal.
//!
//! They share one place on the screen, so they share one lock.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::sanitize;

/// Whether the line that shows progress is on the screen.
static STATUS: Mutex<Status> = Mutex::new(Status { shown: false });

struct Status {
    shown: bool,
}

impl Status {
    fn lock() -> MutexGuard<'static, Status> {
        STATUS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            write("\r\x1b[K");
        }
    }
}

/// Nobody can be told that stderr cannot be written.
fn write(text: &str) {
    let mut stderr = io::stderr();
    _ = stderr.write_all(text.as_bytes());
}

/// Tells the user something, in one line.
pub(crate) fn say(message: impl fmt::Display) {
    let message = message.to_string();
    let line = format!("scope-mcp: {}\n", sanitize::line(&message));
    let mut status = Status::lock();
    status.clear();
    write(&line);
}

/// Takes the progress from the screen.
pub(crate) fn clear() {
    Status::lock().clear();
}

/// Takes the progress from the screen, and keeps it away while `print` prints something else there.
pub(crate) fn while_clear<T>(print: impl FnOnce() -> T) -> T {
    let mut status = Status::lock();
    status.clear();
    print()
}

/// Shows how far the work is, in place of what was shown before.
pub(crate) fn show_progress(line: &str) {
    let columns = rustix::termios::tcgetwinsize(io::stderr())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .unwrap_or(80);
    let line = sanitize::short(line, columns.saturating_sub(1));
    let mut status = Status::lock();
    status.shown = true;
    write(&format!("\r\x1b[K{line}"));
}

/// Whether progress can be shown: somebody looks, on a terminal that can rewrite a line.
pub(crate) fn can_show_progress() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Sends the log to stderr.
pub(crate) fn start_log(level: LevelFilter) {
    tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(Log).compact().init();
}

/// Where the log goes: it may quote servers, so it is made visible like everything else.
struct Log;

struct Entry(Vec<u8>);

impl<'a> MakeWriter<'a> for Log {
    type Writer = Entry;

    fn make_writer(&'a self) -> Entry {
        Entry(Vec::new())
    }
}

impl Write for Entry {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let text: Cow<'_, str> = String::from_utf8_lossy(&self.0);
        let text = sanitize::text(&text);
        let mut status = Status::lock();
        status.clear();
        write(&text);
    }
}
