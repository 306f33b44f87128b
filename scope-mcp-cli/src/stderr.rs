//! Everything that is no result: messages, the log, and the line that shows progress on a terminal.
//!
//! A thread of its own writes them: a terminal may be stopped, and then a write takes until it goes on, which must hold up
//! neither the servers nor the answer to a signal. On a terminal they share one place with the results, so whoever writes
//! there has the [screen](Screen) for as long.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::sanitize;

/// Bytes that wait to be written, from which on the log goes nowhere.
const LOG_MAX: usize = 1024 * 1024;

static SCREEN: Mutex<Screen> = Mutex::new(Screen { progress: false });

/// What is on the screen. Locked by whoever writes there, and by nobody else.
struct Screen {
    /// The line that shows progress.
    progress: bool,
}

/// The way to the thread that writes, once there is one. Until then each writes for itself.
static WRITER: OnceLock<mpsc::Sender<Piece>> = OnceLock::new();

/// Bytes on that way.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Entries of the log that did not go there.
static MISSING: AtomicUsize = AtomicUsize::new(0);

enum Piece {
    Text(String),
    Progress(String),
    Clear,
    /// To be told that what came before is written.
    Written(async_channel::Sender<()>),
}

impl Screen {
    fn lock() -> MutexGuard<'static, Screen> {
        SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.progress) {
            write("\r\x1b[K");
        }
    }

    fn show(&mut self, piece: &Piece) {
        match piece {
            Piece::Text(text) => {
                self.clear();
                write(text);
            }
            Piece::Progress(line) => {
                self.progress = true;
                write(&format!("\r\x1b[K{line}"));
            }
            Piece::Clear => self.clear(),
            // Nobody may be waiting any more.
            Piece::Written(told) => _ = told.try_send(()),
        }
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Piece::Text(text) | Piece::Progress(text) => text.len(),
            Piece::Clear => 1,
            Piece::Written(_) => 0,
        }
    }

    fn go(self) {
        let Some(writer) = WRITER.get() else { return Screen::lock().show(&self) };
        WAITING.fetch_add(self.len(), Ordering::Relaxed);
        // The thread ends with the program.
        _ = writer.send(self);
    }
}

/// Nobody can be told that stderr cannot be written.
fn write(text: &str) {
    let mut stderr = io::stderr();
    _ = stderr.write_all(text.as_bytes());
}

/// From here on nobody waits for stderr. Without a thread to be had, everybody does.
pub(crate) fn start_writing() {
    let (pieces, queue) = mpsc::channel::<Piece>();
    let write = move || {
        for piece in queue {
            Screen::lock().show(&piece);
            WAITING.fetch_sub(piece.len(), Ordering::Relaxed);
        }
    };
    if thread::Builder::new().name("stderr".into()).spawn(write).is_ok() {
        _ = WRITER.set(pieces);
    }
}

/// Waits until everything that has been said is written.
pub(crate) async fn written() {
    let (piece, written) = async_channel::bounded(1);
    Piece::Written(piece).go();
    // An error: there is nobody to write it.
    _ = written.recv().await;
}

/// The same at the end of the program, where no signal is heard any more; so for a moment only.
pub(crate) fn finish() {
    const MOMENT: Duration = Duration::from_millis(200);
    let start = Instant::now();
    while WAITING.load(Ordering::Relaxed) > 0 && start.elapsed() < MOMENT {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Tells the user something, in one line.
pub(crate) fn say(message: impl fmt::Display) {
    let message = message.to_string();
    Piece::Text(format!("scope-mcp: {}\n", sanitize::line(&message))).go();
}

/// Takes the progress from the screen.
pub(crate) fn clear() {
    Piece::Clear.go();
}

/// Takes the progress from the screen, and keeps it away while `print` prints something else there.
pub(crate) fn while_clear<T>(print: impl FnOnce() -> T) -> T {
    let mut screen = Screen::lock();
    screen.clear();
    print()
}

/// Shows how far the work is, in place of what was shown before.
pub(crate) fn show_progress(line: &str) {
    if WAITING.load(Ordering::Relaxed) > 0 {
        // It would be out of date when it is seen.
        return;
    }
    let columns = rustix::termios::tcgetwinsize(io::stderr())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .unwrap_or(80);
    Piece::Progress(sanitize::short(line, columns.saturating_sub(1))).go();
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
        if WAITING.load(Ordering::Relaxed) > LOG_MAX {
            MISSING.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let missing = MISSING.swap(0, Ordering::Relaxed);
        if missing > 0 {
            say(format_args!("{missing} entries of the log are missing here, for nothing reads them fast enough"));
        }
        let text: Cow<'_, str> = String::from_utf8_lossy(&self.0);
        Piece::Text(sanitize::text(&text)).go();
    }
}
