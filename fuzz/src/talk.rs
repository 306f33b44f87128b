//! The peer that says what is mutated, and hears what comes of it, on the deterministic runtime: time is virtual, and what
//! never ends is a deadlock, which that runtime reports.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use scope_core::Failure;
use scope_mcp::transport::Stream;

use crate::LINES;
use crate::heap::Watch;
use crate::random::Random;
use crate::written::Written;

/// What the peer has heard.
#[derive(Default)]
pub struct Heard(Mutex<State>);

#[derive(Default)]
struct State {
    requests: Vec<Asked>,
    lines: u64,
    answers: BTreeMap<String, u64>,
}

/// A request of ours, as the peer heard it.
#[derive(Debug)]
pub struct Asked {
    /// Its id, as JSON.
    pub id: String,
    /// Its method.
    pub method: String,
}

impl Heard {
    /// The request that has waited longest.
    pub fn next_request(&self) -> Option<Asked> {
        let mut state = self.state();
        if state.requests.is_empty() { None } else { Some(state.requests.remove(0)) }
    }

    /// Whether a request waits.
    pub fn is_asked(&self) -> bool {
        !self.state().requests.is_empty()
    }

    /// How many lines.
    pub fn lines(&self) -> u64 {
        self.state().lines
    }

    /// How often this id, as JSON, was answered.
    pub fn answers(&self, id: &str) -> u64 {
        self.state().answers.get(id).copied().unwrap_or(0)
    }

    fn line(&self, line: &[u8]) {
        let messages = Written::read(line);
        let mut state = self.state();
        state.lines += 1;
        for message in messages {
            match message {
                Written { id: Some(id), method: Some(method) } => state.requests.push(Asked { id, method }),
                Written { id: Some(id), method: None } => *state.answers.entry(id).or_default() += 1,
                _ => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads up to the end, or, once `deaf_after` bytes have been read, not any more.
    ///
    /// # Panics
    /// If something that is heard is no message.
    pub async fn hear(&self, mut reader: ReadHalf<Stream>, deaf_after: usize) -> Result<(), Failure> {
        let mut line = Vec::new();
        let mut buffer = vec![0; 4096];
        let mut read = 0;
        while read < deaf_after {
            let Ok(count @ 1..) = reader.read(&mut buffer).await else {
                // Cut off, it may end in the middle of a line.
                return Ok(());
            };
            read += count;
            for byte in &buffer[..count] {
                if *byte == b'\n' {
                    self.line(&line);
                    line.clear();
                } else {
                    line.push(*byte);
                }
            }
        }
        // Deaf, and not gone: that would be an error to the writer.
        scope_core::sleep(Duration::from_secs(3600)).await?;
        drop(reader);
        Ok(())
    }
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heard").field("lines", &self.lines()).finish_non_exhaustive()
    }
}

/// What the peer has said, in the end.
#[derive(Debug)]
pub struct Said {
    /// Whether time has passed meanwhile, and with it everybody has had a turn.
    pub rested: bool,
    /// So many lines.
    pub lines: u64,
    /// The most that was seen on the heap.
    pub most_held: usize,
}

/// Says up to [`LINES`] lines, and stops when nobody reads any more.
///
/// # Panics
/// If `watch` sees too much.
pub async fn speak(
    mut writer: WriteHalf<Stream>,
    heard: &Heard,
    random: &mut Random,
    mut watch: Watch,
    mut next_line: impl FnMut(&mut Random) -> Vec<u8>,
) -> Result<Said, Failure> {
    let lines = 1 + random.below(LINES) as u64;
    let mut rested = false;
    for said in 0..lines {
        let pause = match random.below(64) {
            0 => random.below(20_000),
            1..8 => 1,
            // More is learned from answers to questions.
            _ if !heard.is_asked() => random.below(2),
            _ => 0,
        };
        if pause > 0 {
            // Virtual: for what the other side does meanwhile, time-outs included.
            scope_core::sleep(Duration::from_millis(pause as u64)).await?;
            rested = true;
        } else if random.one_in(2) {
            scope_test::yield_now().await;
        }
        let mut line = next_line(random);
        line.push(b'\n');
        if said + 1 == lines && random.one_in(2) {
            // Half of it, and the end.
            line.truncate(random.below(line.len()));
        }
        let written = writer.write_all(&line).await;
        drop(line);
        watch.look();
        if written.is_err() {
            return Ok(Said { rested, lines: said + 1, most_held: watch.most() });
        }
    }
    if random.one_in(2) {
        // It hangs up, or stays and is hung up upon.
        let _ = writer.close().await;
        scope_test::yield_now().await;
    }
    watch.look();
    Ok(Said { rested, lines, most_held: watch.most() })
}
