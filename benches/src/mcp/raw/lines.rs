use std::io::{self, Read};

use memchr::memchr;

/// The least room for a read: as much as a pipe holds.
const ROOM: usize = 64 * 1024;

/// Lines out of a pipe.
#[derive(Default)]
pub(super) struct Lines {
    /// `start..end` has been read and not been given out; up to `searched` there is no line end.
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    end: usize,
}

impl Lines {
    /// Reads once. Nothing at the end.
    pub(super) fn fill(&mut self, from: &mut impl Read) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.searched -= self.start;
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() - self.end < ROOM {
            let double = (self.buffer.len() * 2).max(self.end + ROOM);
            self.buffer.resize(double, 0);
        }
        let read = from.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// The next line that is there as a whole, without its end.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let Some(at) = memchr(b'\n', &self.buffer[self.searched..self.end]) else {
            self.searched = self.end;
            return None;
        };
        let line = self.start..self.searched + at;
        self.searched = line.end + 1;
        self.start = self.searched;
        Some(&self.buffer[line])
    }
}
