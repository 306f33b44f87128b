//! The framer and what it finds out about lines that are no message: whatever the pieces are in which bytes come, the
//! same comes out, and no more is kept than the limit allows.

use scope_mcp::codec::{Frame, Framer, about};

use crate::corpus::Corpus;
use crate::heap::Watch;
use crate::mutate::mutate;
use crate::random::Random;
use crate::{Done, LINES};

/// The framer's room for one read; it may have two of them, and twice that while it moves.
const CHUNK: usize = 64 * 1024;

/// How long, and a sum of the rest: the lines and ids themselves would hide what the framer holds.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Line(usize, u64),
    TooLong(u64, u64),
}

/// One stream of mutated lines, read in one piece and in pieces of any size.
///
/// # Panics
/// If both do not see the same, or too much is held.
pub fn run(corpus: &Corpus, seed: u64) -> Done {
    let mut random = Random::new(seed);
    let mut stream = Vec::new();
    let lines = 1 + random.below(LINES);
    for _ in 0..lines {
        let mut line = corpus.line(&mut random).to_vec();
        let other = corpus.line(&mut random);
        mutate(&mut line, other, &mut random);
        // Nothing to compare with: it is not to panic.
        let _ = about(&line);
        stream.extend_from_slice(&line);
        stream.extend_from_slice(random.one_of::<&[u8]>(&[b"\n", b"\n", b"\n", b"\r\n", b"\n\n"]));
    }
    let end = stream.len() - random.below(2);
    let stream = &stream[..end];
    let limit = *random.one_of(&[0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000]);
    // What is written down of a stream is not the framer's: room for it is there before anybody watches.
    let frames = 1 + stream.iter().filter(|byte| **byte == b'\n').count();
    let (mut whole, mut pieces) = (Vec::with_capacity(frames), Vec::with_capacity(frames));
    let mut watch = Watch::new(2 * limit + 6 * CHUNK);
    read(stream, limit, &mut watch, || usize::MAX, &mut whole);
    let most = *random.one_of(&[1, 2, 16, 1000, 100_000]);
    read(stream, limit, &mut watch, || 1 + random.below(most), &mut pieces);
    assert_eq!(whole, pieces, "what is read depends on how it comes");
    let mut done = Done { inputs: lines as u64, most_held: watch.most(), ..Done::default() };
    let too_long = whole.iter().filter(|seen| matches!(seen, Seen::TooLong(..))).count();
    done.count("lines", (whole.len() - too_long) as u64);
    done.count("lines too long", too_long as u64);
    done
}

fn read(stream: &[u8], limit: usize, watch: &mut Watch, mut piece: impl FnMut() -> usize, seen: &mut Vec<Seen>) {
    let mut framer = Framer::new(limit);
    let mut rest = stream;
    while !rest.is_empty() {
        let room = framer.room();
        let count = piece().min(room.len()).min(rest.len());
        room[..count].copy_from_slice(&rest[..count]);
        framer.filled(count);
        rest = &rest[count..];
        while let Some(frame) = framer.next() {
            seen.push(look(&frame, limit));
        }
        watch.look();
    }
    seen.extend(framer.finish().map(|frame| look(&frame, limit)));
}

fn look(frame: &Frame<'_>, limit: usize) -> Seen {
    match frame {
        Frame::Line(line) => {
            assert!(line.len() <= limit && !line.trim_ascii().is_empty() && !line.contains(&b'\n'));
            Seen::Line(line.len(), sum(line))
        }
        Frame::TooLong(what) => {
            assert!(what.len > limit as u64);
            Seen::TooLong(what.len, sum(format!("{:?}", what.about).as_bytes()))
        }
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}
