use super::*;
use crate::testing::Random;

/// Everything a framer gave, owned.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Got {
    Line(Vec<u8>),
    TooLong(TooLong),
}

impl From<Frame<'_>> for Got {
    fn from(frame: Frame<'_>) -> Got {
        match frame {
            Frame::Line(line) => Got::Line(line.to_vec()),
            Frame::TooLong(what) => Got::TooLong(what),
        }
    }
}

fn give(framer: &mut Framer, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let room = framer.room();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        framer.filled(count);
        bytes = &bytes[count..];
    }
}

/// The frames of `stream`, fed in pieces of the given sizes, over and over.
fn frames(stream: &[u8], limit: usize, sizes: &mut dyn FnMut() -> usize) -> Vec<Got> {
    let mut framer = Framer::new(limit);
    let mut got = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(sizes().clamp(1, rest.len()));
        rest = after;
        give(&mut framer, piece);
        while let Some(frame) = framer.next() {
            got.push(frame.into());
        }
    }
    got.extend(framer.finish().map(Got::from));
    assert!(framer.finish().is_none(), "an end was given twice");
    got
}

fn lines(stream: &str) -> Vec<String> {
    frames(stream.as_bytes(), 100, &mut || 1000)
        .into_iter()
        .map(|got| match got {
            Got::Line(line) => String::from_utf8(line).unwrap(),
            Got::TooLong(what) => panic!("{what:?}"),
        })
        .collect()
}

#[test]
fn lines_end_with_a_line_feed_and_may_have_a_carriage_return() {
    assert_eq!(lines("a\nb\r\n\n\r\n  \nc\rd\ne"), ["a", "b", "c\rd", "e"]);
    assert_eq!(lines(""), [""; 0]);
    assert_eq!(lines("\n\n"), [""; 0]);
}

#[test]
fn a_line_of_just_the_limit_passes_and_one_more_byte_does_not() {
    for end in ["\n", "\r\n", ""] {
        let fits = format!("{}{end}", "x".repeat(10));
        assert_eq!(frames(fits.as_bytes(), 10, &mut || 3), [Got::Line(vec![b'x'; 10])], "{end:?}");
        let over = format!("{}{end}y\n", "x".repeat(11));
        let got = frames(over.as_bytes(), 10, &mut || 3);
        if end.is_empty() {
            assert_eq!(got, [Got::TooLong(TooLong { about: None, len: 12 })]);
        } else {
            assert!(matches!(got[0], Got::TooLong(TooLong { about: None, len: 11 | 12 })), "{got:?}");
            assert_eq!(got[1], Got::Line(b"y".to_vec()));
        }
    }
}

#[test]
fn a_line_over_the_limit_says_whose_answer_it_was_and_the_next_one_is_read() {
    let big = format!("{{\"result\":\"{}\",\"jsonrpc\":\"2.0\",\"id\":42}}", "x".repeat(300_000));
    let stream = format!("{big}\n{{}}\n{big}");
    let got = frames(stream.as_bytes(), 1000, &mut || 4096);
    let too_long = TooLong { about: Id::from_json(b"42").map(About::Answer), len: big.len() as u64 };
    assert_eq!(got, [Got::TooLong(too_long.clone()), Got::Line(b"{}".to_vec()), Got::TooLong(too_long)]);
}

#[test]
fn a_line_without_end_is_not_kept() {
    let mut framer = Framer::new(10_000);
    for _ in 0..2_000 {
        give(&mut framer, &[b'x'; 10_000]);
        assert!(framer.next().is_none());
    }
    assert!(framer.capacity() <= 4 * CHUNK, "{} bytes held", framer.capacity());
    give(&mut framer, b"\n");
    assert!(matches!(framer.next(), Some(Frame::TooLong(TooLong { len: 20_000_000, .. }))));
}

#[test]
fn a_line_of_the_limit_takes_hardly_more_than_the_limit() {
    let limit = 5 * KEEP;
    let mut framer = Framer::new(limit);
    give(&mut framer, &vec![b'x'; limit]);
    assert!(framer.next().is_none());
    assert!(framer.capacity() <= limit + 2 * CHUNK, "{} bytes held", framer.capacity());
    give(&mut framer, b"\n");
    assert!(matches!(framer.next(), Some(Frame::Line(line)) if line.len() == limit));
}

#[test]
fn the_buffer_of_one_long_line_is_given_back() {
    let mut framer = Framer::new(usize::MAX);
    give(&mut framer, &vec![b'x'; 8 * KEEP]);
    give(&mut framer, b"\n");
    assert!(matches!(framer.next(), Some(Frame::Line(line)) if line.len() == 8 * KEEP));
    assert!(framer.next().is_none());
    let _ = framer.room();
    assert!(framer.capacity() <= KEEP);
}

#[test]
fn another_line_as_long_has_its_room_at_once_and_short_ones_take_none() {
    let mut framer = Framer::new(usize::MAX);
    let mut long = vec![b'x'; 20 * KEEP];
    long.push(b'\n');
    give(&mut framer, &long);
    assert!(framer.next().is_some());
    let mut short = b"short\n".iter().cycle();
    for _ in 0..100 {
        let room = framer.room();
        room.fill_with(|| short.next().copied().unwrap_or_default());
        let count = room.len();
        framer.filled(count);
        while let Some(frame) = framer.next() {
            assert!(matches!(frame, Frame::Line(b"short")));
        }
        assert!(framer.capacity() <= 2 * KEEP);
    }
    let (begun, rest) = long.split_at(3 * KEEP);
    give(&mut framer, b"\n");
    assert!(framer.next().is_none_or(|frame| matches!(frame, Frame::Line(_))));
    give(&mut framer, begun);
    assert!(framer.next().is_none());
    let room = framer.capacity();
    assert!((20 * KEEP..22 * KEEP).contains(&room), "{room}");
    give(&mut framer, rest);
    assert!(matches!(framer.next(), Some(Frame::Line(line)) if line.len() == 20 * KEEP));
    assert_eq!(framer.capacity(), room, "it has not grown");
}

#[test]
fn a_byte_at_a_time_is_searched_once() {
    // A rescan per byte would look at 2⁴¹ bytes here; the test would never end.
    let mut framer = Framer::new(usize::MAX);
    for _ in 0..(1 << 21) {
        give(&mut framer, b"x");
        assert!(framer.next().is_none());
    }
    give(&mut framer, b"\n");
    assert!(matches!(framer.next(), Some(Frame::Line(line)) if line.len() == 1 << 21));
}

#[test]
fn any_chunking_gives_the_same_lines() {
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let limit = random.below(64) + 1;
        let stream = hostile_stream(&mut random);
        let whole = frames(&stream, limit, &mut || usize::MAX);
        assert_eq!(frames(&stream, limit, &mut || 1), whole, "seed {seed}, a byte at a time");
        let mut pieces = Random::new(seed ^ 0xabcd);
        assert_eq!(frames(&stream, limit, &mut || pieces.below(40) + 1), whole, "seed {seed}, in pieces");
        for got in &whole {
            match got {
                Got::Line(line) => {
                    assert!(line.len() <= limit && !line.contains(&b'\n') && !line.trim_ascii().is_empty());
                    // Whatever it is, reading it gives an answer, not a panic.
                    let _ = crate::jsonrpc::parse(line);
                    let _ = crate::jsonrpc::parse_batch(line);
                }
                Got::TooLong(what) => assert!(what.len > limit as u64),
            }
        }
    }
}

/// Bytes that look like messages here and there.
fn hostile_stream(random: &mut Random) -> Vec<u8> {
    let bits: [&[u8]; 16] = [
        b"\n",
        b"\r\n",
        b"\r",
        b"{\"jsonrpc\":\"2.0\",\"id\":",
        b"17",
        b"\"x\"",
        b"}",
        b",\"result\":{}",
        b",\"error\":",
        b"\\",
        b"\"",
        b"[",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b" ",
        b"\"method\":\"ping\"",
    ];
    let mut stream = Vec::new();
    for _ in 0..random.below(60) {
        if random.below(5) == 0 {
            let length = random.below(100);
            stream.extend((0..length).map(|_| random.below(256) as u8));
        } else {
            stream.extend_from_slice(bits[random.below(bits.len())]);
        }
    }
    stream
}

#[test]
fn memory_is_asked_for_only_where_it_is_used_at_once() {
    let mut framer = Framer::new(usize::MAX);
    let mut given = 0;
    for long in [2 * KEEP, 10, 4 * KEEP, 10, 10] {
        let line = [&vec![b'x'; long][..], b"\n"].concat();
        let mut rest = &line[..];
        while !rest.is_empty() {
            if framer.may_gather() {
                given += 1;
                framer.give(String::with_capacity(8 * KEEP));
            }
            let room = framer.room();
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            framer.filled(count);
            rest = &rest[count..];
            assert_eq!(framer.spare.capacity(), 0);
            while let Some(came) = framer.next_to_keep() {
                if let Came::Long(text) = came {
                    assert!(text.capacity() >= 8 * KEEP, "it was used");
                }
            }
        }
        assert!(!framer.may_gather());
    }
    assert_eq!(given, 2);
}

#[test]
fn long_lines_come_as_they_were_however_they_are_cut_and_whatever_is_in_them() {
    let bits: [&[u8]; 9] =
        [b"x", "é".as_bytes(), "€".as_bytes(), "🦀".as_bytes(), b"\r", b" ", b"\xff", b"\xe2\x82", b"\xf0"];
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let limit = [usize::MAX, 3 * KEEP, 2 * KEEP][random.below(3)];
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for _ in 0..random.below(6) + 1 {
            let mut line = Vec::new();
            let length = [10, KEEP / 2, 2 * KEEP - 2 + random.below(4), 3 * KEEP, 5 * KEEP][random.below(5)];
            let is_text = random.below(3) > 0;
            while line.len() < length {
                let bit = bits[random.below(if is_text { 6 } else { bits.len() })];
                (0..[1, 1, 1000, 20_000][random.below(4)]).for_each(|_| line.extend_from_slice(bit));
            }
            line.extend_from_slice(b"y");
            lines.push(line);
        }
        let stream: Vec<u8> = lines.iter().flat_map(|line| line.iter().chain(b"\n")).copied().collect();
        let wanted: Vec<Got> = lines
            .iter()
            .map(|line| match line.len() {
                len if len <= limit => Got::Line(line.clone()),
                _ => Got::TooLong(whole(line)),
            })
            .collect();
        let mut pieces = Random::new(seed ^ 0x1234);
        let mut size = || [7, 5000, 20_000, KEEP, 3 * KEEP][pieces.below(5)] + pieces.below(5);
        assert!(frames(&stream, limit, &mut size) == wanted, "seed {seed}");
        let mut framer = Framer::new(limit);
        let (mut got, mut rest) = (Vec::new(), &stream[..]);
        while !rest.is_empty() {
            let piece = size().min(rest.len());
            if framer.may_gather() && random.below(2) == 0 {
                framer.give(String::with_capacity(random.below(4 * KEEP)));
            }
            let room = framer.room();
            let piece = piece.min(room.len());
            room[..piece].copy_from_slice(&rest[..piece]);
            framer.filled(piece);
            rest = &rest[piece..];
            while let Some(came) = framer.next_to_keep() {
                got.push(match came {
                    Came::Frame(frame) => frame.into(),
                    Came::Long(text) => {
                        assert!(text.len() > KEEP / 2, "{}", text.len());
                        Got::Line(std::mem::take(text).into_bytes())
                    }
                });
            }
            assert!(framer.capacity() <= limit.min(6 * KEEP) + 6 * KEEP, "{}", framer.capacity());
        }
        assert!(got == wanted, "seed {seed}");
    }
}

#[test]
fn a_broken_line_is_about_a_call_only_if_it_was_meant_as_a_message() {
    let id = |json: &[u8]| Id::from_json(json).unwrap();
    assert_eq!(about(br#"{"jsonrpc":"2.0","id":1,"result":"#), Some(About::Answer(id(b"1"))));
    assert_eq!(about(br#"{"id":2,"method":"x","jsonrpc":"2.0",}"#), Some(About::Request(id(b"2"))));
    assert_eq!(about(br#"{"level":"info","id":1}"#), None);
    assert_eq!(about(br#"about "jsonrpc""#), None);
}
