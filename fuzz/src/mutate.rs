//! Lines made worse: their bytes, their tokens, their size.

use std::ops::Range;

use crate::random::Random;

/// Bytes that mean something to somebody.
const BYTES: &[u8] = b"\0\n\r\t \"\\{}[]:,-+.eE0\x7f\x80\xbf\xc3\xed\xf4\xff";

/// Values that parsers and programs trip over.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "-0",
    "1.0",
    "1.5",
    "1e400",
    "-1e-400",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "{}",
    "[]",
    "[[]]",
    "\"\"",
    "\"1\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"\\ud83e\\udd80\"",
    "ID",
    "\"ID\"",
    "ID.0",
    "-ID",
];

/// What is no value by itself.
const SCRAPS: &[&str] =
    &["01", "0x1", "NaN", "Infinity", "\"\\", "\"", "'a'", "{", "}", "[", "]", ":", ",", "//", "\u{feff}", "nul"];

/// The words of the protocol, as keys and as values.
const WORDS: &[&str] = &[
    "jsonrpc",
    "2.0",
    "1.0",
    "id",
    "method",
    "params",
    "result",
    "error",
    "code",
    "message",
    "data",
    "_meta",
    "progressToken",
    "nextCursor",
    "cursor",
    "requestId",
    "resultType",
    "complete",
    "input_required",
    "inputRequests",
    "inputResponses",
    "requestState",
    "task",
    "taskId",
    "name",
    "arguments",
    "content",
    "uri",
    "capabilities",
    "protocolVersion",
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientCapabilities",
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "tools/call",
    "resources/read",
    "resources/subscribe",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/message",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
];

/// Sizes at which something may change: of numbers, buffers, recursion.
const SIZES: &[usize] = &[1, 2, 7, 63, 126, 127, 128, 129, 255, 256, 257, 1000, 4096, 10_000, 30_000];

/// No line is made longer than this.
const LONGEST: usize = 64 * 1024;

/// `line`, made worse in one to a few ways; `other` lends it pieces. It may have become several lines.
pub fn mutate(line: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let times = 1 + random.below(4) * random.below(2);
    for _ in 0..times {
        // Mostly what leaves it JSON: anything else gets no further than the parser.
        match random.below(24) {
            0 => flip(line, random),
            1 => put_byte(line, random),
            2 => delete_bytes(line, random),
            3 => cut(line, random),
            4 => splice(line, other, random),
            5 => grow(line, random),
            6 => nest(line, random),
            7 => batch(line, other, random),
            8 => repeat(line, random),
            9 => insert_scrap(line, random),
            10 => swap_tokens(line, random),
            11..14 => delete_member(line, random),
            14 => repeat_member(line, random),
            15..18 => borrow_value(line, other, random),
            18..21 => replace_string(line, random),
            _ => replace_value(line, random),
        }
        line.truncate(LONGEST);
    }
}

/// Where the tokens of a line begin and end that was JSON once: strings, brackets, colons, commas, runs of anything else.
fn tokens(line: &[u8]) -> Vec<Range<usize>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let from = at;
        at += match line[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'"' => string(&line[at..]),
            b'{' | b'}' | b'[' | b']' | b':' | b',' => 1,
            _ => line[at..].iter().take_while(|byte| !b" \t\r\n\"{}[]:,".contains(byte)).count(),
        };
        tokens.push(from..at);
    }
    tokens
}

/// How long the string is that `rest` begins with.
fn string(rest: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The small ones more often: the large ones take their time.
fn size(random: &mut Random) -> usize {
    SIZES[random.below(SIZES.len()).min(random.below(SIZES.len()))]
}

fn pick(line: &[u8], random: &mut Random) -> Option<Range<usize>> {
    let tokens = tokens(line);
    if tokens.is_empty() { None } else { Some(random.one_of(&tokens).clone()) }
}

fn replace(line: &mut Vec<u8>, range: Range<usize>, with: &[u8]) {
    line.splice(range, with.iter().copied());
}

/// A value, if it was JSON: a token, or all that stands between two brackets.
fn pick_value(line: &[u8], random: &mut Random) -> Option<Range<usize>> {
    let tokens = tokens(line);
    let is = |at: usize, bytes: &[u8]| tokens.get(at).is_some_and(|token| bytes.contains(&line[token.start]));
    let starts: Vec<usize> = (0..tokens.len()).filter(|at| !is(*at, b"]}:,") && !is(at + 1, b":")).collect();
    let from = if starts.is_empty() { return None } else { *random.one_of(&starts) };
    let mut depth = 0_usize;
    for at in from..tokens.len() {
        depth = (depth + usize::from(is(at, b"[{"))).saturating_sub(usize::from(is(at, b"]}")));
        if depth == 0 {
            return Some(tokens[from].start..tokens[at].end);
        }
    }
    None
}

/// A key with its value and the comma after it, if there is one, or else the one before.
fn pick_member(line: &[u8], random: &mut Random) -> Option<Range<usize>> {
    let value = pick_value(line, random)?;
    let tokens = tokens(line);
    let at = tokens.iter().position(|token| token.start == value.start)?;
    let after = tokens.iter().position(|token| token.start >= value.end)?;
    let mut from = if at >= 2 && line[tokens[at - 1].start] == b':' { at - 2 } else { at };
    let mut to = value.end;
    if line[tokens[after].start] == b',' {
        to = tokens[after].end;
    } else if from > 0 && line[tokens[from - 1].start] == b',' {
        from -= 1;
    }
    Some(tokens[from].start..to)
}

fn replace_value(line: &mut Vec<u8>, random: &mut Random) {
    let value = random.one_of(VALUES);
    match pick_value(line, random) {
        Some(range) => replace(line, range, value.as_bytes()),
        None => line.extend_from_slice(value.as_bytes()),
    }
}

/// A key or a text.
fn replace_string(line: &mut Vec<u8>, random: &mut Random) {
    let strings: Vec<Range<usize>> = tokens(line).into_iter().filter(|token| line[token.start] == b'"').collect();
    if !strings.is_empty() {
        let word = format!("\"{}\"", random.one_of(WORDS));
        replace(line, random.one_of(&strings).clone(), word.as_bytes());
    }
}

fn borrow_value(line: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if let (Some(range), Some(theirs)) = (pick_value(line, random), pick_value(other, random)) {
        replace(line, range, &other[theirs]);
    }
}

fn delete_member(line: &mut Vec<u8>, random: &mut Random) {
    if let Some(range) = pick_member(line, random) {
        replace(line, range, b"");
    }
}

fn repeat_member(line: &mut Vec<u8>, random: &mut Random) {
    if let Some(range) = pick_member(line, random) {
        let piece = line[range.clone()].to_vec();
        replace(line, range.end..range.end, &piece);
    }
}

fn insert_scrap(line: &mut Vec<u8>, random: &mut Random) {
    let scrap = random.one_of(SCRAPS);
    let at = pick(line, random).map_or(0, |range| range.start);
    replace(line, at..at, scrap.as_bytes());
}

fn swap_tokens(line: &mut Vec<u8>, random: &mut Random) {
    let (Some(a), Some(b)) = (pick(line, random), pick(line, random)) else { return };
    let (first, second) = if a.start <= b.start { (a, b) } else { (b, a) };
    if first.end > second.start {
        return;
    }
    let (early, late) = (line[first.clone()].to_vec(), line[second.clone()].to_vec());
    replace(line, second, &early);
    replace(line, first, &late);
}

/// The same again, up to many times: a key twice, a list of thousands.
fn repeat(line: &mut Vec<u8>, random: &mut Random) {
    let tokens = tokens(line);
    if tokens.is_empty() {
        return;
    }
    let from = random.below(tokens.len());
    let to = (from + random.below(5)).min(tokens.len() - 1);
    let piece = line[tokens[from].start..tokens[to].end].to_vec();
    let most = LONGEST / piece.len();
    let times = if random.one_in(8) { size(random) } else { 1 }.min(most);
    let at = tokens[to].end;
    replace(line, at..at, &piece.repeat(times));
}

/// Something becomes long.
fn grow(line: &mut Vec<u8>, random: &mut Random) {
    let size = size(random);
    let at = match pick(line, random) {
        // Within a string, if it is one.
        Some(range) => (range.start + 1).min(range.end),
        None => 0,
    };
    let byte = *random.one_of(b"xxx09 \\\n");
    replace(line, at..at, &vec![byte; size]);
}

/// Something becomes deep.
fn nest(line: &mut Vec<u8>, random: &mut Random) {
    let (open, close) = *random.one_of(&[("[", "]"), ("{\"a\":", "}"), ("[", ""), ("{\"a\":", "")]);
    let size = size(random).min(LONGEST / 8);
    let deep = format!("{}1{}", open.repeat(size), close.repeat(size));
    match pick(line, random) {
        Some(range) => replace(line, range, deep.as_bytes()),
        None => *line = deep.into_bytes(),
    }
}

fn batch(line: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let times = 1 + random.below(3);
    let mut batch = b"[".to_vec();
    for _ in 0..times {
        batch.extend_from_slice(line);
        batch.push(b',');
    }
    batch.extend_from_slice(other);
    batch.push(b']');
    *line = batch;
}

fn flip(line: &mut [u8], random: &mut Random) {
    if !line.is_empty() {
        let at = random.below(line.len());
        line[at] ^= 1 << random.below(8);
    }
}

fn put_byte(line: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(line.len() + 1);
    let to = (at + random.below(2)).min(line.len());
    replace(line, at..to, &[*random.one_of(BYTES)]);
}

fn delete_bytes(line: &mut Vec<u8>, random: &mut Random) {
    let from = random.below(line.len() + 1);
    let to = (from + random.below(16)).min(line.len());
    replace(line, from..to, b"");
}

fn cut(line: &mut Vec<u8>, random: &mut Random) {
    line.truncate(random.below(line.len() + 1));
}

/// The beginning of one and the end of the other.
fn splice(line: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    line.truncate(random.below(line.len() + 1));
    line.extend_from_slice(&other[random.below(other.len() + 1)..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_in_what_is_json_and_in_what_is_not() {
        let line = br#" {"a\"b": [1.5e3,null ],"c"#;
        let found: Vec<&[u8]> = tokens(line).into_iter().map(|range| &line[range]).collect();
        let expected: [&[u8]; 10] = [b"{", br#""a\"b""#, b":", b"[", b"1.5e3", b",", b"null", b"]", b",", b"\"c"];
        assert_eq!(found, expected);
        assert!(tokens(b" \t").is_empty());
    }

    #[test]
    fn the_same_seed_makes_the_same_line_and_another_another() {
        let made = |seed| {
            let mut random = Random::new(seed);
            let mut line = br#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_vec();
            for _ in 0..10 {
                mutate(&mut line, b"{\"a\":1}", &mut random);
            }
            line
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn about_half_of_what_is_made_differs_and_is_still_json() {
        // Or most inputs would test nothing but the parser.
        let line = br#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"b":[1,2,"c"]}}"#;
        let mut random = Random::new(3);
        let mut json = 0;
        for _ in 0..1000 {
            let mut made = line.to_vec();
            mutate(&mut made, br#"{"x":{"y":[]}}"#, &mut random);
            let differs = made != line;
            json += usize::from(differs && serde_json::from_slice::<&serde_json::value::RawValue>(&made).is_ok());
        }
        assert!((300..=700).contains(&json), "{json} of 1000");
    }
}
