//! What stands for itself in a string of JSON: whatever is no quote, no backslash and no control character.

/// So many bytes are looked at by one who is quick with few.
pub(crate) const SHORT: usize = 64;

/// How many bytes in front of a text stand for themselves; no more than the [first](SHORT) are looked at. Eight at a time, and
/// the rest one by one: to look for two bytes in many takes longer to begin than most strings are.
#[inline]
pub(crate) fn plain_bytes(text: &[u8]) -> usize {
    let mut rest = &text[..text.len().min(SHORT)];
    let all = rest.len();
    while let Some((word, after)) = rest.split_first_chunk() {
        let ends = ends(*word);
        if ends != 0 {
            // The lowest is one indeed: there is none below it that could have carried.
            return all - rest.len() + (ends.trailing_zeros() / 8) as usize;
        }
        rest = after;
    }
    all - rest.len() + rest.iter().take_while(|byte| stands(**byte)).count()
}

/// Whether all of a text that is not [long](SHORT) stands for itself.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    debug_assert!(text.len() <= SHORT);
    let Some(last) = text.last_chunk() else { return text.iter().all(|byte| stands(*byte)) };
    let mut rest = text;
    while rest.len() > 8
        && let Some((word, after)) = rest.split_first_chunk()
    {
        if ends(*word) != 0 {
            return false;
        }
        rest = after;
    }
    // Some of these may have been looked at before.
    ends(*last) == 0
}

/// So many bytes are looked at without a branch for each.
const PIECE: usize = 1024;

/// Whether all of a text stands for itself, however long it is.
pub(crate) fn is_all_plain(text: &[u8]) -> bool {
    if text.len() <= SHORT { is_plain(text) } else { text.chunks(PIECE).all(is_plain_piece) }
}

/// How many bytes in front of a text stand for themselves: all of them, or no fewer than there are up to a multiple of a piece
/// before the first that does not.
pub(crate) fn plain_before(text: &[u8]) -> usize {
    text.chunks(PIECE).take_while(|piece| is_plain_piece(piece)).map(<[u8]>::len).sum()
}

/// Two operations for each question. The one with 2 puts the quote in the place of the blank, next to what is below that, and
/// nothing else across it.
fn is_plain_piece(piece: &[u8]) -> bool {
    let (mut least, mut none) = (u8::MAX, u8::MAX);
    for &byte in piece {
        // Not by calls of `min`, which a build that is not optimised really calls.
        let (first, second) = (byte ^ 2, byte ^ b'\\');
        least = if first < least { first } else { least };
        none = if second < none { second } else { none };
    }
    least > b' ' && none != 0
}

#[inline]
fn stands(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// Has the top bit of each byte that does not stand for itself, and perhaps of some above such a byte.
#[inline]
fn ends(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let less = |word: u64, than: u8| word.wrapping_sub(ONES * u64::from(than)) & !word & TOPS;
    let other = |byte: u8| less(word ^ (ONES * u64::from(byte)), 1);
    less(word, b' ') | other(b'"') | other(b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn whatever_comes_first_is_found_wherever_it_stands() {
        let mut random = Random::new(11);
        for _ in 0..200_000 {
            let mut text = vec![b'x'; random.below(SHORT + 9)];
            for _ in 0..random.below(3).min(text.len()) {
                let at = random.below(text.len());
                text[at] = [0, 1, 0x1f, b' ', b'!', b'"', b'#', b'[', b'\\', b']', 0x7f, 0x80, 0x9f, 0xa0, 0xdc, 0xff]
                    [random.below(16)];
            }
            let first = text.iter().position(|&byte| !stands(byte)).unwrap_or(text.len());
            assert_eq!(plain_bytes(&text), first.min(SHORT), "{text:?}");
            if text.len() <= SHORT {
                assert_eq!(is_plain(&text), first == text.len(), "{text:?}");
            }
            assert_eq!(is_plain_piece(&text), first == text.len(), "{text:?}");
        }
    }

    #[test]
    fn of_long_texts_what_stands_for_itself_is_told_by_pieces() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_plain_piece(&[byte]), stands(byte), "{byte}");
        }
        let mut random = Random::new(12);
        for _ in 0..1000 {
            let mut text = vec![b'x'; random.below(5 * PIECE)];
            assert!(is_all_plain(&text) && plain_before(&text) == text.len());
            if text.is_empty() {
                continue;
            }
            let (first, last) = (random.below(text.len()), random.below(text.len()));
            let (first, last) = (first.min(last), first.max(last));
            (text[first], text[last]) = (b'"', b'\n');
            assert!(!is_all_plain(&text));
            assert_eq!(plain_before(&text), first / PIECE * PIECE);
        }
    }
}
